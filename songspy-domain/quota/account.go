package quota

import (
	"math"
	"time"
)

// How the quota is learned.
const (
	// planned is the part of the count at a refusal that is planned with at first.
	plannedInitially = 0.95
	// growth is by what part of that count the plan grows in a day. It grows by
	// that much more for each week that passes without a refusal.
	plannedGrowth = 0.005
	week          = 7 * 24 * time.Hour
	// allowed is by what part of that count calls may exceed the plan: the plan is
	// kept on average, and a session that begins is not held back.
	overrun = 0.025
	// settling is the time in which the calls that are allowed sink from just
	// below the count at the refusal to that. At once would be darkness for an hour.
	rampDown = 6 * time.Hour
	// margin is what is kept free below the count at a refusal at once.
	marginBelow = 0.0025
	// farthest is how far apart calls beyond the plan are at most.
	spacingMax = 10 * time.Minute
	// least is the fewest calls that are planned with, one in each bucket. A
	// refusal at fewer is about calls that were made elsewhere.
	plannedMin = int64(Window / BucketLength)
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
	DailyMax int64
	// Calls are the calls of all processes, of this one to the last.
	Calls Calls
	// Counted is since when calls are counted; zero: since the first of Calls.
	CountedSince time.Time
	// Last is the last refusal that taught something; the zero Refusal if none did.
	LastRefusal Refusal

	lastCallAt time.Time     // when this process called last
	spacingAt  time.Time     // the bucket for which paced was worked out
	spacing    time.Duration // how far apart calls beyond the limit are
}

// Refused returns the refusal of a call just now. A probe's teaches nothing: it
// says only that the refusal before it still holds.
func (a *Account) NewRefusal(now time.Time, e Endpoint, retryAfter time.Duration, probe bool) Refusal {
	r := Refusal{At: now, Endpoint: e, Calls: a.Calls.ByEndpoint(now), RetryAfterMS: retryAfter.Milliseconds()}
	if probe {
		return r
	}
	r.Quota = max(1, a.Calls.AtLeast(now)-1) // without the one that was refused
	since := a.CountedSince
	if since.IsZero() {
		since = a.Calls.Since(now)
	}
	if now.Sub(since) < Window {
		// Calls may have been made before counting began. Such a count raises
		// what was learned before and never lowers it.
		r.Quota = max(r.Quota, a.LastRefusal.Quota)
	}
	return r
}

// Learn takes over a refusal, unless a later one is known.
func (a *Account) Learn(r Refusal) {
	if r.Quota > 0 && r.At.After(a.LastRefusal.At) {
		a.LastRefusal = r
	}
}

// Limit returns how many calls are planned for 24 hours; false: as many as are
// wanted.
func (a *Account) Limit(now time.Time) (calls int64, bounded bool) {
	if a.LastRefusal.Quota > 0 {
		calls, bounded = max(plannedMin, int64(float64(a.LastRefusal.Quota)*plannedShare(now.Sub(a.LastRefusal.At)))), true
	}
	if most := a.DailyMax - int64(overrun*float64(a.DailyMax)); a.DailyMax > 0 && (!bounded || most < calls) {
		calls, bounded = most, true
	}
	return calls, bounded
}

// part is the part of the count at a refusal that is planned with so long after it.
func plannedShare(since time.Duration) float64 {
	since = max(0, since)
	weeks := float64(since / week)
	days := (since % week).Hours() / 24
	// n full weeks have added 7 × growth × (1 + 2 + … + n).
	return plannedInitially + plannedGrowth*(7*weeks*(weeks+1)/2+(weeks+1)*days)
}

// Ceiling returns from how many calls in 24 hours on routine calls wait; false:
// they never do.
func (a *Account) Ceiling(now time.Time) (calls int64, bounded bool) {
	calls, bounded = a.Limit(now)
	if a.LastRefusal.Quota == 0 {
		return a.DailyMax, bounded
	}
	since := max(0, now.Sub(a.LastRefusal.At))
	over := overrun + max(0, 1-plannedInitially-marginBelow-overrun)*max(0, 1-since.Seconds()/rampDown.Seconds())
	calls += int64(over * float64(a.LastRefusal.Quota))
	if a.DailyMax > 0 {
		calls = min(calls, a.DailyMax)
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
		return max(time.Second, a.Calls.belowAt(now, most).Sub(now))
	}
	if a.lastCallAt.After(now) { // the clock was set back
		a.lastCallAt = now
	}
	return max(0, a.lastCallAt.Add(a.callSpacing(now, most-sum, share)).Sub(now))
}

// apart is how far apart two calls are of which only so many are left until
// others leave the window.
func (a *Account) callSpacing(now time.Time, left int64, share float64) time.Duration {
	if at := BucketOf(now); !a.spacingAt.Equal(at) {
		rate, free := math.Inf(1), float64(left)
		for i, leaving := range a.Calls.Leaving(now) {
			// Those that leave in an hour may leave at its end.
			rate = min(rate, free/float64(i+1))
			free += float64(leaving)
		}
		a.spacingAt, a.spacing = at, min(spacingMax, time.Duration(float64(time.Hour)/max(rate, 1e-3)))
	}
	return time.Duration(float64(a.spacing) / min(1, max(share, 1e-3)))
}

// Count counts a call that begins now.
func (a *Account) Count(now time.Time, e Endpoint) {
	if a.CountedSince.IsZero() {
		a.CountedSince = now
	}
	a.Calls.Add(now, e)
	a.lastCallAt = now
}

// Room is what an account may still call, at one moment. The zero Room is
// bounded by nothing.
type Headroom struct {
	Bounded bool
	// Limit is how many calls are planned for 24 hours, and Ceiling how many are allowed.
	Limit, Ceiling int64
	// Calls are those of the last 24 hours, and Leaving how many of them leave
	// the window in each of the next 24.
	Calls   int64
	Leaving [24]int64
}

// Room returns what the account may still call.
func (a *Account) Headroom(now time.Time) (r Headroom) {
	if r.Limit, r.Bounded = a.Limit(now); !r.Bounded {
		return Headroom{}
	}
	r.Ceiling, _ = a.Ceiling(now)
	r.Calls, r.Leaving = a.Calls.Sum(now), a.Calls.Leaving(now)
	return r
}

// Standing is how an account stands to its quota at one moment, for operators.
type Status struct {
	// Calls are those of the last 24 hours.
	Calls Counts
	// Bounded says that something bounds them; Limit is how many are planned, and
	// Most how many the operator allows, 0: as many as the provider.
	Bounded         bool
	Limit, DailyMax int64
	// FreeAt is when the next routine call may leave, if it may not now.
	NextCallAt time.Time
	// Last is the last refusal that taught something.
	LastRefusal Refusal
}

// Standing returns how the account stands.
func (a *Account) Status(now time.Time) Status {
	s := Status{Calls: a.Calls.ByEndpoint(now), DailyMax: a.DailyMax, LastRefusal: a.LastRefusal}
	s.Limit, s.Bounded = a.Limit(now)
	if most, bounded := a.Ceiling(now); bounded && a.Calls.Sum(now) >= most {
		s.NextCallAt = a.Calls.belowAt(now, most)
	}
	return s
}

const (
	// reserve is the part of the limit that idle users leave free: how much
	// listening will cost is an estimate.
	idleReserve = 0.05
	// fewest is the part of their polls that listening users always keep.
	keepMin = 0.1
)

// Demand is what a plan is asked for.
type Demand struct {
	// Listening is how many polls of users who are listening are worth a call in
	// each of the next 24 hours.
	Listening [24]float64
	// Fixed is how many calls are made in an hour whatever the plan, such as
	// those for history.
	Fixed float64
	// Idle is how many users are idle.
	Idle int
}

// Plan is how calls are divided until the next plan.
type Plan struct {
	// Wait is the time between two polls of an idle user.
	IdleWait time.Duration
	// Keep is the part of the polls of listening users that is made, above 0; 1: all.
	KeepRatio float64
}

// Unbounded is the plan where nothing bounds calls.
func UnboundedPlan(interval time.Duration) Plan { return Plan{IdleWait: interval, KeepRatio: 1} }

// Plan divides the calls that there is room for. Users who are listening come
// first. Idle users share what they leave, evenly: at least a poll in longest
// each, at most one in interval. Where even that is too much, polls of listening
// users are thinned out.
//
// Both hold for each of the next 24 hours: calls that leave the window later
// are not spent now, so that no hour is left dark.
func (r Headroom) Plan(d Demand, interval, longest time.Duration) Plan {
	longest = max(longest, interval)
	if !r.Bounded || interval <= 0 {
		return UnboundedPlan(interval)
	}
	idle := float64(max(d.Idle, 1))
	slowest, fastest := idle*float64(time.Hour)/float64(longest), idle*float64(time.Hour)/float64(interval)
	free := float64(r.Limit)*(1-idleReserve) - float64(r.Calls)
	most := float64(r.Limit+r.Ceiling)/2 - float64(r.Calls)
	rate, keep, listening := fastest, 1.0, 0.0
	for i, leaving := range r.Leaving {
		hours := float64(i + 1)
		free, most = free+float64(leaving), most+float64(leaving)
		listening += d.Listening[i]
		rate = min(rate, (free-listening)/hours-d.Fixed)
		if listening > 0 {
			keep = min(keep, (most-(slowest+d.Fixed)*hours)/listening)
		}
	}
	rate = max(rate, slowest)
	return Plan{
		IdleWait:  min(longest, max(interval, time.Duration(idle*float64(time.Hour)/rate))),
		KeepRatio: max(keep, keepMin),
	}
}
