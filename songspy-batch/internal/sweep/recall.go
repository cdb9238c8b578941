package sweep

import (
	"context"
	"encoding/binary"
	"hash/fnv"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

const (
	// recallAgain is the least wait after history could not be asked.
	recallAgain = time.Minute
	// recallUnwritten is the wait for what is on its way to the store.
	recallUnwritten = time.Second
	// returnSpread is over how long everyone is asked about after an absence.
	returnSpread = 15 * time.Minute
)

// planRecall plans the next asking of history, if it is due before the next look.
func (s *Sweep) planRecall(id songspy.UserID, u listening.Untold) {
	next := u.NextInquiry()
	if !s.Spread || s.recall.Has(id) || next.At.After(s.Now().Add(s.Interval)) {
		return
	}
	if next.Errand == listening.ErrandReturn {
		next.At = next.At.Add(songspy.PhaseOf(id, returnSpread))
	}
	s.recall.Plan(id, next.At)
}

// remember asks history about one listener and keeps what it adds.
func (s *Sweep) remember(ctx context.Context, id songspy.UserID, _ time.Time) {
	who, l, ok := s.roster.get(id)
	if !ok {
		return
	}
	now := s.Now()
	l = s.current(id, who, l, now)
	next := l.untold.NextInquiry()
	switch {
	case !s.Shards.Holds(id):
		s.recall.Plan(id, now.Add(heldAgain))
		return
	case next.At.After(now): // there is more to wait for since it was planned
		s.planRecall(id, l.untold)
		return
	case l.writing > 0: // what is not stored yet would be taken for missing
		s.recall.Plan(id, now.Add(recallUnwritten))
		return
	}
	s.budgets.of(l.access.App).asked(now)
	outcome, err := s.retell(ctx, id, who, l, next.Errand)
	switch {
	case ctx.Err() != nil && err != nil:
		return // stopping
	case songspy.CodeOf(err) == songspy.CodeGone:
		outcome = failureOf(errLeft).String()
	case err != nil:
		outcome = failureOf(err).String()
		s.Logger.DebugContext(ctx, "history could not be asked", "user_id", int64(id), "outcome", outcome, "err", err)
		s.recall.Plan(id, now.Add(recallWait(err)))
	}
	s.Metrics.asked.WithLabelValues(string(next.Errand), outcome).Inc()
}

// retell asks, and holds the answer against what is kept. What the answer
// tells of a time that looks may still explain is left for the next one.
func (s *Sweep) retell(ctx context.Context, id songspy.UserID, who *seat, l listener, e listening.Errand) (outcome string, err error) {
	asked, after := s.Now(), l.untold.Since(e)
	if l.linked.After(after) {
		after = l.linked
	}
	items, err := ask(ctx, s, asked, id, l, func(ctx context.Context, access songspy.Access) ([]songspy.HistoryItem, error) {
		return s.Player.RecentlyPlayed(ctx, access, after)
	})
	if err != nil {
		return "", err
	}
	answer := listening.NewAnswer(items, after).Tellable(l.playing)
	items = answer.Items
	settled, told := listening.Settled(l.playing), fingerprint(items)
	if told == l.told {
		s.roster.recalled(id, who, asked, told, songspy.HistoryHabit{})
		return "unchanged", nil
	}
	r, err := s.Store.UpdateHistory(ctx, id, l.generation, items, func(kept songspy.Kept) songspy.Reconciled {
		return listening.Reconcile(kept, answer, settled)
	})
	if err != nil {
		return "", err
	}
	if r.Waiting > 0 || len(items) > 0 && !items[len(items)-1].PlayedAt.Before(settled) {
		told = 0
	}
	s.roster.recalled(id, who, asked, told, r.Learned)
	if len(r.Found) > 0 {
		s.saveSilence(id, who)
	}
	if r.Empty() {
		return "unchanged", nil
	}
	return "told", nil
}

// recallWait is how long to wait after a failure. A link that only its person
// or the app's owner can mend is the looks' business.
func recallWait(err error) time.Duration {
	switch songspy.DispositionOf(err) {
	case songspy.DispositionNeedsPerson, songspy.DispositionNotRegistered, songspy.DispositionRefused, songspy.DispositionRenewToken:
		return listening.HistoryEvery
	case songspy.DispositionNotNow:
		return heldAgain
	}
	return max(songspy.RetryAfterOf(err), recallAgain)
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
