package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Errand is why history is asked; metrics are counted by it.
type Errand string

// The errands.
const (
	ErrandHole     Errand = "hole"     // looks left time between two tracks unexplained
	ErrandEnd      Errand = "end"      // a session ended, and nobody saw how
	ErrandStart    Errand = "start"    // a session begins, and will push out what a phone without a network played before
	ErrandReturn   Errand = "return"   // nobody looked for a while
	ErrandOverflow Errand = "overflow" // history forgets all but its last items
	ErrandRoutine  Errand = "routine"  // phones without a network tell afterwards
)

// When history is worth asking.
const (
	// arrives is how long after its end a play is in history at the latest:
	// 10 to 120 s have been seen.
	arrives = 130 * time.Second
	// apart keeps the asking about two holes of one session apart.
	apart = 40 * time.Minute
	// recently is how long before a session begins history may have been asked
	// that its beginning is no reason to ask again.
	recently = 45 * time.Minute
	// HistoryEvery is the longest time between two times of asking. Fifty songs
	// are over sooner, but sessions that are seen see to that: only those of a
	// phone without a network have nobody to ask after them.
	HistoryEvery = 8 * time.Hour
	// nearlyAll is how many plays history may have listed since it was asked
	// before it is asked again, lest it forget the first of them.
	nearlyAll = songspy.HistoryMost * 4 / 5
	// countable is the shortest play that history lists.
	countable = 30 * time.Second
	// late is how old an item may be that history did not hold before.
	late = 24 * time.Hour
)

// Untold is what only history could tell of one listener, as far as looks have
// shown.
type Untold struct {
	// AskedAt is when history was asked last.
	AskedAt time.Time
	// Until ends the last time that looks left unexplained; zero: they
	// explained all since AskedAt.
	Until time.Time
	// Why is the errand of Until.
	Why Errand
	// Plays is how many plays history may have listed since AskedAt, at most.
	Plays int
}

// Looked takes in one look: the state before it, what came of it, when the
// player was looked at before (zero: never), and how often it is.
func (u Untold) Looked(before songspy.NowPlaying, out Outcome, last time.Time, interval time.Duration) Untold {
	u.Plays += len(out.Plays)
	n := out.State
	if last.IsZero() || !n.ObservedAt.After(before.ObservedAt) || goesOn(before, n) {
		return u
	}
	began := Settled(n)
	switch {
	case n.ObservedAt.Sub(last) > max(unwatched, 2*interval):
		return u.miss(later(last, before.SeenAt), began, ErrandReturn)
	case !before.Open() && n.Open() && began.Sub(u.AskedAt) > recently:
		u.Until, u.Why = began, ErrandStart
		return u
	case !before.Open() || explained(before, out, began):
		return u // what came right before a session belongs to the errand of its end
	case !n.Open() && before.NothingSince != nil:
		return u.miss(before.SeenAt, began, ErrandEnd)
	default:
		return u.miss(before.SeenAt, began, ErrandHole)
	}
}

// WholeOnly is what is untold where history is known to list only whole plays,
// given what was before. What lies between two tracks of a session, or behind the
// last one, was left early and is not listed: no call is worth it. If anything is
// listed all the same, the next session's start finds it.
func (u Untold) WholeOnly(before Untold) Untold {
	if u.Why == ErrandHole || u.Why == ErrandEnd {
		u.Until, u.Why = before.Until, before.Why
	}
	return u
}

// miss notes a time that looks left unexplained, if a play fits into it.
func (u Untold) miss(from, until time.Time, why Errand) Untold {
	length := until.Sub(from)
	if length < countable {
		return u
	}
	u.Plays = min(u.Plays+int(length/countable), songspy.HistoryMost)
	if until.After(u.Until) {
		u.Until, u.Why = until, why
	}
	return u
}

// goesOn reports whether the open play is still the same.
func goesOn(before, after songspy.NowPlaying) bool {
	return before.Open() && after.Open() && before.TrackURI == after.TrackURI && !after.StartedAt.After(before.SeenAt)
}

// explained reports whether the former play is known to have lasted until what
// followed it began.
func explained(before songspy.NowPlaying, out Outcome, began time.Time) bool {
	if before.State == songspy.PlayerPlaying && before.EndsAt != nil && began.Sub(*before.EndsAt).Abs() <= seamless {
		return true
	}
	if len(out.Plays) == 0 {
		return false
	}
	last := out.Plays[len(out.Plays)-1]
	return !last.Provisional && began.Sub(last.EndedAt) < countable
}

// Asked is what remains once history has answered.
func (u Untold) Asked(at time.Time) Untold {
	u.AskedAt, u.Plays = at, 0
	if !u.Until.Add(arrives).After(at) {
		u.Until, u.Why = time.Time{}, ""
	}
	return u
}

// Inquiry is one planned asking of history.
type Inquiry struct {
	At     time.Time
	Errand Errand
}

// NextInquiry says when history is worth asking, and why. Nothing is gained by
// asking sooner: what was played is not in it yet, or can wait for more.
func (u Untold) NextInquiry() Inquiry {
	next := Inquiry{u.AskedAt.Add(HistoryEvery), ErrandRoutine}
	if !u.Until.IsZero() {
		at := u.Until.Add(arrives)
		if u.Why == ErrandHole {
			at = later(at, u.AskedAt.Add(apart))
		}
		if at.Before(next.At) {
			next = Inquiry{at, u.Why}
		}
	}
	if u.Plays >= nearlyAll {
		if at := later(u.AskedAt, u.Until).Add(arrives); at.Before(next.At) {
			next = Inquiry{at, ErrandOverflow}
		}
	}
	return next
}

// Since is the time from which an inquiry asks; the zero time: everything that
// history holds.
func (u Untold) Since(e Errand) time.Time {
	switch e {
	case ErrandHole, ErrandOverflow:
		return u.AskedAt.Add(-time.Hour)
	case ErrandReturn:
		return time.Time{}
	default:
		return u.AskedAt.Add(-late)
	}
}
