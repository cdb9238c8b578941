package faults

import (
	"slices"
	"sync"
	"time"
)

// windowSeconds is the length of the rolling window in which Spotify counts an
// app's calls.
const windowSeconds = 30

// Window counts the calls of an app in a rolling window of 30 s. The zero value
// is empty.
type Window struct {
	mu      sync.Mutex
	seconds [windowSeconds]struct{ at, calls int64 }
}

// Admit counts a call and returns true, unless limit calls were counted in the
// last 30 s. Then it returns false and the whole seconds until a call is
// possible again.
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

// Quota counts the calls of a developer account in a rolling window of 24
// hours. It stores the exact time of each call. The zero value is empty.
type Quota struct {
	mu    sync.Mutex
	calls []time.Time // in order
}

// Admit counts a call and returns true, unless limit calls were counted in the
// last 24 hours. Then it returns false and the whole seconds until the oldest
// counted call is 24 hours ago. Refused calls are not counted.
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
