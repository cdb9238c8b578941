package quota

import (
	"math"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// How the quota is learned.
const (
	// planned is the part of the count at a refusal that is planned with at first.
	planned = 0.95
	// growth is by what part of that count the plan grows in a day. It grows by
	// that much more for each week that passes without a refusal.
	growth = 0.005
	week   = 7 * 24 * time.Hour
	// allowed is by what part of that count calls may exceed the plan: the plan is
	// kept on average, and a session that begins is not held back.
	allowed = 0.025
	// settling is the time in which the calls that are allowed sink from just
	// below the count at the refusal to that. At once would be darkness for an hour.
	settling = 6 * time.Hour
	// margin is what is kept free below the count at a refusal at once.
	margin = 0.0025
	// farthest is how far apart calls beyond the plan are at most.
	farthest = 10 * time.Minute
	// least is the fewest calls that are planned with, one in each bucket. A
	// refusal at fewer is about calls that were made elsewhere.
	least = int64(Window / BucketLength)
)

// Refusal is one answer that the quota is exceeded.
type Refusal struct {
	At time.Time `json:"at"`
	// Endpoint is the one that refused.
	Endpoint Endpoint `json:"endpoint"`
	// Calls are the account's calls of the 24 hours before, by endpoint.
	Calls Counts `json:"calls"`
	// RetryAfterMS is the wait that the provider asked for, in milliseconds; 0: it named none.
	RetryAfterMS int64 `json:"retryAfterMs"`
	// Quota is what the quota is taken to be by this refusal; 0: it taught
	// nothing, since calls were refused before it already.
	Quota int64 `json:"quota"`
}

// Account is what is known of the quota of one developer account. The zero
// Account is bounded by nothing. It is not safe for concurrent use.
type Account struct {
	// Most is how many calls the operator allows in 24 hours; 0: as many as the provider.
	Most int64
	// Calls are the calls of all processes, of this one to the last.
	Calls Calls
	// Counted is since when calls are counted; zero: since the first of Calls.
	Counted time.Time
	// Last is the last refusal that taught something; the zero Refusal if none did.
	Last Refusal

	last    time.Time     // when this process called last
	pacedAt time.Time     // the bucket for which paced was worked out
	paced   time.Duration // how far apart calls beyond the limit are
}

// Refused returns the refusal of a call just now. A probe's teaches nothing: it
// says only that the refusal before it still holds.
func (a *Account) Refused(now time.Time, e Endpoint, retryAfter time.Duration, probe bool) Refusal {
	r := Refusal{At: now, Endpoint: e, Calls: a.Calls.ByEndpoint(now), RetryAfterMS: retryAfter.Milliseconds()}
	if probe {
		return r
	}
	r.Quota = max(1, a.Calls.AtLeast(now)-1) // without the one that was refused
	since := a.Counted
	if since.IsZero() {
		since = a.Calls.Since(now)
	}
	if now.Sub(since) < Window {
		// Calls may have been made before counting began. Such a count raises
		// what was learned before and never lowers it.
		r.Quota = max(r.Quota, a.Last.Quota)
	}
	return r
}

// Learn takes over a refusal, unless a later one is known. Refusals that are
// ahead of now count as now, so that the plan grows from now on.
func (a *Account) Learn(now time.Time, r Refusal) {
	a.notAhead(now)
	if r.At = songspy.NotAhead(r.At, now); r.Quota > 0 && r.At.After(a.Last.At) {
		a.Last = r
	}
}

// notAhead corrects the last refusal if the clock was set back after it.
func (a *Account) notAhead(now time.Time) { a.Last.At = songspy.NotAhead(a.Last.At, now) }

// Limit returns how many calls are planned for 24 hours; false: as many as are
// wanted.
func (a *Account) Limit(now time.Time) (calls int64, bounded bool) {
	a.notAhead(now)
	if a.Last.Quota > 0 {
		calls, bounded = max(least, int64(float64(a.Last.Quota)*part(now.Sub(a.Last.At)))), true
	}
	if most := a.Most - int64(allowed*float64(a.Most)); a.Most > 0 && (!bounded || most < calls) {
		calls, bounded = most, true
	}
	return calls, bounded
}

// part is the part of the count at a refusal that is planned with so long after it.
func part(since time.Duration) float64 {
	since = max(0, since)
	weeks := float64(since / week)
	days := (since % week).Hours() / 24
	// n full weeks have added 7 × growth × (1 + 2 + … + n).
	return planned + growth*(7*weeks*(weeks+1)/2+(weeks+1)*days)
}

// Ceiling returns from how many calls in 24 hours on routine calls wait; false:
// they never do.
func (a *Account) Ceiling(now time.Time) (calls int64, bounded bool) {
	calls, bounded = a.Limit(now)
	if a.Last.Quota == 0 {
		return a.Most, bounded
	}
	since := max(0, now.Sub(a.Last.At))
	over := allowed + max(0, 1-planned-margin-allowed)*max(0, 1-since.Seconds()/settling.Seconds())
	calls += int64(over * float64(a.Last.Quota))
	if a.Most > 0 {
		calls = min(calls, a.Most)
	}
	return calls, bounded
}

// Wait returns how long a routine call must wait; 0: it may leave now. Beyond
// the limit calls are kept apart, so that what is left up to the ceiling lasts
// until others leave the window. share is the part of the calls that are the
// caller's, from 0 to 1.
func (a *Account) Wait(now time.Time, share float64) time.Duration {
	limit, bounded := a.Limit(now)
	sum := a.Calls.Sum(now)
	if !bounded || sum < limit {
		return 0
	}
	most, _ := a.Ceiling(now)
	if sum >= most {
		return max(time.Second, a.Calls.roomFrom(now, most).Sub(now))
	}
	if a.last.After(now) { // the clock was set back
		a.last = now
	}
	return max(0, a.last.Add(a.apart(now, most-sum, share)).Sub(now))
}

// apart is how far apart two calls are of which only so many are left until
// others leave the window.
func (a *Account) apart(now time.Time, left int64, share float64) time.Duration {
	if at := BucketOf(now); !a.pacedAt.Equal(at) {
		rate, free := math.Inf(1), float64(left)
		for i, leaving := range a.Calls.Leaving(now) {
			// Those that leave in an hour may leave at its end.
			rate = min(rate, free/float64(i+1))
			free += float64(leaving)
		}
		a.pacedAt, a.paced = at, min(farthest, time.Duration(float64(time.Hour)/max(rate, 1e-3)))
	}
	return time.Duration(float64(a.paced) / min(1, max(share, 1e-3)))
}

// Count counts a call that begins now.
func (a *Account) Count(now time.Time, e Endpoint) {
	if a.Counted.IsZero() {
		a.Counted = now
	}
	a.Calls.Add(now, e)
	a.last = now
}

// Uncount takes back a call that Count counted at that time and that never left.
func (a *Account) Uncount(counted time.Time, e Endpoint) { a.Calls.Remove(counted, e) }

// Room is what an account may still call, at one moment. The zero Room is
// bounded by nothing.
type Room struct {
	Bounded bool
	// Limit is how many calls are planned for 24 hours, and Ceiling how many are allowed.
	Limit, Ceiling int64
	// Calls are those of the last 24 hours, and Leaving how many of them leave
	// the window in each of the next 24.
	Calls   int64
	Leaving [24]int64
}

// Room returns what the account may still call.
func (a *Account) Room(now time.Time) (r Room) {
	if r.Limit, r.Bounded = a.Limit(now); !r.Bounded {
		return Room{}
	}
	r.Ceiling, _ = a.Ceiling(now)
	r.Calls, r.Leaving = a.Calls.Sum(now), a.Calls.Leaving(now)
	return r
}

// Standing is how an account stands to its quota at one moment, for operators.
type Standing struct {
	// Calls are those of the last 24 hours.
	Calls Counts
	// Bounded says that something bounds them; Limit is how many are planned, and
	// Most how many the operator allows, 0: as many as the provider.
	Bounded     bool
	Limit, Most int64
	// FreeAt is when the next routine call may leave, if it may not now.
	FreeAt time.Time
	// Last is the last refusal that taught something.
	Last Refusal
}

// Standing returns how the account stands.
func (a *Account) Standing(now time.Time) Standing {
	limit, bounded := a.Limit(now)
	s := Standing{Calls: a.Calls.ByEndpoint(now), Limit: limit, Bounded: bounded, Most: a.Most, Last: a.Last}
	if most, bounded := a.Ceiling(now); bounded && a.Calls.Sum(now) >= most {
		s.FreeAt = a.Calls.roomFrom(now, most)
	}
	return s
}
