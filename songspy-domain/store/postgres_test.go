package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// TestPostgres_Conformance runs the conformance suite on Postgres. The run with the race
// detector uses -short. Then only the five topics (groups of tests) run whose code for
// Postgres differs most. Data races in the other topics would also show on SQLite.
func TestPostgres_Conformance(t *testing.T) {
	storetest.Server(t)
	if testing.Short() {
		runConformanceSuite(t, storetest.Postgres, "Concurrency", "Feed", "Shards", "Breakers", "Quotas")
		return
	}
	runConformanceSuite(t, storetest.Postgres)
}
