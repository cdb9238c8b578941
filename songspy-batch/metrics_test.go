package main

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-domain/telemetry/telemetrytest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestEveryMetricIsDocumented(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, sim.Options{People: 2, Population: "regular", Epoch: time.Now()})
		w.beforeStart = newInbox(t).attach // one that tells people
		stop, _ := w.start(func(s *settings) {
			s.Service.DatabaseURL = "postgres://somewhere" // as one of several, who lease their people
		})
		<-time.After(5 * time.Minute)
		telemetrytest.CheckDocumented(t, w.batch.registry, "../docs/metrics.md", "Both services", "songspy-batch")
		stop()
	})
}
