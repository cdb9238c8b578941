package poller

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// coverage says which time of a user's listening polls and history have covered.
type coverage struct {
	answeredUntil time.Time // when the last successful poll was made, by this process or the previous one
	history       playback.HistoryState
	aheadOfClock  bool // the store holds a state that is ahead of the clock
}

// coverageSince returns the coverage of a user that another process polled until
// the given time; zero: no process did.
func coverageSince(u songspy.PolledUser, until, now time.Time) coverage {
	c := coverage{answeredUntil: now}
	if answeredUntil := later(later(u.Playing.ObservedAt, until), u.Link.AuthorizedAt); !until.IsZero() && answeredUntil.Before(now) {
		c.answeredUntil = answeredUntil
	}
	// The time of the last history fetch is not stored. So the first fetches are
	// spread over the interval in which every user's history is fetched anyway.
	c.history.FetchedAt = now.Add(songspy.PhaseOf(u.Link.UserID, playback.HistoryFetchInterval) - playback.HistoryFetchInterval)
	return c
}

// coverageAfter returns the history state after a poll, and the gap that the poll
// has ended; nil if it has ended none.
func (p *Poller) coverageAfter(before *userState, out *playback.StepResult) (playback.HistoryState, *songspy.Gap) {
	longest := p.planner.longestInterval(before.access.App)
	history := before.history.AfterPoll(before.playing, *out, before.answeredUntil, longest)
	if before.habit == omitsPartialPlays {
		history = history.WithoutPartialPlays(before.history)
	}
	if !out.State.ObservedAt.After(before.playing.ObservedAt) {
		return history, nil // the poll observed nothing
	}
	p.heartbeat.touch()
	if before.answeredUntil.IsZero() || out.State.ObservedAt.Sub(before.answeredUntil) <= 2*longest {
		return history, nil
	}
	gap := songspy.Gap{BeganAt: before.answeredUntil, EndedAt: new(out.State.ObservedAt), Reason: before.gapReason}
	if gap.Reason == "" {
		gap.Reason = songspy.GapBatchDown
	}
	return history, &gap
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
