package quota

import (
	"math"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// These parameters decide how the quota is learned: how many calls Spotify allows a
// developer account in 24 hours. All fractions are of the calls that the account had
// made in 24 hours when Spotify refused one.
const (
	// plannedInitially is the fraction that is planned directly after a refusal.
	plannedInitially = 0.95
	// plannedGrowth is the fraction by which the planned calls grow each day in the
	// first week after a refusal. In the second week they grow by twice as much a day,
	// in the third week by three times as much, and so on.
	plannedGrowth = 0.005
	week          = 7 * 24 * time.Hour
	// overrun is the fraction by which the calls may exceed the planned calls for a
	// while, so that polls of a user who starts listening need not wait. On average no
	// more calls are made than planned. If DailyMax limits the calls, overrun is the
	// fraction of DailyMax by which the planned calls lie below it.
	overrun = 0.025
	// rampDown is how long after a refusal the ceiling (Account.Ceiling) takes to sink to
	// its final distance above the planned calls (overrun). The ceiling starts just below the
	// calls that led to the refusal. If it sank at once, no call would be allowed for
	// an hour.
	rampDown = 6 * time.Hour
	// marginBelow is the fraction by which the ceiling, directly after a refusal, lies
	// below the calls that led to the refusal.
	marginBelow = 0.0025
	// spacingMax is the longest time between two routine calls while the calls of 24
	// hours have reached the planned calls. In this file, all calls for which no user waits
	// are routine. spacingMax is for a process that makes all routine calls; a process that
	// makes only a share of them waits longer.
	spacingMax = 10 * time.Minute
	// plannedMin is the lowest number of planned calls: one in each bucket of five
	// minutes. If Spotify refuses calls after fewer of them, another program must
	// have used up the quota.
	plannedMin = int64(Window / BucketLength)
)

// Refusal is one answer of Spotify that says that the quota is exceeded.
type Refusal struct {
	At time.Time `json:"at"`
	// Endpoint is the endpoint that refused.
	Endpoint Endpoint `json:"endpoint"`
	// Calls are the account's calls in the 24 hours before the refusal, by
	// endpoint.
	Calls Counts `json:"calls"`
	// RetryAfterMS is the Retry-After that Spotify sent, in milliseconds; 0 if
	// it sent none.
	RetryAfterMS int64 `json:"retryAfterMs"`
	// Quota is the quota that follows from this refusal. 0 means that nothing
	// was learned, because the refused call was a probe (test call): Spotify was already
	// refusing calls before it.
	Quota int64 `json:"quota"`
}

// Account is what is known about the quota of one Spotify developer account:
// how many calls its apps may make in 24 hours. The zero Account has no limit.
// It is not safe for concurrent use.
type Account struct {
	// DailyMax is how many calls the operator allows in 24 hours; 0 means no
	// limit except Spotify's.
	DailyMax int64
	// Calls counts the calls of all processes. It always contains all calls of
	// this process. The calls of other processes come from the database and may
	// be missing for some seconds.
	Calls Calls
	// CountedSince is since when calls are counted; zero means since the oldest
	// call in Calls.
	CountedSince time.Time
	// LastRefusal is the last refusal from which a quota was learned; zero if
	// there is none.
	LastRefusal Refusal

	lastCallAt time.Time     // when this process made its last call
	spacingAt  time.Time     // the start of the bucket in which spacing was computed
	spacing    time.Duration // the time between two calls above Limit, for a process with a share of 1
}

// NewRefusal returns a Refusal for a call that Spotify has just refused because
// the quota is exceeded. If the call was a probe (test call), the Refusal has no
// Quota: a refused probe only shows that Spotify still refuses.
func (a *Account) NewRefusal(now time.Time, e Endpoint, retryAfter time.Duration, probe bool) Refusal {
	r := Refusal{At: now, Endpoint: e, Calls: a.Calls.ByEndpoint(now), RetryAfterMS: retryAfter.Milliseconds()}
	if probe {
		return r
	}
	r.Quota = max(1, a.Calls.AtLeast(now)-1) // without the refused call
	since := a.CountedSince
	if since.IsZero() {
		since = a.Calls.Since(now)
	}
	if now.Sub(since) < Window {
		// The count may be too low, because calls may have been made before
		// counting began. So it can raise the learned quota, but not lower it.
		r.Quota = max(r.Quota, a.LastRefusal.Quota)
	}
	return r
}

// Learn stores the refusal in LastRefusal if a quota was learned from it and no
// later such refusal is known. If the refusal's time is ahead of the clock, Learn
// sets it to now. Without that, Limit would raise the planned calls too late, because
// it raises them with the time since the refusal.
func (a *Account) Learn(now time.Time, r Refusal) {
	a.correctClock(now)
	if r.At = songspy.CapAtNow(r.At, now); r.Quota > 0 && r.At.After(a.LastRefusal.At) {
		a.LastRefusal = r
	}
}

// correctClock sets the time of the last refusal to now if it is ahead of the clock,
// because the clock was set back after the refusal.
func (a *Account) correctClock(now time.Time) {
	a.LastRefusal.At = songspy.CapAtNow(a.LastRefusal.At, now)
}

// Limit returns how many calls of the account are planned for 24 hours. bounded
// is false if no limit is known.
func (a *Account) Limit(now time.Time) (calls int64, bounded bool) {
	a.correctClock(now)
	if a.LastRefusal.Quota > 0 {
		calls, bounded = max(plannedMin, int64(float64(a.LastRefusal.Quota)*plannedShare(now.Sub(a.LastRefusal.At)))), true
	}
	if most := a.DailyMax - int64(overrun*float64(a.DailyMax)); a.DailyMax > 0 && (!bounded || most < calls) {
		calls, bounded = most, true
	}
	return calls, bounded
}

// plannedShare returns which fraction of the calls that led to a refusal is planned. The
// argument since is the time since the refusal. The result can be more than 1.
func plannedShare(since time.Duration) float64 {
	since = max(0, since)
	weeks := float64(since / week)
	days := (since % week).Hours() / 24
	// After n full weeks the growth is 7 × plannedGrowth × (1 + 2 + … + n).
	return plannedInitially + plannedGrowth*(7*weeks*(weeks+1)/2+(weeks+1)*days)
}

// Ceiling returns the number of calls in 24 hours at which routine calls stop. Once so
// many calls have been made, no routine call is made until older calls are more than 24
// hours ago. Between Limit and Ceiling, routine calls are only spaced out (Wait). bounded
// is false if there is no limit.
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

// Wait returns how long a routine call has to wait; 0 means that it may be made
// now. Once the calls of the last 24 hours have reached Limit, calls are made at
// intervals. The intervals are so long that the calls that remain up to the ceiling
// last until older calls are more than 24 hours ago. share is the fraction of all
// calls that this process may make, from 0 to 1.
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

// callSpacing returns the time between two calls of this process. The argument left is
// how many calls all processes together may make until older calls are more than 24
// hours ago. share is the fraction of these calls that this process may make.
func (a *Account) callSpacing(now time.Time, left int64, share float64) time.Duration {
	if at := BucketOf(now); !a.spacingAt.Equal(at) {
		rate, free := math.Inf(1), float64(left)
		for i, leaving := range a.Calls.Leaving(now) {
			// The calls that become older than 24 hours within hour i may all do so at the
			// end of that hour. So they must not be counted as free before it ends.
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

// Uncount takes back a call that Count counted at the given time, because it
// was not sent.
func (a *Account) Uncount(counted time.Time, e Endpoint) { a.Calls.Remove(counted, e) }

// Headroom says how many calls a developer account may still make, seen at one
// moment. The zero Headroom has no limit.
type Headroom struct {
	Bounded bool
	// Limit is how many calls are planned for 24 hours. Ceiling is how many are
	// allowed at most.
	Limit, Ceiling int64
	// Calls counts the calls of the last 24 hours. Leaving[i] says how many of
	// them become more than 24 hours old within the hour that begins i hours
	// from now. As many new calls may be made then.
	Calls   int64
	Leaving [24]int64
}

// Headroom returns how many calls the account may still make.
func (a *Account) Headroom(now time.Time) (r Headroom) {
	if r.Limit, r.Bounded = a.Limit(now); !r.Bounded {
		return Headroom{}
	}
	r.Ceiling, _ = a.Ceiling(now)
	r.Calls, r.Leaving = a.Calls.Sum(now), a.Calls.Leaving(now)
	return r
}

// Status is the state of a developer account's quota of calls at one moment, as
// operators see it.
type Status struct {
	// Calls are those of the last 24 hours.
	Calls Counts
	// Bounded says that there is a limit. Limit is how many calls are planned.
	// DailyMax is how many the operator allows; 0 means no limit except
	// Spotify's.
	Bounded         bool
	Limit, DailyMax int64
	// NextCallAt is when the next routine call may be made if the ceiling has been
	// reached. It is zero below the ceiling, where routine calls are at most spaced
	// out (Wait).
	NextCallAt time.Time
	// LastRefusal is the last refusal of Spotify from which a quota was
	// learned.
	LastRefusal Refusal
}

// Status returns the state of the account's quota.
func (a *Account) Status(now time.Time) Status {
	limit, bounded := a.Limit(now)
	s := Status{Calls: a.Calls.ByEndpoint(now), Limit: limit, Bounded: bounded, DailyMax: a.DailyMax, LastRefusal: a.LastRefusal}
	if most, bounded := a.Ceiling(now); bounded && a.Calls.Sum(now) >= most {
		s.NextCallAt = a.Calls.belowAt(now, most)
	}
	return s
}

const (
	// idleReserve is the fraction of the planned calls that polls of idle users
	// must leave free, because the calls for listening users are only
	// estimated.
	idleReserve = 0.05
	// keepMin is the fraction of the polls of listening users that is made even if
	// the quota is too small.
	keepMin = 0.1
)

// Demand is the input of Plan.
type Demand struct {
	// Listening is how many polls listening users need in each of the next 24
	// hours.
	Listening [24]float64
	// Fixed is how many calls an hour are made in any case, such as history
	// fetches.
	Fixed float64
	// Idle is how many users are idle.
	Idle int
}

// Plan says how the calls of a developer account are divided between idle and
// listening users, until the next plan is made.
type Plan struct {
	// IdleWait is the time between two polls of an idle user.
	IdleWait time.Duration
	// KeepRatio is the fraction of the polls of listening users that is made,
	// above 0; 1 means that all are made.
	KeepRatio float64
}

// UnboundedPlan returns the plan for an account without a limit: all polls of
// listening users are made, and idle users are polled once per interval.
func UnboundedPlan(interval time.Duration) Plan { return Plan{IdleWait: interval, KeepRatio: 1} }

// Plan divides the calls that the account may still make. Listening users come first.
// Idle users share the remaining calls evenly: the time between two polls of an idle
// user is at least interval and at most longest. If the calls do not suffice even if
// idle users wait for longest, some polls of listening users are omitted (KeepRatio).
//
// The plan must be affordable up to the end of each of the next 24 hours. So it does
// not use calls now that become free only later.
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
