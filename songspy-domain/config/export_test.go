package config

// KnownVariables makes knownVariables visible to the test that compares it with the
// settings structs.
var KnownVariables = knownVariables
