// Package tokens renews the access tokens of Spotify links. Job renews all
// links before their tokens expire, and Renewer renews one link when a poll
// needs it.
//
// A refresh token may be valid for one use only. So a link has one renewal at a time,
// and new tokens are stored before they are used. A renewal that has begun is finished
// even if the process is stopping, because its new tokens may be the only valid ones.
// If the user links again during a renewal, the tokens of the new link are kept.
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
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// renewTimeout limits one renewal, and so the time that stopping takes.
	renewTimeout = 6 * time.Second
	// storeRetryWait is how long to wait after new tokens could not be stored,
	// before the next try.
	storeRetryWait = 250 * time.Millisecond
)

// Links is the store of the links.
type Links interface {
	// Link returns a user's link, or an error with CodeNotFound.
	Link(ctx context.Context, id songspy.UserID) (songspy.Link, error)
	// UpdateLink applies fn to the link in a transaction. If fn changes the link,
	// UpdateLink increases the link's version. If fn returns an error, the link
	// does not change.
	UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (songspy.Link, error)
	// LinksToRenew returns the active and suspect links whose access token expires
	// before the given time. It returns at most limit links, of users whose id is
	// greater than the argument after, in ascending order of the user id.
	LinksToRenew(ctx context.Context, before time.Time, after songspy.UserID, limit int) ([]songspy.Link, error)
}

// Provider exchanges a link's refresh token for new tokens. In the service it is
// spotify.Apps.
type Provider interface {
	Refresh(ctx context.Context, link songspy.Link) (songspy.Grant, error)
}

// Renewer renews the tokens of links. Each link has at most one renewal at a
// time.
type Renewer struct {
	Links    Links
	Provider Provider
	// OnRenewed is called with every link whose tokens or state the Renewer has
	// changed. It may be nil.
	OnRenewed func(songspy.Link)
	Now       func() time.Time
	Logger    *slog.Logger
	Metrics   *Metrics

	inFlight    singleflight.Group
	outages     outages // detected from the results of renewals
	pollOutages outages // detected from polls with tokens that were renewed just before
}

// Renew renews the tokens of the user's link, unless the link has changed since
// the given version, and returns the current link. If Spotify rejects the
// refresh token, the link's state is updated and the error is Spotify's, with
// DispositionNeedsUser. During an outage the link keeps its state, and the error
// has DispositionRetryLater instead.
func (r *Renewer) Renew(ctx context.Context, id songspy.UserID, version int64) (songspy.Link, error) {
	return r.renewIf(ctx, id, func(l songspy.Link) bool { return l.Version == version })
}

// renewIf reads the user's link, and renews its tokens if the function needed returns
// true for the link. If a renewal of the link is running already, renewIf waits for its
// result.
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

// handleRefusal stores the new state of a link whose refresh token Spotify has
// rejected. During an outage it returns a temporary error instead, and the link
// keeps its state.
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
		Code: songspy.CodeUnavailable, Message: "Spotify rejects most renewals at the moment.",
		Disposition: songspy.DispositionRetryLater, RetryAfter: refusedRetryWait(l.UserID, now.Sub(since)), Err: refusal,
	}
}

// recordRenewal adds the result of a renewal to the detection of outages, and
// logs if an outage begins or ends. It reports whether the app has an outage.
func (r *Renewer) recordRenewal(ctx context.Context, l songspy.Link, refused bool, now time.Time) (outage bool) {
	on, changed := r.outages.record(l, refused, now)
	switch {
	case changed && on:
		r.Logger.WarnContext(ctx, "spotify rejects most renewals: links keep their state until that ends", logkey.App, l.App)
	case changed:
		r.Logger.InfoContext(ctx, "spotify accepts renewals again", logkey.App, l.App)
	}
	if _, isUserApp := songspy.UserAppClientID(l.App); !isUserApp { // a user-supplied app would identify its user
		r.Metrics.setOutage(l.App, on)
	}
	return on
}

// errLinkChanged is returned when the link was changed during its renewal.
var errLinkChanged = errors.New("the link was changed meanwhile")

// updateIfUnchanged calls the function next with the stored link, and stores the link that
// next returns. If the stored link has another version than the link in the parameter
// before, it stores nothing and returns the stored link. While the database is unavailable,
// it tries again until ctx ends, because the new tokens may be the only valid ones.
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

// announce logs a change of the link's state, and calls OnRenewed with the new link if
// the link has a new version.
func (r *Renewer) announce(ctx context.Context, before, l songspy.Link) {
	if before.State != l.State {
		r.Logger.InfoContext(ctx, "link changed state", logkey.UserID, int64(l.UserID), "from", string(before.State), "to", string(l.State))
	}
	if before.Version != l.Version && r.OnRenewed != nil {
		r.OnRenewed(l)
	}
}

// PollRefused records that Spotify rejected a poll of the user with a token
// that was renewed just before. It returns how long to wait before the next
// poll. Unless there is an outage, the link's state becomes suspect, and after six
// hours of rejected polls the user has to link again. The call has no effect if
// the user has unlinked or linked again since the given generation of the link.
func (r *Renewer) PollRefused(ctx context.Context, id songspy.UserID, generation int64) (wait time.Duration, err error) {
	l, err := r.Links.Link(ctx, id)
	if err != nil || l.Generation != generation {
		return 0, ignoreNotFound(err)
	}
	now := r.Now()
	outage, changed := r.pollOutages.record(l, true, now)
	if outage && changed {
		r.Logger.WarnContext(ctx, "spotify rejects most renewed tokens: links keep their state until that ends", logkey.App, l.App)
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

// PollRecovered records a successful poll of a user whose polls Spotify had
// rejected. The link becomes active again.
func (r *Renewer) PollRecovered(ctx context.Context, id songspy.UserID, generation int64) error {
	l, err := r.Links.Link(ctx, id)
	if err != nil || l.Generation != generation {
		return ignoreNotFound(err)
	}
	now := r.Now()
	if on, changed := r.pollOutages.record(l, false, now); changed && !on {
		r.Logger.InfoContext(ctx, "spotify accepts renewed tokens again", logkey.App, l.App)
	}
	_, err = r.updateIfUnchanged(ctx, l, func(l songspy.Link) songspy.Link { return afterPollAnswer(l, now) })
	return ignoreNotFound(err)
}

// PollAnswered records a successful poll of a user whose polls Spotify had not
// rejected. If Spotify has rejected polls of other users of the app, this is
// evidence against an outage.
func (r *Renewer) PollAnswered(ctx context.Context, app string, id songspy.UserID) {
	if r.pollOutages.recordPollGrant(app, id, r.Now()) {
		r.Logger.InfoContext(ctx, "spotify accepts renewed tokens again", logkey.App, app)
	}
}

// ignoreNotFound returns nil instead of an error that says that the link was deleted
// meanwhile, and any other error unchanged.
func ignoreNotFound(err error) error {
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return nil
	}
	return err
}
