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
	// watchReadInterval is how often new watches are read from the store. A viewer who
	// opens a page waits up to that long before the users on it are polled.
	watchReadInterval = 250 * time.Millisecond
	// watchReadOverlap is how long a write of watches may take. Each read also returns the
	// watches that were written up to that long before the previous read, because the
	// store may show a write later than one that began after it.
	watchReadOverlap = time.Second
	// manyViewers limits the cost of weights: if a user has more viewers than this, their
	// weight is computed at most once a second.
	manyViewers = 32
	// forgetUnwatched is how long the listening hours of a user without viewers are kept.
	forgetUnwatched = 24 * time.Hour
	// sameTime is by how much the time of a planned poll may move and still count as the
	// same: each poll predicts the end of a track a little differently.
	sameTime = 2 * time.Second
)

// AttentionOptions say how many calls are made for viewers.
type AttentionOptions struct {
	// Share is the number of calls that may be made for viewers in addition to the planned
	// calls, as a part of the planned calls: 0.15 allows 15 for each 100.
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
// Lock order: attentionPlanner.mu, Registry.mu.
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

// watchKey identifies a watch. A viewer may have two: one of other users, and one of
// themselves (own).
type watchKey struct {
	viewer songspy.ViewerHash
	own    bool
}

type watch struct {
	viewer   attention.ViewerKey
	users    []songspy.UserID // the watched users that this replica polls
	openedAt time.Time
	until    time.Time
}

// watchedUser is a user who is watched, or was in the last 24 hours.
type watchedUser struct {
	viewers   []attention.ViewerKey // the viewers who watch now
	watchedAt time.Time             // when a viewer last began or stopped to watch
	polledAt  time.Time             // when the last poll ended; zero: unknown
	listening playback.HourlyListening
	// weight is the weight of the viewers, as computed at weighedAt.
	weight    float64
	weighedAt time.Time
	// playOpenedAt identifies the open play: see songspy.NowPlaying.OpenedAt. polls is the
	// number of polls of that play that were made for viewers. They do not count when
	// package playback limits the polls of a play.
	playOpenedAt time.Time
	polls        int16
	// If the next poll is made for viewers, plain is the poll that would be made without
	// viewers, and paid is the part of the call that each viewer pays for. Otherwise plain
	// is zero.
	plain     plannedPoll
	paid      attention.Payment
	crossfade crossfade
}

// crossfade records how much earlier than predicted the user's last two changes of tracks
// were: players fade songs into each other.
type crossfade struct{ last, former time.Duration }

// fadeMax is the longest crossfade of Spotify's players, and a little more.
const fadeMax = 12500 * time.Millisecond

// observe compares the predicted end of a track with the start of the next one. before and n
// are the states before and after a poll.
func (c *crossfade) observe(before, n songspy.NowPlaying) {
	if before.State == songspy.PlayerPlaying && before.EndsAt != nil && n.IsOpen() && n.Skips == 0 && !n.Provisional && n.StartedAt.After(before.StartedAt) {
		if early := before.EndsAt.Sub(n.StartedAt); early.Abs() <= fadeMax {
			c.last, c.former = early, c.last
		}
	}
}

// lead returns how much earlier than predicted the next track will probably begin; 0 unless
// the last two changes were early.
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

// update adds or replaces the given watches, and ends the watches whose time is over. readAt
// is when they were read, by the store's clock.
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

// updateWatch adds or replaces one watch, which ends at until. It plans earlier polls of the
// users who are new in it, or of all its users if the viewer has opened a page since the last
// read. mu is held.
func (p *attentionPlanner) updateWatch(read songspy.Watch, until, now time.Time) {
	key := watchKey{read.Viewer, read.Own}
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

// addViewer adds the viewer to the viewers of the user. mu is held.
func (p *attentionPlanner) addViewer(viewer attention.ViewerKey, id songspy.UserID, now time.Time) {
	u := p.users[id]
	if u == nil {
		u = &watchedUser{}
		p.users[id] = u
	}
	u.viewers, u.watchedAt = append(u.viewers, viewer), now
}

// removeViewer removes the viewer from the viewers of the users, except the users to keep. mu
// is held.
func (p *attentionPlanner) removeViewer(viewer attention.ViewerKey, users, keep []songspy.UserID, now time.Time) {
	for _, id := range users {
		u := p.users[id]
		if u == nil || slices.Contains(keep, id) {
			continue
		}
		if i := slices.Index(u.viewers, viewer); i >= 0 {
			u.viewers, u.watchedAt = slices.Delete(u.viewers, i, i+1), now
		}
	}
}

// endWatch ends a watch. mu is held.
func (p *attentionPlanner) endWatch(key watchKey, now time.Time) {
	ended := p.watches[key]
	delete(p.watches, key)
	p.removeViewer(ended.viewer, ended.users, nil, now)
}

// pollSoon plans an earlier poll of a user that a viewer has just begun to watch. The poll is
// made now if the user is listening or is the viewer (own), and the last poll is old enough.
// Otherwise it is made when it is worth a call. mu is held.
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

// advance returns the next poll of a user: planned, or an earlier poll if viewers watch the
// user and an earlier poll is worth a call. n is the user's state.
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

// recordPoll records a poll of the user, and returns how many polls of the open play
// were made for viewers.
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

// bestTime returns the earliest time before planned at which a poll is worth a call for the
// user's viewers. polled is the time of the last poll. worth is false if no earlier poll is
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
	if plain.reason == reasonAttention { // the planned poll is already for viewers, and counted
		return
	}
	u.plain, u.paid = plain, nil
	if a := p.allowances[p.registry.budgets.accountOf(app)]; a != nil {
		u.paid = a.Pay(now, u.viewers)
		p.registry.budgets.forApp(app).countFixed(now, 1)
	}
}

// settle corrects the cost of the poll for viewers that was just made. charge has counted one
// call, but the poll may have replaced a planned poll, or may lead to another one. next is the
// poll that is planned now, without viewers. mu is held.
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
// instead of at the time of the plain poll: from 0, if this poll replaces that one, to 2. next
// is the poll that is planned after this one.
func (p *attentionPlanner) additionalCalls(id songspy.UserID, plain, next plannedPoll, now time.Time) float64 {
	moved, wait := next.at.Sub(plain.at), next.at.Sub(now)
	switch {
	case next.reason == reasonInterval:
		// Polls of this reason are made at the next time of the user's phase, whenever the
		// last poll was. If that time is after the plain poll, this poll has replaced the
		// plain one.
		if delayqueue.NextAtPhase(now, songspy.PhaseOf(id, p.interval), p.interval).After(plain.at) {
			return 0
		}
		return 1
	case next.reason == reasonMidTrack && plain.reason == reasonMidTrack && wait < p.interval:
		return 1 // the track still needs one poll before its end
	case (next.reason == reasonTrackEnd || next.reason == reasonProof) && moved >= -sameTime:
		// The time of next does not depend on this poll. If next is later than the plain
		// poll, this poll has replaced the plain one. Otherwise next is the plain poll.
		if moved > sameTime {
			return 0
		}
		return 1
	}
	// The wait for any other next poll begins with this poll. The less time was left until
	// the plain poll, the less this poll costs.
	return 1 - max(-1, min(1, moved.Seconds()/max(wait.Seconds(), 1)))
}

// setAllowances sets, for each developer account, how many calls may be made for viewers.
// users are the counts by app. It also forgets users that have not been watched for long.
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

// stats returns how many users are watched now, and how many calls may be made for
// viewers.
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
