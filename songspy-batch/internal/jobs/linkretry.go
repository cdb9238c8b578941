package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// linkRetryBatch is how many links one run tries again at most. The next run
// takes the others.
const linkRetryBatch = 100

// UnregisteredLinks reads and changes the links of users that Spotify rejected,
// because the Spotify app's owner had not registered them.
type UnregisteredLinks interface {
	// NotRegisteredUsers returns up to limit users that were rejected before the
	// given time, the earliest first.
	NotRegisteredUsers(ctx context.Context, before time.Time, limit int) ([]songspy.UserID, error)
	// UpdateLink calls fn, which edits the stored link, stores the edited link and
	// returns it. If fn returns an error, the link stays unchanged and UpdateLink
	// returns that error.
	UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error)
}

// LinkRetry sets links to active a day after Spotify rejected them because the
// user was not registered with the app. The poller then polls these users at
// once. If Spotify rejects a user again, the next try is a day later.
type LinkRetry struct {
	Links UnregisteredLinks
	// Complete completes the link of a user who has consented before the app's
	// owner registered them, so that their Spotify account could not be read. Nil
	// means that such users must link again themselves.
	Complete func(ctx context.Context, id songspy.UserID) error
	Now      func() time.Time
	Logger   *slog.Logger
}

// errNothingToDo means that this run can do nothing more for the link: it was changed since it was
// read, or it must wait for a later run.
var errNothingToDo = errors.New("this run can do nothing more for the link")

// errAccountUnknown means that the link is a pending grant: it has tokens, but it is unknown to which
// Spotify account they belong. Run then calls complete, which tries to find the account.
var errAccountUnknown = errors.New("the link has a pending grant")

// Run tries each link once that was rejected a day ago or earlier, but at most
// linkRetryBatch links. An error of one link does not stop the others.
func (j LinkRetry) Run(ctx context.Context) error {
	now := j.Now()
	ids, err := j.Links.NotRegisteredUsers(ctx, now.Add(-songspy.NotRegisteredRetryAfter), linkRetryBatch)
	if err != nil {
		return err
	}
	var errs []error
	reactivated := 0
	for _, id := range ids {
		_, err := j.Links.UpdateLink(ctx, id, func(l *songspy.Link) error {
			if l.State != songspy.LinkNotRegistered {
				return errNothingToDo
			}
			if !l.HasAccount() {
				return errAccountUnknown
			}
			l.State, l.StateSince, l.PollsRefusedSince = songspy.LinkActive, now, nil
			return nil
		})
		if errors.Is(err, errAccountUnknown) {
			err = j.complete(ctx, id, now)
		}
		switch {
		case err == nil:
			reactivated++
		case errors.Is(err, errNothingToDo), songspy.CodeOf(err) == songspy.CodeNotFound:
		default:
			errs = append(errs, err)
		}
	}
	if reactivated > 0 {
		j.Logger.InfoContext(ctx, "retrying users who were not registered", logkey.Users, reactivated)
	}
	return errors.Join(errs...)
}

// complete tries to complete a pending grant: the link of a user whose Spotify account is still
// unknown. It returns nil if the link is complete now, and errNothingToDo if this run can do nothing
// more for it. If Complete failed, and not for a temporary reason, for example because the user is
// still not registered with the app, complete stores the time, so that the next try is a day later.
func (j LinkRetry) complete(ctx context.Context, id songspy.UserID, now time.Time) error {
	if j.Complete == nil {
		return errNothingToDo
	}
	cause := j.Complete(ctx, id)
	if cause == nil {
		return nil
	}
	j.Logger.DebugContext(ctx, "completing a pending grant failed", logkey.UserID, int64(id), logkey.Error, cause)
	if songspy.CodeOf(cause) == songspy.CodeGone {
		return errNothingToDo
	}
	switch songspy.DispositionOf(cause) {
	case songspy.DispositionRetryLater, songspy.DispositionAppBlocked, songspy.DispositionMayNotCall:
		return errNothingToDo // the next run tries again
	}
	_, err := j.Links.UpdateLink(ctx, id, func(l *songspy.Link) error {
		if !l.IsPendingGrant() {
			return errNothingToDo
		}
		l.StateSince = now
		return nil
	})
	if err == nil {
		err = errNothingToDo
	}
	return err
}
