package notify

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// failsAfter is how many failures in a row the operator hears of.
	minReportedFailures = 3
	// failsFor is how long that is said after the last: another process may have
	// got through meanwhile.
	failureReportedFor = maxRetryWait + time.Hour
)

// health knows which channels keep failing.
type channelHealth struct {
	mu       sync.Mutex
	channels map[songspy.NotificationChannel]channelFailure
}

type channelFailure struct {
	since, lastAt time.Time
	count         int
	cause         string
}

// note enters what became of a sending. A letter that was refused for itself
// says nothing of its channel.
func (h *channelHealth) record(c songspy.NotificationChannel, fault error, messageOnly bool, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.channels == nil {
		h.channels = map[songspy.NotificationChannel]channelFailure{}
	}
	switch f := h.channels[c]; {
	case fault == nil:
		delete(h.channels, c)
	case messageOnly:
	default:
		if f.count == 0 {
			f.since = now
		}
		f.count, f.lastAt = f.count+1, now
		f.cause = "it failed"
		if e, ok := errors.AsType[*songspy.Error](fault); ok && e.Err != nil {
			f.cause = e.Err.Error()
		}
		h.channels[c] = f
	}
}

// Notes says in sentences which channels keep failing.
func (j *Job) Notes() (notes []string) {
	j.health.mu.Lock()
	defer j.health.mu.Unlock()
	for c, f := range j.health.channels {
		if f.count >= minReportedFailures && j.Now().Sub(f.lastAt) < failureReportedFor {
			notes = append(notes, fmt.Sprintf("Notices by %s have failed %d times in a row since %s: %s.",
				c, f.count, f.since.UTC().Format(time.RFC3339), f.cause))
		}
	}
	slices.Sort(notes)
	return notes
}
