package breaker

import "time"

const (
	// rateWindow is the period over which Spotify counts an app's calls.
	rateWindow = 30 * time.Second
	// rateMin is the lowest limit, in calls a second. The limit starts at rateMin after
	// the circuit breaker has closed, and no learned rate is below it. One call a
	// second is enough to poll about ninety users.
	rateMin = 1.0
	// rateUnlimited is the value, in calls a second, at which a growing limit is removed
	// if no rate was learned.
	rateUnlimited = 1000.0
	// forgetFactor is the multiple of the learned rate at which the limit and the
	// learned rate are removed: if the limit has grown so far without a refusal, the
	// learned rate was wrong.
	forgetFactor = 4.0
)

// RateLimiter limits the calls per second of an app after its circuit breaker has
// closed again. The limit starts at rateMin and doubles with every second of answered
// calls, up to the learned rate. From there it grows slowly with each window of 30 s.
// When Spotify refuses a call because of the rate, half of the rate at that time becomes
// the learned rate. The zero RateLimiter has no limit.
type RateLimiter struct {
	// Rate is the current limit, in calls a second; 0 means no limit.
	Rate float64
	// Learned is half the rate at which Spotify last refused the whole app, in
	// calls a second; 0 if no rate is learned.
	Learned float64
	// Tokens is how many tokens the token bucket held at TokensAt: so many calls could
	// be made at once. It can become negative, because urgent calls do not wait for
	// tokens.
	Tokens   float64
	TokensAt time.Time
	// WindowStart is the start of the current window of 30 s. Calls counts the
	// calls since then, CallsBefore the calls of the window before.
	WindowStart time.Time
	Calls       int
	CallsBefore int
}

// take counts one call and returns zero if the call may be made now. Otherwise it
// counts nothing and returns how long the call has to wait.
func (l *RateLimiter) take(now time.Time, u Urgency) time.Duration {
	if l.Rate > 0 {
		if l.TokensAt.After(now) {
			l.TokensAt = now // the clock was set back
		}
		most := max(1, l.Rate) // the tokens of one second
		credit := min(most, l.Tokens+l.Rate*max(0, now.Sub(l.TokensAt).Seconds()))
		need := 1.0
		if u == Background {
			need = most
		}
		if credit < need && u != Urgent {
			return max(1, time.Duration((need-credit)/l.Rate*float64(time.Second)))
		}
		l.Tokens, l.TokensAt = max(credit-1, -most), now
	}
	l.rollWindow(now)
	l.Calls++
	return 0
}

// rollWindow begins a new window of the call counters if the current one is
// over.
func (l *RateLimiter) rollWindow(now time.Time) {
	switch age := now.Sub(l.WindowStart); {
	case age < 0: // the clock was set back
		l.WindowStart = now
	case age >= 2*rateWindow:
		l.WindowStart, l.Calls, l.CallsBefore = now, 0, 0
	case age >= rateWindow:
		l.WindowStart, l.Calls, l.CallsBefore = l.WindowStart.Add(rateWindow), 0, l.Calls
	}
}

// learnRate is called when Spotify has refused a call because of the rate. It stores
// half of the app's call rate at that time. It computes the rate from the calls of this
// process, assuming that they were the given share of all calls.
func (l *RateLimiter) learnRate(now time.Time, share float64) {
	l.rollWindow(now)
	rest := 1 - max(0, now.Sub(l.WindowStart).Seconds())/rateWindow.Seconds()
	seen := (float64(l.Calls) + rest*float64(l.CallsBefore)) / rateWindow.Seconds()
	l.Learned = max(rateMin, max(seen, l.Rate)/2/share)
}

// start begins to limit calls, at this process's share of rateMin.
func (l *RateLimiter) start(now time.Time, share float64) {
	l.Rate, l.Tokens, l.TokensAt = rateMin*share, 1, now
}

// stop removes the limit while the breaker is open. The learned rate stays.
func (l *RateLimiter) stop() {
	l.Rate, l.Tokens, l.TokensAt = 0, 0, time.Time{}
}

// increase raises the limit after an answered call. It removes a limit that has reached
// rateUnlimited, if no rate was learned, or forgetFactor times the learned rate.
func (l *RateLimiter) increase(share float64) {
	learned := l.Learned * share
	switch {
	case l.Rate == 0:
	case l.Learned == 0:
		if l.Rate++; l.Rate >= rateUnlimited*share {
			l.stop()
		}
	case l.Rate < learned:
		l.Rate = min(l.Rate+1, learned)
	default:
		// A window (30 s) of calls at the full rate raises the limit by a thirtieth of
		// the learned rate, and at least by 1 call a second for all processes together.
		// Each call of the window adds an equal fraction of that.
		l.Rate += max(share, learned/30) / (l.Rate * rateWindow.Seconds())
		if l.Rate >= forgetFactor*learned {
			l.stop()
			l.Learned = 0
		}
	}
}
