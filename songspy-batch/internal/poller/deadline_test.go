package poller

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestASharedDeadlineBoundsEveryPoll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var b sharedDeadline
		for range 50 { // over five seconds
			began := time.Now()
			until, ok := b.contextAt(ctx, began).Deadline()
			if left := until.Sub(began); !ok || left > PollTimeout || left < PollTimeout-deadlineSlack {
				t.Fatalf("a look has %s, want %s or up to %s less", left, PollTimeout, deadlineSlack)
			}
			<-time.After(100 * time.Millisecond)
		}
		poll := b.contextAt(ctx, time.Now())
		<-time.After(PollTimeout)
		synctest.Wait() // both are due at the same moment
		if !errors.Is(poll.Err(), context.DeadlineExceeded) {
			t.Errorf("after %s: %v", PollTimeout, poll.Err())
		}
		poll = b.contextAt(ctx, time.Now())
		cancel()
		if !errors.Is(poll.Err(), context.Canceled) {
			t.Errorf("once all ends: %v", poll.Err())
		}
	})
}
