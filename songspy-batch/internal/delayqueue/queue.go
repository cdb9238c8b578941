// Package delayqueue runs work at given times on a bounded number of workers. A
// scheduled key, such as a user's id, costs a few tens of bytes, so that a queue can
// hold a million. Scheduled times survive a clock that is set back or forward.
package delayqueue

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/idmap"
)

// Queue holds keys, each once, with the time at which each is due. The zero
// Queue is not usable; see New.
//
// When a key is scheduled again or removed, its old item stays in the heap, at most
// until the item's time. Then the item is ignored, because the map scheduled holds
// another time for the key, or none. A heap that can remove any item must record the
// position of an item each time that the item moves. With a million keys, this would
// be most of the cost of taking a key.
type Queue[K idmap.ID] struct {
	now       func() time.Time
	mu        sync.Mutex
	clock     queueClock
	heap      itemHeap[K]
	scheduled idmap.Map[K, int64] // the due time of each key, in microseconds of the queue's time
	postponed map[K]int64         // the original due time of each postponed key
	turn      chan struct{}       // holds a token of the one worker that waits for the next key
	running   []item[K]           // the key that each worker works on, with its due time; notRunning is the time of a worker without work
	wake      chan struct{}       // holds a token when the earliest time may have changed
}

// notRunning is the due time, in the field running of Queue, of a worker that has no work.
const notRunning = math.MaxInt64

// maxStaleShare is how many stale items (of replaced or removed keys) the heap
// may hold for each scheduled key.
const maxStaleShare = 1

// New returns an empty queue that reads the wall clock by the function now.
func New[K idmap.ID](now func() time.Time) *Queue[K] {
	return &Queue[K]{now: now, postponed: map[K]int64{}, turn: make(chan struct{}, 1), wake: make(chan struct{}, 1)}
}

// LastClockStep returns the last jump of the clock by more than
// songspy.ClockSkewMax, or the zero ClockStep if there was none.
func (q *Queue[K]) LastClockStep() ClockStep {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clock.read(q.now())
	return q.clock.lastStep
}

// Schedule makes the key due at the given time. It replaces the previous time of the key.
func (q *Queue[K]) Schedule(key K, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	delete(q.postponed, key)
	q.clock.read(q.now())
	q.scheduleMicros(key, q.clock.toMicros(at))
}

// Postpone schedules the key again at a later time. CompletedUntil still counts the key as
// due at its first due time (the argument since), and its work receives that time.
func (q *Queue[K]) Postpone(key K, at, since time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clock.read(q.now())
	q.postponed[key] = q.clock.toMicros(since)
	q.scheduleMicros(key, q.clock.toMicros(at))
}

func (q *Queue[K]) scheduleMicros(key K, micros int64) {
	if former, ok := q.scheduled.Get(key); ok && former == micros {
		return
	}
	q.scheduled.Put(key, micros)
	q.heap.push(item[K]{micros, key})
	q.compact()
	if q.heap[0].key == key {
		select {
		case q.wake <- struct{}{}:
		default:
		}
	}
}

// Remove removes the key. It does not stop work that is running.
func (q *Queue[K]) Remove(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.scheduled.Remove(key)
	delete(q.postponed, key)
	q.compact()
}

// Pending reports whether the key is scheduled, or a worker has taken it and still runs its work.
// If it is false, no work of the key runs or will run until somebody schedules the key.
func (q *Queue[K]) Pending(key K) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.scheduled.Get(key)
	return ok || slices.ContainsFunc(q.running, func(work item[K]) bool { return work.key == key && work.micros != notRunning })
}

// At returns when the key is due; ok is false if it is not scheduled.
func (q *Queue[K]) At(key K) (at time.Time, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.clock.read(q.now())
	micros, ok := q.scheduled.Get(key)
	return q.clock.toTime(micros), ok
}

// Len returns the number of scheduled keys.
func (q *Queue[K]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.scheduled.Len()
}

// isCurrent reports whether the item has the current time of its key.
func (q *Queue[K]) isCurrent(i item[K]) bool {
	micros, ok := q.scheduled.Get(i.key)
	return ok && micros == i.micros
}

// compact removes stale items from a heap of more than 1,024 items when they are the
// majority.
func (q *Queue[K]) compact() {
	if len(q.heap) > 1<<10 && len(q.heap) > (1+maxStaleShare)*q.scheduled.Len() {
		q.heap.filter(q.isCurrent)
	}
}

// Run calls the function work for each key when it is due, on the given number of
// workers, until ctx ends. It returns when all workers have returned. A key leaves
// the queue before its work begins, so the function work may schedule it again.
//
// While the work of a key runs, nothing but that work should schedule the key: see Pending.
// Otherwise the work of the key can run twice at the same time.
func (q *Queue[K]) Run(ctx context.Context, workers int, work func(ctx context.Context, key K, due time.Time)) {
	q.mu.Lock()
	q.running = slices.Repeat([]item[K]{{micros: notRunning}}, workers)
	q.mu.Unlock()
	var pool sync.WaitGroup
	pool.Go(func() {
		for Wait(ctx, tickInterval) {
			q.LastClockStep()
		}
	})
	for worker := range workers {
		pool.Go(func() {
			running := &q.running[worker]
			defer q.finish(running)
			for t, due, ok := q.waitDue(ctx, running); ok; t, due, ok = q.waitDue(ctx, running) {
				work(ctx, t.key, due)
			}
		})
	}
	pool.Wait()
}

// finish records, when a worker ends, that its last work is done. The end of each
// earlier work is recorded by the next call of take.
func (q *Queue[K]) finish(running *item[K]) {
	q.mu.Lock()
	defer q.mu.Unlock()
	running.micros = notRunning
}

// CompletedUntil returns the time before which all due work is done. That is the
// argument now if no work is overdue, postponed or running.
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
	for _, work := range q.running {
		done = min(done, work.micros)
	}
	for _, micros := range q.postponed {
		done = min(done, micros)
	}
	return q.clock.toTime(done)
}

// waitDue waits until the earliest key is due and takes it. The returned time is
// its due time by the wall clock. ok is false if ctx ended first.
//
// Only the worker that holds the channel turn waits for time to pass. There is no dispatcher,
// which would have to wake a worker for each key. A worker first tries to take a key that is
// already due without holding turn, because getting turn costs as much as taking a key.
func (q *Queue[K]) waitDue(ctx context.Context, running *item[K]) (t item[K], due time.Time, ok bool) {
	if ctx.Err() == nil {
		if t, due, wait := q.take(q.now(), running); wait == 0 {
			return t, due, true
		}
	}
	q.turn <- struct{}{}
	defer func() { <-q.turn }()
	for ctx.Err() == nil {
		t, due, wait := q.take(q.now(), running)
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

// maxIdleWait is how long an empty queue waits before it checks again. Schedule wakes it sooner.
const maxIdleWait = time.Hour

// take removes the earliest key if it is due, and sets running to the key and its due time.
// Otherwise wait is the time until it is due. In any case it records that the worker's
// former work is done.
func (q *Queue[K]) take(now time.Time, running *item[K]) (t item[K], due time.Time, wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	running.micros = notRunning
	at := q.clock.read(now)
	for len(q.heap) > 0 {
		if wait := time.Duration(q.heap[0].micros)*time.Microsecond - at; wait > 0 {
			return t, due, wait
		}
		if t = q.heap.pop(); q.isCurrent(t) {
			q.scheduled.Remove(t.key)
			if since, ok := q.postponed[t.key]; ok {
				delete(q.postponed, t.key)
				t.micros = since
			}
			*running = t
			return t, q.clock.toTime(t.micros), 0
		}
	}
	return t, due, maxIdleWait
}
