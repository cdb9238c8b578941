// Package housekeeping throws away what has served its purpose: changes that
// every reader has long seen, and sessions that have ended.
package housekeeping

import (
	"context"
	"errors"
	"log/slog"
	"time"
)

// keepChanges is how long a reader of the change feed may sleep; a later one
// reads everything afresh.
const keepChanges = time.Hour

// Store is what is kept tidy. Both methods say how many rows they removed.
type Store interface {
	// PruneChanges removes the changes made before that time.
	PruneChanges(ctx context.Context, before time.Time) (int64, error)
	// PruneSessions removes the sessions that ended before that time.
	PruneSessions(ctx context.Context, before time.Time) (int64, error)
}

// Job tidies the store.
type Job struct {
	Store  Store
	Now    func() time.Time
	Logger *slog.Logger
}

// Run tidies once. What cannot be removed now is removed the next time.
func (j Job) Run(ctx context.Context) error {
	now := j.Now()
	changes, err := j.Store.PruneChanges(ctx, now.Add(-keepChanges))
	sessions, err2 := j.Store.PruneSessions(ctx, now)
	if changes > 0 || sessions > 0 {
		j.Logger.InfoContext(ctx, "tidied up", "changes", changes, "sessions", sessions)
	}
	return errors.Join(err, err2)
}
