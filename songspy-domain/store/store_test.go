package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

func TestSQLite_Conformance(t *testing.T) { runConformanceSuite(t, storetest.SQLite) }

func TestPostgres_Conformance(t *testing.T) {
	storetest.Server(t)
	runConformanceSuite(t, storetest.Postgres)
}

func runConformanceSuite(t *testing.T, engine string) {
	t.Helper()
	t.Parallel()
	storetest.Run(t, engine)
}
