// Package breaker decides whether a Spotify app may be called now: a circuit
// breaker with a rate limiter. Spotify counts calls per app, not per user, and
// an app that keeps calling while it is refused waits longer. So one refusal
// must stop all calls of the app.
//
// The package is a pure state machine: values in, values out, no clock and no
// locks. Breakers is plain data that can be stored in a database and shared by
// all processes of an instance. The transport of package spotify applies it.
//
// A breaker is in one of three states:
//
//   - closed: calls pass (Cause is empty).
//   - open: calls are blocked until OpenUntil.
//   - half open: OpenUntil has passed. The first call that is not Background is the
//     probe, and no other call passes until it has returned or probeTimeout has passed.
//     If the probe succeeds, the breaker closes and the call rate ramps up. If the probe
//     is refused, the breaker opens again.
package breaker

import (
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Circuit names one of the two Spotify hosts that an app calls: accounts
// (tokens) or the Web API. Each has its own circuit breaker, because Spotify
// refuses calls to them independently.
type Circuit string

// The circuits.
const (
	CircuitAccounts Circuit = "accounts" // tokens: accounts.spotify.com
	CircuitAPI      Circuit = "api"      // the Web API: api.spotify.com
)

// Circuits returns both circuits.
func Circuits() []Circuit { return []Circuit{CircuitAccounts, CircuitAPI} }

const (
	rateLimitedWait    = 30 * time.Second
	rateLimitedWaitMax = 15 * time.Minute
	quotaWait          = 15 * time.Minute
	quotaWaitMax       = 6 * time.Hour
	premiumWait        = time.Hour
	// waitMax is the longest Retry-After that is obeyed; a longer one counts as
	// waitMax. Spotify has sent 86400 s, and one test call (probe) a day is harmless.
	waitMax = 24 * time.Hour
	// probeTimeout is how long a probe (the one call that tests a blocked app) may
	// take. After that another probe is allowed, because the process that made the
	// first one may have died.
	probeTimeout = 30 * time.Second
	// failedProbeWait is how long to wait before the next probe if the last one
	// showed nothing about the app, for example because of a 5xx.
	failedProbeWait = 5 * time.Second
	// deniedWaitMin is the shortest RetryAfter of a call that the rate limiter or a
	// pending probe blocks.
	deniedWaitMin = time.Second
)

// Breakers is the state of the two circuit breakers of one Spotify app. In the
// zero value both are closed, so that calls pass.
type Breakers struct {
	Accounts Breaker
	API      Breaker
	// Share is the fraction of the app's calls per second that this process may make,
	// from 0 to 1. But 0 means all of them.
	Share float64
}

// Breaker is the state of one circuit.
type Breaker struct {
	// Cause is why the breaker is open. It is empty while the breaker is
	// closed.
	Cause Cause
	// OpenedAt is when the breaker opened, or when OpenUntil was last extended.
	// OpenUntil is when it becomes half open: then one call may test the app.
	OpenedAt  time.Time
	OpenUntil time.Time
	// BackoffStep counts how often in a row the breaker has opened for an
	// estimated time: a 429 had no Retry-After, or the quota is exceeded and
	// the Retry-After may be too short. Each step doubles the next estimate.
	BackoffStep int
	// ProbeUntil is the time until which other calls are blocked because the current probe
	// (test call) has not returned yet. It is zero if no probe is under way.
	ProbeUntil time.Time
	// Epoch increases whenever the breaker opens, and with every probe and its
	// result. Results of calls that began in an older epoch no longer change
	// the breaker, except that refusals can extend its open time.
	Epoch int64
	// Limiter limits the call rate while the breaker is closed.
	Limiter RateLimiter
}

// Permit identifies a call that Decide allowed. The caller passes it to Report
// together with the call's result.
type Permit struct {
	Epoch int64
	// Probe says that this call is the one that tests a blocked app. No other
	// call is allowed until its result is known or probeTimeout has passed.
	Probe bool
}

// Decision says whether one call may be made.
type Decision struct {
	Allowed bool
	Permit  Permit
	// Cause and RetryAfter say, for a blocked call, why it is blocked and for
	// how long at least.
	Cause      Cause
	RetryAfter time.Duration
}

// Urgency says which calls go first while the rate limiter allows only some of
// them.
type Urgency int

// The urgencies.
const (
	// Routine calls wait for the rate limiter.
	Routine Urgency = iota
	// Background calls can wait for hours. They pass a closed breaker if there is no
	// rate limit, or if no other call has used the rate limit for about a second. They
	// are never used as the probe (the test call of a blocked app).
	Background
	// Urgent calls have a user waiting. They pass a closed breaker without
	// waiting for the rate limiter, and the routine calls after them wait
	// longer. An open breaker blocks them.
	Urgent
)

// Decide reports whether one call may be made now. The returned Breakers replaces
// s. It counts an allowed call, so a caller that will not make the call must keep s.
func Decide(s Breakers, now time.Time, circuit Circuit, u Urgency) (Breakers, Decision) {
	b := s.For(circuit)
	b.correctClock(now)
	switch {
	case b.Cause == "":
		if wait := b.Limiter.take(now, u); wait > 0 {
			return s, Decision{Cause: CauseRampUp, RetryAfter: max(wait, deniedWaitMin)}
		}
		return s, Decision{Allowed: true, Permit: Permit{Epoch: b.Epoch}}
	case now.Before(b.OpenUntil):
		return s, Decision{Cause: b.Cause, RetryAfter: b.OpenUntil.Sub(now)}
	case now.Before(b.ProbeUntil), u == Background:
		return s, Decision{Cause: CauseProbing, RetryAfter: deniedWaitMin}
	}
	b.Epoch++
	b.ProbeUntil = now.Add(probeTimeout)
	return s, Decision{Allowed: true, Permit: Permit{Epoch: b.Epoch, Probe: true}}
}

// Result says what the answer to a call means for the circuit breaker.
type Result int

// The results.
const (
	// Answered means that Spotify processed the call, even if it rejected the
	// user.
	Answered Result = iota
	// RateLimited means 429.
	RateLimited
	// QuotaExceeded means 429 with QUOTA_EXCEEDED.
	QuotaExceeded
	// PremiumRequired means the 403 that says that the app's owner needs
	// Premium.
	PremiumRequired
	// Forbidden means a 403 with an unknown body. It counts as concerning only
	// the user of the call, unless the call is the probe of a breaker that opened
	// because of such answers.
	Forbidden
	// AppForbidden means a 403 with an unknown body that concerns the whole
	// app, because several users got such answers.
	AppForbidden
	// Failed means that no answer came, or a 5xx. That shows nothing about
	// whether Spotify blocks the app.
	Failed
	// Abandoned means that the caller gave up before an answer came.
	Abandoned
)

// Outcome is a result with the Retry-After that Spotify sent. RetryAfter is zero
// if Spotify sent none.
type Outcome struct {
	Result     Result
	RetryAfter time.Duration
}

// Report records the outcome of a call that Decide allowed. Call it once for
// every such call. If a probe (test call) is never reported, another one is
// allowed after probeTimeout.
func Report(s Breakers, now time.Time, circuit Circuit, p Permit, o Outcome) Breakers {
	b := s.For(circuit)
	b.correctClock(now)
	current := p.Epoch == b.Epoch
	if o.Result == Forbidden {
		o.Result = Answered
		if p.Probe && b.Cause == CauseForbidden {
			o.Result = AppForbidden
		}
	}
	switch o.Result {
	case RateLimited, QuotaExceeded, PremiumRequired, AppForbidden:
		if current {
			b.trip(now, p, o, s.share())
		} else {
			b.extendOpen(now, o)
		}
	case Answered:
		switch {
		case !current:
		case p.Probe:
			b.reset(now, s.share())
		case b.Cause == "":
			b.Limiter.increase(s.share())
		}
	case Failed:
		if current && p.Probe {
			b.OpenedAt, b.OpenUntil, b.ProbeUntil = now, now.Add(failedProbeWait), time.Time{}
			b.Epoch++
		}
	case Abandoned:
		if current && p.Probe {
			b.ProbeUntil = time.Time{}
			b.Epoch++
		}
	}
	return s
}

// ChangesNothing returns true only if Report would change nothing. It does so for almost
// every call: it was answered, it is not a probe, and the call rate is not limited.
func (s *Breakers) ChangesNothing(circuit Circuit, p Permit, o Outcome) bool {
	return o.Result == Answered && !p.Probe && s.For(circuit).Limiter.Rate == 0
}

// TripForbidden opens the circuit breaker of the Web API, unless it is open
// already. Call it when Spotify answers the calls of several users with a 403 of
// unknown meaning: the refusals then concern the whole app.
func TripForbidden(s Breakers, now time.Time) Breakers {
	if s.API.Cause != "" {
		return s
	}
	return Report(s, now, CircuitAPI, Permit{Epoch: s.API.Epoch}, Outcome{Result: AppForbidden})
}

// WithdrawProbe undoes Decide for a probe (test call) that is not sent after
// all, because another process makes one or the database could not be reached.
func WithdrawProbe(s Breakers, circuit Circuit, p Permit) Breakers {
	if b := s.For(circuit); p.Probe && p.Epoch == b.Epoch {
		b.ProbeUntil = time.Time{}
		b.Epoch--
	}
	return s
}

// For returns the breaker of the circuit within s.
func (s *Breakers) For(circuit Circuit) *Breaker {
	if circuit == CircuitAccounts {
		return &s.Accounts
	}
	return &s.API
}

// trip opens the circuit breaker after Spotify has refused a call that began in
// the current epoch.
func (b *Breaker) trip(now time.Time, p Permit, o Outcome, share float64) {
	cause := o.Result.cause()
	if cause != b.Cause {
		b.BackoffStep = 0
	}
	if !p.Probe && o.Result == RateLimited {
		b.Limiter.learnRate(now, share)
	}
	wait, guessed := o.wait(b.BackoffStep)
	if guessed {
		b.BackoffStep++
	}
	b.Cause = cause
	b.OpenedAt, b.OpenUntil = now, now.Add(wait)
	b.ProbeUntil = time.Time{}
	b.Epoch++
	b.Limiter.stop()
}

// extendOpen handles the refusal of a call that was made before the breaker
// opened. When a breaker opens, hundreds of such calls may still be refused,
// and they count as one refusal: they can extend the open time, but do not
// double it.
func (b *Breaker) extendOpen(now time.Time, o Outcome) {
	if b.Cause == "" {
		return // the breaker has closed since then, because of the result of a newer call
	}
	cause, step := o.Result.cause(), 0
	if cause == b.Cause {
		step = max(0, b.BackoffStep-1)
	}
	wait, guessed := o.wait(step)
	until := now.Add(wait)
	if !until.After(b.OpenUntil) {
		return
	}
	if cause != b.Cause {
		b.Cause, b.BackoffStep = cause, 0
		if guessed {
			b.BackoffStep = 1
		}
	}
	b.OpenedAt, b.OpenUntil = now, until
}

// correctClock corrects times that were stored before the clock was set back. An open
// breaker whose times are ahead of the clock stays open for its whole open time,
// counted from now, at most a day. The epoch increases, so that every process takes
// over the corrected times.
func (b *Breaker) correctClock(now time.Time) {
	if !b.OpenedAt.After(now) && !b.OpenUntil.After(now) && !b.ProbeUntil.After(now) {
		return // the usual case: while the breaker is closed, these times are zero
	}
	const slack = songspy.ClockSkewMax
	if shift := b.OpenedAt.Sub(now); shift > slack {
		b.OpenedAt, b.OpenUntil = now, b.OpenUntil.Add(-shift)
		b.Epoch++
	}
	if b.OpenUntil.Sub(now) > waitMax+slack {
		b.OpenedAt, b.OpenUntil = now, now.Add(waitMax)
		b.Epoch++
	}
	if b.ProbeUntil.Sub(now) > probeTimeout+slack {
		b.ProbeUntil = now.Add(probeTimeout)
		b.Epoch++
	}
}

// reset closes the breaker after a successful probe.
func (b *Breaker) reset(now time.Time, share float64) {
	b.Cause, b.BackoffStep = "", 0
	b.OpenedAt, b.OpenUntil, b.ProbeUntil = time.Time{}, time.Time{}, time.Time{}
	b.Epoch++
	b.Limiter.start(now, share)
}

// cause returns the Cause of a breaker that opens because of this result.
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

// wait returns for how long the circuit breaker opens. guessed is true if a 429 had no
// Retry-After, or if the quota is exceeded and the Retry-After may be too short.
// step is how often in a row the time was guessed before this result.
func (o Outcome) wait(step int) (wait time.Duration, guessed bool) {
	requested := min(o.RetryAfter, waitMax)
	switch {
	case o.Result == PremiumRequired, o.Result == AppForbidden:
		return max(requested, premiumWait), false
	case o.Result == QuotaExceeded && requested > 0 && step == 0:
		return requested, true
	case o.Result == QuotaExceeded && requested > 0:
		// Spotify refused the probe although the time that it had asked for has
		// passed.
		return max(requested, backoff(rateLimitedWait, rateLimitedWaitMax, step-1)), true
	case o.Result == QuotaExceeded:
		return backoff(quotaWait, quotaWaitMax, step), true
	case requested > 0:
		return requested, false
	default:
		return backoff(rateLimitedWait, rateLimitedWaitMax, step), true
	}
}

// backoff returns a wait that begins with first and doubles with each step, up to the
// limit most.
func backoff(first, most time.Duration, step int) time.Duration {
	for ; step > 0 && first < most; step-- {
		first *= 2
	}
	return min(first, most)
}

// Cause says why a call is blocked. It is also the value of a metric's label.
type Cause string

// The causes. The first four open a circuit breaker, and are stored in
// Breaker.Cause. The others only say why a call was blocked.
const (
	CauseRateLimited     Cause = "rate_limited"     // 429
	CauseQuota           Cause = "quota_exceeded"   // 429 with QUOTA_EXCEEDED: the daily quota of the developer account
	CausePremiumRequired Cause = "premium_required" // 403: the app's owner has no Premium subscription
	CauseForbidden       Cause = "forbidden"        // 403 with an unknown body, to several users
	CauseProbing         Cause = "probing"          // half open: the probe is under way, or this background call must leave it to another call
	CauseRampUp          Cause = "ramp_up"          // closed again recently: the rate limiter is active
	CauseDailyCalls      Cause = "daily_calls"      // all calls that the quota or the operator allows in 24 hours have been made
)

// Description returns the cause in words for people.
func (c Cause) Description() string {
	if c == CausePremiumRequired {
		return "the app's owner needs Spotify Premium"
	}
	if c == CauseForbidden {
		return "Spotify forbids the calls of several users; check the app in the Spotify dashboard"
	}
	return strings.ReplaceAll(string(c), "_", " ")
}
