package poller

import (
	"context"
	"errors"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

var (
	// errSuspended: the access token is spent and the refresh token in doubt;
	// the refresh job tries it again.
	errRenewalPending = errors.New("the link is suspect and has no living access token")
	// errLeft: the person unlinked, linked anew or lost the link meanwhile.
	errUnlinked = errors.New("the link is no longer the one that was to be asked")
	// errRefused: Spotify refuses a token that it has just renewed.
	errRenewedTokenRefused = errors.New("spotify refuses a token that it has just renewed")
)

// look looks at one player. Whatever comes of it concerns this listener alone,
// and leaves them with their next look planned, or off the roster.
func (s *Poller) poll(ctx context.Context, id songspy.UserID, at time.Time) {
	entry, l, ok := s.registry.beginPoll(id)
	if !ok {
		return
	}
	postpone := func() { s.polls.Postpone(id, s.Now().Add(postponeFor), at) }
	if !s.Shards.MayPoll(id) {
		s.registry.endPoll(id, entry, l.pollReason, postpone)
		return
	}
	now := s.Now()
	l = s.correctedState(id, entry, l, now)
	s.Metrics.lag.Observe(now.Sub(at).Seconds())
	obs, err := callWithRenewal(ctx, s, now, id, l, s.Player.CurrentlyPlaying)
	next := plannedPoll{now, l.pollReason}
	switch {
	case ctx.Err() != nil && err != nil:
		// stopping: the look is abandoned, and planned anew after the restart
	case err == nil:
		s.countPoll(ctx, id, l.pollReason, outcomeOf(obs.Kind), nil)
		next = s.handleResult(id, entry, l, obs)
		s.recordAnswer(ctx, id, l)
	case songspy.DispositionOf(err) == songspy.DispositionMayNotCall:
		s.registry.endPoll(id, entry, l.pollReason, postpone)
		return
	default:
		s.countPoll(ctx, id, l.pollReason, outcomeOfError(err), err)
		next = plannedPoll{s.handleError(ctx, id, entry, l, err), reasonRetry}
	}
	s.registry.endPoll(id, entry, next.reason, func() { s.polls.Plan(id, next.at) })
}

// ask calls with the person's token, and once more with a new one if it was spent.
func callWithRenewal[T any](ctx context.Context, s *Poller, now time.Time, id songspy.UserID, l userState,
	call func(ctx context.Context, access songspy.Credentials) (T, error),
) (answer T, err error) {
	ctx = s.deadlines.contextAt(ctx, now)
	if now.Before(l.expiresAt) {
		answer, err = call(ctx, l.access)
		if songspy.DispositionOf(err) != songspy.DispositionRenewToken {
			return answer, err
		}
	}
	if l.suspect {
		return answer, errRenewalPending
	}
	link, err := s.Renewer.Renew(ctx, id, l.version)
	if err != nil {
		return answer, err
	}
	s.registry.updateLink(link)
	refused := link.State == songspy.LinkSuspect && link.PollsRefusedSince != nil
	if link.Generation != l.generation || link.State != songspy.LinkActive && !refused {
		return answer, errUnlinked
	}
	answer, err = call(ctx, songspy.Credentials{App: l.access.App, Token: link.AccessToken})
	if songspy.DispositionOf(err) == songspy.DispositionRenewToken {
		err = errors.Join(errRenewedTokenRefused, err)
	}
	return answer, err
}

// heard makes of an answer what it means, hands on what must be stored, and
// says when the next look is worth it.
func (s *Poller) handleResult(id songspy.UserID, entry *entry, before userState, obs songspy.Observation) plannedPoll {
	out := playback.Step(before.playing, obs)
	s.budgets.forApp(before.access.App).recordListening(id, obs.Kind == songspy.ObservedPlaying, obs.At)
	history := before.history.AfterPoll(before.playing, out, before.watchedUntil, s.budgets.forApp(before.access.App).maxPollInterval(s.Interval))
	gap := s.endedGap(before, out.State)
	out.Visible = out.Visible || before.aheadOfClock && out.State.IsOpen() // viewers have its times ahead of the clock
	worth := out.MustSave || out.Visible || len(out.Plays) > 0 || gap != nil || before.aheadOfClock
	if s.registry.update(id, entry, stateUpdate{out.State, history, worth}) {
		if worth {
			h := songspy.PlaybackUpdate{Playing: out.State, Plays: out.Plays, Gap: gap, Visible: out.Visible}
			if obs.Track.URI != "" {
				h.Tracks = []songspy.Track{obs.Track}
			}
			s.writer.put(pendingUpdate{entry, h})
		}
		s.planHistoryFetch(id, history)
	}
	return s.nextPoll(id, before, out.State, obs.Kind)
}

// unheard deals with a look that failed, and says when the next one is made.
func (s *Poller) handleError(ctx context.Context, id songspy.UserID, entry *entry, l userState, err error) time.Time {
	s.registry.recordFailure(entry, gapReasonOf(err))
	wait := songspy.RetryAfterOf(err)
	var fault error
	switch {
	case errors.Is(err, errRenewedTokenRefused):
		wait, fault = s.Renewer.PollRefused(ctx, id, l.generation)
	case songspy.DispositionOf(err) == songspy.DispositionNotRegistered:
		fault = s.markNotRegistered(ctx, id, entry)
	case songspy.DispositionOf(err) == songspy.DispositionRefused:
		switch s.refusals.record(l.access.App, id, s.Now()) {
		case scopeUser:
			fault = s.markNotRegistered(ctx, id, entry)
		case scopeApp:
			if s.BlockApp != nil {
				s.BlockApp(ctx, l.access.App)
			}
		}
	}
	if fault != nil {
		s.Logger.ErrorContext(ctx, "a link's state could not be stored", "user_id", int64(id), "err", fault)
	}
	return s.nextAtPhase(id, wait)
}

// answered notes that Spotify has answered for the user and the app.
func (s *Poller) recordAnswer(ctx context.Context, id songspy.UserID, l userState) {
	s.refusals.recordAnswer(l.access.App, id)
	if !l.pollsRefused {
		s.Renewer.PollAnswered(ctx, l.access.App, id)
		return
	}
	if err := s.Renewer.PollRecovered(ctx, id, l.generation); err != nil {
		s.Logger.ErrorContext(ctx, "a link's state could not be stored", "user_id", int64(id), "err", err)
	}
}

// unregister notes that the app's owner has not entered the person, who is not
// asked any more until they link again.
func (s *Poller) markNotRegistered(ctx context.Context, id songspy.UserID, entry *entry) error {
	_, err := s.Store.UpdateLink(ctx, id, func(l *songspy.Link) error {
		if l.Generation != entry.generation {
			return errUnlinked
		}
		l.State, l.StateSince, l.PollsRefusedSince = songspy.LinkNotRegistered, s.Now(), nil
		return nil
	})
	if err != nil && !errors.Is(err, errUnlinked) && songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	s.registry.remove(id, entry)
	return nil
}

// failureOf names a failed look in the metrics.
func outcomeOfError(err error) pollOutcome {
	switch {
	case errors.Is(err, errRenewalPending):
		return outcomeRenewalPending
	case errors.Is(err, errUnlinked):
		return outcomeUnlinked
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionRetryLater:
		return outcomeRetryLater
	case songspy.DispositionRenewToken:
		return outcomeTokenRefused
	case songspy.DispositionNeedsUser:
		return outcomeNeedsUser
	case songspy.DispositionNotRegistered:
		return outcomeNotRegistered
	case songspy.DispositionRefused:
		return outcomeRefused
	case songspy.DispositionAppBlocked:
		return outcomeAppBlocked
	}
	return outcomeFailed
}
