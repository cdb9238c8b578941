package delayqueue

import (
	"context"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// fakeClock is a clock that runs with virtual time and can be set.
type fakeClock struct{ offset atomic.Int64 }

func (c *fakeClock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())).Round(0) }
func (c *fakeClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

func TestPlannedTimesKeepTheirDistanceWhenTheClockJumps(t *testing.T) {
	for name, by := range map[string]time.Duration{
		"set back by nine hours": -9 * time.Hour, "set back by ten seconds": -10 * time.Second,
		"eight hours of sleep": 8 * time.Hour, "set forward by a year": 365 * 24 * time.Hour,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const keys = 180
				clock := &fakeClock{}
				q := New[int](clock.now)
				start := time.Now()
				for key := range keys {
					q.Schedule(key, clock.now().Add(time.Duration(key+1)*time.Second))
				}
				var ran atomic.Int32
				late := make(chan time.Duration, keys)
				stop := runQueue(t, q, 4, func(_ context.Context, key int, due time.Time) {
					ran.Add(1)
					late <- time.Since(start) - time.Duration(key+1)*time.Second
					if lag := clock.now().Sub(due); lag < 0 || lag > maxTick {
						t.Errorf("key %d is handed out as due %s ago", key, lag)
					}
				})
				<-time.After(90*time.Second + time.Millisecond)
				clock.advance(by)
				if n := ran.Load(); n != 90 {
					t.Fatalf("%d keys ran before the jump, want 90", n)
				}
				synctest.Wait()
				<-time.After(time.Second)
				if n := ran.Load(); n > 90+2 {
					t.Fatalf("%d keys ran in the first second after the jump, want at most 2", n-90)
				}
				<-time.After(89*time.Second + tickInterval) // at the jump, queue time may lose the time since the last reading
				if n := ran.Load(); n != keys {
					t.Fatalf("%d keys ran in three minutes, want all", n)
				}
				stop()
				close(late)
				for d := range late {
					if d < -maxTick || d > tickInterval {
						t.Errorf("a key ran %s late", d)
					}
				}
				if done := q.CompletedUntil(clock.now()); !done.Equal(clock.now()) {
					t.Errorf("all work is completed until %s after now", done.Sub(clock.now()))
				}
				if step := q.LastClockStep(); (by.Abs() > 5*time.Minute) != (step.By != 0) || step.By != 0 && (step.By < 0) != (by < 0) {
					t.Errorf("the last step is %s", step.By)
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
					rt.Fatalf("a late reading moved the time back by %s", last-got)
				}
				continue
			}
			now = now.Add(d)
			got := c.read(now)
			if got < last || got-last > maxTick {
				rt.Fatalf("the queue's time moved by %s", got-last)
			}
			if steady && got != time.Duration(now.UnixNano()) {
				rt.Fatalf("the queue's time differs from the clock by %s", got-time.Duration(now.UnixNano()))
			}
			last = got
		}
	})
}
