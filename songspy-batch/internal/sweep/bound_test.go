package sweep

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestALookIsBoundedHoweverManyShareItsBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var b bound
		for range 50 { // over five seconds
			began := time.Now()
			until, ok := b.begin(ctx, began).Deadline()
			if left := until.Sub(began); !ok || left > LookWithin || left < LookWithin-boundShared {
				t.Fatalf("a look has %s, want %s or up to %s less", left, LookWithin, boundShared)
			}
			<-time.After(100 * time.Millisecond)
		}
		look := b.begin(ctx, time.Now())
		<-time.After(LookWithin)
		synctest.Wait() // both are due at the same moment
		if !errors.Is(look.Err(), context.DeadlineExceeded) {
			t.Errorf("after %s: %v", LookWithin, look.Err())
		}
		look = b.begin(ctx, time.Now())
		cancel()
		if !errors.Is(look.Err(), context.Canceled) {
			t.Errorf("once all ends: %v", look.Err())
		}
	})
}
