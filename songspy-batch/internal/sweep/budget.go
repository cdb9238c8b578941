package sweep

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// Spending is how the calls of 24 hours are bounded.
type Spending struct {
	// Account names the developer account whose quota the calls of an app count against.
	Account func(app string) string
	// Room is what an account may still call, all batches together.
	Room func(account string, now time.Time) quota.Room
	// Share is the part of all listeners that this batch looks after, from 0 to 1.
	Share func() float64
}

// budgets is the budget of every account that something bounds. Nil: nothing
// is bounded.
type budgets struct {
	Spending
	interval time.Duration

	planning sync.Mutex // one plan at a time
	// by holds the budgets by account. It is replaced, never changed: most
	// instances bound nothing, and looks must not pay for it.
	by atomic.Pointer[map[string]*budget]
}

func newBudgets(s *Spending, interval time.Duration) *budgets {
	if s == nil {
		return nil
	}
	return &budgets{Spending: *s, interval: interval}
}

// of is the budget that looks by way of an app are bounded by; nil: none.
func (b *budgets) of(app string) *budget {
	if b == nil {
		return nil
	}
	by := b.by.Load()
	if by == nil || len(*by) == 0 {
		return nil
	}
	return (*by)[b.Account(app)]
}

// all are the budgets that there are, by the names of their accounts.
func (b *budgets) all() (all []*budget) {
	if b == nil {
		return nil
	}
	by := b.by.Load()
	if by == nil {
		return nil
	}
	for _, account := range slices.Sorted(maps.Keys(*by)) {
		all = append(all, (*by)[account])
	}
	return all
}

// plan divides anew what there is room for; there are so many people, by app.
func (b *budgets) plan(now time.Time, people map[string]headcount) {
	if b == nil {
		return
	}
	b.planning.Lock()
	defer b.planning.Unlock()
	crowds := map[string]headcount{}
	for app, its := range people {
		sum := crowds[b.Account(app)]
		sum.idle, sum.listening = sum.idle+its.idle, sum.listening+its.listening
		crowds[b.Account(app)] = sum
	}
	former, next := b.by.Load(), map[string]*budget{}
	for account, its := range crowds {
		room := b.Room(account, now)
		if !room.Bounded {
			continue
		}
		var budget *budget
		if former != nil {
			budget = (*former)[account]
		}
		if budget == nil {
			budget = newBudget(account, b.interval)
		}
		budget.plan(now, room, its, b.Share())
		next[account] = budget
	}
	b.by.Store(&next)
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
		longest = max(longest, its.now().Wait)
	}
	return longest
}

// kept is which part of the polls of listening users is made, where that is least.
func (b *budgets) kept() float64 {
	least := 1.0
	for _, its := range b.all() {
		least = min(least, its.now().Keep)
	}
	return least
}

// budget shares out what an account may call. Nil: nothing bounds it.
type budget struct {
	account  string
	interval time.Duration
	planned  atomic.Pointer[planned]

	mu     sync.Mutex
	hours  [24]cost // what each hour of the last day cost
	known  [24]bool
	hour   time.Time // the hour that is being counted
	count  cost
	mean   time.Duration // between two polls of a listening user, if nothing bounds them
	habits map[songspy.UserID]*listening.Habit
	next   map[songspy.UserID]time.Time // the next polls; nil where very many are due
}

// planned is a plan and what it was made of.
type planned struct {
	quota.Plan
	room quota.Room
}

// cost is what an hour cost, or would have: how many polls of listening users
// would have been made if nothing bounded them, and how many calls asked history.
type cost struct{ polls, history float64 }

// headcount is how many people there are.
type headcount struct{ idle, listening int }

const (
	// untoldShare is what listening is taken to cost while no hour has been seen:
	// that part of the calls.
	untoldShare = 0.3
	// usualMean is the time between two polls of a listening user while nobody
	// has been seen.
	usualMean = 105 * time.Second
	// meanOver is over how many polls the mean is taken.
	meanOver = 50
)

func newBudget(account string, interval time.Duration) *budget {
	b := &budget{account: account, interval: interval, mean: usualMean, habits: map[songspy.UserID]*listening.Habit{}}
	b.planned.Store(&planned{Plan: quota.Unbounded(interval)})
	return b
}

// now is the plan that is in force.
func (b *budget) now() planned { return *b.planned.Load() }

// plan decides anew how long idle people wait, and how much those who listen
// are looked at. This batch plans for its share of all people.
func (b *budget) plan(now time.Time, room quota.Room, people headcount, share float64) {
	if share <= 0 {
		return
	}
	d := b.expected(now, untoldShare*float64(room.Limit)*share/24, people.listening)
	for i := range d.Listening {
		d.Listening[i] /= share
	}
	b.place(people.idle + people.listening)
	d.Fixed, d.Idle = d.Fixed/share, int(float64(people.idle)/share)
	b.planned.Store(&planned{room.Plan(d, b.interval, listening.LongestWait), room})
}

// few is how many people of an account are polled in turn. Of more there is
// always one.
const few = 32

// place starts or ends keeping the next polls; there are so many people.
func (b *budget) place(people int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case people > few:
		b.next = nil
	case b.next == nil:
		b.next = map[songspy.UserID]time.Time{}
	}
}

// inTurn places the poll of somebody among those of the others. mu is held.
func (b *budget) inTurn(id songspy.UserID, look listening.Look, now time.Time) listening.Look {
	if b.next == nil {
		return look
	}
	if wait := look.At.Sub(now); look.Reason == listening.ReasonBudget {
		others := make([]time.Time, 0, len(b.next))
		for other, at := range b.next {
			if other != id && at.After(now) {
				others = append(others, at)
			}
		}
		look.At = listening.Placed(look.At, wait/3, others)
	}
	b.next[id] = look.At
	return look
}

// asked counts a call for history.
func (b *budget) asked(now time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn(now)
	b.count.history++
}

// turn begins a new hour, if it is time.
func (b *budget) turn(now time.Time) {
	hour := now.UTC().Truncate(time.Hour)
	if hour.Equal(b.hour) {
		return
	}
	if !b.hour.IsZero() {
		b.hours[b.hour.Hour()], b.known[b.hour.Hour()] = b.count, true
	}
	b.hour, b.count = hour, cost{}
}

// expected is what listening is worth in the next 24 hours: what it was at these
// hours of the day before, or on the average where that is not known, or usual
// an hour if nothing is. Those who listen now are expected to go on for a while.
func (b *budget) expected(now time.Time, usual float64, listening int) (d quota.Demand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.turn(now)
	sum, n := cost{}, 0.0
	for hour, known := range b.known {
		if known {
			sum.polls, sum.history, n = sum.polls+b.hours[hour].polls, sum.history+b.hours[hour].history, n+1
		}
	}
	if n > 0 {
		usual, d.Fixed = sum.polls/n, sum.history/n
	}
	// An hour from now lies in two hours of the day.
	into := now.Sub(b.hour).Hours()
	rate := func(hour int) float64 {
		if hour %= 24; b.known[hour] {
			return b.hours[hour].polls
		}
		return usual
	}
	for i := range d.Listening {
		hour := b.hour.Hour() + i
		d.Listening[i] = rate(hour)*(1-into) + rate(hour+1)*into
	}
	worth := float64(listening) * float64(time.Hour) / float64(b.mean)
	d.Listening[0], d.Listening[1] = max(d.Listening[0], worth), max(d.Listening[1], worth/2)
	return d
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
	delete(b.next, id)
}

// heed is the look with the budget heeded.
func (b *budget) heed(id songspy.UserID, next listening.Look, n songspy.NowPlaying, now time.Time) listening.Look {
	if b == nil {
		return next
	}
	plan := b.now()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !n.Open() {
		return b.inTurn(id, next.Sparing(n, now, b.interval, plan.Wait, b.habits[id].Weight(now)), now)
	}
	heeded := next.Thinned(n, now, plan.Keep, chance(id, n.StartedAt), b.mean)
	worth := next.At.Sub(now)
	b.mean += (worth - b.mean) / meanOver
	b.mean = max(b.mean, time.Second)
	b.turn(now)
	b.count.polls += heeded.At.Sub(now).Seconds() / max(worth.Seconds(), 1)
	return b.inTurn(id, heeded, now)
}

// chance is a number from 0 to 1 for somebody's play: the same each time that it is asked for.
func chance(id songspy.UserID, began time.Time) float64 {
	return rand.New(rand.NewPCG(uint64(id), uint64(began.UnixMilli()))).Float64()
}

// longest is how long nobody may have looked at somebody without anything
// being wrong.
func (b *budget) longest(interval time.Duration) time.Duration {
	if b == nil {
		return interval
	}
	if plan := b.now(); plan.Wait <= interval && plan.Keep >= 1 {
		return interval
	}
	return listening.LongestWait
}

// notes says in a sentence for each account how its quota thins polls.
func (b *budgets) notes(interval time.Duration) (notes []string) {
	brought := 0
	for _, its := range b.all() {
		plan := its.now()
		if _, is := songspy.OwnClientID(its.account); is { // as good as a name
			if plan.Wait > interval || plan.Keep < 1 {
				brought++
			}
			continue
		}
		if plan.Wait > interval {
			notes = append(notes, fmt.Sprintf("The %d calls that are planned for 24 hours for app %s do not allow a poll every %s: idle users are polled about every %s.",
				plan.room.Limit, its.account, interval, plan.Wait.Round(time.Second)))
		}
		if plan.Keep < 1 {
			notes = append(notes, fmt.Sprintf("Users of app %s who are listening take more calls than are planned: %.0f %% of their polls are made, and history fills in.",
				its.account, 100*plan.Keep))
		}
	}
	if brought > 0 {
		notes = append(notes, fmt.Sprintf("The quotas of %d apps that people brought do not allow all polls of their users.", brought))
	}
	return notes
}
