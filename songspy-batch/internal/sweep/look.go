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
	s.Metrics.lag.Observe(now.Sub(at).Seconds())
	if l.playing.Open() {
		s.budgets.of(l.access.App).spent(now)
	}
	obs, err := ask(ctx, s, now, id, l, s.Player.CurrentlyPlaying)
	next := plan{now, l.why}
	switch {
	case ctx.Err() != nil && err != nil:
		// stopping: the look is abandoned, and planned anew after the restart
	case err == nil:
		s.count(ctx, id, l.why, resultOf(obs.Sighting), nil)
		next = s.heard(id, who, l, obs)
	case songspy.DispositionOf(err) == songspy.DispositionNotNow:
		s.roster.end(id, who, l.why, heldBack)
		return
	default:
		s.count(ctx, id, l.why, failureOf(err), err)
		next = plan{s.unheard(ctx, id, who, err), reasonRetry}
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
	if link.Generation != l.generation || link.State != songspy.LinkActive {
		return answer, errLeft
	}
	return call(ctx, songspy.Access{App: l.access.App, Token: link.AccessToken})
}

// heard makes of an answer what it means, hands on what must be stored, and
// says when the next look is worth it.
func (s *Sweep) heard(id songspy.UserID, who *seat, before listener, obs songspy.Observation) plan {
	out := listening.Step(before.playing, obs)
	s.budgets.of(before.access.App).saw(id, obs.Sighting == songspy.SightingPlaying, obs.At)
	untold := before.untold.Looked(before.playing, out, before.watched, s.budgets.of(before.access.App).longest(s.Interval))
	gap := s.missed(before, out.State)
	worth := out.Worth || out.Visible || len(out.Plays) > 0 || gap != nil
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
	return s.nextLook(id, before.access.App, out.State, obs.Sighting)
}

// unheard deals with a look that failed, and says when the next one is made.
func (s *Sweep) unheard(ctx context.Context, id songspy.UserID, who *seat, err error) time.Time {
	s.roster.miss(who, blindness(err))
	if songspy.DispositionOf(err) == songspy.DispositionNotRegistered {
		if err := s.unregister(ctx, id, who); err != nil {
			s.Logger.ErrorContext(ctx, "a link's state could not be stored", "user_id", int64(id), "err", err)
		}
	}
	return s.nextSlot(id, songspy.RetryAfterOf(err))
}

// unregister notes that the app's owner has not entered the person, who is not
// asked any more until they link again.
func (s *Sweep) unregister(ctx context.Context, id songspy.UserID, who *seat) error {
	_, err := s.Store.UpdateLink(ctx, id, func(l *songspy.Link) error {
		if l.Generation != who.generation {
			return errLeft
		}
		l.State, l.StateSince = songspy.LinkNotRegistered, s.Now()
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
	case songspy.DispositionAppPaused:
		return failedAppPaused
	}
	return failed
}
