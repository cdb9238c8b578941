package tokens

import (
	"context"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Refused enters that Spotify refused a poll of the user with a token that it
// had renewed just before, and says how long to leave them alone. Such a link
// becomes suspect, and after six hours the user is asked to link again, unless
// Spotify refuses nearly everybody.
func (r *Renewer) PollRefused(ctx context.Context, id songspy.UserID, generation int64) (wait time.Duration, err error) {
	l, err := r.Links.Link(ctx, id)
	if err != nil || l.Generation != generation {
		return 0, ignoreNotFound(err)
	}
	now := r.Now()
	outage, changed := r.pollOutages.record(l, true, now)
	if outage && changed {
		r.Logger.WarnContext(ctx, "spotify refuses nearly every token that it renews: no link changes its state until that has passed", "app", l.App)
	}
	l, err = r.updateIfUnchanged(ctx, l, func(l songspy.Link) songspy.Link { return afterPollRefusal(l, outage, now) })
	if err != nil {
		return refusedRetryWait(id, 0), ignoreNotFound(err)
	}
	refusedFor := time.Duration(0)
	if l.PollsRefusedSince != nil {
		refusedFor = now.Sub(*l.PollsRefusedSince)
	}
	if outage {
		refusedFor = max(refusedFor, now.Sub(r.pollOutages.activeSince(now)[l.App]))
	}
	return refusedRetryWait(id, refusedFor), nil
}

// Answered enters that Spotify answered a poll of a user whose polls it had
// refused: the link is active again.
func (r *Renewer) PollRecovered(ctx context.Context, id songspy.UserID, generation int64) error {
	l, err := r.Links.Link(ctx, id)
	if err != nil || l.Generation != generation {
		return ignoreNotFound(err)
	}
	now := r.Now()
	if on, changed := r.pollOutages.record(l, false, now); changed && !on {
		r.Logger.InfoContext(ctx, "spotify takes the tokens that it renews again", "app", l.App)
	}
	_, err = r.updateIfUnchanged(ctx, l, func(l songspy.Link) songspy.Link { return afterPollAnswer(l, now) })
	return ignoreNotFound(err)
}

// Granted enters that Spotify answered a poll of a user whose polls it had not
// refused. While the app has refused polls of other users, this shows that
// there is no outage.
func (r *Renewer) PollAnswered(ctx context.Context, app string, id songspy.UserID) {
	if r.pollOutages.recordPollGrant(app, id, r.Now()) {
		r.Logger.InfoContext(ctx, "spotify takes the tokens that it renews again", "app", app)
	}
}

// gone drops the error for a link that is there no more.
func ignoreNotFound(err error) error {
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return nil
	}
	return err
}
