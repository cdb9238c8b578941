package sweep

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/due"
	songspy "github.com/songspy/songspy/songspy-domain"
)

// A batch is written when it is this full or this old.
const (
	batchRows = 500
	batchAge  = 100 * time.Millisecond
)

// A batch that the database refuses as a whole is tried again after a wait
// that doubles.
const (
	writeAgainAfter = 100 * time.Millisecond
	writeAgainMost  = 5 * time.Second
)

// outcome is what a look at a listener adds up to.
type outcome struct {
	who     *seat
	hearing songspy.Hearing
}

func (o outcome) user() songspy.UserID { return o.hearing.Playing.UserID }

// writer gathers outcomes and writes them in batches, in the order in which
// they came; one listener is at most once in a batch.
type writer struct {
	store   Store
	log     *slog.Logger
	metrics *Metrics
	wrote   func(ctx context.Context, o outcome, w songspy.Written)
	in      chan outcome
	failing atomic.Bool // the database refuses whole batches
}

func newWriter(o Options, wrote func(context.Context, outcome, songspy.Written)) *writer {
	return &writer{store: o.Store, log: o.Logger, metrics: o.Metrics, wrote: wrote, in: make(chan outcome, batchRows)}
}

// put hands an outcome over. While the database is away it waits, and with it
// the looks: what cannot be written need not be asked.
func (w *writer) put(o outcome) { w.in <- o }

// close says that nothing more will be put.
func (w *writer) close() { close(w.in) }

// run writes until close; once ctx has ended it only takes outcomes off
// whoever puts them.
func (w *writer) run(ctx context.Context) {
	for o := range w.in {
		for again := true; again; {
			var batch []outcome
			batch, o, again = w.gather(o)
			w.write(ctx, batch)
		}
	}
}

// gather adds to the first outcome what comes until the batch is full or old.
// A listener who comes up again ends it too, and begins the next one: again.
func (w *writer) gather(first outcome) (batch []outcome, next outcome, again bool) {
	batch = []outcome{first}
	in := map[songspy.UserID]bool{first.user(): true}
	old := time.NewTimer(batchAge)
	defer old.Stop()
	for len(batch) < batchRows {
		select {
		case o, ok := <-w.in:
			if !ok {
				return batch, outcome{}, false
			}
			if in[o.user()] {
				return batch, o, true
			}
			in[o.user()] = true
			batch = append(batch, o)
		case <-old.C:
			return batch, outcome{}, false
		}
	}
	return batch, outcome{}, false
}

// write writes the batch, however often that takes, until ctx ends.
func (w *writer) write(ctx context.Context, batch []outcome) {
	hearings := make([]songspy.Hearing, len(batch))
	for i, o := range batch {
		hearings[i] = o.hearing
	}
	for wait := writeAgainAfter; ; wait = min(2*wait, writeAgainMost) {
		written, err := w.store.WriteListening(ctx, hearings)
		if err == nil {
			w.failing.Store(false)
			for i, o := range batch {
				w.metrics.written(written[i])
				w.wrote(ctx, o, written[i])
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
		due.Wait(ctx, wait)
	}
}

// wrote takes over what became of an outcome.
func (s *Sweep) wrote(ctx context.Context, o outcome, w songspy.Written) {
	id := o.user()
	s.roster.wrote(o.who)
	switch {
	case w.Dropped:
		s.roster.remove(id, o.who)
	case w.Err != nil:
		// The store and the roster no longer agree: the next plan reads the person afresh.
		s.Logger.ErrorContext(ctx, "what a listener heard could not be stored", "user_id", int64(id), "err", w.Err)
		s.roster.remove(id, o.who)
	default:
		s.roster.stored(id, o.who, o.hearing.Playing.TrackURI, w.TrackID)
	}
}
