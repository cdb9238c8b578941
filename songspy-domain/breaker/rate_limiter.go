package breaker

import "time"

const (
	// window is the span over which Spotify counts an app's calls.
	rateWindow = 30 * time.Second
	// slowest is the pace, in calls a second, at which a door opens and below
	// which none is pressed: what it takes to serve ninety people.
	rateMin = 1.0
	// unpaced is the pace at which a door that has learnt nothing is free again.
	rateUnlimited = 1000.0
	// forget is how many times the learnt pace must be carried before it is
	// held to be wrong.
	forgetFactor = 4.0
)

// Pace is how many calls an open door lets through. After an opening the pace
// doubles with every second of calls answered, up to what was learnt; from
// there it rises by a little with each window, and each refusal halves it. The
// zero Pace lets everything through.
type RateLimiter struct {
	// Rate is the pace now, in calls a second; 0: not paced.
	Rate float64
	// Learnt is half the pace at which the whole app was last refused, in calls
	// a second; 0: nothing learnt.
	Learned float64
	// Credit is how many calls could pass at CreditAt; urgent calls may overdraw it.
	Tokens   float64
	TokensAt time.Time
	// Calls were let through since Since, and Before in the window before.
	WindowStart time.Time
	Calls       int
	CallsBefore int
}

// take lets one call through and returns zero, or the wait until one could pass.
func (p *RateLimiter) take(now time.Time, u Urgency) time.Duration {
	if p.Rate > 0 {
		if p.TokensAt.After(now) {
			p.TokensAt = now // the clock was set back
		}
		most := max(1, p.Rate) // a second's worth
		credit := min(most, p.Tokens+p.Rate*max(0, now.Sub(p.TokensAt).Seconds()))
		need := 1.0
		if u == Background {
			need = most
		}
		if credit < need && u != Urgent {
			return max(1, time.Duration((need-credit)/p.Rate*float64(time.Second)))
		}
		p.Tokens, p.TokensAt = max(credit-1, -most), now
	}
	p.rollWindow(now)
	p.Calls++
	return 0
}

// roll moves the counting on to the window that holds now.
func (p *RateLimiter) rollWindow(now time.Time) {
	switch age := now.Sub(p.WindowStart); {
	case age < 0: // the clock was set back
		p.WindowStart = now
	case age >= 2*rateWindow:
		p.WindowStart, p.Calls, p.CallsBefore = now, 0, 0
	case age >= rateWindow:
		p.WindowStart, p.Calls, p.CallsBefore = p.WindowStart.Add(rateWindow), 0, p.Calls
	}
}

// learn notes the pace at which the provider refused, halved. What this process
// did is taken for its share of it.
func (p *RateLimiter) learnRate(now time.Time, share float64) {
	p.rollWindow(now)
	rest := 1 - max(0, now.Sub(p.WindowStart).Seconds())/rateWindow.Seconds()
	seen := (float64(p.Calls) + rest*float64(p.CallsBefore)) / rateWindow.Seconds()
	p.Learned = max(rateMin, max(seen, p.Rate)/2/share)
}

// start opens at the slowest pace.
func (p *RateLimiter) start(now time.Time, share float64) {
	p.Rate, p.Tokens, p.TokensAt = rateMin*share, 1, now
}

// stop ends the pacing while the door is closed; what was learnt stays.
func (p *RateLimiter) stop() {
	p.Rate, p.Tokens, p.TokensAt = 0, 0, time.Time{}
}

// grow follows an answered call.
func (p *RateLimiter) increase(share float64) {
	learned := p.Learned * share
	switch {
	case p.Rate == 0:
	case p.Learned == 0:
		if p.Rate++; p.Rate >= rateUnlimited*share {
			p.stop()
		}
	case p.Rate < learned:
		p.Rate = min(p.Rate+1, learned)
	default:
		// One thirtieth of what was learnt, and at least one, for each window
		// at full pace; shared among the calls that this window sees.
		p.Rate += max(share, learned/30) / (p.Rate * rateWindow.Seconds())
		if p.Rate >= forgetFactor*learned {
			p.stop()
			p.Learned = 0
		}
	}
}
