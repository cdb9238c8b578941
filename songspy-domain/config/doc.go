// Package config reads what both services are told by their environment: one
// struct per main, filled from defaults, then the environment, then files for
// secrets, and checked as a whole, so that a person who sets Songspy up sees
// every fault at once instead of one a start.
package config
