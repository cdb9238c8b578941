package main

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-domain/telemetry/telemetrytest"
)

func TestAPI_EveryMetricIsDocumented(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	telemetrytest.CheckDocumented(t, w.metrics, "../docs/metrics.md", "Both services", "songspy-api")
}
