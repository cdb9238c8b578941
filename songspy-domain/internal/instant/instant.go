// Package instant compares points in time, and converts the milliseconds that
// Spotify and the store use.
package instant

import "time"

// Earlier returns the earlier of two times.
func Earlier(a, b time.Time) time.Time {
	if b.Before(a) {
		return b
	}
	return a
}

// Later returns the later of two times.
func Later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// Clamp returns the time from low to high (both included) that is nearest to t. If
// low is after high, it returns high.
func Clamp(t, low, high time.Time) time.Time { return Earlier(Later(t, low), high) }

// Milliseconds converts a number of milliseconds to a duration.
func Milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }
