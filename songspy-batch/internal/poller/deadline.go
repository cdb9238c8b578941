package poller

import (
	"context"
	"sync"
	"time"
)

const (
	// LookWithin bounds one look, with the renewal that it may need.
	PollTimeout = 10 * time.Second
	// boundShared is how much shorter a look's bound may be for having been
	// another's first.
	deadlineSlack = time.Second
)

// bound lends looks a context that ends in time. Those that begin within the
// same second share it: a context and a timer for each of thousands a second
// cost more than all else that a look does here.
type sharedDeadline struct {
	mu            sync.Mutex
	parent        context.Context
	shared        context.Context
	reusableUntil time.Time // who begins later gets another
}

// begin gives the context for a look that begins now.
func (b *sharedDeadline) contextAt(parent context.Context, now time.Time) context.Context {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.parent != parent || !now.Before(b.reusableUntil) || b.reusableUntil.Sub(now) > deadlineSlack || b.shared.Err() != nil {
		shared, cancel := context.WithTimeout(parent, PollTimeout)
		context.AfterFunc(shared, cancel) // it ends by itself
		b.parent, b.shared, b.reusableUntil = parent, shared, now.Add(deadlineSlack)
	}
	return b.shared
}
