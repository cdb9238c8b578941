package tokens

import (
	"context"
	"log/slog"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// margin is what a token must outlive the next run by not to be renewed in this one.
	planMargin = 10 * time.Minute
	// inTime is how long before its end a token is renewed at the latest.
	renewBeforeExpiry = 5 * time.Minute
	// again is the shortest wait before a renewal that failed is tried again.
	minRetryWait = time.Minute
	// page is how many links are read at once.
	pageSize = 1000
)

// Job renews in time what would die before the next run. Its run plans and
// returns in seconds; the renewals are made in Serve, each when it is due.
type Job struct {
	Renewer *Renewer
	// Every is the time between two runs.
	Interval time.Duration
	// Spread gives every link its own place in the time between two runs;
	// without it all are renewed at once.
	Spread bool
	// Workers bounds the renewals under way.
	Workers int
	Now     func() time.Time
	Logger  *slog.Logger
	// Owns says whose links are this replica's; nil: everyone's.
	Owns func(songspy.UserID) bool
	// Queue holds the renewals to come.
	Queue *delayqueue.Queue[songspy.UserID]
}

// Plan plans the renewals until the next run. A link that waits for its
// renewal already keeps its place.
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
			if j.owns(l.UserID) && !j.Queue.Has(l.UserID) {
				j.Queue.Plan(l.UserID, j.renewAt(l, now))
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

// Serve makes the planned renewals until ctx ends. One that fails is nobody
// else's failure.
func (j *Job) Serve(ctx context.Context) {
	j.Queue.Run(ctx, j.Workers, func(ctx context.Context, id songspy.UserID, _ time.Time) {
		l, err := j.Renewer.renewIf(ctx, id, func(l songspy.Link) bool {
			return j.owns(id) && isPollable(l.State) && l.AccessExpiresAt.Before(j.Now().Add(j.Interval+planMargin))
		})
		if err == nil || ctx.Err() != nil {
			return
		}
		j.Logger.DebugContext(ctx, "renewal failed", "user_id", int64(id), "err", err)
		switch songspy.DispositionOf(err) {
		case songspy.DispositionRetryLater, songspy.DispositionAppBlocked:
			j.Queue.Plan(id, retryAt(id, err, j.Now()))
		case songspy.DispositionNeedsUser:
			if now := j.Now(); isPollable(l.State) {
				j.Queue.Plan(id, now.Add(refusedRetryWait(id, now.Sub(l.StateSince))))
			}
		}
	})
}

func (j *Job) owns(id songspy.UserID) bool { return j.Owns == nil || j.Owns(id) }

// dueAt is when in the time until the next run the link is renewed: in its own
// place, but before the token dies. One that is dead already keeps its place
// too, so that the return after an outage brings nobody into step; a look that
// comes sooner renews it.
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

// retryAt is when a renewal that failed is tried again: not before the
// provider wants it, and not together with everyone else who failed.
func retryAt(id songspy.UserID, err error, now time.Time) time.Time {
	wait := max(songspy.RetryAfterOf(err), minRetryWait)
	return now.Add(wait + songspy.PhaseOf(id, minRetryWait))
}

func isPollable(s songspy.LinkState) bool {
	return s == songspy.LinkActive || s == songspy.LinkSuspect
}
