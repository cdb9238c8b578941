package main

import (
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-domain/telemetry/telemetrytest"
)

func TestAPI_EveryMetricIsDescribed(t *testing.T) {
	w := newWorld(t, storetest.SQLite)
	telemetrytest.Documented(t, w.registry, "../docs/metrics.md", "Both services", "songspy-api")
}
