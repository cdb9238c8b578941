package config

// Known is the list of variables, for the test that compares it with the structs.
var KnownVariables = knownVariables
