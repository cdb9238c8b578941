package main

import "syscall"

// apart puts a program into a process group of its own, so that Ctrl-C reaches
// this command alone, and has it end with this command even if that is killed.
func apart() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
