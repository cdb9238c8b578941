package poller

import (
	"errors"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// coverage says which time of a user's listening polls and history have covered.
type coverage struct {
	watchedUntil time.Time // the last successful poll, by this process or the previous one
	history      playback.HistoryState
	aheadOfClock bool // the store holds a state that is ahead of the clock
}

// coverageSince returns the coverage of a user that another process polled until
// the given time; zero: no process did.
func coverageSince(u songspy.PolledUser, until, now time.Time) coverage {
	c := coverage{watchedUntil: now}
	if watchedUntil := later(later(u.Playing.ObservedAt, until), u.Link.AuthorizedAt); !until.IsZero() && watchedUntil.Before(now) {
		c.watchedUntil = watchedUntil
	}
	// The time of the last history fetch is not stored. So the first fetches are
	// spread over the interval in which every user's history is fetched anyway.
	c.history.FetchedAt = now.Add(songspy.PhaseOf(u.Link.UserID, playback.HistoryFetchInterval) - playback.HistoryFetchInterval)
	return c
}

// endedGap returns the gap that a poll has ended. It returns nil if the poll
// observed nothing, or if the time since the last successful poll is at most longest.
func endedGap(before *userState, now songspy.NowPlaying, longest time.Duration) *songspy.Gap {
	if !now.ObservedAt.After(before.playing.ObservedAt) || before.watchedUntil.IsZero() || now.ObservedAt.Sub(before.watchedUntil) <= longest {
		return nil
	}
	ended := now.ObservedAt
	gap := songspy.Gap{BeganAt: before.watchedUntil, EndedAt: &ended, Reason: before.gapReason}
	if gap.Reason == "" {
		gap.Reason = songspy.GapBatchDown
	}
	return &gap
}

// gapReasonOf returns the reason of the gap that a failed poll leaves.
func gapReasonOf(err error) songspy.GapReason {
	if errors.Is(err, errRenewalPending) || errors.Is(err, errUnlinked) {
		return songspy.GapLinkBroken
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionAppBlocked:
		return songspy.GapAppBlocked
	case songspy.DispositionNeedsUser, songspy.DispositionNotRegistered, songspy.DispositionRenewToken:
		return songspy.GapLinkBroken
	default:
		return songspy.GapProviderDown
	}
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
