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
		w.inbox = newInbox(t) // so that the batch has a notifier, whose metrics must be documented too
		stop, _ := w.start(func(s *settings) {
			s.Service.DatabaseURL = "postgres://somewhere" // so that the batch has a leaser, whose metrics must be documented too
		})
		<-time.After(5 * time.Minute)
		telemetrytest.CheckDocumented(t, w.batch.metrics, "../docs/metrics.md", "Both services", "songspy-batch")
		stop()
	})
}
