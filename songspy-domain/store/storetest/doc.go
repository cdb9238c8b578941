// Package storetest is the conformance suite of the store: Run checks, on any engine,
// what the store's callers rely on. Tests of other packages open stores with it.
package storetest
