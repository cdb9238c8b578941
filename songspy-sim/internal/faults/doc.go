// Package faults makes the simulated providers misbehave on command, in the
// ways in which the real ones have been seen to.
package faults
