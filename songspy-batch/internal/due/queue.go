// Package due keeps what is to be done at which time, and has it done then by
// a bounded number of workers. It waits on the clock alone: nothing in it
// sleeps, and a plan for a million costs a few tens of bytes each.
package due

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// Queue holds keys with the time at which each is due, each key once.
// The zero Queue is not usable; see New.
type Queue[K comparable] struct {
	mu     sync.Mutex
	heap   byTime[K]
	sooner chan struct{} // holds a token once the earliest time may have changed
}

// New gives an empty queue.
func New[K comparable]() *Queue[K] {
	return &Queue[K]{heap: byTime[K]{place: map[K]int32{}}, sooner: make(chan struct{}, 1)}
}

// Plan makes the key due at the time, in place of any other time that it was
// due at.
func (q *Queue[K]) Plan(key K, at time.Time) {
	q.mu.Lock()
	defer q.mu.Unlock()
	micros := at.Add(time.Microsecond - 1).UnixMicro() // rounded up: nothing is due before its time
	if i, ok := q.heap.place[key]; ok {
		q.heap.items[i].micros = micros
		heap.Fix(&q.heap, int(i))
	} else {
		heap.Push(&q.heap, item[K]{micros, key})
	}
	if q.heap.items[0].key == key {
		select {
		case q.sooner <- struct{}{}:
		default:
		}
	}
}

// Drop forgets the key.
func (q *Queue[K]) Drop(key K) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if i, ok := q.heap.place[key]; ok {
		heap.Remove(&q.heap, int(i))
	}
}

// Has reports whether the key is planned.
func (q *Queue[K]) Has(key K) bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	_, ok := q.heap.place[key]
	return ok
}

// Len is how many keys are planned.
func (q *Queue[K]) Len() int {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.heap.Len()
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
	next := func() (item[K], bool) {
		<-turn
		defer func() { turn <- struct{}{} }()
		return q.next(ctx)
	}
	var pool sync.WaitGroup
	for range workers {
		pool.Go(func() {
			for t, ok := next(); ok; t, ok = next() {
				work(ctx, t.key, t.due())
			}
		})
	}
	pool.Wait()
}

// next waits for the earliest key to be due and takes it; false if ctx ended first.
func (q *Queue[K]) next(ctx context.Context) (item[K], bool) {
	for ctx.Err() == nil {
		t, wait := q.take(time.Now())
		if wait == 0 {
			return t, true
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-q.sooner:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
		}
	}
	return item[K]{}, false
}

// idle is how long an empty queue waits for itself; a plan wakes it sooner.
const idle = time.Hour

// take removes the earliest key if it is due; else it says how long to wait.
func (q *Queue[K]) take(now time.Time) (t item[K], wait time.Duration) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.heap.Len() == 0 {
		return t, idle
	}
	if wait := q.heap.items[0].due().Sub(now); wait > 0 {
		return t, wait
	}
	return heap.Pop(&q.heap).(item[K]), 0
}
