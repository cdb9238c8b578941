package gate

import "time"

const (
	// window is the span over which Spotify counts an app's calls.
	window = 30 * time.Second
	// slowest is the pace, in calls a second, at which a door opens and below
	// which none is pressed: what it takes to serve ninety people.
	slowest = 1.0
	// unpaced is the pace at which a door that has learnt nothing is free again.
	unpaced = 1000.0
	// forget is how many times the learnt pace must be carried before it is
	// held to be wrong.
	forget = 4.0
)

// Pace is how many calls an open door lets through. After an opening the pace
// doubles with every second of calls answered, up to what was learnt; from
// there it rises by a little with each window, and each refusal halves it. The
// zero Pace lets everything through.
type Pace struct {
	// Rate is the pace now, in calls a second; 0: not paced.
	Rate float64
	// Learnt is half the pace at which the whole app was last refused, in calls
	// a second; 0: nothing learnt.
	Learnt float64
	// Credit is how many calls could pass at CreditAt; urgent calls may overdraw it.
	Credit   float64
	CreditAt time.Time
	// Calls were let through since Since, and Before in the window before.
	Since  time.Time
	Calls  int
	Before int
}

// take lets one call through and returns zero, or the wait until one could pass.
func (p *Pace) take(now time.Time, u Urgency) time.Duration {
	if p.Rate > 0 {
		if p.CreditAt.After(now) {
			p.CreditAt = now // the clock was set back
		}
		most := max(1, p.Rate) // a second's worth
		credit := min(most, p.Credit+p.Rate*max(0, now.Sub(p.CreditAt).Seconds()))
		need := 1.0
		if u == Idle {
			need = most
		}
		if credit < need && u != Urgent {
			return max(1, time.Duration((need-credit)/p.Rate*float64(time.Second)))
		}
		p.Credit, p.CreditAt = max(credit-1, -most), now
	}
	p.roll(now)
	p.Calls++
	return 0
}

// roll moves the counting on to the window that holds now.
func (p *Pace) roll(now time.Time) {
	switch age := now.Sub(p.Since); {
	case age < 0: // the clock was set back
		p.Since = now
	case age >= 2*window:
		p.Since, p.Calls, p.Before = now, 0, 0
	case age >= window:
		p.Since, p.Calls, p.Before = p.Since.Add(window), 0, p.Calls
	}
}

// learn notes the pace at which the provider refused, halved. What this process
// did is taken for its share of it.
func (p *Pace) learn(now time.Time, share float64) {
	p.roll(now)
	rest := 1 - max(0, now.Sub(p.Since).Seconds())/window.Seconds()
	seen := (float64(p.Calls) + rest*float64(p.Before)) / window.Seconds()
	p.Learnt = max(slowest, max(seen, p.Rate)/2/share)
}

// start opens at the slowest pace.
func (p *Pace) start(now time.Time, share float64) {
	p.Rate, p.Credit, p.CreditAt = slowest*share, 1, now
}

// stop ends the pacing while the door is closed; what was learnt stays.
func (p *Pace) stop() {
	p.Rate, p.Credit, p.CreditAt = 0, 0, time.Time{}
}

// grow follows an answered call.
func (p *Pace) grow(share float64) {
	learnt := p.Learnt * share
	switch {
	case p.Rate == 0:
	case p.Learnt == 0:
		if p.Rate++; p.Rate >= unpaced*share {
			p.stop()
		}
	case p.Rate < learnt:
		p.Rate = min(p.Rate+1, learnt)
	default:
		// One thirtieth of what was learnt, and at least one, for each window
		// at full pace; shared among the calls that this window sees.
		p.Rate += max(share, learnt/30) / (p.Rate * window.Seconds())
		if p.Rate >= forget*learnt {
			p.stop()
			p.Learnt = 0
		}
	}
}
