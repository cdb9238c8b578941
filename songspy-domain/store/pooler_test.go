package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// TestPostgresSimpleProtocol_ConformanceThroughPgbouncer runs the conformance suite through
// pgbouncer in transaction mode, which keeps neither prepared statements nor the state of a
// session. If pgbouncer is not installed, the suite runs on the server itself, with the
// same protocol and the same kind of role; .ci/run then reports that the tests with
// pgbouncer did not run.
func TestPostgresSimpleProtocol_ConformanceThroughPgbouncer(t *testing.T) {
	if testing.Short() {
		t.Skip("slow, and the pooler adds no concurrency of this module: make test-days runs it")
	}
	storetest.Server(t)
	if !storetest.HasPooler() {
		t.Log("NOT RUN through pgbouncer, which is not installed here")
		runConformanceSuite(t, storetest.PostgresSimple)
		return
	}
	runConformanceSuite(t, storetest.Pgbouncer)
}
