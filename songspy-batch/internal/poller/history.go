package poller

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/reconcile"
)

const (
	// recallAgain is the least wait after history could not be asked.
	minHistoryRetryWait = time.Minute
	// recallUnwritten is the wait for what is on its way to the store.
	pendingWriteWait = time.Second
	// returnSpread is over how long everyone is asked about after an absence.
	resumeSpread = 15 * time.Minute
)

// planRecall plans the next asking of history, if it is due before the next look.
func (s *Poller) planHistoryFetch(id songspy.UserID, u playback.HistoryState) {
	next := u.NextFetch()
	if !s.Spread || s.fetches.Has(id) || next.At.After(s.Now().Add(s.Interval)) {
		return
	}
	if next.Reason == playback.HistoryResumed {
		next.At = next.At.Add(songspy.PhaseOf(id, resumeSpread))
	}
	s.fetches.Plan(id, next.At)
}

// remember asks history about one listener and keeps what it adds.
func (s *Poller) fetchHistory(ctx context.Context, id songspy.UserID, _ time.Time) {
	entry, l, ok := s.registry.lookup(id)
	if !ok {
		return
	}
	now := s.Now()
	l = s.correctedState(id, entry, l, now)
	next := l.history.NextFetch()
	switch {
	case !s.Shards.MayPoll(id):
		s.fetches.Plan(id, now.Add(postponeFor))
		return
	case next.At.After(now): // there is more to wait for since it was planned
		s.planHistoryFetch(id, l.history)
		return
	case l.pendingWrites > 0: // what is not stored yet would be taken for missing
		s.fetches.Plan(id, now.Add(pendingWriteWait))
		return
	}
	s.budgets.forApp(l.access.App).countHistoryFetch(now)
	outcome, err := s.reconcileHistory(ctx, id, entry, l, next.Reason)
	switch {
	case ctx.Err() != nil && err != nil:
		return // stopping
	case songspy.CodeOf(err) == songspy.CodeGone:
		outcome = outcomeOfError(errUnlinked).String()
	case err != nil:
		outcome = outcomeOfError(err).String()
		s.Logger.DebugContext(ctx, "history could not be asked", "user_id", int64(id), "outcome", outcome, "err", err)
		s.fetches.Plan(id, now.Add(historyRetryWait(err)))
	}
	s.Metrics.historyFetches.WithLabelValues(string(next.Reason), outcome).Inc()
}

// retell asks, and holds the answer against what is kept. What the answer
// tells of a time that looks may still explain is left for the next one.
func (s *Poller) reconcileHistory(ctx context.Context, id songspy.UserID, entry *entry, l userState, e playback.HistoryReason) (outcome string, err error) {
	fetchedAt, after := s.Now(), l.history.FetchFrom(e)
	if l.linkedAt.After(after) {
		after = l.linkedAt
	}
	items, err := callWithRenewal(ctx, s, fetchedAt, id, l, func(ctx context.Context, access songspy.Credentials) ([]songspy.HistoryItem, error) {
		return s.Player.RecentlyPlayed(ctx, access, after)
	})
	if err != nil {
		return "", err
	}
	answer := reconcile.NewHistory(items, after).DeferOpenPlay(l.playing)
	items = answer.Items
	settled, hash := playback.SettledUntil(l.playing), fingerprint(items)
	if hash == l.historyHash {
		s.registry.recordHistoryFetch(id, entry, fetchedAt, hash, songspy.PartialPlayCounts{})
		return "unchanged", nil
	}
	r, err := s.Store.ReconcileHistory(ctx, id, l.generation, items, func(kept songspy.StoredPlays) songspy.Reconciliation {
		return reconcile.Reconcile(kept, answer, settled)
	})
	if err != nil {
		return "", err
	}
	if r.Pending > 0 || len(items) > 0 && !items[len(items)-1].PlayedAt.Before(settled) {
		hash = 0
	}
	s.registry.recordHistoryFetch(id, entry, fetchedAt, hash, r.PartialPlays)
	if len(r.Added) > 0 {
		s.flushIdle(id, entry)
	}
	if r.IsEmpty() {
		return "unchanged", nil
	}
	return "told", nil
}

// recallWait is how long to wait after a failure. A link that only its person
// or the app's owner can mend is the looks' business.
func historyRetryWait(err error) time.Duration {
	switch songspy.DispositionOf(err) {
	case songspy.DispositionNeedsUser, songspy.DispositionNotRegistered, songspy.DispositionRefused, songspy.DispositionRenewToken:
		return playback.HistoryFetchInterval
	case songspy.DispositionMayNotCall:
		return postponeFor
	}
	return max(songspy.RetryAfterOf(err), minHistoryRetryWait)
}

// fingerprint stands for an answer of history, so that the same one again
// costs no transaction.
func fingerprint(items []songspy.HistoryItem) uint64 {
	h := fnv.New64a()
	for _, i := range items {
		_, _ = h.Write(binary.BigEndian.AppendUint64(nil, uint64(i.PlayedAt.UnixMicro()))) // a hash takes all
	}
	return h.Sum64()
}
