package poller

import (
	"context"
	"log/slog"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

const (
	// postponeFor is how long a call is postponed that this replica may not make now.
	// By then the lease is renewed, or the user is removed.
	postponeFor = time.Second
	// maxTakeover is the longest time until another replica polls the users of a
	// replica that died.
	maxTakeover = 30 * time.Second
)

// Plan is one run of CurrentPlayingTrackScheduler: it reads all links, adds new
// users, removes users who are gone, and plans a poll for users who have none.
// It makes no call to Spotify and returns within seconds.
func (p *Poller) Plan(ctx context.Context) error {
	if err := p.heartbeat.readLast(ctx); err != nil {
		return err
	}
	change, err := p.loader.readAll(ctx)
	if err != nil {
		return err
	}
	now, users := p.opt.Now(), p.registry.countByApp()
	p.registry.budgets.plan(now, p.opt.Interval, users)
	p.watcher.plan(now, users)
	p.firstRead.complete(change)
	p.opt.Logger.InfoContext(ctx, "polls planned",
		slog.Int("users", p.registry.len()), slog.Int("waiting", p.registry.polls.Len()), p.outcomes.drain())
	return nil
}

// plannedPoll is the time of a user's next poll, and its reason.
type plannedPoll struct {
	at     time.Time
	reason pollReason
}

// planner decides when each user is polled next.
type planner struct {
	registry *Registry
	watcher  *watcher
	interval time.Duration
	spread   bool
	now      func() time.Time
}

func newPlanner(o Options, w *watcher) *planner {
	return &planner{registry: o.Registry, watcher: w, interval: o.Interval, spread: o.Spread, now: o.Now}
}

// first plans the first poll of an entry.
func (p *planner) first(id songspy.UserID, at time.Time, reason pollReason) {
	p.registry.setPollReason(id, reason)
	p.registry.polls.Schedule(id, at)
}

// firstAt returns the time of a user's first poll, after the user was read from the
// store.
func (p *planner) firstAt(id songspy.UserID, n songspy.NowPlaying, now time.Time) time.Time {
	if !p.spread {
		return now
	}
	return playback.FirstPoll(n, now, p.phase(id), p.interval).At
}

// resumedAt returns the time of a user's first poll after another replica has made all
// polls until polledUntil. A poll that has become due since then is made now. If that
// was so long ago that most users would be due now, each keeps its own phase instead.
func (p *planner) resumedAt(id songspy.UserID, n songspy.NowPlaying, polledUntil, now time.Time) time.Time {
	if !p.spread || polledUntil.IsZero() || now.Sub(polledUntil) > max(p.interval, maxTakeover) || polledUntil.After(now) {
		return p.firstAt(id, n, now)
	}
	return later(now, playback.FirstPoll(n, polledUntil, p.phase(id), p.interval).At)
}

// next returns the next poll of a user whose poll has just succeeded. before is
// the state before that poll, n the state after it.
func (p *planner) next(before *userState, n songspy.NowPlaying, last songspy.ObservationKind) plannedPoll {
	id := before.user
	if !p.spread {
		return plannedPoll{p.atPhase(id, 0), reasonInterval}
	}
	now := p.now()
	nextPoll := playback.NextPoll
	if !before.listsPartial {
		nextPoll = playback.NextPollWithProof
	}
	n = p.watcher.withoutExtraPolls(before, n, last)
	next := nextPoll(n, last, now, p.phase(id), p.interval)
	next = p.registry.budgets.forApp(before.access.App).apply(id, next, n, now)
	return p.watcher.next(id, before.access.App, plannedPoll{next.At, reasonOf(next.Reason)}, n, now)
}

// atPhase returns the user's next phase, at least wait from now. It plans the
// poll after a failure: users whose polls fail together stay spread.
func (p *planner) atPhase(id songspy.UserID, wait time.Duration) time.Time {
	return delayqueue.NextAtPhase(p.now().Add(wait), p.phase(id), p.interval)
}

// phase returns the user's fixed place in the interval.
func (p *planner) phase(id songspy.UserID) time.Duration {
	if !p.spread {
		return 0
	}
	return songspy.PhaseOf(id, p.interval)
}
