package notice

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
	failsAfter = 3
	// failsFor is how long that is said after the last: another process may have
	// got through meanwhile.
	failsFor = longestWait + time.Hour
)

// health knows which channels keep failing.
type health struct {
	mu       sync.Mutex
	channels map[songspy.NoticeChannel]failing
}

type failing struct {
	since, last time.Time
	times       int
	why         string
}

// note enters what became of a sending. A letter that was refused for itself
// says nothing of its channel.
func (h *health) note(c songspy.NoticeChannel, fault error, ofLetter bool, now time.Time) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.channels == nil {
		h.channels = map[songspy.NoticeChannel]failing{}
	}
	switch f := h.channels[c]; {
	case fault == nil:
		delete(h.channels, c)
	case ofLetter:
	default:
		if f.times == 0 {
			f.since = now
		}
		f.times, f.last = f.times+1, now
		f.why = "it failed"
		if e, ok := errors.AsType[*songspy.Error](fault); ok && e.Err != nil {
			f.why = e.Err.Error()
		}
		h.channels[c] = f
	}
}

// Notes says in sentences which channels keep failing.
func (j *Job) Notes() (notes []string) {
	j.health.mu.Lock()
	defer j.health.mu.Unlock()
	for c, f := range j.health.channels {
		if f.times >= failsAfter && j.Now().Sub(f.last) < failsFor {
			notes = append(notes, fmt.Sprintf("Notices by %s have failed %d times in a row since %s: %s.",
				c, f.times, f.since.UTC().Format(time.RFC3339), f.why))
		}
	}
	slices.Sort(notes)
	return notes
}
