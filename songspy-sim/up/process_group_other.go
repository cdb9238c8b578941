//go:build unix && !linux

package main

import "syscall"

// processGroup puts a program into its own process group, so that Ctrl-C
// reaches only this command.
func processGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
