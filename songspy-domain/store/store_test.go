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

// Prepared statements do not pass a pooler of transactions, and no state of a
// session lasts there. Where there is no pgbouncer, the same role speaks the same
// protocol to the server itself; .ci/run says so.
func TestPostgresSimpleProtocol_ConformanceThroughPgbouncer(t *testing.T) {
	storetest.Server(t)
	if !storetest.HasPooler() {
		t.Log("NOT RUN through pgbouncer, which is not installed here")
		runConformanceSuite(t, storetest.PostgresSimple)
		return
	}
	runConformanceSuite(t, storetest.Pgbouncer)
}

func runConformanceSuite(t *testing.T, engine string) {
	t.Helper()
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Database { return storetest.New(t, engine) })
}
