package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// TestPostgres_Conformance runs the conformance suite on Postgres. With -short, which the
// run with the race detector uses, it runs only the topics in which several processes
// write at once. In the other topics, races would also show on SQLite.
func TestPostgres_Conformance(t *testing.T) {
	storetest.Server(t)
	if testing.Short() {
		runConformanceSuite(t, storetest.Postgres, "Concurrency", "Feed", "Shards", "Breakers", "Quotas")
		return
	}
	runConformanceSuite(t, storetest.Postgres)
}
