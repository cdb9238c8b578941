package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

func TestSQLite_KeepsTheContract(t *testing.T) { keepsTheContract(t, storetest.SQLite) }

func TestPostgres_KeepsTheContract(t *testing.T) {
	storetest.Server(t)
	keepsTheContract(t, storetest.Postgres)
}

func TestPostgresSimpleProtocol_KeepsTheContract(t *testing.T) {
	storetest.Server(t)
	keepsTheContract(t, storetest.PostgresSimple)
}

// Prepared statements do not pass a pooler of transactions, and no state of a
// session lasts there: see the role that storetest makes for it.
func TestPgbouncerInTransactionMode_KeepsTheContract(t *testing.T) {
	storetest.Server(t)
	storetest.Pooler(t)
	keepsTheContract(t, storetest.Pgbouncer)
}

func keepsTheContract(t *testing.T, engine string) {
	t.Helper()
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Database { return storetest.New(t, engine) })
}
