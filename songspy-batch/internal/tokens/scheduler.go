package tokens

import (
	"context"
	"log/slog"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// planMargin is how far one run of Plan plans beyond the next run: it plans the
	// renewal of every access token that expires before planMargin after the next run.
	planMargin = 10 * time.Minute
	// renewBeforeExpiry is how long before its expiry an access token is renewed at the
	// latest.
	renewBeforeExpiry = 5 * time.Minute
	// minRetryWait is the shortest wait before a failed renewal is tried again.
	minRetryWait = time.Minute
	// pageSize is the largest number of links in one read.
	pageSize = 1000
)

// Job renews all access tokens that would expire before the next run of Plan, or soon
// after it (planMargin). Plan puts the renewals into a queue and returns within
// seconds. Serve runs each renewal when it is due.
type Job struct {
	Renewer *Renewer
	// Interval is the time between two runs of Plan.
	Interval time.Duration
	// Spread says that each link is renewed at its own time within the
	// interval. If it is false, all links are renewed at once.
	Spread bool
	// Workers is the largest number of renewals that run at once.
	Workers int
	Now     func() time.Time
	Logger  *slog.Logger
	// Owns reports whether this replica renews the user's tokens. If it is nil, this
	// replica renews those of all users.
	Owns func(songspy.UserID) bool
	// Queue holds the planned renewals.
	Queue *delayqueue.Queue[songspy.UserID]
}

// Plan plans the renewal of each access token that expires before the next run of Plan, or
// within planMargin after it. A renewal that is already planned keeps its time, and
// one that runs already is not planned again.
func (j *Job) Plan(ctx context.Context) error {
	now := j.Now()
	planned := 0
	for after := songspy.UserID(0); ; {
		links, err := j.Renewer.Links.LinksToRenew(ctx, now.Add(j.Interval+planMargin), after, pageSize)
		if err != nil {
			return err
		}
		for _, l := range links {
			after = l.UserID
			if j.owns(l.UserID) && !j.Queue.Pending(l.UserID) {
				j.Queue.Schedule(l.UserID, j.renewAt(l, now))
				planned++
			}
		}
		if len(links) < pageSize {
			break
		}
	}
	j.Logger.InfoContext(ctx, "renewals planned", "planned", planned, "waiting", j.Queue.Len())
	return nil
}

// Serve runs the planned renewals until ctx ends. A failed renewal is planned again if
// it may succeed later. It does not affect other renewals.
func (j *Job) Serve(ctx context.Context) {
	j.Queue.Run(ctx, j.Workers, func(ctx context.Context, id songspy.UserID, _ time.Time) {
		l, err := j.Renewer.renewIf(ctx, id, func(l songspy.Link) bool {
			return j.owns(id) && l.State.IsPolled() && l.AccessExpiresAt.Before(j.Now().Add(j.Interval+planMargin))
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		j.Logger.DebugContext(ctx, "renewal failed", logkey.UserID, int64(id), logkey.Error, err)
		switch songspy.DispositionOf(err) {
		case songspy.DispositionRetryLater, songspy.DispositionAppBlocked:
			j.Queue.Schedule(id, retryAt(id, err, j.Now()))
		case songspy.DispositionNeedsUser:
			if now := j.Now(); l.State.IsPolled() {
				j.Queue.Schedule(id, now.Add(refusedRetryWait(id, now.Sub(l.StateSince))))
			}
		}
	})
}

func (j *Job) owns(id songspy.UserID) bool { return j.Owns == nil || j.Owns(id) }

// renewAt returns when to renew the link's token before the next run: at the link's own
// time (phase) within the interval, but at the latest renewBeforeExpiry before the
// token expires. A token that has expired already is renewed at the link's own time
// too, so that renewals stay spread after an outage in which many tokens expired. If a
// poll needs the token earlier, the poll renews it.
func (j *Job) renewAt(l songspy.Link, now time.Time) time.Time {
	if !j.Spread {
		return now
	}
	at := delayqueue.NextAtPhase(now, songspy.PhaseOf(l.UserID, j.Interval), j.Interval)
	if latest := l.AccessExpiresAt.Add(-renewBeforeExpiry); l.AccessExpiresAt.After(now) && at.After(latest) {
		at = latest
	}
	return at
}

// retryAt returns when a failed renewal is tried again: after Spotify's Retry-After or
// minRetryWait, whichever is longer, and after up to another minute that differs by
// user, so that the retries are spread.
func retryAt(id songspy.UserID, err error, now time.Time) time.Time {
	wait := max(songspy.RetryAfterOf(err), minRetryWait)
	return now.Add(wait + songspy.PhaseOf(id, minRetryWait))
}
