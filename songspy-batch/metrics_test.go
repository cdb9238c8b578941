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
		w.inbox = newInbox(t) // so that there is a notifier
		stop, _ := w.start(func(s *settings) {
			s.Service.DatabaseURL = "postgres://somewhere" // so that there is a leaser
		})
		<-time.After(5 * time.Minute)
		telemetrytest.CheckDocumented(t, w.batch.metrics, "../docs/metrics.md", "Both services", "songspy-batch")
		stop()
	})
}
