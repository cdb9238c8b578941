package poller

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// postponeFor is how long a call is postponed if this replica may not make it now,
	// because it has lost the user's shard (part of the users) or has not renewed its
	// leases in time. After that the call is tried again, unless the user was removed.
	postponeFor = time.Second
	// maxTakeover is the longest time until another replica polls the users of a
	// replica that died.
	maxTakeover = 30 * time.Second
)

// Plan is one run of CurrentPlayingTrackScheduler: it reads all links, adds new
// users, removes users who may not be polled any more, and plans a poll for users who have none.
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
	p.registry.budgets.update(now, p.opt.Interval, users)
	p.attention.setAllowances(now, users)
	p.firstRead.complete(change)
	p.opt.Logger.InfoContext(ctx, "polls planned",
		slog.Int(logkey.Users, p.registry.len()), slog.Int("waiting", p.registry.polls.Len()), p.outcomes.drain())
	return nil
}

// plannedPoll is the time of a user's next poll, and its reason.
type plannedPoll struct {
	at     time.Time
	reason pollReason
	since  time.Time // when the poll was due first; zero if it was not postponed
}

// planner decides when each user is polled next.
type planner struct {
	Options
	attention *attentionPlanner
}

// planFirst plans the first poll of an entry.
func (p *planner) planFirst(id songspy.UserID, at time.Time, reason pollReason) {
	p.Registry.setPollReason(id, reason)
	p.Registry.polls.Schedule(id, at)
}

// firstAt returns the time of a user's first poll after the user was read from the store. It is
// just after the predicted end of the open (unfinished) play or at the user's phase (own time
// within the interval), whichever is earlier. n is the stored now-playing state.
func (p *planner) firstAt(id songspy.UserID, n songspy.NowPlaying, now time.Time) time.Time {
	if !p.Spread {
		return now
	}
	return playback.FirstPoll(n, now, p.phase(id), p.Interval).At
}

// resumedAt returns the time of a user's first poll after another replica has made all polls
// until polledUntil. A poll that has become due since then is made now. If polledUntil is unknown
// (zero), or so long ago that most users would be due now, firstAt chooses the time, so that the
// polls stay spread.
func (p *planner) resumedAt(id songspy.UserID, n songspy.NowPlaying, polledUntil, now time.Time) time.Time {
	if !p.Spread || polledUntil.IsZero() || now.Sub(polledUntil) > max(p.Interval, maxTakeover) || polledUntil.After(now) {
		return p.firstAt(id, n, now)
	}
	return later(now, playback.FirstPoll(n, polledUntil, p.phase(id), p.Interval).At)
}

// next returns the next poll of a user whose poll has just succeeded with obs.
// The argument before is the state before that poll, n the state after it.
func (p *planner) next(before *userState, n songspy.NowPlaying, obs *songspy.Observation) plannedPoll {
	id, app := before.user, before.access.App
	if !p.Spread {
		return plannedPoll{at: p.atPhase(id, 0), reason: reasonInterval}
	}
	now := p.Now()
	extra := p.attention.recordPoll(before, n, obs.Kind)
	n.Polls = max(min(n.Polls, 1), n.Polls-extra) // do not count the polls for viewers, which must not change the times of planned polls
	nextPoll := playback.NextPollWithProof
	if before.habit == listsPartialPlays {
		nextPoll = playback.NextPoll
	}
	next := nextPoll(n, obs.Kind, now, p.phase(id), p.Interval)
	next = p.Registry.budgets.forApp(app).limit(id, next, n, obs, now)
	return p.attention.advance(id, app, plannedPoll{at: next.At, reason: reasonOf(next.Reason)}, n, now)
}

// longestInterval returns the longest planned time between two polls of a user of the
// app. More than twice that time without a successful poll is a gap.
func (p *planner) longestInterval(app string) time.Duration {
	return p.Registry.budgets.forApp(app).maxPollInterval(p.Interval)
}

// atPhase returns the first time of the user's phase that is more than the duration wait from now.
// A poll after a failure is made at that time, so that users whose polls fail together stay spread.
func (p *planner) atPhase(id songspy.UserID, wait time.Duration) time.Time {
	return delayqueue.NextAtPhase(p.Now().Add(wait), p.phase(id), p.Interval)
}

// phase returns the user's fixed time within the interval. It returns 0 for all users if Spread is
// false.
func (p *planner) phase(id songspy.UserID) time.Duration {
	if !p.Spread {
		return 0
	}
	return songspy.PhaseOf(id, p.Interval)
}

// pollReason is the reason of a poll. It has one byte, because every entry in the registry holds
// one.
type pollReason uint8

// The reasons up to reasonDoubtful are those of package playback (playback.PollReason).
const (
	reasonInterval pollReason = iota
	reasonTrackEnd
	reasonMidTrack
	reasonSkipping
	reasonIdleCheck
	reasonQuota
	reasonProof
	reasonAdvertisement
	reasonDoubtful
	reasonStart     // the first poll by this process
	reasonTakeover  // the first poll since this replica acquired the user's shard
	reasonLinked    // the first poll of a link that is new or works again
	reasonRetry     // the previous poll failed
	reasonAttention // somebody watches the user
	reasonCount     // the number of reasons
)

var reasonNames = [reasonCount]string{
	reasonInterval: string(playback.PollInterval), reasonTrackEnd: string(playback.PollTrackEnd), reasonMidTrack: string(playback.PollMidTrack),
	reasonSkipping: string(playback.PollSkipping), reasonIdleCheck: string(playback.PollIdleCheck), reasonQuota: string(playback.PollQuota),
	reasonProof: string(playback.PollProof), reasonAdvertisement: string(playback.PollAdvertisement),
	reasonDoubtful: string(playback.PollDoubtful),
	reasonStart:    "startup", reasonTakeover: "takeover", reasonLinked: "linked", reasonRetry: "retry",
	reasonAttention: "attention",
}

func (r pollReason) String() string { return reasonNames[r] }

// reasonOf converts a reason of package playback to a pollReason.
func reasonOf(r playback.PollReason) pollReason {
	return pollReason(max(0, slices.Index(reasonNames[:], string(r))))
}
