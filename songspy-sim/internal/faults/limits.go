package faults

import (
	"slices"
	"sync"
	"time"
)

// windowSeconds is the length in seconds of the rolling window in which Spotify counts an
// app's calls for its rate limit.
const windowSeconds = 30

// Window counts the calls of an app in a rolling window of 30 s, in buckets of one second.
// The zero value has counted no calls.
type Window struct {
	mu      sync.Mutex
	seconds [windowSeconds]struct{ at, calls int64 }
}

// Admit counts a call and returns true, if fewer than limit calls were counted in the last
// 30 s. Otherwise it does not count the call, and returns false and the number of whole
// seconds after which a call is possible again.
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

// Quota counts the calls of a developer account in a rolling window of 24 hours. It stores
// the exact time of each call. The zero value has counted no calls.
type Quota struct {
	mu    sync.Mutex
	calls []time.Time // the times of the counted calls, oldest first
}

// Admit counts a call and returns true, if fewer than limit calls were counted in the last
// 24 hours. Otherwise it does not count the call, and returns false and the number of
// whole seconds, rounded up, until the oldest counted call is 24 hours ago.
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
		oldest := now // if the limit is 0, no call was counted
		if len(q.calls) > 0 {
			oldest = q.calls[0]
		}
		wait := oldest.Add(quotaWindow).Sub(now)
		return max(1, int((wait+time.Second-1)/time.Second)), false
	}
	q.calls = append(q.calls, now)
	return 0, true
}
