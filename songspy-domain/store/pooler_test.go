package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// Prepared statements do not pass a pooler of transactions, and no state of a
// session lasts there. Where there is no pgbouncer, the same role speaks the same
// protocol to the server itself; .ci/run says so.
func TestPostgresSimpleProtocol_KeepsTheContractThroughPgbouncer(t *testing.T) {
	if testing.Short() {
		t.Skip("the pooler adds no concurrency of ours: make test-days runs it")
	}
	storetest.Server(t)
	if !storetest.HasPooler() {
		t.Log("NOT RUN through pgbouncer, which is not installed here")
		keepsTheContract(t, storetest.PostgresSimple)
		return
	}
	keepsTheContract(t, storetest.Pgbouncer)
}
