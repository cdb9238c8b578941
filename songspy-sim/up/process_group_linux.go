package main

import "syscall"

// processGroup returns the attributes that put a program into its own process group. So
// Ctrl-C in the terminal reaches only this command, which then stops the programs. The
// kernel sends SIGTERM to the program when this command ends, even if this command is
// killed.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
