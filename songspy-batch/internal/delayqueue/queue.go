// Package due keeps what is to be done at which time, and has it done then by
// a bounded number of workers. It waits on the clock alone: nothing in it
// sleeps, and a plan for a million costs a few tens of bytes each.
package delayqueue

import (
	"context"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/idmap"
)

// Queue holds keys with the time at which each is due, each key once.
// The zero Queue is not usable; see New.
//
// A heap that knew where each key stands would have to note it at every step
// down of every item, and for a million that is what taking one costs. So what
// was planned stays in the heap until its time, and counts only if it is still
// what is planned.
type Queue[K idmap.ID] struct {
	now       func() time.Time
	mu        sync.Mutex
	clock     queueClock
	heap      itemHeap[K]
	planned   idmap.Map[K, int64] // when each key is due, in microseconds of the queue's time
	postponed map[K]int64         // when those were due first that were put off
	running   map[K]int64         // when each key was due whose work is under way
	wake      chan struct{}       // holds a token once the earliest time may have changed
}

// stale bounds the items that count no more: so many for each that does.
const maxStaleShare = 1

// New gives an empty queue that goes by the system's clock.
func New[K idmap.ID]() *Queue[K] {
	return &Queue[K]{now: time.Now, postponed: map[K]int64{}, running: map[K]int64{}, wake: make(chan struct{}, 1)}
}

// By makes the queue go by another clock. It must be called before anything is planned.
func (q *Queue[K]) WithClock(now func() time.Time) *Queue[K] {
	q.now = now
	return q
}

// Step is the last jump of the clock by minutes; the zero Step if there was none.
func (q *Queue[K]) LastClockStep() ClockStep {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clock.read(q.now())
	return q.clock.lastStep
}

// Plan makes the key due at the time, in place of any other time that it was
// due at.
func (q *Queue[K]) Plan(key K, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.postponed, key)
	q.clock.read(q.now())
	q.planMicros(key, q.clock.toMicros(at))
}

// Postpone puts work off that was due: the key is worked at that time, and what
// was due all the while counts as not done, and is handed on, as of since.
func (q *Queue[K]) Postpone(key K, at, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clock.read(q.now())
	q.postponed[key] = q.clock.toMicros(since)
	q.planMicros(key, q.clock.toMicros(at))
}

func (q *Queue[K]) planMicros(key K, micros int64) {
	if former, ok := q.planned.Get(key); ok && former == micros {
		return
	}
	q.planned.Put(key, micros)
	q.heap.push(item[K]{micros, key})
	q.compact()
	if q.heap[0].key == key {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// Drop forgets the key.
func (q *Queue[K]) Remove(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.planned.Remove(key)
	delete(q.postponed, key)
	q.compact()
}

// Has reports whether the key is planned.
func (q *Queue[K]) Has(key K) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.planned.Get(key)
	return ok
}

// Len is how many keys are planned.
func (q *Queue[K]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.planned.Len()
}

// counts reports whether the item is what is planned for its key.
func (q *Queue[K]) isCurrent(i item[K]) bool {
	micros, ok := q.planned.Get(i.key)
	return ok && micros == i.micros
}

// tidy clears the heap of what counts no more once that is the greater part.
func (q *Queue[K]) compact() {
	if len(q.heap) > 1<<10 && len(q.heap) > (1+maxStaleShare)*q.planned.Len() {
		q.heap.filter(q.isCurrent)
	}
}

// Run hands each key, once it is due, to work, on the given number of workers,
// until ctx ends; it returns when the last of them has. A key has left the
// queue when work begins, so that work may plan it anew.
//
// The work of one key must not be planned while it runs, or it runs twice at once.
func (q *Queue[K]) Run(ctx context.Context, workers int, work func(ctx context.Context, key K, due time.Time)) {
	// Whoever has the turn waits for the next key; a dispatcher would have to
	// wake a worker for each.
	turn := make(chan struct{}, 1)
	turn <- struct{}{}
	next := func() (item[K], time.Time, bool) {
		<-turn
		defer func() { turn <- struct{}{} }()
		return q.next(ctx)
	}
	var pool sync.WaitGroup
	pool.Go(func() {
		for Wait(ctx, tickInterval) {
			q.LastClockStep()
		}
	})
	for range workers {
		pool.Go(func() {
			for t, due, ok := next(); ok; t, due, ok = next() {
				work(ctx, t.key, due)
				q.finish(t)
			}
		})
	}
	pool.Wait()
}

// finish notes that the work of an item is done; its key may have been taken
// again meanwhile.
func (q *Queue[K]) finish(t item[K]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.running[t.key] == t.micros {
		delete(q.running, t.key)
	}
}

// Done is the time before which all work that was due has been done; now, if
// none is overdue, put off or under way.
func (q *Queue[K]) CompletedUntil(now time.Time) time.Time {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.heap) > 0 && !q.isCurrent(q.heap[0]) {
		q.heap.pop()
	}
	done := q.clock.read(now).Microseconds()
	if len(q.heap) > 0 {
		done = min(done, q.heap[0].micros)
	}
	for _, other := range []map[K]int64{q.running, q.postponed} {
		for _, micros := range other {
			done = min(done, micros)
		}
	}
	return q.clock.toTime(done)
}

// next waits for the earliest key to be due and takes it, with when it was due
// by the clock; false if ctx ended first.
func (q *Queue[K]) next(ctx context.Context) (item[K], time.Time, bool) {
	for ctx.Err() == nil {
		t, due, wait := q.take(q.now())
		if wait == 0 {
			return t, due, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-q.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return item[K]{}, time.Time{}, false
}

// idle is how long an empty queue waits for itself; a plan wakes it sooner.
const maxIdleWait = time.Hour

// take removes the earliest key if it is due; else it says how long to wait.
func (q *Queue[K]) take(now time.Time) (t item[K], due time.Time, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	at := q.clock.read(now)
	for len(q.heap) > 0 {
		if wait := time.Duration(q.heap[0].micros)*time.Microsecond - at; wait > 0 {
			return t, due, wait
		}
		if t = q.heap.pop(); q.isCurrent(t) {
			q.planned.Remove(t.key)
			if since, ok := q.postponed[t.key]; ok {
				delete(q.postponed, t.key)
				t.micros = since
			}
			q.running[t.key] = t.micros
			return t, q.clock.toTime(t.micros), 0
		}
	}
	return t, due, maxIdleWait
}
