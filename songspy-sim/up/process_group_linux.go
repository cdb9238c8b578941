package main

import "syscall"

// processGroup puts a program into its own process group, so that Ctrl-C
// reaches only this command. The kernel ends the program when this command
// ends, even if it is killed.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
