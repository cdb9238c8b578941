// Package gate decides whether a Spotify app may be called now. Spotify counts
// calls per app, not per person, and who goes on knocking while refused waits
// longer; so one refusal must stop everybody.
//
// It is a pure state machine: values in, values out, no clock and no locks. A
// State is plain data, so that it can be kept in a database and shared by
// every process of an instance. The transport of package spotify applies it.
//
// A door is open, closed until a moment, or due: past that moment with nothing
// yet known. The first call through a due door is its probe; while it is out
// nobody else passes. Its success opens the door, and calls ramp up from there.
package breaker

import (
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Door names one of the two hosts of an app; each refuses for itself.
type Circuit string

// The doors.
const (
	CircuitAccounts Circuit = "accounts" // tokens: accounts.spotify.com
	CircuitAPI      Circuit = "api"      // the Web API: api.spotify.com
)

// Doors lists the doors.
func Circuits() []Circuit { return []Circuit{CircuitAccounts, CircuitAPI} }

const (
	rateLimitedWait    = 30 * time.Second
	rateLimitedWaitMax = 15 * time.Minute
	quotaWait          = 15 * time.Minute
	quotaWaitMax       = 6 * time.Hour
	premiumWait        = time.Hour
	// longest bounds what a provider may ask for: 86400 s has been seen, and a
	// probe a day hurts nobody.
	waitMax = 24 * time.Hour
	// probeLease is how long a probe may stay out before another replaces it:
	// its process may have died.
	probeTimeout = 30 * time.Second
	// probePause follows a probe that learnt nothing, such as a 5xx.
	failedProbeWait = 5 * time.Second
	// holdBack is the least wait that a refused call is told.
	deniedWaitMin = time.Second
)

// State is all that is known of one app. The zero State has both doors open.
type Breakers struct {
	Accounts Breaker
	API      Breaker
	// Share is which part of the app's pace this process may use, from 0 to 1;
	// 0 means all of it.
	Share float64
}

// DoorState is what is known of one door.
type Breaker struct {
	// Why is what closed the door; empty: it is open.
	Cause Cause
	// ClosedAt is when it was closed last, or its closing lengthened, and
	// ClosedUntil when it is due for a probe.
	OpenedAt  time.Time
	OpenUntil time.Time
	// Step counts the closings in a row whose length had to be guessed.
	BackoffStep int
	// ProbeUntil is how long the probe that is out holds its place; zero: none is.
	ProbeUntil time.Time
	// Epoch is raised by every closing, every probe and what comes of it. What a
	// call of an older epoch reports is old news.
	Epoch int64
	// Pace is how many calls an open door lets through.
	Limiter RateLimiter
}

// Pass is what a call that was let through shows when it reports.
type Permit struct {
	Epoch int64
	// Probe says that everybody waits for this call's outcome.
	Probe bool
}

// Verdict is the answer to one call that wants through.
type Decision struct {
	Allowed bool
	Permit  Permit
	// Why and RetryAfter tell a refused call what holds it, and for how long at least.
	Cause      Cause
	RetryAfter time.Duration
}

// Urgency is how much a call matters while an open door is paced.
type Urgency int

// The urgencies.
const (
	// Routine calls wait their turn.
	Routine Urgency = iota
	// Idle calls can wait for hours. They pass an open door when it is not
	// paced, or when nobody else has wanted through for a second; they never probe.
	Background
	// Urgent calls have a person waiting. They pass an open door at once, at
	// the cost of the routine calls after them; a closed one they do not.
	Urgent
)

// Decide says whether one call may pass the door now. The returned State
// replaces s; dropping it instead is a look that leaves no trace.
func Decide(s Breakers, now time.Time, circuit Circuit, u Urgency) (Breakers, Decision) {
	d := s.forCircuit(circuit)
	d.correctClock(now)
	switch {
	case d.Cause == "":
		if wait := d.Limiter.take(now, u); wait > 0 {
			return s, Decision{Cause: CauseRampUp, RetryAfter: max(wait, deniedWaitMin)}
		}
		return s, Decision{Allowed: true, Permit: Permit{Epoch: d.Epoch}}
	case now.Before(d.OpenUntil):
		return s, Decision{Cause: d.Cause, RetryAfter: d.OpenUntil.Sub(now)}
	case now.Before(d.ProbeUntil), u == Background:
		return s, Decision{Cause: CauseProbing, RetryAfter: deniedWaitMin}
	}
	d.Epoch++
	d.ProbeUntil = now.Add(probeTimeout)
	return s, Decision{Allowed: true, Permit: Permit{Epoch: d.Epoch, Probe: true}}
}

// Result is what became of a call, as far as the door is concerned.
type Result int

// The results.
const (
	// Answered: the provider dealt with the call, be it by refusing the person.
	Answered Result = iota
	// Throttled: 429.
	RateLimited
	// QuotaExceeded: 429 with QUOTA_EXCEEDED.
	QuotaExceeded
	// PremiumRequired: the 403 that concerns the app's owner.
	PremiumRequired
	// Forbidden: a 403 in words that are not known. It concerns the caller, unless
	// the door is closed because such answers concern the app.
	Forbidden
	// AppForbidden: such answers to several users have shown that the app is meant.
	AppForbidden
	// Failed: no answer, or a 5xx; it says nothing about the door.
	Failed
	// Abandoned: the caller went away before an answer.
	Abandoned
)

// Outcome is a result with the wait that the provider asked for; zero if it
// named none.
type Outcome struct {
	Result     Result
	RetryAfter time.Duration
}

// Report enters the outcome of a call that Decide let through. It must be
// called once for every such call; a probe that never reports is replaced in
// its time.
func Report(s Breakers, now time.Time, circuit Circuit, p Permit, o Outcome) Breakers {
	d := s.forCircuit(circuit)
	d.correctClock(now)
	current := p.Epoch == d.Epoch
	if o.Result == Forbidden {
		o.Result = Answered
		if p.Probe && d.Cause == CauseForbidden {
			o.Result = AppForbidden
		}
	}
	switch o.Result {
	case RateLimited, QuotaExceeded, PremiumRequired, AppForbidden:
		if current {
			d.trip(now, p, o, s.share())
		} else {
			d.extendOpen(now, o)
		}
	case Answered:
		switch {
		case !current:
		case p.Probe:
			d.reset(now, s.share())
		case d.Cause == "":
			d.Limiter.increase(s.share())
		}
	case Failed:
		if current && p.Probe {
			d.OpenedAt, d.OpenUntil, d.ProbeUntil = now, now.Add(failedProbeWait), time.Time{}
			d.Epoch++
		}
	case Abandoned:
		if current && p.Probe {
			d.ProbeUntil = time.Time{}
			d.Epoch++
		}
	}
	return s
}

// Forbid closes the Web API's door because Spotify forbids its users' calls in
// words that are not known.
func TripForbidden(s Breakers, now time.Time) Breakers {
	if s.API.Cause != "" {
		return s
	}
	return Report(s, now, CircuitAPI, Permit{Epoch: s.API.Epoch}, Outcome{Result: AppForbidden})
}

// Withdraw takes back a probe that never left, as if Decide had not let it
// through: another process was faster, or could not be asked.
func WithdrawProbe(s Breakers, circuit Circuit, p Permit) Breakers {
	if d := s.forCircuit(circuit); p.Probe && p.Epoch == d.Epoch {
		d.ProbeUntil = time.Time{}
		d.Epoch--
	}
	return s
}

// at is the door within s.
func (s *Breakers) forCircuit(circuit Circuit) *Breaker {
	if circuit == CircuitAccounts {
		return &s.Accounts
	}
	return &s.API
}

// close shuts the door on fresh news.
func (d *Breaker) trip(now time.Time, p Permit, o Outcome, share float64) {
	cause := o.Result.cause()
	if cause != d.Cause {
		d.BackoffStep = 0
	}
	if !p.Probe && o.Result == RateLimited {
		d.Limiter.learnRate(now, share)
	}
	wait, guessed := o.wait(d.BackoffStep)
	if guessed {
		d.BackoffStep++
	}
	d.Cause = cause
	d.OpenedAt, d.OpenUntil = now, now.Add(wait)
	d.ProbeUntil = time.Time{}
	d.Epoch++
	d.Limiter.stop()
}

// extend hears a call that went out before the door closed. When a door shuts,
// hundreds of such calls come back refused, and together they are one refusal:
// they can lengthen the closing and do not double it.
func (d *Breaker) extendOpen(now time.Time, o Outcome) {
	if d.Cause == "" {
		return // opened since, by newer news
	}
	cause, step := o.Result.cause(), 0
	if cause == d.Cause {
		step = max(0, d.BackoffStep-1)
	}
	wait, guessed := o.wait(step)
	until := now.Add(wait)
	if !until.After(d.OpenUntil) {
		return
	}
	if cause != d.Cause {
		d.Cause, d.BackoffStep = cause, 0
		if guessed {
			d.BackoffStep = 1
		}
	}
	d.OpenedAt, d.OpenUntil = now, until
}

// notAhead corrects what was noted before the clock was set back. A closing
// keeps its length from now on, and none lasts longer than a day. The epoch
// rises, so that every process takes the correction over.
func (d *Breaker) correctClock(now time.Time) {
	const slack = songspy.ClockSkewMax
	if shift := d.OpenedAt.Sub(now); shift > slack {
		d.OpenedAt, d.OpenUntil = now, d.OpenUntil.Add(-shift)
		d.Epoch++
	}
	if d.OpenUntil.Sub(now) > waitMax+slack {
		d.OpenedAt, d.OpenUntil = now, now.Add(waitMax)
		d.Epoch++
	}
	if d.ProbeUntil.Sub(now) > probeTimeout+slack {
		d.ProbeUntil = now.Add(probeTimeout)
		d.Epoch++
	}
}

// open follows a probe's success.
func (d *Breaker) reset(now time.Time, share float64) {
	d.Cause, d.BackoffStep = "", 0
	d.OpenedAt, d.OpenUntil, d.ProbeUntil = time.Time{}, time.Time{}, time.Time{}
	d.Epoch++
	d.Limiter.start(now, share)
}

// why is the reason that a refusal gives a door.
func (r Result) cause() Cause {
	switch r {
	case QuotaExceeded:
		return CauseQuota
	case PremiumRequired:
		return CausePremiumRequired
	case AppForbidden:
		return CauseForbidden
	default:
		return CauseRateLimited
	}
}

// wait is how long the refusal closes the door after step guesses in a row,
// and whether that is a guess in its turn.
func (o Outcome) wait(step int) (wait time.Duration, guessed bool) {
	requested := min(o.RetryAfter, waitMax)
	switch {
	case o.Result == PremiumRequired, o.Result == AppForbidden:
		return max(requested, premiumWait), false
	case o.Result == QuotaExceeded && requested > 0 && step == 0:
		return requested, true
	case o.Result == QuotaExceeded && requested > 0:
		// What was asked for has passed, and the probe was refused again.
		return max(requested, backoff(rateLimitedWait, rateLimitedWaitMax, step-1)), true
	case o.Result == QuotaExceeded:
		return backoff(quotaWait, quotaWaitMax, step), true
	case requested > 0:
		return requested, false
	default:
		return backoff(rateLimitedWait, rateLimitedWaitMax, step), true
	}
}

// doubled is first after step doublings, at most most.
func backoff(first, most time.Duration, step int) time.Duration {
	for ; step > 0 && first < most; step-- {
		first *= 2
	}
	return min(first, most)
}

// Why says what keeps a call outside. It is fit for a metric's label.
type Cause string

// The reasons. The first four close a door; the others hold back one call.
const (
	CauseRateLimited     Cause = "throttled"        // 429
	CauseQuota           Cause = "quota_exceeded"   // 429 with QUOTA_EXCEEDED: the developer's daily quota
	CausePremiumRequired Cause = "premium_required" // 403: the app's owner has no Premium subscription
	CauseForbidden       Cause = "forbidden"        // 403 to several users, in words that are not known
	CauseProbing         Cause = "probing"          // the probe is out
	CauseRampUp          Cause = "ramping_up"       // opened lately, and calls are still paced
	CauseDailyCalls      Cause = "budget_spent"     // the calls that the quota or the operator allows in 24 hours are made
)

// Words say why, for people to read.
func (w Cause) Description() string {
	if w == CausePremiumRequired {
		return "the app's owner needs Spotify Premium"
	}
	if w == CauseForbidden {
		return "Spotify forbids the calls of several users; look at the app in the Spotify dashboard"
	}
	return strings.ReplaceAll(string(w), "_", " ")
}
