package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// HistoryReason is why history is fetched. Metrics count fetches by it.
type HistoryReason string

// The reasons of history fetches.
const (
	HistoryUncovered    HistoryReason = "uncovered"     // polls left time between two tracks uncovered
	HistorySessionEnd   HistoryReason = "session_end"   // a session ended between two polls
	HistorySessionStart HistoryReason = "session_start" // a session begins; its plays will replace those of an offline phone
	HistoryResumed      HistoryReason = "resumed"       // polls resume after a break
	HistoryOverflow     HistoryReason = "overflow"      // history holds its last 50 items only
	HistoryRoutine      HistoryReason = "routine"       // offline phones report their plays later
)

// When to fetch history.
const (
	// fetchGapMin keeps the fetches for two uncovered times of one session apart.
	fetchGapMin = 40 * time.Minute
	// recentFetch is how recently history may have been fetched when a session
	// begins, so that no fetch is needed.
	recentFetch = 45 * time.Minute
	// HistoryFetchInterval is the longest time between two fetches. Fifty tracks
	// may play sooner, but polls of a session cause a fetch earlier. Only an
	// offline phone plays unobserved.
	HistoryFetchInterval = 8 * time.Hour
	// nearlyFullHistory is the number of plays since the last fetch at which
	// history is fetched again, before it drops the first of them.
	nearlyFullHistory = songspy.HistoryItemsMax * 4 / 5
	// lateItemMax is how long after its play an item may still appear: a phone
	// without network reports its plays later.
	lateItemMax = 24 * time.Hour
)

// HistoryState is what polls of one user left uncovered.
type HistoryState struct {
	// FetchedAt is the time of the last fetch.
	FetchedAt time.Time
	// UncoveredUntil is the end of the last time that polls left uncovered; the
	// zero time if they covered everything since FetchedAt.
	UncoveredUntil time.Time
	// Reason is why the time before UncoveredUntil is uncovered.
	Reason HistoryReason
	// PlaysSince is the largest number of plays that history may have listed
	// since FetchedAt.
	PlaysSince int
}

// AfterPoll updates the state with one poll: the user's state before it, its
// result, the time of the poll before (zero: none), and the poll interval.
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
		return u // the fetch at the session's end covers the time before it
	case !n.IsOpen() && before.IdleSince != nil:
		return u.addUncovered(before.SeenAt, began, HistorySessionEnd)
	default:
		return u.addUncovered(before.SeenAt, began, HistoryUncovered)
	}
}

// WithoutPartialPlays returns the state for an account whose history lists whole
// plays only: uncovered times and session ends need no fetch, because history
// would not list what was played there. before is the state before the poll.
func (u HistoryState) WithoutPartialPlays(before HistoryState) HistoryState {
	if u.Reason == HistoryUncovered || u.Reason == HistorySessionEnd {
		u.UncoveredUntil, u.Reason = before.UncoveredUntil, before.Reason
	}
	return u
}

// addUncovered records a time that polls left uncovered, if a play fits into it.
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

// isSamePlay reports whether the open play is still the same.
func isSamePlay(before, after songspy.NowPlaying) bool {
	return before.IsOpen() && after.IsOpen() && before.TrackURI == after.TrackURI && !after.StartedAt.After(before.SeenAt)
}

// isFullyCovered reports whether the previous play is known to have lasted until
// the next one began.
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

// AfterFetch returns the state after an answer of history.
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

// NextFetch returns when to fetch history, and why. An earlier fetch gains
// nothing: history does not list the plays yet, or more may come.
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

// FetchFrom returns the time from which a fetch requests items; the zero time
// requests everything.
func (u HistoryState) FetchFrom(e HistoryReason) time.Time {
	switch e {
	case HistoryUncovered, HistoryOverflow:
		return u.FetchedAt.Add(-time.Hour)
	case HistoryResumed:
		return time.Time{}
	default:
		return u.FetchedAt.Add(-lateItemMax)
	}
}

// SettledUntil returns the time before which no later poll can find the start of
// a play. History items before it are either stored or missing.
func SettledUntil(n songspy.NowPlaying) time.Time {
	if n.IsOpen() && n.ProgressMS >= 0 && !n.Provisional {
		return n.StartedAt
	}
	return n.OtherSeenAt
}
