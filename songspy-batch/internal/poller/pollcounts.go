package poller

import (
	"context"
	"log/slog"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// pollCountInterval is the time between two writes of the poll counts.
const pollCountInterval = time.Minute

// pollCounter stores how many polls were made, by reason, so that operators see the sums of
// all replicas without collecting metrics. A process that dies loses the counts of the last
// minute.
type pollCounter struct {
	store   Store
	metrics *Metrics
	log     *slog.Logger
	stored  [reasonCount]int64 // the polls of this process that the store has counted
}

// run stores the counts regularly until ctx ends.
func (c *pollCounter) run(ctx context.Context) {
	for delayqueue.Wait(ctx, pollCountInterval) {
		c.save(ctx)
	}
}

// save adds the polls since the last successful save to the store's counts.
func (c *pollCounter) save(ctx context.Context) {
	made, added := c.metrics.pollsByReason(), map[string]int64{}
	for reason, n := range made {
		if n > c.stored[reason] {
			added[pollReason(reason).String()] = n - c.stored[reason]
		}
	}
	if len(added) == 0 {
		return
	}
	if err := c.store.CountPolls(ctx, added); err != nil {
		if ctx.Err() == nil {
			c.log.WarnContext(ctx, "writing the counts of polls failed", logkey.Error, err)
		}
		return
	}
	c.stored = made
}
