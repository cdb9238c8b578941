package poller

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// A batch is written when it has writeBatchSize updates, or writeBatchAge after
// its first update.
const (
	writeBatchSize = 500
	writeBatchAge  = 100 * time.Millisecond
)

// A batch that the database rejects as a whole is tried again. The wait doubles
// after each attempt.
const (
	minWriteRetryWait = 100 * time.Millisecond
	maxWriteRetryWait = 5 * time.Second
)

// pendingUpdate is an update that is not stored yet, with the entry that it belongs to.
type pendingUpdate struct {
	entry  entryRef
	update songspy.PlaybackUpdate
}

// writer writes updates to the store in batches, in the order in which they were
// put. A batch holds at most one update of each user.
type writer struct {
	store    Store
	registry *Registry
	metrics  *Metrics
	log      *slog.Logger
	in       chan pendingUpdate
	failing  atomic.Bool // the database rejects whole batches
}

func newWriter(o Options) *writer {
	return &writer{store: o.Store, registry: o.Registry, metrics: o.Metrics, log: o.Logger, in: make(chan pendingUpdate, writeBatchSize)}
}

// put hands an update to the goroutine of run. It blocks while the database rejects
// updates, and so stops polls whose results could not be stored.
func (w *writer) put(u pendingUpdate) { w.in <- u }

// close ends run after the updates that were put before.
func (w *writer) close() { close(w.in) }

// run writes updates until close is called. After ctx has ended it drops the
// updates that cannot be written, so that put does not block.
func (w *writer) run(ctx context.Context) {
	for u := range w.in {
		for more := true; more; {
			var batch []pendingUpdate
			batch, u, more = w.gather(u)
			w.write(ctx, batch)
		}
	}
}

// gather collects updates, starting with first, until the batch is full or old.
// A second update of the same user also ends the batch: it is returned as next,
// with more = true, and starts the following batch.
func (w *writer) gather(first pendingUpdate) (batch []pendingUpdate, next pendingUpdate, more bool) {
	batch = []pendingUpdate{first}
	users := map[songspy.UserID]bool{first.entry.user: true}
	old := time.NewTimer(writeBatchAge)
	defer old.Stop()
	for len(batch) < writeBatchSize {
		select {
		case u, ok := <-w.in:
			if !ok {
				return batch, pendingUpdate{}, false
			}
			if users[u.entry.user] {
				return batch, u, true
			}
			users[u.entry.user] = true
			batch = append(batch, u)
		case <-old.C:
			return batch, pendingUpdate{}, false
		}
	}
	return batch, pendingUpdate{}, false
}

// write writes the batch. It tries again until that succeeds or ctx ends.
func (w *writer) write(ctx context.Context, batch []pendingUpdate) {
	updates := make([]songspy.PlaybackUpdate, len(batch))
	for i, u := range batch {
		updates[i] = u.update
	}
	for wait := minWriteRetryWait; ; wait = min(2*wait, maxWriteRetryWait) {
		results, err := w.store.WritePlaybackUpdates(ctx, updates)
		if err == nil {
			w.failing.Store(false)
			for i, u := range batch {
				w.metrics.countWrite(results[i])
				w.handleWritten(ctx, u, results[i])
			}
			return
		}
		if ctx.Err() != nil {
			w.metrics.writes.WithLabelValues("lost").Add(float64(len(batch)))
			w.log.ErrorContext(ctx, "stopped before updates were written; the next polls recover what they can", "users", len(batch), "error", err)
			return
		}
		if !w.failing.Swap(true) {
			w.log.ErrorContext(ctx, "the database rejected updates; trying again", "users", len(batch), "error", err)
		}
		delayqueue.Wait(ctx, wait)
	}
}

// handleWritten updates the registry after the store has handled an update.
func (w *writer) handleWritten(ctx context.Context, u pendingUpdate, result songspy.PlaybackUpdateResult) {
	w.registry.writeDone(u.entry)
	switch {
	case result.Dropped:
		w.registry.remove(u.entry)
	case result.Err != nil:
		// The store and the registry differ now: the next plan reads the user again.
		w.log.ErrorContext(ctx, "storing a user's update failed", "user_id", int64(u.entry.user), "error", result.Err)
		w.registry.remove(u.entry)
	default:
		w.registry.setTrackID(u.entry, u.update.Playing.TrackURI, result.TrackID)
	}
}
