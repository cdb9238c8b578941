package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// TestSQLite_Conformance runs the conformance suite on SQLite. -short does not shorten it,
// so it has a file of its own: `make test-days` repeats only the files whose tests -short
// shortens.
func TestSQLite_Conformance(t *testing.T) { runConformanceSuite(t, storetest.SQLite) }

func runConformanceSuite(t *testing.T, engine string, topics ...string) {
	t.Helper()
	t.Parallel()
	storetest.Run(t, engine, topics...)
}
