package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// SQLite's suite is not shortened by -short, so it has a file of its own: `make
// test-days` repeats only files that shorten something.
func TestSQLite_Conformance(t *testing.T) { runConformanceSuite(t, storetest.SQLite) }

func runConformanceSuite(t *testing.T, engine string, topics ...string) {
	t.Helper()
	t.Parallel()
	storetest.Run(t, engine, topics...)
}
