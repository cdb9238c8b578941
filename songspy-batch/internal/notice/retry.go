package notice

import "time"

const (
	// firstWait is the wait after the first failure; each later one doubles it, up to longestWait.
	firstWait   = time.Minute
	longestWait = 6 * time.Hour
	// mostTries take three days.
	mostTries = 20
)

// nextTry is how long to wait after so many tries that failed; false: there
// have been enough.
func nextTry(tries int) (wait time.Duration, hope bool) {
	wait = longestWait
	if doublings := max(tries, 1) - 1; doublings < 9 {
		wait = min(firstWait<<doublings, longestWait)
	}
	return wait, tries < mostTries
}
