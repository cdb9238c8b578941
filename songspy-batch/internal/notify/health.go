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
	// minReportedFailures is how often in a row sending over a channel must
	// fail before /readyz reports the failure.
	minReportedFailures = 3
	// failureReportedFor is how long after the last failure of a channel
	// /readyz still reports the failure. It is longer than the longest wait
	// between two attempts, so that the report stays while attempts fail. The
	// report must end even if this process sends nothing more: other processes
	// may send all further messages, so this process may never see that the
	// channel works again.
	failureReportedFor = maxRetryWait + time.Hour
)

// channelHealth counts, for each channel (e-mail, webhook), how often in a row
// sending has failed.
type channelHealth struct {
	mu       sync.Mutex
	channels map[songspy.NotificationChannel]channelFailure
}

type channelFailure struct {
	since, lastAt time.Time
	count         int
	cause         string
}

// record records the result of one attempt to send over the channel. A success
// (fault is nil) resets the count of failures. A failure that concerns only one
// message (messageOnly) changes nothing.
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

// Notes returns, for the operator, a sentence for each channel (e-mail,
// webhook) over which sending fails repeatedly.
func (j *Job) Notes() (notes []string) {
	j.health.mu.Lock()
	defer j.health.mu.Unlock()
	for c, f := range j.health.channels {
		if f.count >= minReportedFailures && j.Now().Sub(f.lastAt) < failureReportedFor {
			notes = append(notes, fmt.Sprintf("Notifications by %s have failed %d times in a row since %s: %s.",
				c, f.count, f.since.UTC().Format(time.RFC3339), f.cause))
		}
	}
	slices.Sort(notes)
	return notes
}
