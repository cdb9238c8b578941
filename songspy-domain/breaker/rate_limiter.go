package breaker

import "time"

const (
	// rateWindow is the period over which Spotify counts an app's calls.
	rateWindow = 30 * time.Second
	// rateMin is the lowest rate, in calls a second: the start rate after a
	// reset, and the lower bound of every learned rate. It is enough to poll
	// about ninety users.
	rateMin = 1.0
	// rateUnlimited is the rate at which the limit is lifted if no rate was
	// learned.
	rateUnlimited = 1000.0
	// forgetFactor is the multiple of the learned rate at which that rate
	// counts as wrong and is forgotten.
	forgetFactor = 4.0
)

// RateLimiter limits the call rate of a closed breaker. After a reset the rate
// doubles with every second of answered calls, up to the learned rate. From
// there it grows slowly with each window, and each refusal halves it. The zero
// RateLimiter has no limit.
type RateLimiter struct {
	// Rate is the current limit, in calls a second; 0 means no limit.
	Rate float64
	// Learned is half the rate at which Spotify last refused the whole app, in
	// calls a second; 0 if it never did.
	Learned float64
	// Tokens is how many calls could pass at TokensAt. Urgent calls may make it
	// negative.
	Tokens   float64
	TokensAt time.Time
	// WindowStart is the start of the window. Calls counts the calls since then,
	// CallsBefore those of the window before.
	WindowStart time.Time
	Calls       int
	CallsBefore int
}

// take lets one call pass and returns zero, or returns the wait until a call
// may pass.
func (p *RateLimiter) take(now time.Time, u Urgency) time.Duration {
	if p.Rate > 0 {
		if p.TokensAt.After(now) {
			p.TokensAt = now // the clock was set back
		}
		most := max(1, p.Rate) // the tokens of one second
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

// rollWindow moves the window of the counters on to now.
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

// learnRate stores half the rate at which Spotify refused the app. It assumes
// that this process made its share of the calls.
func (p *RateLimiter) learnRate(now time.Time, share float64) {
	p.rollWindow(now)
	rest := 1 - max(0, now.Sub(p.WindowStart).Seconds())/rateWindow.Seconds()
	seen := (float64(p.Calls) + rest*float64(p.CallsBefore)) / rateWindow.Seconds()
	p.Learned = max(rateMin, max(seen, p.Rate)/2/share)
}

// start begins to limit at the lowest rate.
func (p *RateLimiter) start(now time.Time, share float64) {
	p.Rate, p.Tokens, p.TokensAt = rateMin*share, 1, now
}

// stop removes the limit while the breaker is open. The learned rate stays.
func (p *RateLimiter) stop() {
	p.Rate, p.Tokens, p.TokensAt = 0, 0, time.Time{}
}

// increase raises the rate after an answered call.
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
		// Each window at the full rate adds a thirtieth of the learned rate, at
		// least 1. The calls of the window share that.
		p.Rate += max(share, learned/30) / (p.Rate * rateWindow.Seconds())
		if p.Rate >= forgetFactor*learned {
			p.stop()
			p.Learned = 0
		}
	}
}
