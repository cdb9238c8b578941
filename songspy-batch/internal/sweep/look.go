package sweep

import (
	"context"
	"errors"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

var (
	// errSuspended: the access token is spent and the refresh token in doubt;
	// the refresh job tries it again.
	errSuspended = errors.New("the link is suspect and has no living access token")
	// errLeft: the person unlinked, linked anew or lost the link meanwhile.
	errLeft = errors.New("the link is no longer the one that was to be asked")
	// errRefused: Spotify refuses a token that it has just renewed.
	errRefused = errors.New("spotify refuses a token that it has just renewed")
)

// look looks at one player. Whatever comes of it concerns this listener alone,
// and leaves them with their next look planned, or off the roster.
func (s *Sweep) look(ctx context.Context, id songspy.UserID, at time.Time) {
	who, l, ok := s.roster.begin(id)
	if !ok {
		return
	}
	heldBack := func() { s.queue.Postpone(id, s.Now().Add(heldAgain), at) }
	if !s.Shards.Holds(id) {
		s.roster.end(id, who, l.why, heldBack)
		return
	}
	now := s.Now()
	l = s.current(id, who, l, now)
	s.Metrics.lag.Observe(now.Sub(at).Seconds())
	obs, err := ask(ctx, s, now, id, l, s.Player.CurrentlyPlaying)
	next := plan{now, l.why}
	switch {
	case ctx.Err() != nil && err != nil:
		// stopping: the look is abandoned, and planned anew after the restart
	case err == nil:
		s.count(ctx, id, l.why, resultOf(obs.Sighting), nil)
		next = s.heard(id, who, l, obs)
		s.answered(ctx, id, l)
	case songspy.DispositionOf(err) == songspy.DispositionNotNow:
		s.roster.end(id, who, l.why, heldBack)
		return
	default:
		s.count(ctx, id, l.why, failureOf(err), err)
		next = plan{s.unheard(ctx, id, who, l, err), reasonRetry}
	}
	s.roster.end(id, who, next.why, func() { s.queue.Plan(id, next.at) })
}

// ask calls with the person's token, and once more with a new one if it was spent.
func ask[T any](ctx context.Context, s *Sweep, now time.Time, id songspy.UserID, l listener,
	call func(ctx context.Context, access songspy.Access) (T, error),
) (answer T, err error) {
	ctx = s.bound.begin(ctx, now)
	if now.Before(l.expires) {
		answer, err = call(ctx, l.access)
		if songspy.DispositionOf(err) != songspy.DispositionRenewToken {
			return answer, err
		}
	}
	if l.suspect {
		return answer, errSuspended
	}
	link, err := s.Renewer.Renew(ctx, id, l.version)
	if err != nil {
		return answer, err
	}
	s.roster.renewed(link)
	refused := link.State == songspy.LinkSuspect && link.PollsRefusedSince != nil
	if link.Generation != l.generation || link.State != songspy.LinkActive && !refused {
		return answer, errLeft
	}
	answer, err = call(ctx, songspy.Access{App: l.access.App, Token: link.AccessToken})
	if songspy.DispositionOf(err) == songspy.DispositionRenewToken {
		err = errors.Join(errRefused, err)
	}
	return answer, err
}

// heard makes of an answer what it means, hands on what must be stored, and
// says when the next look is worth it.
func (s *Sweep) heard(id songspy.UserID, who *seat, before listener, obs songspy.Observation) plan {
	out := listening.Step(before.playing, obs)
	s.budgets.of(before.access.App).saw(id, obs.Sighting == songspy.SightingPlaying, obs.At)
	untold := before.untold.Looked(before.playing, out, before.watched, s.budgets.of(before.access.App).longest(s.Interval))
	if before.wholeOnly {
		untold = untold.WholeOnly(before.untold)
	}
	gap := s.missed(before, out.State)
	out.Visible = out.Visible || before.ahead && out.State.Open() // viewers have its times ahead of the clock
	worth := out.Worth || out.Visible || len(out.Plays) > 0 || gap != nil || before.ahead
	if s.roster.learn(id, who, lesson{out.State, untold, worth}) {
		if worth {
			h := songspy.Hearing{Playing: out.State, Plays: out.Plays, Gap: gap, Visible: out.Visible}
			if obs.Track.URI != "" {
				h.Tracks = []songspy.Track{obs.Track}
			}
			s.writer.put(outcome{who, h})
		}
		s.planRecall(id, untold)
	}
	return s.nextLook(id, before, out.State, obs.Sighting)
}

// unheard deals with a look that failed, and says when the next one is made.
func (s *Sweep) unheard(ctx context.Context, id songspy.UserID, who *seat, l listener, err error) time.Time {
	s.roster.miss(who, blindness(err))
	wait := songspy.RetryAfterOf(err)
	var fault error
	switch {
	case errors.Is(err, errRefused):
		wait, fault = s.Renewer.Refused(ctx, id, l.generation)
	case songspy.DispositionOf(err) == songspy.DispositionNotRegistered:
		fault = s.unregister(ctx, id, who)
	case songspy.DispositionOf(err) == songspy.DispositionRefused:
		switch s.refusals.note(l.access.App, id, s.Now()) {
		case concernsUser:
			fault = s.unregister(ctx, id, who)
		case concernsApp:
			if s.Forbid != nil {
				s.Forbid(ctx, l.access.App)
			}
		}
	}
	if fault != nil {
		s.Logger.ErrorContext(ctx, "a link's state could not be stored", "user_id", int64(id), "err", fault)
	}
	return s.nextSlot(id, wait)
}

// answered notes that Spotify has answered for the user and the app.
func (s *Sweep) answered(ctx context.Context, id songspy.UserID, l listener) {
	s.refusals.answered(l.access.App, id)
	if !l.refused {
		s.Renewer.Granted(ctx, l.access.App, id)
		return
	}
	if err := s.Renewer.Answered(ctx, id, l.generation); err != nil {
		s.Logger.ErrorContext(ctx, "a link's state could not be stored", "user_id", int64(id), "err", err)
	}
}

// unregister notes that the app's owner has not entered the person, who is not
// asked any more until they link again.
func (s *Sweep) unregister(ctx context.Context, id songspy.UserID, who *seat) error {
	_, err := s.Store.UpdateLink(ctx, id, func(l *songspy.Link) error {
		if l.Generation != who.generation {
			return errLeft
		}
		l.State, l.StateSince, l.PollsRefusedSince = songspy.LinkNotRegistered, s.Now(), nil
		return nil
	})
	if err != nil && !errors.Is(err, errLeft) && songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	s.roster.remove(id, who)
	return nil
}

// failureOf names a failed look in the metrics.
func failureOf(err error) result {
	switch {
	case errors.Is(err, errSuspended):
		return failedSuspended
	case errors.Is(err, errLeft):
		return failedLeft
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionRetryLater:
		return failedRetryLater
	case songspy.DispositionRenewToken:
		return failedTokenRefused
	case songspy.DispositionNeedsPerson:
		return failedNeedsPerson
	case songspy.DispositionNotRegistered:
		return failedNotRegistered
	case songspy.DispositionRefused:
		return failedRefused
	case songspy.DispositionAppPaused:
		return failedAppPaused
	}
	return failed
}
