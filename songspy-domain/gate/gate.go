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
package gate

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Door names one of the two hosts of an app; each refuses for itself.
type Door string

// The doors.
const (
	Accounts Door = "accounts" // tokens: accounts.spotify.com
	API      Door = "api"      // the Web API: api.spotify.com
)

// Doors lists the doors.
func Doors() []Door { return []Door{Accounts, API} }

const (
	throttledFirst = 30 * time.Second
	throttledMost  = 15 * time.Minute
	quotaFirst     = 15 * time.Minute
	quotaMost      = 6 * time.Hour
	premiumWait    = time.Hour
	// longest bounds what a provider may ask for: 86400 s has been seen, and a
	// probe a day hurts nobody.
	longest = 24 * time.Hour
	// probeLease is how long a probe may stay out before another replaces it:
	// its process may have died.
	probeLease = 30 * time.Second
	// probePause follows a probe that learnt nothing, such as a 5xx.
	probePause = 5 * time.Second
	// holdBack is the least wait that a refused call is told.
	holdBack = time.Second
)

// State is all that is known of one app. The zero State has both doors open.
type State struct {
	Accounts DoorState
	API      DoorState
	// Share is which part of the app's pace this process may use, from 0 to 1;
	// 0 means all of it.
	Share float64
}

// DoorState is what is known of one door.
type DoorState struct {
	// Why is what closed the door; empty: it is open.
	Why Why
	// ClosedAt is when it was closed last, or its closing lengthened, and
	// ClosedUntil when it is due for a probe.
	ClosedAt    time.Time
	ClosedUntil time.Time
	// Step counts the closings in a row whose length had to be guessed.
	Step int
	// ProbeUntil is how long the probe that is out holds its place; zero: none is.
	ProbeUntil time.Time
	// Epoch is raised by every closing, every probe and what comes of it. What a
	// call of an older epoch reports is old news.
	Epoch int64
	// Pace is how many calls an open door lets through.
	Pace Pace
}

// Pass is what a call that was let through shows when it reports.
type Pass struct {
	Epoch int64
	// Probe says that everybody waits for this call's outcome.
	Probe bool
}

// Verdict is the answer to one call that wants through.
type Verdict struct {
	Allowed bool
	Pass    Pass
	// Why and RetryAfter tell a refused call what holds it, and for how long at least.
	Why        Why
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
	Idle
	// Urgent calls have a person waiting. They pass an open door at once, at
	// the cost of the routine calls after them; a closed one they do not.
	Urgent
)

// Decide says whether one call may pass the door now. The returned State
// replaces s; dropping it instead is a look that leaves no trace.
func Decide(s State, now time.Time, door Door, u Urgency) (State, Verdict) {
	d := s.at(door)
	d.notAhead(now)
	switch {
	case d.Why == "":
		if wait := d.Pace.take(now, u); wait > 0 {
			return s, Verdict{Why: WhyRamping, RetryAfter: max(wait, holdBack)}
		}
		return s, Verdict{Allowed: true, Pass: Pass{Epoch: d.Epoch}}
	case now.Before(d.ClosedUntil):
		return s, Verdict{Why: d.Why, RetryAfter: d.ClosedUntil.Sub(now)}
	case now.Before(d.ProbeUntil), u == Idle:
		return s, Verdict{Why: WhyProbing, RetryAfter: holdBack}
	}
	d.Epoch++
	d.ProbeUntil = now.Add(probeLease)
	return s, Verdict{Allowed: true, Pass: Pass{Epoch: d.Epoch, Probe: true}}
}

// Result is what became of a call, as far as the door is concerned.
type Result int

// The results.
const (
	// Answered: the provider dealt with the call, be it by refusing the person.
	Answered Result = iota
	// Throttled: 429.
	Throttled
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
func Report(s State, now time.Time, door Door, p Pass, o Outcome) State {
	d := s.at(door)
	d.notAhead(now)
	current := p.Epoch == d.Epoch
	if o.Result == Forbidden {
		o.Result = Answered
		if p.Probe && d.Why == WhyForbidden {
			o.Result = AppForbidden
		}
	}
	switch o.Result {
	case Throttled, QuotaExceeded, PremiumRequired, AppForbidden:
		if current {
			d.close(now, p, o, s.share())
		} else {
			d.extend(now, o)
		}
	case Answered:
		switch {
		case !current:
		case p.Probe:
			d.open(now, s.share())
		case d.Why == "":
			d.Pace.grow(s.share())
		}
	case Failed:
		if current && p.Probe {
			d.ClosedAt, d.ClosedUntil, d.ProbeUntil = now, now.Add(probePause), time.Time{}
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
func Forbid(s State, now time.Time) State {
	if s.API.Why != "" {
		return s
	}
	return Report(s, now, API, Pass{Epoch: s.API.Epoch}, Outcome{Result: AppForbidden})
}

// Withdraw takes back a probe that never left, as if Decide had not let it
// through: another process was faster, or could not be asked.
func Withdraw(s State, door Door, p Pass) State {
	if d := s.at(door); p.Probe && p.Epoch == d.Epoch {
		d.ProbeUntil = time.Time{}
		d.Epoch--
	}
	return s
}

// at is the door within s.
func (s *State) at(door Door) *DoorState {
	if door == Accounts {
		return &s.Accounts
	}
	return &s.API
}

// close shuts the door on fresh news.
func (d *DoorState) close(now time.Time, p Pass, o Outcome, share float64) {
	why := o.Result.why()
	if why != d.Why {
		d.Step = 0
	}
	if !p.Probe && o.Result == Throttled {
		d.Pace.learn(now, share)
	}
	wait, guessed := o.wait(d.Step)
	if guessed {
		d.Step++
	}
	d.Why = why
	d.ClosedAt, d.ClosedUntil = now, now.Add(wait)
	d.ProbeUntil = time.Time{}
	d.Epoch++
	d.Pace.stop()
}

// extend hears a call that went out before the door closed. When a door shuts,
// hundreds of such calls come back refused, and together they are one refusal:
// they can lengthen the closing and do not double it.
func (d *DoorState) extend(now time.Time, o Outcome) {
	if d.Why == "" {
		return // opened since, by newer news
	}
	why, step := o.Result.why(), 0
	if why == d.Why {
		step = max(0, d.Step-1)
	}
	wait, guessed := o.wait(step)
	until := now.Add(wait)
	if !until.After(d.ClosedUntil) {
		return
	}
	if why != d.Why {
		d.Why, d.Step = why, 0
		if guessed {
			d.Step = 1
		}
	}
	d.ClosedAt, d.ClosedUntil = now, until
}

// notAhead corrects what was noted before the clock was set back. A closing
// keeps its length from now on, and none lasts longer than a day. The epoch
// rises, so that every process takes the correction over.
func (d *DoorState) notAhead(now time.Time) {
	const slack = songspy.ClockAhead
	if shift := d.ClosedAt.Sub(now); shift > slack {
		d.ClosedAt, d.ClosedUntil = now, d.ClosedUntil.Add(-shift)
		d.Epoch++
	}
	if d.ClosedUntil.Sub(now) > longest+slack {
		d.ClosedAt, d.ClosedUntil = now, now.Add(longest)
		d.Epoch++
	}
	if d.ProbeUntil.Sub(now) > probeLease+slack {
		d.ProbeUntil = now.Add(probeLease)
		d.Epoch++
	}
}

// open follows a probe's success.
func (d *DoorState) open(now time.Time, share float64) {
	d.Why, d.Step = "", 0
	d.ClosedAt, d.ClosedUntil, d.ProbeUntil = time.Time{}, time.Time{}, time.Time{}
	d.Epoch++
	d.Pace.start(now, share)
}

// why is the reason that a refusal gives a door.
func (r Result) why() Why {
	switch r {
	case QuotaExceeded:
		return WhyQuota
	case PremiumRequired:
		return WhyPremium
	case AppForbidden:
		return WhyForbidden
	default:
		return WhyThrottled
	}
}

// wait is how long the refusal closes the door after step guesses in a row,
// and whether that is a guess in its turn.
func (o Outcome) wait(step int) (wait time.Duration, guessed bool) {
	asked := min(o.RetryAfter, longest)
	switch {
	case o.Result == PremiumRequired, o.Result == AppForbidden:
		return max(asked, premiumWait), false
	case o.Result == QuotaExceeded && asked > 0 && step == 0:
		return asked, true
	case o.Result == QuotaExceeded && asked > 0:
		// What was asked for has passed, and the probe was refused again.
		return max(asked, doubled(throttledFirst, throttledMost, step-1)), true
	case o.Result == QuotaExceeded:
		return doubled(quotaFirst, quotaMost, step), true
	case asked > 0:
		return asked, false
	default:
		return doubled(throttledFirst, throttledMost, step), true
	}
}

// doubled is first after step doublings, at most most.
func doubled(first, most time.Duration, step int) time.Duration {
	for ; step > 0 && first < most; step-- {
		first *= 2
	}
	return min(first, most)
}
