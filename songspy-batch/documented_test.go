package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-domain/telemetry/telemetrytest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestEveryMetricOfTheBatchIsDescribed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, sim.Options{People: 2, Population: "regular", Epoch: time.Now()})
		w.adapt = newInbox(t).told // one that tells people
		stop, _ := w.start(func(s *settings) {
			s.Service.DatabaseURL = "postgres://somewhere" // as one of several, who lease their people
		})
		<-time.After(5 * time.Minute)
		telemetrytest.Documented(t, w.batch.registry, "../docs/metrics.md", "Both services", "songspy-batch")
		stop()
	})
}
