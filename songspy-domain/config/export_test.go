package config

// KnownVariables is the list of variables, for the test that compares it with
// the structs.
var KnownVariables = knownVariables
