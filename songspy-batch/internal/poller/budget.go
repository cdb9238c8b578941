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

// QuotaOptions say how many calls may be made in 24 hours.
type QuotaOptions struct {
	// Account returns the developer account whose quota the calls of a Spotify app use.
	Account func(app string) string
	// Headroom returns how many calls an account may still make, in all replicas together.
	Headroom func(account string, now time.Time) quota.Headroom
	// Share returns the fraction of all users that this replica polls, from 0 to 1.
	Share func() float64
}

// budgets holds a budget for each developer account whose calls are limited. A nil budgets means
// that no calls are limited.
type budgets struct {
	QuotaOptions

	updateMu sync.Mutex // one update at a time
	// byAccount holds the budgets. An update replaces the map and never changes it, so
	// that polls can read it without a lock.
	byAccount atomic.Pointer[map[string]*budget]
}

func newBudgets(o *QuotaOptions) *budgets {
	if o == nil {
		return nil
	}
	return &budgets{QuotaOptions: *o}
}

// forApp returns the budget of the app's account. It returns nil if the account's calls are not
// limited.
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

// accountOf returns the developer account whose quota the calls of the app use. It returns the
// app itself if no calls are limited.
func (b *budgets) accountOf(app string) string {
	if b == nil {
		return app
	}
	return b.Account(app)
}

// plannedCalls returns how many calls are planned for 24 hours without viewers, by account: one
// poll of each user in each interval, or fewer if a quota does not allow them. The map users
// holds the numbers of users by app.
func (b *budgets) plannedCalls(interval time.Duration, users map[string]userCounts) map[string]float64 {
	planned := map[string]float64{}
	for app, counts := range users {
		planned[b.accountOf(app)] += float64(counts.idle+counts.listening) * float64(24*time.Hour) / float64(interval)
	}
	for _, budget := range b.all() {
		if calls, ok := planned[budget.account]; ok {
			planned[budget.account] = min(calls, float64(budget.currentPlan().room.Limit)*b.Share())
		}
	}
	return planned
}

// all returns the budgets, ordered by account.
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

// update makes a new quota plan for each account whose calls are limited. The map users holds the
// numbers of users by app.
func (b *budgets) update(now time.Time, interval time.Duration, users map[string]userCounts) {
	if b == nil {
		return
	}
	b.updateMu.Lock()
	defer b.updateMu.Unlock()
	perAccount := map[string]userCounts{}
	for app, counts := range users {
		sum := perAccount[b.Account(app)]
		sum.idle, sum.listening = sum.idle+counts.idle, sum.listening+counts.listening
		perAccount[b.Account(app)] = sum
	}
	former, next := b.byAccount.Load(), map[string]*budget{}
	for account, counts := range perAccount {
		room := b.Headroom(account, now)
		if !room.Bounded {
			continue
		}
		var budget *budget
		if former != nil {
			budget = (*former)[account]
		}
		if budget == nil {
			budget = newBudget(account, interval)
		}
		budget.update(now, room, counts, b.Share())
		next[account] = budget
	}
	b.byAccount.Store(&next)
}

// forget drops what the budgets keep of a user who was removed.
func (b *budgets) forget(id songspy.UserID) {
	for _, budget := range b.all() {
		budget.forget(id)
	}
}

// longestIdleWait returns the time between two polls of an idle user, for the account
// whose idle users wait longest. It is the time for an hour in which the user listens as
// often as in an average hour, and at least interval.
func (b *budgets) longestIdleWait(interval time.Duration) time.Duration {
	longest := interval
	for _, budget := range b.all() {
		longest = max(longest, budget.currentPlan().IdleWait)
	}
	return longest
}

// keptRatio returns the fraction of the polls of listening users that is made, for the account
// with the smallest fraction. It returns 1 if no quota requires that polls are left out.
func (b *budgets) keptRatio() float64 {
	least := 1.0
	for _, budget := range b.all() {
		least = min(least, budget.currentPlan().KeepRatio)
	}
	return least
}

// budget spreads the calls to Spotify that a developer account may make over
// the users of its apps and over the day. A nil budget means that its calls are
// not limited.
type budget struct {
	account  string
	interval time.Duration
	current  atomic.Pointer[budgetPlan]

	mu           sync.Mutex
	hourly       [24]hourCost // the cost of the last 24 hours, by hour of the day (UTC)
	measured     [24]bool     // whether hourly holds a measurement of the hour
	currentHour  time.Time    // the start of the hour that is being counted
	currentCost  hourCost
	meanInterval time.Duration // the mean time between two polls of a listening user, as if no poll were left out
	listening    map[songspy.UserID]*playback.HourlyListening
	nextPolls    map[songspy.UserID]time.Time // the next poll of each user; nil if the account has more than maxStaggeredUsers
}

// budgetPlan is a quota plan, with the headroom that it was made for.
type budgetPlan struct {
	quota.Plan
	room quota.Headroom
}

// hourCost counts the calls of one hour: the polls of listening users as if the quota plan had
// left out none (polls), and the calls that do not depend on the quota plan (fixed).
type hourCost struct{ polls, fixed float64 }

// userCounts counts users by whether they have an open play (listening) or not (idle).
type userCounts struct{ idle, listening int }

const (
	// assumedListeningShare is the fraction of the quota's planned calls that polls of listening
	// users are assumed to take until an hour has been measured.
	assumedListeningShare = 0.3
	// assumedMeanInterval is the initial value of budget.meanInterval: the time between two polls
	// of a listening user that is assumed until polls have shown it.
	assumedMeanInterval = 105 * time.Second
	// meanSamples determines the moving average budget.meanInterval: each poll contributes
	// 1/meanSamples of its difference from the average.
	meanSamples = 50
	// maxStaggeredUsers is the largest number of users of an account whose polls are staggered.
	// With more users, any time is near the poll of another user, so that staggering has no
	// effect.
	maxStaggeredUsers = 32
	// accountGap is how long an account with a small quota may be without a poll of any of its
	// users. If the account is polled so seldom that twice the average time between two of its
	// polls is longer than accountGap, that time applies instead.
	accountGap = 10 * time.Minute
)

func newBudget(account string, interval time.Duration) *budget {
	b := &budget{account: account, interval: interval, meanInterval: assumedMeanInterval, listening: map[songspy.UserID]*playback.HourlyListening{}}
	b.current.Store(&budgetPlan{Plan: quota.UnboundedPlan(interval)})
	return b
}

// currentPlan returns the quota plan that update made last.
func (b *budget) currentPlan() budgetPlan { return *b.current.Load() }

// update decides how long idle users wait for a poll, and which fraction of the polls of
// listening users is made. The headroom room says how many calls the account may make in all
// replicas together. users counts the users of this replica, and share is the fraction of all
// users that they are.
func (b *budget) update(now time.Time, room quota.Headroom, users userCounts, share float64) {
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

// trackNextPolls starts to keep the next poll of each user if the account has at most
// maxStaggeredUsers users, and stops otherwise.
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

// stagger moves a poll that the quota has delayed away from the next polls of the account's other
// users. If viewers caused polls of all users at once, all next polls would come late and close
// together. So if no other poll of the account comes soon enough (accountGap), this poll comes
// earlier. mu is held.
func (b *budget) stagger(id songspy.UserID, poll playback.Poll, now time.Time) playback.Poll {
	if b.nextPolls == nil {
		return poll
	}
	b.nextPolls[id] = poll.At
	if wait := poll.At.Sub(now); poll.Reason == playback.PollQuota {
		others := make([]time.Time, 0, len(b.nextPolls))
		for other, at := range b.nextPolls {
			if other != id && at.After(now) {
				others = append(others, at)
			}
		}
		poll.At = playback.SpreadPoll(poll.At, wait/3, others)
		latest := now.Add(max(accountGap, 2*wait/time.Duration(len(b.nextPolls))))
		if poll.At.After(latest) && !slices.ContainsFunc(others, latest.After) {
			poll.At = latest
		}
		b.nextPolls[id] = poll.At
	}
	return poll
}

// countFixed counts calls that do not depend on the quota plan: history fetches, and polls for
// viewers.
func (b *budget) countFixed(now time.Time, calls float64) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rollHour(now)
	b.currentCost.fixed += calls
}

// rollHour starts counting a new hour when the hour has changed. mu is held.
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

// expectedDemand estimates the calls that are needed in the next 24 hours. The polls of listening
// users in each hour are expected to be as many as in that hour of the day before. For an hour
// without a measurement it assumes the average of the measured hours, or the parameter usual if
// no hour has been measured. The other calls (fixed) are expected to be the average of the
// measured hours. listening is the number of users who are listening now; they are expected to
// listen for about an hour and a half more.
func (b *budget) expectedDemand(now time.Time, usual float64, listening int) (d quota.Demand) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rollHour(now)
	sum, n := hourCost{}, 0.0
	for hour, known := range b.measured {
		if known {
			sum.polls, sum.fixed, n = sum.polls+b.hourly[hour].polls, sum.fixed+b.hourly[hour].fixed, n+1
		}
	}
	if n > 0 {
		usual, d.Fixed = sum.polls/n, sum.fixed/n
	}
	// The hour that begins now overlaps two hours of the clock, and counts each in proportion.
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
	perHour := float64(listening) * float64(time.Hour) / float64(b.meanInterval)
	d.Listening[0], d.Listening[1] = max(d.Listening[0], perHour), max(d.Listening[1], perHour/2)
	return d
}

// forget drops the user's listening hours and next poll.
func (b *budget) forget(id songspy.UserID) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.listening, id)
	delete(b.nextPolls, id)
}

// limit returns the poll that is made instead of the poll next. It is later if the quota does not
// allow that poll: idle users wait longer, and some polls of listening users are left out. obs is
// what the last poll showed, and n is the state after that poll.
func (b *budget) limit(id songspy.UserID, next playback.Poll, n songspy.NowPlaying, obs *songspy.Observation, now time.Time) playback.Poll {
	if b == nil {
		return next
	}
	plan := b.currentPlan()
	b.mu.Lock()
	defer b.mu.Unlock()
	if obs.Kind == songspy.ObservedPlaying {
		if b.listening[id] == nil {
			b.listening[id] = &playback.HourlyListening{}
		}
		b.listening[id].Record(obs.At)
	}
	if !n.IsOpen() {
		return b.stagger(id, next.SlowDownIdle(n, now, b.interval, plan.IdleWait, b.listening[id].Weight(now)), now)
	}
	applied := next.ThinOut(n, now, plan.KeepRatio, fractionFor(id, n.StartedAt), b.meanInterval)
	unthinned := next.At.Sub(now)
	b.meanInterval += (unthinned - b.meanInterval) / meanSamples
	b.meanInterval = max(b.meanInterval, time.Second)
	b.rollHour(now)
	b.currentCost.polls += applied.At.Sub(now).Seconds() / max(unthinned.Seconds(), 1)
	return b.stagger(id, applied, now)
}

// fractionFor returns a pseudo-random number that is at least 0 and less than 1. It is always the
// same for a play, which the user and the start identify.
func fractionFor(id songspy.UserID, began time.Time) float64 {
	return rand.New(rand.NewPCG(uint64(id), uint64(began.UnixMilli()))).Float64()
}

// maxPollInterval returns the longest planned time between two polls of a user: interval,
// or longer if the quota does not allow all polls.
func (b *budget) maxPollInterval(interval time.Duration) time.Duration {
	if b == nil {
		return interval
	}
	if plan := b.currentPlan(); plan.IdleWait <= interval && plan.KeepRatio >= 1 {
		return interval
	}
	return playback.IdleWaitMax
}

// notes returns sentences about the accounts whose quotas do not allow all polls: up to two for
// each account of the operator, and one for all user-supplied apps together.
func (b *budgets) notes(interval time.Duration) (notes []string) {
	userApps := 0
	for _, budget := range b.all() {
		plan := budget.currentPlan()
		if _, ok := songspy.UserAppClientID(budget.account); ok { // such apps are only counted, because their client id identifies their user
			if plan.IdleWait > interval || plan.KeepRatio < 1 {
				userApps++
			}
			continue
		}
		if plan.IdleWait > interval {
			notes = append(notes, fmt.Sprintf("The %d calls that are planned for 24 hours for app %s do not allow a poll every %s: idle users are polled about every %s.",
				plan.room.Limit, budget.account, interval, plan.IdleWait.Round(time.Second)))
		}
		if plan.KeepRatio < 1 {
			notes = append(notes, fmt.Sprintf("Listening users of app %s need more calls than are planned: %.0f %% of their polls are made; history adds the missing plays.",
				budget.account, 100*plan.KeepRatio))
		}
	}
	if userApps > 0 {
		notes = append(notes, fmt.Sprintf("The quotas of %d user-supplied apps do not allow all polls of their users.", userApps))
	}
	return notes
}
