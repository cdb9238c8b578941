package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

const (
	// keepChanges is how long changes stay in the change feed. A reader that is
	// further behind reads everything again.
	keepChanges = time.Hour
	// keepTokens is how long a link that only its user can repair keeps its tokens.
	keepTokens = 30 * 24 * time.Hour
	// keepInvites is how long an expired invite stays in the operator's list.
	keepInvites = 30 * 24 * time.Hour
	// keepSeats is how long a seat in a Spotify app stays reserved for a registered
	// user who does not link.
	keepSeats = 30 * 24 * time.Hour
	// keepWaiting is how long a request for a seat is kept, in any state, with the
	// user's e-mail address.
	keepWaiting = 180 * 24 * time.Hour
	// keepNotifications is how long a notification stays stored after its cause was
	// last seen. If the same occurrence of the cause (songspy.Notification.Occurrence) is
	// seen again within that time, no further message is sent.
	keepNotifications = 30 * 24 * time.Hour
	// keepBreakers is how long the circuit breakers of an unused user-supplied app stay.
	// A breaker is open for a day at most.
	keepBreakers = 2 * 24 * time.Hour
	// keepAuditEvents is how long users can read what happened to their accounts.
	keepAuditEvents = 365 * 24 * time.Hour
)

// CleanupStore deletes rows that are not needed any more. The methods return how
// many rows they changed.
type CleanupStore interface {
	// PruneChanges deletes the changes made before the given time.
	PruneChanges(ctx context.Context, before time.Time) (int64, error)
	// PruneSessions deletes the sessions that expired before the given time.
	PruneSessions(ctx context.Context, before time.Time) (int64, error)
	// PruneTokens deletes the tokens of links that have waited since before
	// the given time for their user to link Spotify again.
	PruneTokens(ctx context.Context, before time.Time) (int64, error)
	// PruneInvites deletes the invites that expired before the given time.
	PruneInvites(ctx context.Context, before time.Time) (int64, error)
	// PruneSeats deletes two kinds of seats: those of users who were registered before
	// one time (entered) and have not linked, and requests that were made before
	// another time (asked).
	PruneSeats(ctx context.Context, entered, asked time.Time) (int64, error)
	// PruneNotifications deletes the notifications whose cause was last seen before
	// the given time.
	PruneNotifications(ctx context.Context, seenBefore time.Time) (int64, error)
	// PruneBreakers deletes the breakers of user-supplied apps that have no link
	// and were last changed before the given time.
	PruneBreakers(ctx context.Context, before time.Time) (int64, error)
	// PruneAuthorizationAttempts deletes the authorization attempts that expired
	// before the given time.
	PruneAuthorizationAttempts(ctx context.Context, before time.Time) (int64, error)
	// PruneAuditEvents deletes the audit events from before the given time, except
	// the newest one of each user.
	PruneAuditEvents(ctx context.Context, before time.Time) (int64, error)
	// PruneLocalTracks deletes the tracks of local files that no user has in the table
	// user_tracks.
	PruneLocalTracks(ctx context.Context) (int64, error)
}

// Cleanup deletes rows that are not needed any more.
type Cleanup struct {
	Store  CleanupStore
	Now    func() time.Time
	Logger *slog.Logger
}

// Run deletes once. An error of one kind of rows does not stop the others; the
// next run tries again.
func (j Cleanup) Run(ctx context.Context) error {
	now := j.Now()
	before := func(prune func(context.Context, time.Time) (int64, error), keep time.Duration) func() (int64, error) {
		return func() (int64, error) { return prune(ctx, now.Add(-keep)) }
	}
	var deleted int64
	var counts []any
	var errs []error
	for _, kind := range []struct {
		name  string
		prune func() (int64, error)
	}{
		{"changes", before(j.Store.PruneChanges, keepChanges)},
		{"sessions", before(j.Store.PruneSessions, 0)},
		{"tokens", before(j.Store.PruneTokens, keepTokens)},
		{"invites", before(j.Store.PruneInvites, keepInvites)},
		{"seats", func() (int64, error) { return j.Store.PruneSeats(ctx, now.Add(-keepSeats), now.Add(-keepWaiting)) }},
		{"notifications", before(j.Store.PruneNotifications, keepNotifications)},
		{"breakers", before(j.Store.PruneBreakers, keepBreakers)},
		{"authorization_attempts", before(j.Store.PruneAuthorizationAttempts, 0)},
		{"audit_events", before(j.Store.PruneAuditEvents, keepAuditEvents)},
		{"local_files", func() (int64, error) { return j.Store.PruneLocalTracks(ctx) }},
	} {
		n, err := kind.prune()
		deleted += n
		counts = append(counts, slog.Int64(kind.name, n))
		errs = append(errs, err)
	}
	if deleted > 0 {
		j.Logger.InfoContext(ctx, "old rows deleted", counts...)
	}
	return errors.Join(errs...)
}
