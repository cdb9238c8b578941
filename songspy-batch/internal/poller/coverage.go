package poller

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// coverage says up to which time polls and history fetches have covered what a user
// listened to.
type coverage struct {
	answeredUntil time.Time // when the last successful poll was made, by this process or by one that polled the user before; if unknown, when the user was read
	history       playback.HistoryState
	aheadOfClock  bool // the store holds a state that is ahead of the clock
}

// coverageSince returns the coverage of a user that another process polled until the
// given time. The time is zero if no process did, or if this is unknown.
func coverageSince(u songspy.PolledUser, until, now time.Time) coverage {
	c := coverage{answeredUntil: now}
	if answeredUntil := later(later(u.Playing.ObservedAt, until), u.Link.AuthorizedAt); !until.IsZero() && answeredUntil.Before(now) {
		c.answeredUntil = answeredUntil
	}
	// The time of the last history fetch is not stored. So it is set to a time within the
	// last HistoryFetchInterval that depends on the user's phase. That spreads the first
	// fetches of all users over the next HistoryFetchInterval.
	c.history.FetchedAt = now.Add(songspy.PhaseOf(u.Link.UserID, playback.HistoryFetchInterval) - playback.HistoryFetchInterval)
	return c
}

// coverageAfter returns the history state after a poll, and the gap that the poll has
// ended. A gap is a time without a successful poll that is longer than two of the
// longest planned intervals. The gap is nil if the poll has ended none.
func (p *Poller) coverageAfter(before *userState, out *playback.StepResult) (playback.HistoryState, *songspy.Gap) {
	longest := p.planner.longestInterval(before.access.App)
	history := before.history.AfterPoll(before.playing, *out, before.answeredUntil, longest)
	if before.habit == omitsPartialPlays {
		history = history.WithoutPartialPlays(before.history)
	}
	if !out.State.ObservedAt.After(before.playing.ObservedAt) {
		return history, nil // Step ignored the answer: it could not be read, or was not later than the state
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
