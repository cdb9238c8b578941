package poller

import (
	"context"
	"errors"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

var (
	// errRenewalPending: the access token has expired and the refresh token was
	// refused lately. AccessTokenRefreshScheduler tries it again.
	errRenewalPending = errors.New("the access token has expired and the refresh token is suspect; wait for the next renewal")
	// errUnlinked: the user unlinked, linked again or lost the link while the poll ran.
	errUnlinked = errors.New("the link was removed or replaced during the call")
	// errRenewedTokenRefused: Spotify refuses a token that it has just issued.
	errRenewedTokenRefused = errors.New("spotify refuses a token that was just renewed")
)

// poll polls one user and plans the next poll, unless the user was removed. due
// is the planned time of the poll. A failure affects no other user.
func (p *Poller) poll(ctx context.Context, id songspy.UserID, due time.Time) {
	state, ok := p.registry.beginPoll(id)
	if !ok {
		return
	}
	postpone := func() { p.registry.polls.Postpone(id, p.opt.Now().Add(postponeFor), due) }
	if !p.opt.Shards.MayPoll(id) {
		p.registry.endPoll(state.entryRef, state.pollReason, postpone)
		return
	}
	now := p.opt.Now()
	p.clockSkew.correctState(&state, now)
	p.opt.Metrics.lag.Observe(now.Sub(due).Seconds())
	obs, err := callWithRenewal(ctx, p.caller, now, &state, p.opt.Player.CurrentlyPlaying)
	next := plannedPoll{now, state.pollReason}
	switch {
	case ctx.Err() != nil && err != nil:
		// The process is stopping. The next process plans the poll again.
	case err == nil:
		p.countPoll(ctx, id, state.pollReason, outcomeOf(obs.Kind), nil)
		next = p.handleResult(&state, obs)
		p.recordAnswer(ctx, &state)
	case songspy.DispositionOf(err) == songspy.DispositionMayNotCall:
		p.registry.endPoll(state.entryRef, state.pollReason, postpone)
		return
	default:
		p.countPoll(ctx, id, state.pollReason, outcomeOfError(err), err)
		next = plannedPoll{p.handleError(ctx, &state, err), reasonRetry}
	}
	p.registry.endPoll(state.entryRef, next.reason, func() { p.registry.polls.Schedule(id, next.at) })
}

// caller makes calls with a user's access token.
type caller struct {
	renewer   Renewer
	registry  *Registry
	deadlines *sharedDeadline
}

// callWithRenewal makes a call with the user's access token. If the token has
// expired, it renews the token and makes the call once more.
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
	if state.suspect {
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

// handleResult computes the user's new state from an observation, hands to the
// writer what must be stored, and returns the next poll.
func (p *Poller) handleResult(before *userState, obs songspy.Observation) plannedPoll {
	id := before.user
	out := playback.Step(before.playing, obs)
	budget := p.registry.budgets.forApp(before.access.App)
	budget.recordListening(id, obs.Kind == songspy.ObservedPlaying, obs.At)
	longest := budget.maxPollInterval(p.opt.Interval)
	history := before.history.AfterPoll(before.playing, out, before.watchedUntil, longest)
	if before.wholePlaysOnly {
		history = history.WithoutPartialPlays(before.history)
	}
	if out.State.ObservedAt.After(before.playing.ObservedAt) {
		p.heartbeat.touch()
	}
	gap := endedGap(before, out.State, 2*longest)
	out.Visible = out.Visible || before.aheadOfClock && out.State.IsOpen() // viewers still see times that are ahead of the clock
	mustSave := out.MustSave || out.Visible || len(out.Plays) > 0 || gap != nil || before.aheadOfClock
	if p.registry.update(before.entryRef, stateUpdate{out.State, history, mustSave}) {
		if mustSave {
			u := songspy.PlaybackUpdate{Playing: out.State, Plays: out.Plays, Gap: gap, Visible: out.Visible}
			if obs.Track.URI != "" {
				u.Tracks = []songspy.Track{obs.Track}
			}
			p.writer.put(pendingUpdate{before.entryRef, u})
		}
		p.history.plan(id, history)
	}
	return p.planner.next(before, out.State, obs.Kind)
}

// handleError records a failed poll and returns the time of the next one.
func (p *Poller) handleError(ctx context.Context, state *userState, err error) time.Time {
	id := state.user
	p.registry.recordFailure(state.entryRef, gapReasonOf(err))
	wait := songspy.RetryAfterOf(err)
	var storeErr error
	switch {
	case errors.Is(err, errRenewedTokenRefused):
		wait, storeErr = p.opt.Renewer.PollRefused(ctx, id, state.generation)
	case songspy.DispositionOf(err) == songspy.DispositionNotRegistered:
		storeErr = p.markNotRegistered(ctx, state)
	case songspy.DispositionOf(err) == songspy.DispositionRefused:
		switch p.refusals.record(state.access.App, id, p.opt.Now()) {
		case scopeUser:
			storeErr = p.markNotRegistered(ctx, state)
		case scopeApp:
			if p.opt.BlockApp != nil {
				p.opt.BlockApp(ctx, state.access.App)
			}
		}
	}
	if storeErr != nil {
		p.opt.Logger.ErrorContext(ctx, "storing a link's state failed", "user_id", int64(id), "error", storeErr)
	}
	return p.planner.atPhase(id, wait)
}

// recordAnswer records that Spotify has answered a poll of the user and the app.
func (p *Poller) recordAnswer(ctx context.Context, state *userState) {
	p.refusals.recordAnswer(state.access.App, state.user)
	if !state.pollsRefused {
		p.opt.Renewer.PollAnswered(ctx, state.access.App, state.user)
		return
	}
	if err := p.opt.Renewer.PollRecovered(ctx, state.user, state.generation); err != nil {
		p.opt.Logger.ErrorContext(ctx, "storing a link's state failed", "user_id", int64(state.user), "error", err)
	}
}

// markNotRegistered sets the link's state to not_registered and removes the user:
// the app's owner must register the user first. Users who link again are polled again.
func (p *Poller) markNotRegistered(ctx context.Context, state *userState) error {
	generation := state.generation // a pointer to the state in the function would put every state on the heap
	_, err := p.opt.Store.UpdateLink(ctx, state.user, func(l *songspy.Link) error {
		if l.Generation != generation {
			return errUnlinked
		}
		l.State, l.StateSince, l.PollsRefusedSince = songspy.LinkNotRegistered, p.opt.Now(), nil
		return nil
	})
	if err != nil && !errors.Is(err, errUnlinked) && songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	p.registry.remove(state.entryRef)
	return nil
}

// countPoll counts a poll. It logs a failure at level debug.
func (p *Poller) countPoll(ctx context.Context, id songspy.UserID, reason pollReason, outcome pollOutcome, err error) {
	p.opt.Metrics.polls[reason][outcome].Inc()
	p.outcomes.add(outcome)
	if err != nil {
		p.opt.Logger.DebugContext(ctx, "poll failed", "user_id", int64(id), "reason", reason.String(), "outcome", outcome.String(), "error", err)
	}
}
