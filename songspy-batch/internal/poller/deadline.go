package poller

import (
	"context"
	"sync"
	"time"
)

const (
	// PollTimeout bounds one poll, including a renewal of the token.
	PollTimeout = 10 * time.Second
	// deadlineSlack is how much shorter a shared deadline may be than PollTimeout.
	deadlineSlack = time.Second
)

// sharedDeadline provides a context with a deadline for each call. Calls that
// begin within the same second share one: at thousands of polls per second, a
// context and a timer for each would cost more than everything else a poll does
// in this process.
type sharedDeadline struct {
	mu            sync.Mutex
	parent        context.Context
	shared        context.Context
	reusableUntil time.Time
}

// contextAt returns the context for a call that begins now. It ends with parent,
// or PollTimeout from now, or up to deadlineSlack earlier.
func (d *sharedDeadline) contextAt(parent context.Context, now time.Time) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parent != parent || !now.Before(d.reusableUntil) || d.reusableUntil.Sub(now) > deadlineSlack || d.shared.Err() != nil {
		shared, cancel := context.WithTimeout(parent, PollTimeout)
		context.AfterFunc(shared, cancel) // releases it when the deadline has passed
		d.parent, d.shared, d.reusableUntil = parent, shared, now.Add(deadlineSlack)
	}
	return d.shared
}
