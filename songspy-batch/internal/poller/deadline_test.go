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
		var d sharedDeadline
		for range 50 { // polls that begin 100 ms apart, for five seconds
			began := time.Now()
			until, ok := d.contextAt(ctx, began).Deadline()
			if left := until.Sub(began); !ok || left > PollTimeout || left < PollTimeout-deadlineSlack {
				t.Fatalf("a poll has %s, want %s or up to %s less", left, PollTimeout, deadlineSlack)
			}
			<-time.After(100 * time.Millisecond)
		}
		poll := d.contextAt(ctx, time.Now())
		<-time.After(PollTimeout)
		synctest.Wait() // the deadline may be the same instant as the end of the wait above: let both timers fire
		if !errors.Is(poll.Err(), context.DeadlineExceeded) {
			t.Errorf("after %s: %v", PollTimeout, poll.Err())
		}
		poll = d.contextAt(ctx, time.Now())
		cancel()
		if !errors.Is(poll.Err(), context.Canceled) {
			t.Errorf("after the parent was canceled: %v", poll.Err())
		}
	})
}
