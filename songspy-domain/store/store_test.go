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

func keepsTheContract(t *testing.T, engine string) {
	t.Helper()
	t.Parallel()
	storetest.Run(t, func(t testing.TB) storetest.Database { return storetest.New(t, engine) })
}
