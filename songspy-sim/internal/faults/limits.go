package faults

import (
	"slices"
	"sync"
	"time"
)

// windowSeconds is the length of the rolling window in which Spotify counts an
// app's calls.
const windowSeconds = 30

// Window counts calls in a rolling window of 30 s. The zero value is empty.
type Window struct {
	mu      sync.Mutex
	seconds [windowSeconds]struct{ at, calls int64 }
}

// Admit counts a call unless limit calls were admitted in the last 30 s. If it
// refuses, it returns the whole seconds until a call is possible again.
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
	bucket := &w.seconds[((at%windowSeconds)+windowSeconds)%windowSeconds]
	if bucket.at != at {
		bucket.at, bucket.calls = at, 0
	}
	bucket.calls++
	return 0, true
}

// quotaWindow is the length of the rolling window in which Spotify counts the
// calls of a developer account.
const quotaWindow = 24 * time.Hour

// Quota counts calls in a rolling window of 24 hours, each at its own time. The
// zero value is empty.
type Quota struct {
	mu    sync.Mutex
	calls []time.Time // in order
}

// Admit counts a call unless limit calls were admitted in the last 24 hours. If
// it refuses, it returns the whole seconds until the oldest counted call leaves
// the window. Refused calls do not count.
func (q *Quota) Admit(now time.Time, limit int) (retryAfter int, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	left, _ := slices.BinarySearchFunc(q.calls, now.Add(-quotaWindow), func(at, limit time.Time) int {
		if at.After(limit) {
			return 1
		}
		return -1
	})
	q.calls = q.calls[left:]
	if len(q.calls) >= limit {
		oldest := now // for a limit of 0
		if len(q.calls) > 0 {
			oldest = q.calls[0]
		}
		wait := oldest.Add(quotaWindow).Sub(now)
		return max(1, int((wait+time.Second-1)/time.Second)), false
	}
	q.calls = append(q.calls, now)
	return 0, true
}
