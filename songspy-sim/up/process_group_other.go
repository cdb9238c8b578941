//go:build unix && !linux

package main

import "syscall"

// processGroup returns the attributes that put a program into its own process group. So
// Ctrl-C in the terminal reaches only this command, which then stops the programs.
func processGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
