// Package telemetry is how both services report on themselves in the same
// way: structured logs that carry what belongs together and hide what nobody
// may read, metrics and profiles on an address of their own, and health that
// says in words what is wrong.
package telemetry
