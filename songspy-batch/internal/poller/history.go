package poller

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/reconcile"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// minHistoryRetryWait is the shortest wait after a failed history fetch, unless it failed
	// because this replica may not make the call now (postponeFor).
	minHistoryRetryWait = time.Minute
	// pendingWriteWait is how long a history fetch is postponed if updates of the user are not
	// stored yet.
	pendingWriteWait = time.Second
	// resumeSpread is the time over which the users' history fetches are spread after
	// polling was interrupted, because otherwise all of them would be due at once.
	resumeSpread = 15 * time.Minute
)

// The outcomes of a history fetch that succeeded. The outcome of a failed fetch is the name of a
// pollOutcome.
const (
	historyNew       = "new"
	historyUnchanged = "unchanged"
)

// historyFetcher calls recently-played for users whose polls have left a time uncovered,
// and for every user at long intervals. It reconciles the answers with the stored plays.
type historyFetcher struct {
	Options
	writer     *writer
	caller     *caller
	timesAhead *timesAhead
}

// schedule schedules the user's next history fetch after a poll, unless a fetch is scheduled or
// running already. If Spread is false, no fetch is scheduled.
func (h *historyFetcher) schedule(id songspy.UserID, state playback.HistoryState) {
	if h.Spread && !h.Registry.fetches.Pending(id) {
		h.scheduleNext(id, state)
	}
}

// scheduleNext schedules the user's next history fetch if it is due within one poll interval. If it
// is due later, a later poll schedules it.
func (h *historyFetcher) scheduleNext(id songspy.UserID, state playback.HistoryState) {
	next := state.NextFetch()
	if next.At.After(h.Now().Add(h.Interval)) {
		return
	}
	if next.Reason == playback.HistoryResumed {
		next.At = next.At.Add(songspy.PhaseOf(id, resumeSpread))
	}
	h.Registry.fetches.Schedule(id, next.At)
}

// fetch fetches the history of one user, and corrects the user's stored plays with it. If
// the fetch fails, it is scheduled again, unless the store returns CodeGone.
func (h *historyFetcher) fetch(ctx context.Context, id songspy.UserID, _ time.Time) {
	state, ok := h.Registry.lookup(id)
	if !ok {
		return
	}
	now := h.Now()
	h.timesAhead.correct(&state, now)
	next := state.history.NextFetch()
	switch {
	case !h.Shards.MayCallFor(id):
		h.Registry.fetches.Schedule(id, now.Add(postponeFor))
		return
	case next.At.After(now): // since the fetch was scheduled, a poll or another fetch has moved it to a later time
		h.scheduleNext(id, state.history)
		return
	case state.pendingWrites > 0: // reconcile would take plays that are not stored yet for missing ones
		h.Registry.fetches.Schedule(id, now.Add(pendingWriteWait))
		return
	}
	h.Registry.budgets.forApp(state.access.App).countFixed(now, 1)
	outcome, err := h.reconcile(ctx, &state, next.Reason)
	switch {
	case ctx.Err() != nil && err != nil:
		return // the process is stopping
	case songspy.CodeOf(err) == songspy.CodeGone:
		outcome = outcomeOfError(errUnlinked).String()
	case err != nil:
		outcome = outcomeOfError(err).String()
		h.Logger.DebugContext(ctx, "history fetch failed", logkey.UserID, int64(id), "outcome", outcome, logkey.Error, err)
		h.Registry.fetches.Schedule(id, now.Add(historyRetryWait(err)))
	}
	h.Metrics.historyFetches.WithLabelValues(string(next.Reason), outcome).Inc()
}

// reconcile fetches the history and reconciles it with the stored plays. It leaves out the history
// items that may belong to the open (unfinished) play, because later polls may still change the
// start of that play. The next fetch returns them again.
func (h *historyFetcher) reconcile(ctx context.Context, state *userState, reason playback.HistoryReason) (outcome string, err error) {
	fetchedAt, after := h.Now(), state.history.FetchFrom(reason)
	if state.linkedAt.After(after) {
		after = state.linkedAt
	}
	items, err := callWithRenewal(ctx, h.caller, fetchedAt, state, func(ctx context.Context, access songspy.Credentials) ([]songspy.HistoryItem, error) {
		return h.Player.RecentlyPlayed(ctx, access, after)
	})
	if err != nil {
		return "", err
	}
	answer := reconcile.NewHistory(items, after).DeferOpenPlay(state.playing)
	items = answer.Items
	settled, hash := playback.SettledUntil(state.playing), fingerprint(items)
	if hash == state.historyHash {
		h.Registry.recordHistoryFetch(state.entryRef, fetchedAt, hash, songspy.PartialPlayCounts{})
		return historyUnchanged, nil
	}
	result, err := h.Store.ReconcileHistory(ctx, state.user, state.generation, items, func(stored songspy.StoredPlays) songspy.Reconciliation {
		return reconcile.Reconcile(stored, answer, settled)
	})
	if err != nil {
		return "", err
	}
	if result.Pending > 0 || len(items) > 0 && !items[len(items)-1].PlayedAt.Before(settled) {
		hash = 0 // some items are not reconciled finally, so the same answer must be reconciled again
	}
	h.Registry.recordHistoryFetch(state.entryRef, fetchedAt, hash, result.PartialPlays)
	if len(result.Added) > 0 {
		h.flushIdle(state.entryRef)
	}
	if result.IsEmpty() {
		return historyUnchanged, nil
	}
	return historyNew, nil
}

// flushIdle stores the now-playing state of an idle user if the registry's state is newer than
// the store's. While a user is idle, only the state after the first idle poll is stored at once.
// But history may add plays that ended later, before the last poll. Without this write, a process
// that starts later would know only the first idle poll, and could let the next play begin before
// the end of the added plays.
func (h *historyFetcher) flushIdle(ref entryRef) {
	if n, newer := h.Registry.takeUnsavedIdle(ref); newer {
		h.writer.put(pendingUpdate{ref, songspy.PlaybackUpdate{Playing: n}})
	}
}

// historyRetryWait returns how long to wait after a failed history fetch. If Spotify refuses the
// user or the user's tokens, it returns HistoryFetchInterval, because polls show earlier when the
// link works again.
func historyRetryWait(err error) time.Duration {
	switch songspy.DispositionOf(err) {
	case songspy.DispositionNeedsUser, songspy.DispositionNotRegistered, songspy.DispositionRefused, songspy.DispositionRenewToken:
		return playback.HistoryFetchInterval
	case songspy.DispositionMayNotCall:
		return postponeFor
	}
	return max(songspy.RetryAfterOf(err), minHistoryRetryWait)
}

// fingerprint returns a hash of the times PlayedAt of a history answer. If it equals the hash of
// the previous answer, the answer has no new item, so reconcile needs no transaction.
func fingerprint(items []songspy.HistoryItem) uint64 {
	h := fnv.New64a()
	for _, i := range items {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(i.PlayedAt.UnixMicro()))) // Write of a hash never fails
	}
	return h.Sum64()
}
