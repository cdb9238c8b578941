package sweep

import (
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

// Spending is what the calls of a day are bounded to.
type Spending struct {
	// Daily is how many calls a day (UTC) each quota allows, all batches together.
	Daily int64
	// Quota names the quota that calls by way of an app count against; false if
	// nothing bounds them.
	Quota func(app string) (name string, bounded bool)
	// Spent is how many of a quota's calls have been made today.
	Spent func(quota string, now time.Time) int64
	// Share is the part of all listeners that this batch looks after, from 0 to 1.
	Share func() float64
}

// budgets is the budget of every quota. Nil: nothing is bounded.
type budgets struct {
	Spending
	interval time.Duration

	mu sync.Mutex
	by map[string]*budget
}

func newBudgets(s *Spending, interval time.Duration) *budgets {
	if s == nil || s.Daily <= 0 {
		return nil
	}
	return &budgets{Spending: *s, interval: interval, by: map[string]*budget{}}
}

// of is the budget that looks by way of an app are bounded by; nil: none.
func (b *budgets) of(app string) *budget {
	if b == nil {
		return nil
	}
	quota, bounded := b.Quota(app)
	if !bounded {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.by[quota] == nil {
		b.by[quota] = newBudget(b.Spending, quota, b.interval)
	}
	return b.by[quota]
}

// all are the budgets that there are, by the names of their quotas.
func (b *budgets) all() (all []*budget) {
	if b == nil {
		return nil
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, quota := range slices.Sorted(maps.Keys(b.by)) {
		all = append(all, b.by[quota])
	}
	return all
}

// plan decides anew how long idle people wait; there are so many of them, by app.
func (b *budgets) plan(now time.Time, idle map[string]int) {
	if b == nil {
		return
	}
	by := map[*budget]int{}
	for app, people := range idle {
		by[b.of(app)] += people // of nil too: they are bounded by none
	}
	for _, its := range b.all() {
		its.plan(now, by[its])
	}
}

// forget drops the habit of somebody who has left.
func (b *budgets) forget(id songspy.UserID) {
	for _, its := range b.all() {
		its.forget(id)
	}
}

// idleWait is how long somebody idle waits at an hour like any other, where
// that is longest.
func (b *budgets) idleWait(interval time.Duration) time.Duration {
	longest := interval
	for _, its := range b.all() {
		longest = max(longest, its.idleWait(interval))
	}
	return longest
}

// budget shares out what a quota allows a day. Nil: nothing bounds it.
type budget struct {
	Spending
	quota    string
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

func newBudget(s Spending, quota string, interval time.Duration) *budget {
	b := &budget{Spending: s, quota: quota, interval: interval, habits: map[songspy.UserID]*listening.Habit{}}
	b.wait.Store(int64(interval))
	return b
}

// plan decides anew how long idle people wait; there are so many of them.
func (b *budget) plan(now time.Time, idle int) {
	midnight := now.UTC().Truncate(24 * time.Hour).Add(24 * time.Hour)
	share := b.Share()
	if share <= 0 {
		return
	}
	wait := listening.Budget{
		Left: max(0, b.Daily-b.Spent(b.quota, now)), Rest: midnight.Sub(now),
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

func (b *budget) forget(id songspy.UserID) {
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

func (b *budget) idleWait(interval time.Duration) time.Duration {
	return max(interval, time.Duration(b.wait.Load()))
}

// longest is how long nobody may have looked at somebody without anything
// being wrong.
func (b *budget) longest(interval time.Duration) time.Duration {
	if b == nil || time.Duration(b.wait.Load()) <= interval {
		return interval
	}
	return listening.LongestWait
}

// notes says in a sentence for each quota that its budget stretches the interval.
func (b *budgets) notes(interval time.Duration) (notes []string) {
	for _, its := range b.all() {
		if wait := its.idleWait(interval); wait > interval {
			notes = append(notes, fmt.Sprintf("The day's %d calls of app %s do not allow a look every %s: who is idle is looked at every %s or so; who listens is looked at as ever.",
				its.Daily, its.quota, interval, wait.Round(time.Second)))
		}
	}
	return notes
}
