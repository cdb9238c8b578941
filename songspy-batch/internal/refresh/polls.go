package refresh

import (
	"context"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Refused enters that Spotify refused a poll of the user with a token that it
// had renewed just before, and says how long to leave them alone. Such a link
// becomes suspect, and after six hours the user is asked to link again, unless
// Spotify refuses nearly everybody.
func (r *Renewer) Refused(ctx context.Context, id songspy.UserID, generation int64) (wait time.Duration, err error) {
	l, err := r.Links.Link(ctx, id)
	if err != nil || l.Generation != generation {
		return 0, gone(err)
	}
	now := r.Now()
	outage, turned := r.polls.enter(l, true, now)
	if outage && turned {
		r.Logger.WarnContext(ctx, "spotify refuses nearly every token that it renews: no link changes its state until that has passed", "app", l.App)
	}
	l, err = r.swap(ctx, l, func(l songspy.Link) songspy.Link { return afterPollRefusal(l, outage, now) })
	if err != nil {
		return nextTry(id, 0), gone(err)
	}
	refusedFor := time.Duration(0)
	if l.PollsRefusedSince != nil {
		refusedFor = now.Sub(*l.PollsRefusedSince)
	}
	if outage {
		refusedFor = max(refusedFor, now.Sub(r.polls.since(now)[l.App]))
	}
	return nextTry(id, refusedFor), nil
}

// Answered enters that Spotify answered a poll of a user whose polls it had
// refused: the link is active again.
func (r *Renewer) Answered(ctx context.Context, id songspy.UserID, generation int64) error {
	l, err := r.Links.Link(ctx, id)
	if err != nil || l.Generation != generation {
		return gone(err)
	}
	now := r.Now()
	if on, turned := r.polls.enter(l, false, now); turned && !on {
		r.Logger.InfoContext(ctx, "spotify takes the tokens that it renews again", "app", l.App)
	}
	_, err = r.swap(ctx, l, func(l songspy.Link) songspy.Link { return afterPollAnswer(l, now) })
	return gone(err)
}

// Granted enters that Spotify answered a poll of a user whose polls it had not
// refused. While the app has refused polls of other users, this shows that
// there is no outage.
func (r *Renewer) Granted(ctx context.Context, app string, id songspy.UserID) {
	if r.polls.grantWatched(app, id, r.Now()) {
		r.Logger.InfoContext(ctx, "spotify takes the tokens that it renews again", "app", app)
	}
}

// gone drops the error for a link that is there no more.
func gone(err error) error {
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return nil
	}
	return err
}
