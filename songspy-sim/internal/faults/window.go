package faults

import (
	"sync"
	"time"
)

// windowSeconds is the length of the rolling window in which Spotify counts
// an app's calls.
const windowSeconds = 30

// Window counts calls in a rolling window of 30 s. The zero value is empty.
type Window struct {
	mu      sync.Mutex
	seconds [windowSeconds]struct{ at, calls int64 }
}

// Admit counts a call unless limit calls were admitted in the last 30 s. If
// it refuses it tells the whole seconds until there is room again.
func (w *Window) Admit(now time.Time, limit int) (retryAfter int, ok bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	at := now.Unix()
	var sum int64
	oldest := at
	for _, s := range w.seconds {
		if s.calls > 0 && s.at > at-windowSeconds {
			sum += s.calls
			oldest = min(oldest, s.at)
		}
	}
	if sum >= int64(limit) {
		return int(oldest + windowSeconds - at), false
	}
	slot := &w.seconds[((at%windowSeconds)+windowSeconds)%windowSeconds]
	if slot.at != at {
		slot.at, slot.calls = at, 0
	}
	slot.calls++
	return 0, true
}
