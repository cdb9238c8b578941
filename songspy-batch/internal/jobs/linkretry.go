package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// atOnce bounds the people readmitted by one run; the next takes the rest.
const linkRetryBatch = 100

// Links is where refused links are found and changed.
type UnregisteredLinks interface {
	// NotRegistered gives up to limit people refused since before the time, longest first.
	NotRegisteredUsers(ctx context.Context, before time.Time, limit int) ([]songspy.UserID, error)
	// UpdateLink changes one link; an error of fn leaves it as it is.
	UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error)
}

// Job readmits whoever was refused a day ago. The sweep then asks them at once,
// and one more refusal puts them back for another day.
type LinkRetry struct {
	Links UnregisteredLinks
	// Complete completes the link of someone whose grant was kept while the app did
	// not know them. Nil: they complete it themselves.
	Complete func(ctx context.Context, id songspy.UserID) error
	Now      func() time.Time
	Logger   *slog.Logger
}

// errChanged says that a link is not refused any more.
var errLinkChanged = errors.New("the link was changed meanwhile")

// errWaits says that it is not known whose account the link's tokens are for.
var errAccountUnknown = errors.New("the link waits to be completed")

// Run readmits once. One link's fault does not keep the others out.
func (j LinkRetry) Run(ctx context.Context) error {
	now := j.Now()
	ids, err := j.Links.NotRegisteredUsers(ctx, now.Add(-songspy.NotRegisteredRetryAfter), linkRetryBatch)
	if err != nil {
		return err
	}
	var faults []error
	reactivated := 0
	for _, id := range ids {
		_, err := j.Links.UpdateLink(ctx, id, func(l *songspy.Link) error {
			if l.State != songspy.LinkNotRegistered {
				return errLinkChanged
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
		case errors.Is(err, errLinkChanged), songspy.CodeOf(err) == songspy.CodeNotFound:
		default:
			faults = append(faults, err)
		}
	}
	if reactivated > 0 {
		j.Logger.InfoContext(ctx, "asking again who was not registered", "people", reactivated)
	}
	return errors.Join(faults...)
}

// complete tries to complete a link, and leaves it alone for a day if the app
// does not know the user yet.
func (j LinkRetry) complete(ctx context.Context, id songspy.UserID, now time.Time) error {
	if j.Complete == nil {
		return errLinkChanged
	}
	cause := j.Complete(ctx, id)
	if cause == nil {
		return nil
	}
	j.Logger.DebugContext(ctx, "a link that waits could not be completed", "user_id", int64(id), "err", cause)
	if songspy.CodeOf(cause) == songspy.CodeGone {
		return errLinkChanged
	}
	switch songspy.DispositionOf(cause) {
	case songspy.DispositionRetryLater, songspy.DispositionAppBlocked, songspy.DispositionMayNotCall:
		return errLinkChanged // the next run tries again
	}
	_, err := j.Links.UpdateLink(ctx, id, func(l *songspy.Link) error {
		if !l.IsPendingGrant() {
			return errLinkChanged
		}
		l.StateSince = now
		return nil
	})
	if err == nil {
		err = errLinkChanged
	}
	return err
}
