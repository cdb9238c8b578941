package store_test

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// A transaction pooler keeps neither prepared statements nor any state of a session.
// Without pgbouncer, the same role uses the same protocol on the server itself; .ci/run
// says so.
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
