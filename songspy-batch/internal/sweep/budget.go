package sweep

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

// Spending is what the app's calls of a day are bounded to.
type Spending struct {
	// Daily is how many calls a day (UTC) all batches together may make.
	Daily int64
	// Spent is how many of them have been made today.
	Spent func(now time.Time) int64
	// Share is the part of all listeners that this batch looks after, from 0 to 1.
	Share func() float64
}

// budget shares out what the day allows. Nil: nothing bounds it.
type budget struct {
	Spending
	interval time.Duration
	wait     atomic.Int64 // of somebody idle at an hour like any other, in nanoseconds

	mu      sync.Mutex
	hours   [24]float64 // calls that listening cost in each hour of the last day
	known   [24]bool
	hour    time.Time // the hour that is being counted
	counted float64
	habits  map[songspy.UserID]*listening.Habit
}

// untoldShare is what listening is taken to cost while no hour has been seen:
// that part of the day's calls.
const untoldShare = 0.3

func newBudget(s *Spending, interval time.Duration) *budget {
	if s == nil || s.Daily <= 0 {
		return nil
	}
	b := &budget{Spending: *s, interval: interval, habits: map[songspy.UserID]*listening.Habit{}}
	b.wait.Store(int64(interval))
	return b
}

// plan decides anew how long idle people wait; there are so many of them.
func (b *budget) plan(now time.Time, idle int) {
	if b == nil {
		return
	}
	midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	share := b.Share()
	if share <= 0 {
		return
	}
	wait := listening.Budget{
		Left: max(0, b.Daily-b.Spent(now)), Rest: midnight.Sub(now),
		Listening: b.expected(now, midnight) / share, Idle: int(float64(idle) / share),
	}.Wait(b.interval)
	b.wait.Store(int64(wait))
}

// spent counts a call that no idle person cost.
func (b *budget) spent(now time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn(now)
	b.counted++
}

// turn begins a new hour, if it is time.
func (b *budget) turn(now time.Time) {
	hour := now.UTC().Truncate(time.Hour)
	if hour.Equal(b.hour) {
		return
	}
	if !b.hour.IsZero() {
		b.hours[b.hour.Hour()], b.known[b.hour.Hour()] = b.counted, true
	}
	b.hour, b.counted = hour, 0
}

// expected is how many calls listening will cost until then: what it did at
// these hours of the day before, or on the average where that is not known.
func (b *budget) expected(now, until time.Time) (calls float64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn(now)
	usual, n := 0.0, 0.0
	for hour, known := range b.known {
		if known {
			usual, n = usual+b.hours[hour], n+1
		}
	}
	if n == 0 {
		usual, n = untoldShare*float64(b.Daily)*b.Share(), 24
	}
	usual /= n
	for at := now; at.Before(until); {
		next := at.UTC().Truncate(time.Hour).Add(time.Hour)
		rate := usual
		if b.known[at.UTC().Hour()] {
			rate = b.hours[at.UTC().Hour()]
		}
		calls += rate * next.Sub(at).Hours()
		at = next
	}
	return calls
}

// saw takes in what a look showed, for the person's habit.
func (b *budget) saw(id songspy.UserID, playing bool, now time.Time) {
	if b == nil || !playing {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.habits[id]
	if h == nil {
		h = &listening.Habit{}
		b.habits[id] = h
	}
	h.Listened(now)
}

// forget drops the habit of somebody who has left.
func (b *budget) forget(id songspy.UserID) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.habits, id)
}

// heed is the look with the budget heeded.
func (b *budget) heed(id songspy.UserID, next listening.Look, n songspy.NowPlaying, now time.Time) listening.Look {
	if b == nil {
		return next
	}
	b.mu.Lock()
	weight := b.habits[id].Weight(now)
	b.mu.Unlock()
	return next.Sparing(n, now, b.interval, time.Duration(b.wait.Load()), weight)
}

// idleWait is how long somebody idle waits at an hour like any other.
func (b *budget) idleWait(interval time.Duration) time.Duration {
	if b == nil {
		return interval
	}
	return time.Duration(b.wait.Load())
}

// longest is how long nobody may have looked at somebody without anything
// being wrong.
func (b *budget) longest(interval time.Duration) time.Duration {
	if b == nil || time.Duration(b.wait.Load()) <= interval {
		return interval
	}
	return listening.LongestWait
}

// Notes says in a sentence that the budget stretches the interval.
func (s *Sweep) Notes() []string {
	wait := s.budget.idleWait(s.Interval)
	if wait <= s.Interval {
		return nil
	}
	return []string{fmt.Sprintf("The day's %d calls do not allow a look every %s: who is idle is looked at every %s or so; who listens is looked at as ever.",
		s.budget.Daily, s.Interval, wait.Round(time.Second))}
}
