package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// TestPostgres_Conformance runs only the topics in which several processes write at
// once if -short is given: the race detector has little to find in the others that
// SQLite does not show.
func TestPostgres_Conformance(t *testing.T) {
	storetest.Server(t)
	if testing.Short() {
		runConformanceSuite(t, storetest.Postgres, "Concurrency", "Feed", "Shards", "Breakers", "Quotas")
		return
	}
	runConformanceSuite(t, storetest.Postgres)
}
