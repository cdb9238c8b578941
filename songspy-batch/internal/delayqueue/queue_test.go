package delayqueue

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-batch/internal/idmap"
)

// runQueue runs the queue in the background. The function stop, which it returns, ends the queue and
// waits for its workers.
func runQueue[K idmap.ID](t *testing.T, q *Queue[K], workers int, work func(context.Context, K, time.Time)) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		q.Run(ctx, workers, work)
	}()
	return func() {
		cancel()
		<-done
	}
}

func TestKeysRunInOrderOfTimeThenKey(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		q := New[int](time.Now)
		want := map[int]int64{}
		for range rapid.IntRange(0, 60).Draw(rt, "steps") {
			key := rapid.IntRange(0, 9).Draw(rt, "key")
			if rapid.IntRange(0, 3).Draw(rt, "remove") == 0 {
				q.Remove(key)
				delete(want, key)
				continue
			}
			micros := rapid.Int64Range(0, 9).Draw(rt, "micros")
			q.Schedule(key, time.UnixMicro(micros))
			want[key] = micros
		}
		if q.Len() != len(want) {
			rt.Fatalf("%d keys scheduled, want %d", q.Len(), len(want))
		}
		var order []item[int]
		for {
			i, _, wait := q.take(time.UnixMicro(100), new(item[int]))
			if wait > 0 {
				break
			}
			if want[i.key] != i.micros {
				rt.Fatalf("key %d taken at %d, scheduled for %d", i.key, i.micros, want[i.key])
			}
			delete(want, i.key)
			order = append(order, i)
		}
		ordered := slices.IsSortedFunc(order, func(a, b item[int]) int {
			return cmp.Or(cmp.Compare(a.micros, b.micros), cmp.Compare(a.key, b.key))
		})
		if len(want) > 0 || !ordered {
			rt.Fatalf("left %v, taken in the order %v", want, order)
		}
	})
}

func TestNoKeyRunsBeforeItIsDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const past, early, moved, late, removed = 1, 2, 3, 4, 5
		q := New[int](time.Now)
		var mu sync.Mutex
		at := map[int]time.Duration{}
		start := time.Now()
		stop := runQueue(t, q, 4, func(_ context.Context, key int, due time.Time) {
			mu.Lock()
			defer mu.Unlock()
			at[key] = time.Since(start)
		})
		synctest.Wait() // the queue is empty and waits
		q.Schedule(late, start.Add(time.Hour))
		q.Schedule(early, start.Add(time.Minute)) // before the key that the queue waits for
		q.Schedule(moved, start.Add(2*time.Hour))
		q.Schedule(moved, start.Add(2*time.Minute))
		q.Schedule(removed, start.Add(time.Minute))
		q.Remove(removed)
		q.Schedule(past, start.Add(-time.Hour))
		<-time.After(3 * time.Hour)
		stop()
		want := map[int]time.Duration{past: 0, early: time.Minute, moved: 2 * time.Minute, late: time.Hour}
		if len(at) != len(want) {
			t.Errorf("keys ran at %v, want %v", at, want)
		}
		for key, when := range want {
			if at[key] != when {
				t.Errorf("key %d ran after %s, want %s", key, at[key], when)
			}
		}
	})
}

func TestWorkersAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[int](time.Now)
		for key := range 100 {
			q.Schedule(key, time.Now())
		}
		var now, most, all atomic.Int32
		stop := runQueue(t, q, 8, func(context.Context, int, time.Time) {
			most.Store(max(most.Load(), now.Add(1)))
			<-time.After(time.Second)
			now.Add(-1)
			all.Add(1)
		})
		<-time.After(time.Minute)
		stop()
		if most.Load() != 8 || all.Load() != 100 {
			t.Errorf("%d ran at once, %d ran in all; want 8 and 100", most.Load(), all.Load())
		}
	})
}

func TestAKeyMayBePlannedAgainByItsOwnWork(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[int](time.Now)
		q.Schedule(1, time.Now())
		rounds := 0
		stop := runQueue(t, q, 1, func(_ context.Context, key int, due time.Time) {
			rounds++
			q.Schedule(key, due.Add(time.Minute))
		})
		<-time.After(10*time.Minute + time.Second)
		stop()
		if rounds != 11 || !q.Pending(1) {
			t.Errorf("%d rounds in ten minutes, still scheduled: %t; want 11 and true", rounds, q.Pending(1))
		}
	})
}

func TestAKeyIsPendingUntilItsWorkEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[int](time.Now)
		q.Schedule(0, time.Now().Add(time.Minute))
		stop := runQueue(t, q, 2, func(context.Context, int, time.Time) { <-time.After(time.Minute) })
		defer stop()
		synctest.Wait()
		if !q.Pending(0) || q.Pending(1) {
			t.Errorf("pending before the work: %t and %t, want true for the scheduled key only", q.Pending(0), q.Pending(1))
		}
		<-time.After(90 * time.Second)
		if _, scheduled := q.At(0); !q.Pending(0) || scheduled || q.Pending(1) {
			t.Errorf("during the work: pending %t, scheduled %t, the other key pending %t; want true, false, false", q.Pending(0), scheduled, q.Pending(1))
		}
		<-time.After(time.Minute)
		if q.Pending(0) {
			t.Error("the key is pending after its work has ended")
		}
	})
}

func TestStoppingWaitsForWorkersAndKeepsPendingKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := New[int](time.Now)
		for key := range 5 {
			q.Schedule(key, time.Now())
		}
		var ended atomic.Int32
		stop := runQueue(t, q, 2, func(ctx context.Context, _ int, _ time.Time) {
			<-ctx.Done()
			ended.Add(1)
		})
		synctest.Wait()
		stop()
		if ended.Load() != 2 || q.Len() != 3 {
			t.Errorf("%d workers ended, %d keys kept; want 2 and 3", ended.Load(), q.Len())
		}
	})
}

func TestNextAtPhase_AdvancesByOneIntervalEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const interval, phase = time.Minute, 20*time.Second + 7*time.Nanosecond // finer than the queue's microseconds
		q := New[int](time.Now)
		q.Schedule(1, NextAtPhase(time.Now(), phase, interval))
		rounds := 0
		stop := runQueue(t, q, 1, func(_ context.Context, key int, _ time.Time) {
			rounds++
			q.Schedule(key, NextAtPhase(time.Now(), phase, interval))
		})
		<-time.After(10 * interval)
		stop()
		if rounds != 10 {
			t.Errorf("%d rounds in ten intervals", rounds)
		}
	})
}

func TestStaleItemsTakeNoMoreRoomThanCurrentOnes(t *testing.T) {
	q := New[int](time.Now)
	for i := range 100_000 {
		q.Schedule(i%2000, time.UnixMicro(int64(i)))
		if i%3 == 0 {
			q.Remove(i % 2000)
		}
	}
	if n := len(q.heap); n > 2*2000+1 {
		t.Errorf("the heap holds %d items for %d keys", n, q.Len())
	}
	for key := range 2000 {
		q.Remove(key)
	}
	if _, _, wait := q.take(time.UnixMicro(1_000_000), new(item[int])); wait == 0 || q.Len() != 0 {
		t.Error("a key is due although every key was removed")
	}
}

func TestAPostponedKeyCountsAsOverdueSinceItWasDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const key = 1
		q := New[int](time.Now)
		began := time.Now()
		q.Schedule(key, began.Add(time.Second))
		var received []time.Time
		stop := runQueue(t, q, 1, func(_ context.Context, key int, at time.Time) {
			if received = append(received, at); len(received) < 3 {
				q.Postpone(key, time.Now().Add(time.Second), at)
			}
		})
		<-time.After(2500 * time.Millisecond)
		if done := q.CompletedUntil(time.Now()); !done.Equal(began.Add(time.Second)) {
			t.Errorf("completed until %v, although a key is postponed since %v", done.Sub(began), time.Second)
		}
		<-time.After(time.Second)
		if done := q.CompletedUntil(time.Now()); !done.Equal(time.Now()) {
			t.Errorf("completed until %v before now, although the postponed key has run", time.Since(done))
		}
		stop()
		for _, at := range received {
			if len(received) != 3 || !at.Equal(began.Add(time.Second)) {
				t.Errorf("the work received the due times %v", received)
			}
		}
		q.Postpone(key, time.Now().Add(time.Hour), began)
		q.Schedule(key, time.Now().Add(time.Minute)) // a new time replaces the postponed one
		if done := q.CompletedUntil(time.Now()); !done.Equal(time.Now()) {
			t.Error("a key that was scheduled again counts as overdue")
		}
	})
}
