// Package telemetry provides what both services need to be observed in the same
// way: structured logs that carry the attributes of their context and mask
// secrets, metrics and profiles on a separate address, and health checks that
// say in sentences what is wrong.
package telemetry
