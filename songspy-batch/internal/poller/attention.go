package poller

import (
	"context"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/attention"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// watchReadInterval is how often new watches are read from the store. After the API has
	// stored that a viewer opened a page, up to that time passes before the users on it are polled.
	watchReadInterval = 250 * time.Millisecond
	// watchReadOverlap is the longest time that a write of watches is assumed to take. A write
	// gets its time when it begins and becomes visible when it commits, so two writes may become
	// visible in the opposite order. So each read also returns the watches that were
	// written up to watchReadOverlap before the previous read.
	watchReadOverlap = time.Second
	// manyViewers limits the cost of computing weights: if a user has more than manyViewers
	// viewers, the weight of these viewers is computed at most once a second.
	manyViewers = 32
	// forgetUnwatched is how long a user is kept in memory, with the hours in which the user
	// listened, after the last viewer has stopped watching the user.
	forgetUnwatched = 24 * time.Hour
	// sameTime is the largest difference between two planned times that still count as the same
	// time, because each poll predicts the end of a track a little differently.
	sameTime = 2 * time.Second
)

// AttentionOptions say how many calls are made for viewers.
type AttentionOptions struct {
	// Share is the number of calls that may be made for viewers in addition to the planned calls,
	// as a fraction of the planned calls: 0.15 allows 15 calls for each 100 planned calls.
	Share float64
	Store WatchStore
}

// WatchStore reads what viewers watch.
type WatchStore interface {
	// WatchesSince returns the watches that were written at the given time or later, and
	// the time of the read, both by the clock of the store. Watch.Until is by that clock too.
	WatchesSince(ctx context.Context, since time.Time) (watches []songspy.Watch, readAt time.Time, err error)
}

// attentionPlanner plans earlier polls of users who are being watched. A nil
// attentionPlanner plans none.
//
// Lock order: attentionPlanner.mu before Registry.mu.
type attentionPlanner struct {
	AttentionOptions
	registry *Registry
	shards   Shards
	interval time.Duration
	now      func() time.Time
	log      *slog.Logger

	mu         sync.Mutex
	watches    map[watchKey]watch
	users      map[songspy.UserID]*watchedUser
	allowances map[string]*attention.Allowance // by developer account
}

// watchKey identifies a watch. A viewer may have two watches: one of other users, and one of
// themselves (own). A viewer with several devices may have both from several processes of the API
// (source).
type watchKey struct {
	viewer songspy.ViewerHash
	source string
	own    bool
}

type watch struct {
	viewer   attention.ViewerKey
	users    []songspy.UserID // the watched users that this replica polls
	openedAt time.Time
	until    time.Time
}

// watchedUser is a user who is watched now, or was watched in the last 24 hours.
type watchedUser struct {
	viewers   []attention.ViewerKey // the viewers who watch now, each once
	watches   []int                 // how many watches of each of the viewers show the user
	watchedAt time.Time             // when a viewer last began or stopped watching the user
	polledAt  time.Time             // when the last poll ended; zero if it is unknown
	listening playback.HourlyListening
	// weight is how much the viewers counted together at the time weighedAt: see
	// attention.Allowance.Weight.
	weight    float64
	weighedAt time.Time
	// playOpenedAt identifies the open (unfinished) play: see songspy.NowPlaying.OpenedAt. polls is
	// the number of polls during that play that were made for viewers. Package playback limits the
	// polls during a play; these polls do not count towards its limit.
	playOpenedAt time.Time
	polls        int16
	// If the next poll is made for viewers, plain is the poll that would be made without viewers,
	// and paid is the fraction of the call that each viewer has paid from the allowance (the calls
	// for viewers). Otherwise plain is zero, except after a failed poll.
	plain     plannedPoll
	paid      attention.Payment
	crossfade crossfade
}

// crossfade records how much earlier than predicted the user's last two tracks began. Tracks
// begin early if the player fades songs into each other.
type crossfade struct{ last, former time.Duration }

// fadeMax is a little more than the longest crossfade of Spotify's players.
const fadeMax = 12500 * time.Millisecond

// observe records how much earlier than the predicted end of a track the next track began. The
// arguments before and n are the states before and after a poll. observe ignores a track that began
// after a skip, or whose start is provisional, or is more than fadeMax from the predicted end.
func (c *crossfade) observe(before, n songspy.NowPlaying) {
	if before.State == songspy.PlayerPlaying && before.EndsAt != nil && n.IsOpen() && n.Skips == 0 && !n.Provisional && n.StartedAt.After(before.StartedAt) {
		if early := before.EndsAt.Sub(n.StartedAt); early.Abs() <= fadeMax {
			c.last, c.former = early, c.last
		}
	}
}

// lead returns how much earlier than predicted the next track will probably begin: as much as the
// last two tracks began early, and the smaller of the two values if they differ. It returns 0
// unless both tracks began more than a second early.
func (c *crossfade) lead() time.Duration {
	if lead := min(c.last, c.former); lead > time.Second {
		return lead
	}
	return 0
}

func newAttentionPlanner(o Options) *attentionPlanner {
	if o.Attention == nil || o.Attention.Share <= 0 || !o.Spread {
		return nil
	}
	return &attentionPlanner{
		AttentionOptions: *o.Attention, registry: o.Registry, shards: o.Shards, interval: o.Interval, now: o.Now, log: o.Logger,
		watches: map[watchKey]watch{}, users: map[songspy.UserID]*watchedUser{}, allowances: map[string]*attention.Allowance{},
	}
}

// run reads watches until ctx ends.
func (p *attentionPlanner) run(ctx context.Context) {
	if p == nil {
		return
	}
	var since time.Time
	failing := false
	for delayqueue.Wait(ctx, watchReadInterval) {
		watches, readAt, err := p.Store.WatchesSince(ctx, since)
		if err != nil {
			if ctx.Err() == nil && !failing {
				p.log.WarnContext(ctx, "reading what viewers watch failed; it is tried again", slog.Any(logkey.Error, err))
			}
			failing = true
			continue
		}
		failing = false
		since = readAt.Add(-watchReadOverlap)
		p.update(watches, readAt)
	}
}

// update adds or replaces the given watches, and ends the watches whose time is over. The store's
// clock may differ from the clock of this process. So update computes the time that is left of a
// watch by the store's clock (Watch.Until minus readAt, the time of the read), and adds it to the
// current time of this process.
func (p *attentionPlanner) update(watches []songspy.Watch, readAt time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	for _, read := range watches {
		p.updateWatch(read, now.Add(read.Until.Sub(readAt)), now)
	}
	for key, known := range p.watches {
		if !now.Before(known.until) {
			p.endWatch(key, now)
		}
	}
}

// updateWatch adds or replaces one watch, which ends at the time until. It plans earlier polls of
// the users who are new in the watch, or of all its users if the viewer has opened a page since
// the last read. mu is held.
func (p *attentionPlanner) updateWatch(read songspy.Watch, until, now time.Time) {
	key := watchKey{read.Viewer, read.Source, read.Own}
	former, known := p.watches[key]
	if !now.Before(until) {
		if known {
			p.endWatch(key, now)
		}
		return
	}
	opened := read.OpenedAt.After(former.openedAt)
	next := watch{attention.ViewerKey{Hash: read.Viewer, SignedIn: read.SignedIn}, nil, read.OpenedAt, until}
	for _, id := range read.Users {
		if p.shards.Owns(id) {
			next.users = append(next.users, id)
		}
	}
	p.watches[key] = next
	p.removeViewer(former.viewer, former.users, next.users, now)
	for _, id := range next.users {
		isNew := !slices.Contains(former.users, id)
		if isNew {
			p.addViewer(next.viewer, id, now)
		}
		if isNew || opened {
			p.pollSoon(id, p.users[id], read.Own, now)
		}
	}
}

// addViewer counts a watch of the user by the viewer. mu is held.
func (p *attentionPlanner) addViewer(viewer attention.ViewerKey, id songspy.UserID, now time.Time) {
	u := p.users[id]
	if u == nil {
		u = &watchedUser{}
		p.users[id] = u
	}
	if i := slices.Index(u.viewers, viewer); i >= 0 {
		u.watches[i]++
		return
	}
	u.viewers, u.watches, u.watchedAt = append(u.viewers, viewer), append(u.watches, 1), now
}

// removeViewer counts one watch by the viewer less for each of the users, except for those that are
// also in the list keep. mu is held.
func (p *attentionPlanner) removeViewer(viewer attention.ViewerKey, users, keep []songspy.UserID, now time.Time) {
	for _, id := range users {
		u := p.users[id]
		if u == nil || slices.Contains(keep, id) {
			continue
		}
		i := slices.Index(u.viewers, viewer)
		if i < 0 {
			continue
		}
		if u.watches[i]--; u.watches[i] == 0 {
			u.viewers, u.watches, u.watchedAt = slices.Delete(u.viewers, i, i+1), slices.Delete(u.watches, i, i+1), now
		}
	}
}

// endWatch ends a watch. mu is held.
func (p *attentionPlanner) endWatch(key watchKey, now time.Time) {
	ended := p.watches[key]
	delete(p.watches, key)
	p.removeViewer(ended.viewer, ended.users, nil, now)
}

// pollSoon plans an earlier poll of a user after a viewer has begun to watch the user, or has
// opened a page that shows the user. The poll is made now if the last poll is at least
// attention.MinGap ago, the user has an open play or is the viewer (own), and the allowance has
// calls left for the viewers. If the allowance has none left, no earlier poll is planned. In all
// other cases the poll is made at the first time at which it is worth a call (bestTime), if that
// is before the planned poll. mu is held.
func (p *attentionPlanner) pollSoon(id songspy.UserID, u *watchedUser, own bool, now time.Time) {
	p.registry.advancePoll(id, func(state *userState, planned plannedPoll) (plannedPoll, bool) {
		at, worth := now, true
		polled := later(u.polledAt, state.playing.ObservedAt)
		switch {
		case now.Sub(polled) < attention.MinGap, !own && !state.playing.IsOpen():
			at, worth = p.bestTime(u, state.access.App, state.playing, polled, planned.at, now)
		case p.weight(u, state.access.App, now) <= 0:
			worth = false
		}
		if !worth || !at.Before(planned.at) {
			return planned, false
		}
		p.charge(u, state.access.App, planned, now)
		return plannedPoll{at: at, reason: reasonAttention}, true
	})
}

// advance returns the next poll of a user: the poll planned, or an earlier poll if viewers watch
// the user and an earlier poll is worth a call, or the next track will probably begin early (lead).
// n is the user's state after the poll that was just made.
func (p *attentionPlanner) advance(id songspy.UserID, app string, planned plannedPoll, n songspy.NowPlaying, now time.Time) plannedPoll {
	if p == nil {
		return planned
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[id]
	if u == nil {
		return planned
	}
	p.settle(id, u, app, planned, now)
	best := planned.at
	if lead := u.crossfade.lead(); lead > 0 && planned.reason == reasonTrackEnd && p.weight(u, app, now) > 0 {
		best = later(now.Add(min(attention.MinGap, planned.at.Sub(now))), planned.at.Add(-lead))
	}
	if at, worth := p.bestTime(u, app, n, now, best, now); worth {
		best = at
	}
	if !best.Before(planned.at) {
		return planned
	}
	p.charge(u, app, planned, now)
	return plannedPoll{at: best, reason: reasonAttention}
}

// recordPoll records a poll of the user, and returns how many polls during the open play were
// made for viewers. n is the state after the poll. The argument last is the kind of the poll's
// answer.
func (p *attentionPlanner) recordPoll(before *userState, n songspy.NowPlaying, last songspy.ObservationKind) (extra int16) {
	if p == nil {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	u := p.users[before.user]
	if u == nil {
		return 0
	}
	u.polledAt = p.now()
	u.crossfade.observe(before.playing, n)
	if last == songspy.ObservedPlaying {
		u.listening.Record(n.ObservedAt)
	}
	switch {
	case !u.playOpenedAt.Equal(n.OpenedAt):
		u.playOpenedAt, u.polls = n.OpenedAt, 0
	case before.pollReason == reasonAttention:
		u.polls++
	}
	return u.polls
}

// bestTime returns the earliest time before the time planned at which a poll is worth a call for
// the user's viewers. polled is the time of the last poll. worth is false if no earlier poll is
// worth a call. mu is held.
func (p *attentionPlanner) bestTime(u *watchedUser, app string, n songspy.NowPlaying, polled, planned, now time.Time) (at time.Time, worth bool) {
	weight := p.weight(u, app, now)
	if weight <= 0 {
		return planned, false
	}
	wait, worth := attention.RiskOf(n, u.listening.Weight(now)).NextPoll(weight, planned.Sub(polled))
	return later(now, polled.Add(wait)), worth
}

// weight returns how much the user's viewers count together: see attention.Allowance.Weight. 0
// means that no call may be made for them. mu is held.
func (p *attentionPlanner) weight(u *watchedUser, app string, now time.Time) float64 {
	switch {
	case len(u.viewers) == 0:
		return 0
	case len(u.viewers) > manyViewers && now.Sub(u.weighedAt).Abs() < time.Second:
		return u.weight
	}
	if a := p.allowances[p.registry.budgets.accountOf(app)]; a != nil {
		u.weight, u.weighedAt = a.Weight(now, u.viewers), now
		return u.weight
	}
	return 0
}

// charge counts one call for a poll that is made for the user's viewers. plain is the poll
// that would be made without viewers. mu is held.
func (p *attentionPlanner) charge(u *watchedUser, app string, plain plannedPoll, now time.Time) {
	if plain.reason == reasonAttention { // the planned poll is for viewers itself, so its call is counted already
		return
	}
	u.plain, u.paid = plain, nil
	if a := p.allowances[p.registry.budgets.accountOf(app)]; a != nil {
		u.paid = a.Pay(now, u.viewers)
		p.registry.budgets.forApp(app).countFixed(now, 1)
	}
}

// settle corrects the cost of the poll for viewers that was just made. charge has counted one
// call. But the poll costs less if it has replaced the plain poll, and more if it leads to
// another poll. The argument next is the poll that is planned now, without viewers. mu is held.
func (p *attentionPlanner) settle(id songspy.UserID, u *watchedUser, app string, next plannedPoll, now time.Time) {
	if u.plain.at.IsZero() {
		return
	}
	calls := p.additionalCalls(id, u.plain, next, now) - 1
	if a := p.allowances[p.registry.budgets.accountOf(app)]; a != nil {
		a.Correct(now, u.paid, calls)
		p.registry.budgets.forApp(app).countFixed(now, calls)
	}
	u.plain, u.paid = plannedPoll{}, nil
}

// additionalCalls returns how many calls are made in addition because a user was polled now
// instead of at the time of the plain poll. It returns 0 if this poll has replaced the plain one,
// 1 if this poll is made in addition, and up to 2 if it also leads to one more poll before the
// time of the plain one. The argument next is the poll that is planned after this one.
func (p *attentionPlanner) additionalCalls(id songspy.UserID, plain, next plannedPoll, now time.Time) float64 {
	moved, wait := next.at.Sub(plain.at), next.at.Sub(now)
	switch {
	case next.reason == reasonInterval:
		// Interval polls come back to the user's phase (the user's own time within the
		// interval), no matter when this poll was made. So if the phase comes next only after
		// the time of the plain poll, this poll has replaced the plain one. Otherwise this poll
		// is an additional call.
		if delayqueue.NextAtPhase(now, songspy.PhaseOf(id, p.interval), p.interval).After(plain.at) {
			return 0
		}
		return 1
	case next.reason == reasonMidTrack && plain.reason == reasonMidTrack && wait < p.interval:
		return 1 // the track still needs a mid-track poll, so this poll has not replaced the plain one
	case (next.reason == reasonTrackEnd || next.reason == reasonProof) && moved >= -sameTime:
		// The time of next depends on the track and not on this poll. If next is later than the
		// plain poll, this poll has replaced the plain one. Otherwise next is the plain poll.
		if moved > sameTime {
			return 0
		}
		return 1
	}
	// The time of any other next poll is counted from this poll. So the less time was left until
	// the plain poll, the less this poll costs: 0 if the plain poll was due now, and 1 if it was
	// due at the time of next.
	return 1 - max(-1, min(1, moved.Seconds()/max(wait.Seconds(), 1)))
}

// setAllowances sets, for each developer account, how many calls may be made for viewers. The map
// users holds the numbers of users by app. setAllowances also forgets the users that have had no
// viewer for the time forgetUnwatched.
func (p *attentionPlanner) setAllowances(now time.Time, users map[string]userCounts) {
	if p == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for account, calls := range p.registry.budgets.plannedCalls(p.interval, users) {
		a := p.allowances[account]
		if a == nil {
			a = &attention.Allowance{}
			p.allowances[account] = a
		}
		a.SetDaily(now, p.Share*calls)
	}
	for id, u := range p.users {
		if len(u.viewers) == 0 && now.Sub(u.watchedAt) > forgetUnwatched {
			delete(p.users, id)
		}
	}
}

// stats returns how many users are watched now, and how many calls may still be made for viewers
// now.
func (p *attentionPlanner) stats() (watched int, callsLeft float64) {
	if p == nil {
		return 0, 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, u := range p.users {
		if len(u.viewers) > 0 {
			watched++
		}
	}
	for _, a := range p.allowances {
		callsLeft += a.Left(p.now())
	}
	return watched, callsLeft
}
