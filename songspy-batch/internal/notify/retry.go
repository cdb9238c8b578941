package notify

import "time"

const (
	// firstWait is the wait after the first failure; each later one doubles it, up to longestWait.
	minRetryWait = time.Minute
	maxRetryWait = 6 * time.Hour
	// mostTries take three days.
	maxAttempts = 20
)

// nextTry is how long to wait after so many tries that failed; false: there
// have been enough.
func retryWait(tries int) (wait time.Duration, retry bool) {
	wait = maxRetryWait
	if doublings := max(tries, 1) - 1; doublings < 9 {
		wait = min(minRetryWait<<doublings, maxRetryWait)
	}
	return wait, tries < maxAttempts
}
