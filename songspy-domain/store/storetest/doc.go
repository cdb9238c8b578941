// Package storetest is the contract of the store: Run holds against every
// database what its callers rely on. Tests of other packages open stores with it.
package storetest
