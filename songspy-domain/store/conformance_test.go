package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// TestSQLite_Conformance runs the conformance suite on SQLite. The flag -short hardly
// shortens it: one of its tests draws fewer cases. So it is in a file without tests that the
// flag shortens more: "make test-days" runs all tests of files with such tests again.
func TestSQLite_Conformance(t *testing.T) { runConformanceSuite(t, storetest.SQLite) }

func runConformanceSuite(t *testing.T, engine string, topics ...string) {
	t.Helper()
	t.Parallel()
	storetest.Run(t, engine, topics...)
}
