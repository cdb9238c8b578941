package delayqueue

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// jumpy is a clock that runs with virtual time and can be set.
type fakeClock struct{ offset atomic.Int64 }

func (j *fakeClock) now() time.Time          { return time.Now().Add(time.Duration(j.offset.Load())).Round(0) }
func (j *fakeClock) advance(d time.Duration) { j.offset.Add(int64(d)) }

func TestPlannedTimesKeepTheirDistanceWhenTheClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{
		"set back by nine hours": -9 * time.Hour, "set back by ten seconds": -10 * time.Second,
		"eight hours of sleep": 8 * time.Hour, "set forward by a year": 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const keys = 180
				clock := &fakeClock{}
				q := New[int]().WithClock(clock.now)
				start := time.Now()
				for key := range keys {
					q.Plan(key, clock.now().Add(time.Duration(key+1)*time.Second))
				}
				var worked atomic.Int32
				late := make(chan time.Duration, keys)
				stop := runQueue(t, q, 4, func(_ context.Context, key int, due time.Time) {
					worked.Add(1)
					late <- time.Since(start) - time.Duration(key+1)*time.Second
					if lag := clock.now().Sub(due); lag < 0 || lag > maxTick {
						t.Errorf("key %d is said to have been due %s ago", key, lag)
					}
				})
				<-time.After(90*time.Second + time.Millisecond)
				clock.advance(by)
				if n := worked.Load(); n != 90 {
					t.Fatalf("%d keys before the jump", n)
				}
				synctest.Wait()
				<-time.After(time.Second)
				if n := worked.Load(); n > 90+2 {
					t.Fatalf("%d keys at once after the jump: a burst", n-90)
				}
				<-time.After(89*time.Second + tickInterval) // what passed since the last reading is lost
				if n := worked.Load(); n != keys {
					t.Fatalf("%d keys in three minutes", n)
				}
				stop()
				close(late)
				for d := range late {
					if d < -maxTick || d > tickInterval {
						t.Errorf("a key was worked %s late", d)
					}
				}
				if done := q.CompletedUntil(clock.now()); !done.Equal(clock.now()) {
					t.Errorf("all is done until %s after now", done.Sub(clock.now()))
				}
				if step := q.LastClockStep(); (by.Abs() > 5*time.Minute) != (step.By != 0) || step.By != 0 && (step.By < 0) != (by < 0) {
					t.Errorf("noticed a step of %s", step.By)
				}
			})
		})
	}
}

func TestQueueTimeNeverGoesBackAndFollowsASteadyClock(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var c queueClock
		now := time.Unix(1_700_000_000, 0)
		last := c.read(now)
		steady := true
		for range rapid.IntRange(1, 50).Draw(rt, "readings") {
			d := time.Duration(rapid.OneOf(
				rapid.Int64Range(0, int64(20*time.Second)), rapid.Int64Range(-int64(time.Millisecond), 0), rapid.Int64Range(-int64(time.Hour), int64(time.Hour)),
			).Draw(rt, "passed"))
			steady = steady && d <= maxTick && d >= -maxSlew
			if d < 0 && d >= -maxSlew {
				if got := c.read(now.Add(d)); got < last {
					rt.Fatalf("a late reading took the time back by %s", last-got)
				}
				continue
			}
			now = now.Add(d)
			got := c.read(now)
			if got < last || got-last > maxTick {
				rt.Fatalf("the time moved by %s", got-last)
			}
			if steady && got != time.Duration(now.UnixNano()) {
				rt.Fatalf("%s apart from the clock", got-time.Duration(now.UnixNano()))
			}
			last = got
		}
	})
}
