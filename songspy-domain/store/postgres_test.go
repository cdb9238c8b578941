package store_test

import (
	"net/url"
	"testing"

	"github.com/songspy/songspy/songspy-domain/store"
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

func TestPostgres_TransactionsAreReadCommittedWhateverTheURLSets(t *testing.T) {
	address, _ := ownDatabase(t)
	at, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	query := at.Query()
	query.Set("default_transaction_isolation", "serializable")
	at.RawQuery = query.Encode()
	s := openStore(t, store.Options{URL: at.String()})
	if level, err := s.IsolationLevel(t.Context()); err != nil || level != "read committed" {
		t.Errorf("the isolation level is %q, error %v", level, err)
	}
}
