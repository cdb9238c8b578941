// Package refresh keeps the access tokens of Spotify links alive: for everyone
// in time before they die (Job), and for one link at once when a look finds it
// spent (Renewer).
//
// A refresh token may be good for one use only. So there is one renewal of a
// link at a time; what the provider granted is stored before it is used; a
// renewal that has begun is brought to its end even while the process stops;
// and whoever linked again meanwhile wins.
package tokens

import (
	"context"
	"errors"
	"log/slog"
	"strconv"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// renewWithin bounds one renewal, and with it how long stopping takes.
	renewTimeout = 6 * time.Second
	// storeAgainAfter is the wait before a grant that could not be stored is
	// tried again.
	storeRetryWait = 250 * time.Millisecond
)

// Links is where links are kept.
type Links interface {
	// Link returns CodeNotFound if there is none.
	Link(ctx context.Context, id songspy.UserID) (songspy.Link, error)
	// UpdateLink applies fn to the link in a transaction and raises its
	// version; an error of fn leaves it as it is.
	UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error)
	// LinksToRenew pages by user through the askable links whose access token dies before the time.
	LinksToRenew(ctx context.Context, before time.Time, after songspy.UserID, limit int) ([]songspy.Link, error)
}

// Provider grants new access tokens.
type Provider interface {
	Refresh(ctx context.Context, link songspy.Link) (songspy.Grant, error)
}

// Renewer renews links, one renewal of a link at a time.
type Renewer struct {
	Links    Links
	Provider Provider
	// Renewed is told of every link whose tokens or state a renewal changed. Nil: nobody is.
	OnRenewed func(songspy.Link)
	Now       func() time.Time
	Logger    *slog.Logger
	Metrics   *Metrics

	inFlight    singleflight.Group
	outages     outages // of renewals
	pollOutages outages // of polls with tokens that were renewed just before
}

// Renew renews the link unless it was changed since the given version, and
// gives the link as it then is. Where the provider refuses for good, the
// link's state says so afterwards and the error is the provider's.
func (r *Renewer) Renew(ctx context.Context, id songspy.UserID, version int64) (songspy.Link, error) {
	return r.renewIf(ctx, id, func(l songspy.Link) bool { return l.Version == version })
}

// renewIf renews the link if, read afresh, it needs to be.
func (r *Renewer) renewIf(ctx context.Context, id songspy.UserID, needed func(songspy.Link) bool) (songspy.Link, error) {
	l, err, _ := r.inFlight.Do(strconv.FormatInt(int64(id), 10), func() (any, error) {
		if err := ctx.Err(); err != nil {
			return songspy.Link{}, err
		}
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), renewTimeout)
		defer cancel()
		l, err := r.Links.Link(ctx, id)
		if err != nil || !needed(l) {
			return l, err
		}
		l, err = r.renew(ctx, l)
		r.Metrics.countRenewal(err)
		return l, err
	})
	return l.(songspy.Link), err
}

func (r *Renewer) renew(ctx context.Context, l songspy.Link) (songspy.Link, error) {
	grant, err := r.Provider.Refresh(ctx, l)
	now := r.Now()
	switch {
	case songspy.DispositionOf(err) == songspy.DispositionNeedsUser:
		return r.handleRefusal(ctx, l, err, now)
	case err != nil:
		return l, err
	}
	r.recordRenewal(ctx, l, false, now)
	return r.updateIfUnchanged(ctx, l, func(l songspy.Link) songspy.Link { return withGrant(l, grant, now) })
}

// refused enters a refusal of the link's token. In an outage, which refuses
// everybody, it is no more than a failure that passes.
func (r *Renewer) handleRefusal(ctx context.Context, l songspy.Link, refusal error, now time.Time) (songspy.Link, error) {
	since, outage := l.StateSince, r.recordRenewal(ctx, l, true, now)
	stored, err := r.updateIfUnchanged(ctx, l, func(l songspy.Link) songspy.Link {
		if outage {
			return afterRefusalInOutage(l, now)
		}
		if state := afterRefusal(l, songspy.ReasonOf(refusal), now); state != l.State {
			l.State, l.StateSince = state, now
		}
		l.StateSince = songspy.CapAtNow(l.StateSince, now)
		return l
	})
	switch {
	case err != nil:
		return l, err
	case !outage:
		return stored, refusal
	}
	if l.State == songspy.LinkActive {
		since = r.outages.activeSince(now)[l.App]
	}
	return stored, &songspy.Error{
		Code: songspy.CodeUnavailable, Message: "Spotify refuses nearly every renewal at the moment.",
		Disposition: songspy.DispositionRetryLater, RetryAfter: refusedRetryWait(l.UserID, now.Sub(since)), Err: refusal,
	}
}

// watch enters what became of a renewal, and tells the operator of an outage
// that begins or ends by it. It reports whether one is on.
func (r *Renewer) recordRenewal(ctx context.Context, l songspy.Link, refused bool, now time.Time) (outage bool) {
	on, changed := r.outages.record(l, refused, now)
	switch {
	case changed && on:
		r.Logger.WarnContext(ctx, "spotify refuses nearly every renewal: no link changes its state until that has passed", "app", l.App)
	case changed:
		r.Logger.InfoContext(ctx, "spotify honours renewals again", "app", l.App)
	}
	if _, isUserApp := songspy.UserAppClientID(l.App); !isUserApp { // such an app is as good as a name
		r.Metrics.setOutage(l.App, on)
	}
	return on
}

// errOvertaken says that the link was changed while its renewal was under way.
var errLinkChanged = errors.New("the link was changed meanwhile")

// swap stores the link as next makes it, if it is still the version that was
// read; else it gives what is stored now. A database that is away for a moment
// is asked again: what is lost here may be the only token that is good.
func (r *Renewer) updateIfUnchanged(ctx context.Context, before songspy.Link, next func(songspy.Link) songspy.Link) (songspy.Link, error) {
	for {
		l, err := r.Links.UpdateLink(ctx, before.UserID, func(l *songspy.Link) error {
			if l.Version != before.Version {
				return errLinkChanged
			}
			*l = next(*l)
			return nil
		})
		switch {
		case errors.Is(err, errLinkChanged):
			return r.Links.Link(ctx, before.UserID)
		case err == nil:
			r.announce(ctx, before, l)
			return l, nil
		case songspy.CodeOf(err) != songspy.CodeUnavailable || !delayqueue.Wait(ctx, storeRetryWait):
			return before, err
		}
	}
}

// tell hands a changed link on, and notes what an operator may be asked about.
func (r *Renewer) announce(ctx context.Context, before, l songspy.Link) {
	if before.State != l.State {
		r.Logger.InfoContext(ctx, "link changed state", "user_id", int64(l.UserID), "from", string(before.State), "to", string(l.State))
	}
	if before.Version != l.Version && r.OnRenewed != nil {
		r.OnRenewed(l)
	}
}

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
