// Package storetest is the conformance suite of the store: Run checks on one engine what
// the callers of the store rely on. Tests of other packages use it to open stores on empty
// databases.
package storetest
