package main

import "syscall"

// apart puts a program into a process group of its own, so that Ctrl-C reaches
// this command alone, and has it end with this command even if that is killed.
func processGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
