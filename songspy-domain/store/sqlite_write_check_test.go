package store

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestWriteCheck_RepeatsAfterItsTTL(t *testing.T) {
	now, checks, fault := time.Unix(1000, 0), 0, errors.New("the disk is full")
	w := newWriteCheck(func() time.Time { return now })
	for _, c := range []struct {
		passes time.Duration
		err    error
		checks int
		want   error
	}{
		{0, nil, 1, nil},
		{writeCheckTTL - 1, fault, 1, nil},
		{1, fault, 2, fault},
		{0, nil, 2, fault},
		{-time.Hour, nil, 3, nil}, // the clock was set back
	} {
		now = now.Add(c.passes)
		err := w.lastOrCheck(t.Context(), func(context.Context) error { checks++; return c.err })
		if !errors.Is(err, c.want) || checks != c.checks {
			t.Errorf("after %s: %v by %d checks, want %v by %d", c.passes, err, checks, c.want, c.checks)
		}
	}
}

func TestWriteCheck_DeadlineMeansBusy(t *testing.T) {
	wait := func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
	late, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	w := newWriteCheck(time.Now)
	if err := w.lastOrCheck(late, wait); err != nil {
		t.Errorf("late: %v", err)
	}
	gone, leave := context.WithCancel(t.Context())
	leave()
	w = newWriteCheck(time.Now)
	if err := w.lastOrCheck(gone, wait); !errors.Is(err, context.Canceled) || !w.checkedAt.IsZero() {
		t.Errorf("a caller that left: %v, remembered at %s", err, w.checkedAt)
	}
}
