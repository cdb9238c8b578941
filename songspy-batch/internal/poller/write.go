package poller

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// A batch is written at the latest when it has writeBatchSize updates, or
// writeBatchAge after its first update.
const (
	writeBatchSize = 500
	writeBatchAge  = 100 * time.Millisecond
)

// A batch that the database rejects as a whole is tried again. The wait before the next attempt
// is minWriteRetryWait at first, and doubles after each attempt up to maxWriteRetryWait.
const (
	minWriteRetryWait = 100 * time.Millisecond
	maxWriteRetryWait = 5 * time.Second
)

// pendingUpdate is an update that is not stored yet, with the entry that it belongs to.
type pendingUpdate struct {
	entry  entryRef
	update songspy.PlaybackUpdate
}

// writer writes updates to the store in batches, in the order of the calls of put. A
// batch holds at most one update of each user.
type writer struct {
	Options
	in      chan pendingUpdate
	failing atomic.Bool // whether the last attempt to write a batch failed as a whole
}

// save keeps the result of a poll in the registry. If viewers or a restart need the result, save
// also hands it to run (by put), which writes it to the store. The argument before is the state
// before the poll, obs is the answer, and out is the result of playback.Step. save returns the
// history state that it has kept (see Registry.update). If the user was removed or has linked again
// during the poll, save does nothing, and ok is false.
func (w *writer) save(before *userState, obs *songspy.Observation, out *playback.StepResult, history playback.HistoryState, gap *songspy.Gap) (kept playback.HistoryState, ok bool) {
	visible := out.Visible || before.aheadOfClock && out.State.IsOpen() // viewers still see the stored times, which are ahead of the clock
	mustSave := out.MustSave || visible || len(out.Plays) > 0 || gap != nil || before.aheadOfClock
	if kept, ok = w.Registry.update(before.entryRef, stateUpdate{out.State, history, mustSave}); !ok {
		return kept, false
	}
	if mustSave {
		u := songspy.PlaybackUpdate{Playing: out.State, Plays: out.Plays, Gap: gap, Visible: visible}
		if obs.Track.URI != "" {
			u.Tracks = []songspy.Track{obs.Track}
		}
		w.put(pendingUpdate{before.entryRef, u})
	}
	return kept, true
}

// stateUpdate is what a poll has changed.
type stateUpdate struct {
	playing  songspy.NowPlaying
	history  playback.HistoryState
	mustSave bool // the update is also given to the store
}

// update copies what a poll has changed to the entry, and returns the history state that the entry
// has then. A history fetch that has ended during the poll stays recorded, as if it had ended after
// the poll. If the user was removed or has linked again during the poll, update changes nothing, and
// ok is false.
func (r *Registry) update(ref entryRef, u stateUpdate) (history playback.HistoryState, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.find(ref)
	if e == nil {
		return history, false
	}
	if observed := microsOf(u.playing.ObservedAt); observed > e.observedAt {
		e.answeredUntil, e.gapReason = observed, 0
	} else if e.gapReason == 0 {
		e.gapReason = r.entries.names.of(string(songspy.GapUnseen)) // Step ignored the answer
	}
	r.entries.setPlaying(e, u.playing)
	if fetched := e.historyFetchedAt.time(); fetched.After(u.history.FetchedAt) {
		u.history = u.history.AfterFetch(fetched)
	}
	r.entries.setHistoryState(e, u.history)
	e.unsaved = !u.mustSave
	if u.mustSave {
		e.aheadOfClock = false
		e.pendingWrites++
	}
	return u.history, true
}

// put hands an update to the goroutine of run. If the database rejects updates, it
// blocks as soon as the channel in is full, and so stops polls whose results could not
// be stored.
func (w *writer) put(u pendingUpdate) { w.in <- u }

// close makes run return when it has written the updates that were put before.
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

// gather collects updates, starting with the update first, until the batch has writeBatchSize
// updates or writeBatchAge has passed. A second update of the same user also ends the batch: it is
// the result next, with more = true, and starts the following batch.
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
		results, err := w.Store.WritePlaybackUpdates(ctx, updates)
		if err == nil {
			w.failing.Store(false)
			for i, u := range batch {
				w.Metrics.countWrite(results[i])
				if err := results[i].Err; err != nil {
					w.Logger.ErrorContext(ctx, "storing a user's update failed", logkey.UserID, int64(u.entry.user), logkey.Error, err)
				}
				w.Registry.written(u.entry, u.update.Playing.TrackURI, results[i])
			}
			return
		}
		if ctx.Err() != nil {
			w.Metrics.writes.WithLabelValues("lost").Add(float64(len(batch)))
			w.Logger.ErrorContext(ctx, "stopped before updates were written; the next polls recover what they can", logkey.Users, len(batch), logkey.Error, err)
			return
		}
		if !w.failing.Swap(true) {
			w.Logger.ErrorContext(ctx, "the database rejected updates; trying again", logkey.Users, len(batch), logkey.Error, err)
		}
		delayqueue.Wait(ctx, wait)
	}
}

// written records the result of writing an update of the entry. If the update was stored,
// it sets the id of the open play's track, which the store has assigned to the track with
// this uri. If the update was not stored, it removes the user: the next run of Plan reads
// the user from the store again.
func (r *Registry) written(ref entryRef, uri string, result songspy.PlaybackUpdateResult) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.find(ref)
	switch {
	case e == nil:
	case result.Dropped || result.Err != nil:
		r.removeLocked(ref.user)
	default:
		e.pendingWrites = max(0, e.pendingWrites-1)
		r.entries.setTrackID(e, uri, result.TrackID)
	}
}

// takeUnsaved returns an update for each open play whose state is newer than the store's, and
// marks the entries as saved.
func (r *Registry) takeUnsaved() (updates []pendingUpdate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for id, e := range r.entries.all() {
		if e.unsaved && r.entries.isOpen(e) {
			e.unsaved = false
			updates = append(updates, pendingUpdate{entryRef{id, e.serial}, songspy.PlaybackUpdate{Playing: r.entries.nowPlaying(id, e)}})
		}
	}
	return updates
}

// takeUnsavedIdle returns the state of an idle user and marks it as saved, if it is newer than
// the store's state. Otherwise the result newer is false.
func (r *Registry) takeUnsavedIdle(ref entryRef) (n songspy.NowPlaying, newer bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.find(ref)
	if e == nil || !e.unsaved || r.entries.isOpen(e) {
		return n, false
	}
	e.unsaved = false
	e.pendingWrites++
	return r.entries.nowPlaying(ref.user, e), true
}
