package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// HistoryReason says why a user's history is fetched from Spotify
// (recently-played). Metrics count the fetches by reason.
type HistoryReason string

// The reasons of history fetches.
const (
	HistoryUncovered    HistoryReason = "uncovered"     // polls left time between two tracks uncovered
	HistorySessionEnd   HistoryReason = "session_end"   // a listening session ended between two polls
	HistorySessionStart HistoryReason = "session_start" // a listening session begins, whose plays may push earlier plays of an offline phone out of the history
	HistoryResumed      HistoryReason = "resumed"       // polls resume after a break
	HistoryOverflow     HistoryReason = "overflow"      // history holds 50 items only, and nearly as many plays may have been added since the last fetch
	HistoryRoutine      HistoryReason = "routine"       // HistoryFetchInterval has passed; offline phones report their plays later
)

// When to fetch history.
const (
	// fetchGapMin is the shortest time from a history fetch, for any reason, until
	// the next one that is made because polls left a time within a listening session
	// uncovered (HistoryUncovered).
	fetchGapMin = 40 * time.Minute
	// recentFetch is the time after a history fetch in which the start of a
	// listening session causes no other fetch.
	recentFetch = 45 * time.Minute
	// HistoryFetchInterval is the longest time between two fetches. History
	// holds only fifty plays, and more may be played in that time. But polls
	// see most listening sessions, and then cause a fetch earlier. Only the plays
	// of a phone without network are never seen by polls.
	HistoryFetchInterval = 8 * time.Hour
	// nearlyFullHistory is the number of plays since the last fetch at which
	// history is fetched again, before Spotify drops the oldest of them.
	nearlyFullHistory = songspy.HistoryItemsMax * 4 / 5
	// lateItemMax is how long after a play history may still add it: a phone
	// without network reports its plays later.
	lateItemMax = 24 * time.Hour
)

// HistoryState says which time the polls of one user left uncovered, that is,
// when plays may have been missed that only Spotify's history knows.
type HistoryState struct {
	// FetchedAt is the time of the last history fetch.
	FetchedAt time.Time
	// UncoveredUntil is the end of the last interval in which polls may have missed
	// a play; the zero time if they missed nothing since FetchedAt.
	UncoveredUntil time.Time
	// Reason says why polls may have missed plays before UncoveredUntil.
	Reason HistoryReason
	// PlaysSince is how many plays Spotify may have added to the history since
	// FetchedAt, at most.
	PlaysSince int
}

// AfterPoll returns the state u after one more poll. The argument before is the player's
// state before that poll, and out is the result of Step for it. The argument last is the
// time of the previous poll, or zero if there was none. The argument interval is the longest
// time between two planned polls.
func (u HistoryState) AfterPoll(before songspy.NowPlaying, out StepResult, last time.Time, interval time.Duration) HistoryState {
	u.PlaysSince += len(out.Plays)
	n := out.State
	if last.IsZero() || !n.ObservedAt.After(before.ObservedAt) || isSamePlay(before, n) {
		return u
	}
	began := SettledUntil(n)
	switch {
	case n.ObservedAt.Sub(last) > max(unpolledMax, 2*interval):
		return u.addUncovered(instant.Later(last, before.SeenAt), began, HistoryResumed)
	case !before.IsOpen() && n.IsOpen() && began.Sub(u.FetchedAt) > recentFetch:
		u.UncoveredUntil, u.Reason = began, HistorySessionStart
		return u
	case !before.IsOpen() || isFullyCovered(before, out, began):
		return u // no play was missed, or the fetch at the end of the listening session will find it
	case !n.IsOpen() && before.IdleSince != nil:
		return u.addUncovered(before.SeenAt, began, HistorySessionEnd)
	default:
		return u.addUncovered(before.SeenAt, began, HistoryUncovered)
	}
}

// WithoutPartialPlays returns the state u, after a poll, for a user whose history lists
// whole plays only. If the poll left time within or at the end of a listening session
// uncovered, it needs no fetch, because history would not list the partial plays of that
// time. So the uncovered time becomes that of the argument before, the state before the poll.
func (u HistoryState) WithoutPartialPlays(before HistoryState) HistoryState {
	if u.Reason == HistoryUncovered || u.Reason == HistorySessionEnd {
		u.UncoveredUntil, u.Reason = before.UncoveredUntil, before.Reason
	}
	return u
}

// addUncovered records that polls left the time between from and until uncovered. It
// records nothing if that time is shorter than HistoryPlayMin, because history lists no
// shorter plays.
func (u HistoryState) addUncovered(from, until time.Time, reason HistoryReason) HistoryState {
	length := until.Sub(from)
	if length < songspy.HistoryPlayMin {
		return u
	}
	u.PlaysSince = min(u.PlaysSince+int(length/songspy.HistoryPlayMin), songspy.HistoryItemsMax)
	if until.After(u.UncoveredUntil) {
		u.UncoveredUntil, u.Reason = until, reason
	}
	return u
}

// isSamePlay reports whether the play that is open (unfinished) after a poll is
// the one that was open before it.
func isSamePlay(before, after songspy.NowPlaying) bool {
	return before.IsOpen() && after.IsOpen() && before.TrackURI == after.TrackURI && !after.StartedAt.After(before.SeenAt)
}

// isFullyCovered reports whether no play that history would list can lie between the
// play that was open before the poll and the next one. The argument began is the start of
// the next play. The result is true if the earlier play was playing and began is at most
// gaplessMax away from its predicted end, or if began is less than HistoryPlayMin after an
// end that is not provisional.
func isFullyCovered(before songspy.NowPlaying, out StepResult, began time.Time) bool {
	if before.State == songspy.PlayerPlaying && before.EndsAt != nil && began.Sub(*before.EndsAt).Abs() <= gaplessMax {
		return true
	}
	if len(out.Plays) == 0 {
		return false
	}
	last := out.Plays[len(out.Plays)-1]
	return !last.Provisional && began.Sub(last.EndedAt) < songspy.HistoryPlayMin
}

// AfterFetch returns the state after Spotify has answered a history fetch at the given
// time. If the uncovered time ended less than HistoryDelayMax before, history may not list
// all its plays yet. So the uncovered time stays recorded, and NextFetch plans another fetch.
func (u HistoryState) AfterFetch(at time.Time) HistoryState {
	u.FetchedAt, u.PlaysSince = at, 0
	if !u.UncoveredUntil.Add(songspy.HistoryDelayMax).After(at) {
		u.UncoveredUntil, u.Reason = time.Time{}, ""
	}
	return u
}

// HistoryFetch is one planned fetch.
type HistoryFetch struct {
	At     time.Time
	Reason HistoryReason
}

// NextFetch returns when to fetch history next, and why. A fetch for an uncovered
// time is made at least HistoryDelayMax after the end of that time, because only
// then does Spotify's history surely list the missed plays.
func (u HistoryState) NextFetch() HistoryFetch {
	next := HistoryFetch{u.FetchedAt.Add(HistoryFetchInterval), HistoryRoutine}
	if !u.UncoveredUntil.IsZero() {
		at := u.UncoveredUntil.Add(songspy.HistoryDelayMax)
		if u.Reason == HistoryUncovered {
			at = instant.Later(at, u.FetchedAt.Add(fetchGapMin))
		}
		if at.Before(next.At) {
			next = HistoryFetch{at, u.Reason}
		}
	}
	if u.PlaysSince >= nearlyFullHistory {
		if at := instant.Later(u.FetchedAt, u.UncoveredUntil).Add(songspy.HistoryDelayMax); at.Before(next.At) {
			next = HistoryFetch{at, HistoryOverflow}
		}
	}
	return next
}

// FetchFrom returns the time from which a fetch for that reason requests
// history items. The zero time requests all that Spotify holds.
func (u HistoryState) FetchFrom(r HistoryReason) time.Time {
	switch r {
	case HistoryUncovered, HistoryOverflow:
		return u.FetchedAt.Add(-time.Hour)
	case HistoryResumed:
		return time.Time{}
	default:
		return u.FetchedAt.Add(-lateItemMax)
	}
}

// SettledUntil returns a time before which later polls cannot move or add the
// start of a play. So a history item before it belongs to a stored play, or to
// a play that polls missed.
func SettledUntil(n songspy.NowPlaying) time.Time {
	if n.IsOpen() && n.ProgressMS >= 0 && !n.Provisional {
		return n.StartedAt
	}
	return n.OtherSeenAt
}
