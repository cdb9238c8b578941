package delayqueue

import (
	"context"
	"time"
)

// Slot is the first time after now that lies at the phase within the interval,
// counted from the Unix epoch, so that restarts do not move it. Whoever keeps
// to their own slot stays spread from everyone else, whatever happened.
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

// Wait waits for that long; false if ctx ended first.
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
