package poller

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// Spending is how the calls of 24 hours are bounded.
type QuotaOptions struct {
	// Account names the developer account whose quota the calls of an app count against.
	Account func(app string) string
	// Room is what an account may still call, all batches together.
	Headroom func(account string, now time.Time) quota.Headroom
	// Share is the part of all listeners that this batch looks after, from 0 to 1.
	Share func() float64
}

// budgets is the budget of every account that something bounds. Nil: nothing
// is bounded.
type budgets struct {
	QuotaOptions
	interval time.Duration

	planMu sync.Mutex // one plan at a time
	// by holds the budgets by account. It is replaced, never changed: most
	// instances bound nothing, and looks must not pay for it.
	byAccount atomic.Pointer[map[string]*budget]
}

func newBudgets(s *QuotaOptions, interval time.Duration) *budgets {
	if s == nil {
		return nil
	}
	return &budgets{QuotaOptions: *s, interval: interval}
}

// of is the budget that looks by way of an app are bounded by; nil: none.
func (b *budgets) forApp(app string) *budget {
	if b == nil {
		return nil
	}
	by := b.byAccount.Load()
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
	by := b.byAccount.Load()
	if by == nil {
		return nil
	}
	for _, account := range slices.Sorted(maps.Keys(*by)) {
		all = append(all, (*by)[account])
	}
	return all
}

// plan divides anew what there is room for; there are so many people, by app.
func (b *budgets) plan(now time.Time, users map[string]userCounts) {
	if b == nil {
		return
	}
	b.planMu.Lock()
	defer b.planMu.Unlock()
	perAccount := map[string]userCounts{}
	for app, its := range users {
		sum := perAccount[b.Account(app)]
		sum.idle, sum.listening = sum.idle+its.idle, sum.listening+its.listening
		perAccount[b.Account(app)] = sum
	}
	former, next := b.byAccount.Load(), map[string]*budget{}
	for account, its := range perAccount {
		room := b.Headroom(account, now)
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
	b.byAccount.Store(&next)
}

// forget drops the habit of somebody who has left.
func (b *budgets) forget(id songspy.UserID) {
	for _, its := range b.all() {
		its.forget(id)
	}
}

// idleWait is how long somebody idle waits at an hour like any other, where
// that is longest.
func (b *budgets) longestIdleWait(interval time.Duration) time.Duration {
	longest := interval
	for _, its := range b.all() {
		longest = max(longest, its.currentPlan().IdleWait)
	}
	return longest
}

// kept is which part of the polls of listening users is made, where that is least.
func (b *budgets) keptRatio() float64 {
	least := 1.0
	for _, its := range b.all() {
		least = min(least, its.currentPlan().KeepRatio)
	}
	return least
}

// budget shares out what an account may call. Nil: nothing bounds it.
type budget struct {
	account  string
	interval time.Duration
	current  atomic.Pointer[budgetPlan]

	mu           sync.Mutex
	hourly       [24]hourCost // what each hour of the last day cost
	measured     [24]bool
	currentHour  time.Time // the hour that is being counted
	currentCost  hourCost
	meanInterval time.Duration // between two polls of a listening user, if nothing bounds them
	habits       map[songspy.UserID]*playback.HourlyListening
	nextPolls    map[songspy.UserID]time.Time // the next polls; nil where very many are due
}

// planned is a plan and what it was made of.
type budgetPlan struct {
	quota.Plan
	room quota.Headroom
}

// cost is what an hour cost, or would have: how many polls of listening users
// would have been made if nothing bounded them, and how many calls asked history.
type hourCost struct{ polls, history float64 }

// headcount is how many people there are.
type userCounts struct{ idle, listening int }

const (
	// untoldShare is what listening is taken to cost while no hour has been seen:
	// that part of the calls.
	assumedListeningShare = 0.3
	// usualMean is the time between two polls of a listening user while nobody
	// has been seen.
	assumedMeanInterval = 105 * time.Second
	// meanOver is over how many polls the mean is taken.
	meanSamples = 50
)

func newBudget(account string, interval time.Duration) *budget {
	b := &budget{account: account, interval: interval, meanInterval: assumedMeanInterval, habits: map[songspy.UserID]*playback.HourlyListening{}}
	b.current.Store(&budgetPlan{Plan: quota.UnboundedPlan(interval)})
	return b
}

// now is the plan that is in force.
func (b *budget) currentPlan() budgetPlan { return *b.current.Load() }

// plan decides anew how long idle people wait, and how much those who listen
// are looked at. This batch plans for its share of all people.
func (b *budget) plan(now time.Time, room quota.Headroom, users userCounts, share float64) {
	if share <= 0 {
		return
	}
	d := b.expectedDemand(now, assumedListeningShare*float64(room.Limit)*share/24, users.listening)
	for i := range d.Listening {
		d.Listening[i] /= share
	}
	b.trackNextPolls(users.idle + users.listening)
	d.Fixed, d.Idle = d.Fixed/share, int(float64(users.idle)/share)
	b.current.Store(&budgetPlan{room.Plan(d, b.interval, playback.IdleWaitMax), room})
}

// few is how many people of an account are polled in turn. Of more there is
// always one.
const maxStaggeredUsers = 32

// place starts or ends keeping the next polls; there are so many people.
func (b *budget) trackNextPolls(users int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case users > maxStaggeredUsers:
		b.nextPolls = nil
	case b.nextPolls == nil:
		b.nextPolls = map[songspy.UserID]time.Time{}
	}
}

// inTurn places the poll of somebody among those of the others. mu is held.
func (b *budget) stagger(id songspy.UserID, poll playback.Poll, now time.Time) playback.Poll {
	if b.nextPolls == nil {
		return poll
	}
	if wait := poll.At.Sub(now); poll.Reason == playback.PollQuota {
		others := make([]time.Time, 0, len(b.nextPolls))
		for other, at := range b.nextPolls {
			if other != id && at.After(now) {
				others = append(others, at)
			}
		}
		poll.At = playback.SpreadPoll(poll.At, wait/3, others)
	}
	b.nextPolls[id] = poll.At
	return poll
}

// asked counts a call for history.
func (b *budget) countHistoryFetch(now time.Time) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rollHour(now)
	b.currentCost.history++
}

// turn begins a new hour, if it is time.
func (b *budget) rollHour(now time.Time) {
	hour := now.UTC().Truncate(time.Hour)
	if hour.Equal(b.currentHour) {
		return
	}
	if !b.currentHour.IsZero() {
		b.hourly[b.currentHour.Hour()], b.measured[b.currentHour.Hour()] = b.currentCost, true
	}
	b.currentHour, b.currentCost = hour, hourCost{}
}

// expected is what listening is worth in the next 24 hours: what it was at these
// hours of the day before, or on the average where that is not known, or usual
// an hour if nothing is. Those who listen now are expected to go on for a while.
func (b *budget) expectedDemand(now time.Time, usual float64, listening int) (d quota.Demand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rollHour(now)
	sum, n := hourCost{}, 0.0
	for hour, known := range b.measured {
		if known {
			sum.polls, sum.history, n = sum.polls+b.hourly[hour].polls, sum.history+b.hourly[hour].history, n+1
		}
	}
	if n > 0 {
		usual, d.Fixed = sum.polls/n, sum.history/n
	}
	// An hour from now lies in two hours of the day.
	into := now.Sub(b.currentHour).Hours()
	rate := func(hour int) float64 {
		if hour %= 24; b.measured[hour] {
			return b.hourly[hour].polls
		}
		return usual
	}
	for i := range d.Listening {
		hour := b.currentHour.Hour() + i
		d.Listening[i] = rate(hour)*(1-into) + rate(hour+1)*into
	}
	worth := float64(listening) * float64(time.Hour) / float64(b.meanInterval)
	d.Listening[0], d.Listening[1] = max(d.Listening[0], worth), max(d.Listening[1], worth/2)
	return d
}

// saw takes in what a look showed, for the person's habit.
func (b *budget) recordListening(id songspy.UserID, playing bool, now time.Time) {
	if b == nil || !playing {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	h := b.habits[id]
	if h == nil {
		h = &playback.HourlyListening{}
		b.habits[id] = h
	}
	h.Record(now)
}

func (b *budget) forget(id songspy.UserID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.habits, id)
	delete(b.nextPolls, id)
}

// heed is the look with the budget heeded.
func (b *budget) apply(id songspy.UserID, next playback.Poll, n songspy.NowPlaying, now time.Time) playback.Poll {
	if b == nil {
		return next
	}
	plan := b.currentPlan()
	b.mu.Lock()
	defer b.mu.Unlock()
	if !n.IsOpen() {
		return b.stagger(id, next.SlowDownIdle(n, now, b.interval, plan.IdleWait, b.habits[id].Weight(now)), now)
	}
	applied := next.ThinOut(n, now, plan.KeepRatio, fractionFor(id, n.StartedAt), b.meanInterval)
	worth := next.At.Sub(now)
	b.meanInterval += (worth - b.meanInterval) / meanSamples
	b.meanInterval = max(b.meanInterval, time.Second)
	b.rollHour(now)
	b.currentCost.polls += applied.At.Sub(now).Seconds() / max(worth.Seconds(), 1)
	return b.stagger(id, applied, now)
}

// chance is a number from 0 to 1 for somebody's play: the same each time that it is asked for.
func fractionFor(id songspy.UserID, began time.Time) float64 {
	return rand.New(rand.NewPCG(uint64(id), uint64(began.UnixMilli()))).Float64()
}

// longest is how long nobody may have looked at somebody without anything
// being wrong.
func (b *budget) maxPollInterval(interval time.Duration) time.Duration {
	if b == nil {
		return interval
	}
	if plan := b.currentPlan(); plan.IdleWait <= interval && plan.KeepRatio >= 1 {
		return interval
	}
	return playback.IdleWaitMax
}

// notes says in a sentence for each account how its quota thins polls.
func (b *budgets) notes(interval time.Duration) (notes []string) {
	userApps := 0
	for _, its := range b.all() {
		plan := its.currentPlan()
		if _, is := songspy.UserAppClientID(its.account); is { // as good as a name
			if plan.IdleWait > interval || plan.KeepRatio < 1 {
				userApps++
			}
			continue
		}
		if plan.IdleWait > interval {
			notes = append(notes, fmt.Sprintf("The %d calls that are planned for 24 hours for app %s do not allow a poll every %s: idle users are polled about every %s.",
				plan.room.Limit, its.account, interval, plan.IdleWait.Round(time.Second)))
		}
		if plan.KeepRatio < 1 {
			notes = append(notes, fmt.Sprintf("Users of app %s who are listening take more calls than are planned: %.0f %% of their polls are made, and history fills in.",
				its.account, 100*plan.KeepRatio))
		}
	}
	if userApps > 0 {
		notes = append(notes, fmt.Sprintf("The quotas of %d apps that people brought do not allow all polls of their users.", userApps))
	}
	return notes
}
