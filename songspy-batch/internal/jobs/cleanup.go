package jobs

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// keepChanges is how long a reader of the change feed may sleep; a later one
// reads everything afresh.
const keepChanges = time.Hour

// keepTokens is how long the tokens of a link are kept that only its person can mend.
const keepTokens = 30 * 24 * time.Hour

// keepInvites is how long an operator finds an invite in the list that has expired.
const keepInvites = 30 * 24 * time.Hour

const (
	// keepSeats is how long a seat is kept for somebody who could link.
	keepSeats = 30 * 24 * time.Hour
	// keepInLine is how long anybody stays in line, with their address.
	keepWaiting = 180 * 24 * time.Hour
)

// keepNotices is how long a state must have been over to be told again.
const keepNotifications = 30 * 24 * time.Hour

// keepDoors is how long the door is remembered of an app that somebody named who
// is not linked through it. It outlasts the longest closing, which is a day.
const keepBreakers = 2 * 24 * time.Hour

// Store is what is kept tidy. The methods say how many rows they changed.
type CleanupStore interface {
	// PruneChanges removes the changes made before that time.
	PruneChanges(ctx context.Context, before time.Time) (int64, error)
	// PruneSessions removes the sessions that ended before that time.
	PruneSessions(ctx context.Context, before time.Time) (int64, error)
	// ForgetTokens throws away the tokens of links that have needed their person since before that time.
	PruneTokens(ctx context.Context, before time.Time) (int64, error)
	// PruneInvites removes the invites that expired before that time.
	PruneInvites(ctx context.Context, before time.Time) (int64, error)
	// ForgetSeats removes the seats of people who were entered before the one
	// time and have not linked, and of those who asked before the other.
	PruneSeats(ctx context.Context, entered, asked time.Time) (int64, error)
	// PruneNotices removes what has not been wanted since that time.
	PruneNotifications(ctx context.Context, seenBefore time.Time) (int64, error)
	// PruneDoors removes the doors of apps that people brought and that nobody is linked through, untouched since that time.
	PruneBreakers(ctx context.Context, before time.Time) (int64, error)
	// PruneLocalTracks removes the local files that nobody has among their tracks.
	PruneLocalTracks(ctx context.Context) (int64, error)
}

// Job tidies the store.
type Cleanup struct {
	Store  CleanupStore
	Now    func() time.Time
	Logger *slog.Logger
}

// Run tidies once. What cannot be removed now is removed the next time.
func (j Cleanup) Run(ctx context.Context) error {
	now := j.Now()
	changes, err := j.Store.PruneChanges(ctx, now.Add(-keepChanges))
	sessions, err2 := j.Store.PruneSessions(ctx, now)
	tokens, err3 := j.Store.PruneTokens(ctx, now.Add(-keepTokens))
	invites, err4 := j.Store.PruneInvites(ctx, now.Add(-keepInvites))
	seats, err5 := j.Store.PruneSeats(ctx, now.Add(-keepSeats), now.Add(-keepWaiting))
	notifications, err6 := j.Store.PruneNotifications(ctx, now.Add(-keepNotifications))
	breakers, err7 := j.Store.PruneBreakers(ctx, now.Add(-keepBreakers))
	localTracks, err8 := j.Store.PruneLocalTracks(ctx)
	if changes+sessions+tokens+invites+seats+notifications+breakers+localTracks > 0 {
		j.Logger.InfoContext(ctx, "tidied up", "changes", changes, "sessions", sessions, "tokens", tokens,
			"invites", invites, "seats", seats, "notices", notifications, "doors", breakers, "local_files", localTracks)
	}
	return errors.Join(err, err2, err3, err4, err5, err6, err7, err8)
}
