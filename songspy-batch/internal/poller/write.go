package poller

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// A batch is written when it is this full or this old.
const (
	writeBatchSize = 500
	writeBatchAge  = 100 * time.Millisecond
)

// A batch that the database refuses as a whole is tried again after a wait
// that doubles.
const (
	minWriteRetryWait = 100 * time.Millisecond
	maxWriteRetryWait = 5 * time.Second
)

// outcome is what a look at a listener adds up to.
type pendingUpdate struct {
	entry  *entry
	update songspy.PlaybackUpdate
}

func (o pendingUpdate) userID() songspy.UserID { return o.update.Playing.UserID }

// writer gathers outcomes and writes them in batches, in the order in which
// they came; one listener is at most once in a batch.
type writer struct {
	store     Store
	log       *slog.Logger
	metrics   *Metrics
	onWritten func(ctx context.Context, o pendingUpdate, w songspy.PlaybackUpdateResult)
	in        chan pendingUpdate
	failing   atomic.Bool // the database refuses whole batches
}

func newWriter(o Options, wrote func(context.Context, pendingUpdate, songspy.PlaybackUpdateResult)) *writer {
	return &writer{store: o.Store, log: o.Logger, metrics: o.Metrics, onWritten: wrote, in: make(chan pendingUpdate, writeBatchSize)}
}

// put hands an outcome over. While the database is away it waits, and with it
// the looks: what cannot be written need not be asked.
func (w *writer) put(o pendingUpdate) { w.in <- o }

// close says that nothing more will be put.
func (w *writer) close() { close(w.in) }

// run writes until close; once ctx has ended it only takes outcomes off
// whoever puts them.
func (w *writer) run(ctx context.Context) {
	for o := range w.in {
		for again := true; again; {
			var batch []pendingUpdate
			batch, o, again = w.gather(o)
			w.write(ctx, batch)
		}
	}
}

// gather adds to the first outcome what comes until the batch is full or old.
// A listener who comes up again ends it too, and begins the next one: again.
func (w *writer) gather(first pendingUpdate) (batch []pendingUpdate, next pendingUpdate, again bool) {
	batch = []pendingUpdate{first}
	in := map[songspy.UserID]bool{first.userID(): true}
	old := time.NewTimer(writeBatchAge)
	defer old.Stop()
	for len(batch) < writeBatchSize {
		select {
		case o, ok := <-w.in:
			if !ok {
				return batch, pendingUpdate{}, false
			}
			if in[o.userID()] {
				return batch, o, true
			}
			in[o.userID()] = true
			batch = append(batch, o)
		case <-old.C:
			return batch, pendingUpdate{}, false
		}
	}
	return batch, pendingUpdate{}, false
}

// write writes the batch, however often that takes, until ctx ends.
func (w *writer) write(ctx context.Context, batch []pendingUpdate) {
	updates := make([]songspy.PlaybackUpdate, len(batch))
	for i, o := range batch {
		updates[i] = o.update
	}
	for wait := minWriteRetryWait; ; wait = min(2*wait, maxWriteRetryWait) {
		written, err := w.store.WritePlaybackUpdates(ctx, updates)
		if err == nil {
			w.failing.Store(false)
			for i, o := range batch {
				w.metrics.countWrite(written[i])
				w.onWritten(ctx, o, written[i])
			}
			return
		}
		if ctx.Err() != nil {
			w.metrics.writes.WithLabelValues("lost").Add(float64(len(batch)))
			w.log.ErrorContext(ctx, "stopped before the database took what was heard; the next looks prove what they can", "listeners", len(batch), "err", err)
			return
		}
		if !w.failing.Swap(true) {
			w.log.ErrorContext(ctx, "the database refuses what was heard; trying again", "listeners", len(batch), "err", err)
		}
		delayqueue.Wait(ctx, wait)
	}
}

// wrote takes over what became of an outcome.
func (s *Poller) handleWritten(ctx context.Context, o pendingUpdate, w songspy.PlaybackUpdateResult) {
	id := o.userID()
	s.registry.writeDone(o.entry)
	switch {
	case w.Dropped:
		s.registry.remove(id, o.entry)
	case w.Err != nil:
		// The store and the roster no longer agree: the next plan reads the person afresh.
		s.Logger.ErrorContext(ctx, "what a listener heard could not be stored", "user_id", int64(id), "err", w.Err)
		s.registry.remove(id, o.entry)
	default:
		s.registry.setTrackID(id, o.entry, o.update.Playing.TrackURI, w.TrackID)
	}
}
