package poller

import (
	"context"
	"errors"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// runPolls polls each user when the user's poll is due, until ctx ends.
func (p *Poller) runPolls(ctx context.Context) {
	p.registry.polls.Run(ctx, p.opt.Workers, p.poll)
}

// poll polls one user and plans the next poll, unless the user was removed. The
// argument due is the planned time of the poll. A failed poll is planned again.
func (p *Poller) poll(ctx context.Context, id songspy.UserID, due time.Time) {
	state, ok := p.registry.beginPoll(id)
	if !ok {
		return
	}
	now := p.opt.Now()
	obs, err := p.callPlayer(ctx, &state, now, due)
	next := plannedPoll{at: now, reason: state.pollReason}
	switch {
	case err == nil:
		next = p.handleAnswer(&state, &obs)
		p.recordAnswer(ctx, &state, obs.Kind)
	case songspy.DispositionOf(err) == songspy.DispositionMayNotCall:
		next.at, next.since = p.opt.Now().Add(postponeFor), due
	case ctx.Err() != nil:
		// The process is stopping. The next process plans the poll again.
	default:
		next = p.handleFailure(ctx, &state, err)
	}
	p.registry.endPoll(state.entryRef, next)
}

// beginPoll marks a poll of the user as running and returns the user's state. ok is
// false if the user has no entry or a poll of the user is running already.
func (r *Registry) beginPoll(id songspy.UserID) (state userState, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.get(id)
	if e == nil || e.polling {
		return userState{}, false
	}
	e.polling = true
	return r.stateOf(id, e), true
}

// callPlayer calls currently-playing for the user. It makes no call if this replica
// may not poll the user now.
func (p *Poller) callPlayer(ctx context.Context, state *userState, now, due time.Time) (songspy.Observation, error) {
	if !p.opt.Shards.MayCallFor(state.user) {
		return songspy.Observation{}, errMayNotCall
	}
	p.timesAhead.correct(state, now)
	p.opt.Metrics.lag.Observe(now.Sub(due).Seconds())
	return callWithRenewal(ctx, p.caller, now, state, p.opt.Player.CurrentlyPlaying)
}

// handleAnswer computes the user's new state from an observation, saves it, and
// returns the next poll.
func (p *Poller) handleAnswer(before *userState, obs *songspy.Observation) plannedPoll {
	out := playback.Step(before.playing, *obs)
	history, gap := p.coverageAfter(before, &out)
	if history, ok := p.writer.save(before, obs, &out, history, gap); ok {
		p.history.schedule(before.user, history)
	}
	return p.planner.next(before, out.State, obs)
}

// endPoll marks the poll as finished and plans the next one. It does both in one step under the
// lock: otherwise another poll could begin between the two, and two polls of the user would be
// planned. endPoll does nothing if the user no longer has this entry. Callers save the update of
// the poll before they call endPoll, so that the updates of a user stay in order.
func (r *Registry) endPoll(ref entryRef, next plannedPoll) {
	r.mu.Lock()
	defer r.mu.Unlock()
	e := r.entries.find(ref)
	if e == nil {
		return
	}
	e.polling, e.pollReason = false, next.reason
	if next.since.IsZero() {
		r.polls.Schedule(ref.user, next.at)
	} else {
		r.polls.Postpone(ref.user, next.at, next.since)
	}
}

var (
	// errMayNotCall means that this replica may not begin a call for the user now.
	errMayNotCall = &songspy.Error{Disposition: songspy.DispositionMayNotCall}
	// errRenewalPending means that Spotify no longer accepts the access token, and has rejected
	// the refresh token. The poller does not try the refresh token again;
	// AccessTokenRefreshScheduler does.
	errRenewalPending = errors.New("the access token has expired and the refresh token is suspect; wait for the next renewal")
	// errUnlinked means that the user unlinked, linked again or lost the link while the poll ran.
	errUnlinked = errors.New("the link was removed or replaced during the call")
	// errRenewedTokenRefused means that Spotify refuses an access token that it has just issued.
	errRenewedTokenRefused = errors.New("spotify refuses a token that was just renewed")
)

// caller makes calls with a user's access token.
type caller struct {
	renewer   Renewer
	registry  *Registry
	deadlines *sharedDeadline
}

// callWithRenewal makes a call with the user's access token. If the token has expired or Spotify
// rejects it, callWithRenewal renews the token and makes the call with the new one. If Spotify has
// already rejected the refresh token (renewalRefused), it returns errRenewalPending instead.
func callWithRenewal[T any](ctx context.Context, c *caller, now time.Time, state *userState,
	call func(ctx context.Context, access songspy.Credentials) (T, error),
) (answer T, err error) {
	ctx = c.deadlines.contextAt(ctx, now)
	if now.Before(state.expiresAt) {
		answer, err = call(ctx, state.access)
		if songspy.DispositionOf(err) != songspy.DispositionRenewToken {
			return answer, err
		}
	}
	if state.renewalRefused {
		return answer, errRenewalPending
	}
	link, err := c.renewer.Renew(ctx, state.user, state.version)
	if err != nil {
		return answer, err
	}
	c.registry.UpdateLink(link)
	pollsRefused := link.State == songspy.LinkSuspect && link.PollsRefusedSince != nil
	if link.Generation != state.generation || link.State != songspy.LinkActive && !pollsRefused {
		return answer, errUnlinked
	}
	answer, err = call(ctx, songspy.Credentials{App: state.access.App, Token: link.AccessToken})
	if songspy.DispositionOf(err) == songspy.DispositionRenewToken {
		err = errors.Join(errRenewedTokenRefused, err)
	}
	return answer, err
}

const (
	// PollTimeout bounds the calls of one poll. Only a renewal of the token that has begun
	// by then is still finished, which takes some seconds more.
	PollTimeout = 10 * time.Second
	// deadlineSlack is the largest difference between PollTimeout and the time that a poll really
	// has. A poll has less time if it shares the deadline of a poll that began earlier.
	deadlineSlack = time.Second
)

// sharedDeadline provides a context with a deadline for each call. Calls that begin within the
// same second (deadlineSlack) share one context: at thousands of polls per second, a context and
// a timer for each would cost more than everything else a poll does in this process.
type sharedDeadline struct {
	mu            sync.Mutex
	parent        context.Context
	shared        context.Context
	reusableUntil time.Time
}

// contextAt returns the context for a call that begins now. The context ends when
// parent ends, and otherwise after PollTimeout or up to deadlineSlack earlier.
func (d *sharedDeadline) contextAt(parent context.Context, now time.Time) context.Context {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.parent != parent || !now.Before(d.reusableUntil) || d.reusableUntil.Sub(now) > deadlineSlack || d.shared.Err() != nil {
		shared, cancel := context.WithTimeout(parent, PollTimeout)
		context.AfterFunc(shared, cancel) // releases the context after its deadline
		d.parent, d.shared, d.reusableUntil = parent, shared, now.Add(deadlineSlack)
	}
	return d.shared
}
