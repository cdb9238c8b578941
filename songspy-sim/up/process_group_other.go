//go:build unix && !linux

package main

import "syscall"

// apart puts a program into a process group of its own, so that Ctrl-C reaches
// this command alone.
func apart() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
