// Package config reads the configuration of both services from the environment.
// Each program has one struct for its settings. Load fills it from defaults,
// the environment and files for secrets, and validates it as a whole, so that
// the operator sees all faulty variables at once instead of one at each start.
package config
