package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Errand is why history is asked; metrics are counted by it.
type HistoryReason string

// The errands.
const (
	HistoryUncovered  HistoryReason = "hole"     // looks left time between two tracks unexplained
	HistoryTrackEnd   HistoryReason = "end"      // a session ended, and nobody saw how
	HistoryTrackStart HistoryReason = "start"    // a session begins, and will push out what a phone without a network played before
	HistoryResumed    HistoryReason = "return"   // nobody looked for a while
	HistoryOverflow   HistoryReason = "overflow" // history forgets all but its last items
	HistoryRoutine    HistoryReason = "routine"  // phones without a network tell afterwards
)

// When history is worth asking.
const (
	// arrives is how long after its end a play is in history at the latest:
	// 10 to 120 s have been seen.
	historyDelayMax = 130 * time.Second
	// apart keeps the asking about two holes of one session apart.
	fetchGapMin = 40 * time.Minute
	// recently is how long before a session begins history may have been asked
	// that its beginning is no reason to ask again.
	recentFetch = 45 * time.Minute
	// HistoryEvery is the longest time between two times of asking. Fifty songs
	// are over sooner, but sessions that are seen see to that: only those of a
	// phone without a network have nobody to ask after them.
	HistoryFetchInterval = 8 * time.Hour
	// nearlyAll is how many plays history may have listed since it was asked
	// before it is asked again, lest it forget the first of them.
	nearlyFullHistory = songspy.HistoryItemsMax * 4 / 5
	// countable is the shortest play that history lists.
	listedPlayMin = 30 * time.Second
	// late is how old an item may be that history did not hold before.
	lateItemMax = 24 * time.Hour
)

// Untold is what only history could tell of one listener, as far as looks have
// shown.
type HistoryState struct {
	// AskedAt is when history was asked last.
	FetchedAt time.Time
	// Until ends the last time that looks left unexplained; zero: they
	// explained all since AskedAt.
	UncoveredUntil time.Time
	// Why is the errand of Until.
	Reason HistoryReason
	// Plays is how many plays history may have listed since AskedAt, at most.
	PlaysSince int
}

// Looked takes in one look: the state before it, what came of it, when the
// player was looked at before (zero: never), and how often it is.
func (u HistoryState) AfterPoll(before songspy.NowPlaying, out StepResult, last time.Time, interval time.Duration) HistoryState {
	u.PlaysSince += len(out.Plays)
	n := out.State
	if last.IsZero() || !n.ObservedAt.After(before.ObservedAt) || isSamePlay(before, n) {
		return u
	}
	began := SettledUntil(n)
	switch {
	case n.ObservedAt.Sub(last) > max(unpolledMax, 2*interval):
		return u.addUncovered(later(last, before.SeenAt), began, HistoryResumed)
	case !before.IsOpen() && n.IsOpen() && began.Sub(u.FetchedAt) > recentFetch:
		u.UncoveredUntil, u.Reason = began, HistoryTrackStart
		return u
	case !before.IsOpen() || isFullyCovered(before, out, began):
		return u // what came right before a session belongs to the errand of its end
	case !n.IsOpen() && before.IdleSince != nil:
		return u.addUncovered(before.SeenAt, began, HistoryTrackEnd)
	default:
		return u.addUncovered(before.SeenAt, began, HistoryUncovered)
	}
}

// miss notes a time that looks left unexplained, if a play fits into it.
func (u HistoryState) addUncovered(from, until time.Time, reason HistoryReason) HistoryState {
	length := until.Sub(from)
	if length < listedPlayMin {
		return u
	}
	u.PlaysSince = min(u.PlaysSince+int(length/listedPlayMin), songspy.HistoryItemsMax)
	if until.After(u.UncoveredUntil) {
		u.UncoveredUntil, u.Reason = until, reason
	}
	return u
}

// goesOn reports whether the open play is still the same.
func isSamePlay(before, after songspy.NowPlaying) bool {
	return before.IsOpen() && after.IsOpen() && before.TrackURI == after.TrackURI && !after.StartedAt.After(before.SeenAt)
}

// explained reports whether the former play is known to have lasted until what
// followed it began.
func isFullyCovered(before songspy.NowPlaying, out StepResult, began time.Time) bool {
	if before.State == songspy.PlayerPlaying && before.EndsAt != nil && began.Sub(*before.EndsAt).Abs() <= gaplessMax {
		return true
	}
	if len(out.Plays) == 0 {
		return false
	}
	last := out.Plays[len(out.Plays)-1]
	return !last.Provisional && began.Sub(last.EndedAt) < listedPlayMin
}

// Asked is what remains once history has answered.
func (u HistoryState) AfterFetch(at time.Time) HistoryState {
	u.FetchedAt, u.PlaysSince = at, 0
	if !u.UncoveredUntil.Add(historyDelayMax).After(at) {
		u.UncoveredUntil, u.Reason = time.Time{}, ""
	}
	return u
}

// Inquiry is one planned asking of history.
type HistoryFetch struct {
	At     time.Time
	Reason HistoryReason
}

// NextInquiry says when history is worth asking, and why. Nothing is gained by
// asking sooner: what was played is not in it yet, or can wait for more.
func (u HistoryState) NextFetch() HistoryFetch {
	next := HistoryFetch{u.FetchedAt.Add(HistoryFetchInterval), HistoryRoutine}
	if !u.UncoveredUntil.IsZero() {
		at := u.UncoveredUntil.Add(historyDelayMax)
		if u.Reason == HistoryUncovered {
			at = later(at, u.FetchedAt.Add(fetchGapMin))
		}
		if at.Before(next.At) {
			next = HistoryFetch{at, u.Reason}
		}
	}
	if u.PlaysSince >= nearlyFullHistory {
		if at := later(u.FetchedAt, u.UncoveredUntil).Add(historyDelayMax); at.Before(next.At) {
			next = HistoryFetch{at, HistoryOverflow}
		}
	}
	return next
}

// Since is the time from which an inquiry asks; the zero time: everything that
// history holds.
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
