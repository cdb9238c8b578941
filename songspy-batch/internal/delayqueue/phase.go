package delayqueue

import (
	"context"
	"time"
)

// NextAtPhase returns the first time after now at which the duration phase has passed
// since the start of an interval. Intervals are counted from the Unix epoch, so that a
// restart does not move them. Keys with different phases stay spread over the interval,
// even when all of them are scheduled at once.
func NextAtPhase(now time.Time, phase, interval time.Duration) time.Time {
	if interval <= 0 {
		return now
	}
	wait := phase - time.Duration(now.UnixNano()%int64(interval))
	if wait <= 0 {
		wait += interval
	}
	return now.Add(wait)
}

// Wait waits for the duration d. It returns false if ctx ended first.
func Wait(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
