// Package changefeed follows the change feed of the database, so that a copy of
// users' data in memory stays up to date.
//
// A change is an invalidation: it says that what is known of a user may be
// outdated. Each change has a number. Transactions commit their changes in the
// order of these numbers, and no number is left out. So a reader that continues
// after the number of the last change that it has applied misses nothing.
//
// A reader loses changes if they are pruned before it reads them, or if the
// database is restored from a backup. Then it has to load everything again.
package changefeed

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// Unloaded is the position (number of the last applied change) of a reader
	// that has loaded nothing yet.
	Unloaded = int64(-1)

	// readInterval is the shortest time between two reads. Changes that come in
	// between are applied together.
	readInterval = 50 * time.Millisecond
	// changesPerRead is how many changes one query reads at most.
	changesPerRead = 2000
	// shortestRetryWait and longestRetryWait limit the wait after a failure. The wait doubles
	// with each failure in a row.
	shortestRetryWait, longestRetryWait = 100 * time.Millisecond, 2 * time.Second
)

// Feed is the change feed of the database.
type Feed interface {
	// FeedBounds returns the number of the oldest stored change (0 if none is stored) and
	// the last number that was assigned.
	FeedBounds(ctx context.Context) (oldest, last int64, err error)
	// Changes returns up to limit changes with numbers above the argument after, in order.
	Changes(ctx context.Context, after int64, limit int) ([]songspy.Change, error)
	// WaitForChange returns when there may be changes with numbers above the argument after. It
	// returns after about 750 ms in any case, so that a reader catches up at least once a second.
	WaitForChange(ctx context.Context, after int64) error
}

// Follower keeps a copy of data in memory up to date by the change feed. All
// fields are required, except CaughtUp and Timeout.
type Follower struct {
	Feed Feed
	// Load loads everything and returns the number of a change. The loaded state reflects this
	// change and all changes before it. Follower calls it when changes were lost, and at the
	// start unless Run is given the number of a change up to which everything is loaded already.
	Load func(ctx context.Context) (number int64, err error)
	// Apply applies changes, in order. After an error Follower calls it again with the
	// same changes, and perhaps with newer ones too.
	Apply func(ctx context.Context, changes []songspy.Change) error
	// CaughtUp is called when every change that was committed before the time at is
	// applied. number is the number of the last applied change. While the feed can be
	// read, CaughtUp is called about once a second or more often.
	CaughtUp func(number int64, at time.Time)
	// Timeout limits the time of one wait for changes together with reading and applying them.
	// Zero means no limit.
	Timeout time.Duration
	Now     func() time.Time
	Log     *slog.Logger
}

// Run applies the changes whose numbers are greater than the argument after, until ctx ends.
// If that is Unloaded, Run loads everything first. After a failure it tries again.
func (f *Follower) Run(ctx context.Context, after int64) {
	wait := shortestRetryWait
	for ctx.Err() == nil {
		next, err := f.next(ctx, after)
		after = next
		switch {
		case err == nil:
			wait = shortestRetryWait
			sleep(ctx, readInterval)
		case ctx.Err() == nil:
			f.Log.WarnContext(ctx, "following the change feed failed; trying again", slog.Any(logkey.Error, err))
			sleep(ctx, wait)
			wait = min(2*wait, longestRetryWait)
		}
	}
}

// next loads everything if the argument after is Unloaded. Otherwise it waits for changes
// whose numbers are greater than that and applies them. It returns the new position, the
// number of the last applied change, also with an error. If changes were lost, it returns
// Unloaded.
func (f *Follower) next(ctx context.Context, after int64) (int64, error) {
	startedAt := f.Now()
	if after == Unloaded {
		number, err := f.Load(ctx)
		if err != nil {
			return Unloaded, err
		}
		f.caughtUp(number, startedAt)
		return number, nil
	}
	if f.Timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.Timeout)
		defer cancel()
	}
	if err := f.Feed.WaitForChange(ctx, after); err != nil {
		return after, err
	}
	startedAt = f.Now()
	changes, err := f.Feed.Changes(ctx, after, changesPerRead)
	if err != nil {
		return after, err
	}
	if len(changes) == 0 || changes[0].Number != after+1 {
		oldest, last, err := f.Feed.FeedBounds(ctx)
		if err != nil {
			return after, err
		}
		if lost(after, oldest, last) {
			f.Log.WarnContext(ctx, "changes were lost: everything is loaded again",
				slog.Int64("after", after), slog.Int64("oldest", oldest), slog.Int64("last", last))
			return Unloaded, nil
		}
	}
	if len(changes) > 0 {
		if err := f.Apply(ctx, changes); err != nil {
			return after, fmt.Errorf("apply %d changes after %d: %w", len(changes), after, err)
		}
		after = changes[len(changes)-1].Number
	}
	if len(changes) < changesPerRead {
		f.caughtUp(after, startedAt)
	}
	return after, nil
}

func (f *Follower) caughtUp(number int64, at time.Time) {
	if f.CaughtUp != nil {
		f.CaughtUp(number, at)
	}
}

// lost reports whether a reader that has applied the changes up to the number after would miss
// some: the changes directly after it were pruned, or the database was restored to an earlier
// state. oldest and last are the results of FeedBounds.
func lost(after, oldest, last int64) bool {
	return last < after || last > after && (oldest == 0 || oldest > after+1)
}

// UserIDsExcept returns the users of the changes, each once, in ascending order. It leaves
// out changes of the kinds in the argument except.
func UserIDsExcept(changes []songspy.Change, except ...songspy.ChangeKind) []songspy.UserID {
	ids := make([]songspy.UserID, 0, len(changes))
	for _, c := range changes {
		if !slices.Contains(except, c.Kind) {
			ids = append(ids, c.UserID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
