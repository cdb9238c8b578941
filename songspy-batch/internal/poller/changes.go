package poller

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// changesPerRead is the number of changes that one query reads.
	changesPerRead = 1000
	// followRetryWait is the wait after the change feed could not be read.
	followRetryWait = time.Second
)

// follower reloads users whose links have changed, as the change feed reports them.
type follower struct {
	feed      Feed
	loader    *loader
	firstRead *firstRead
	log       *slog.Logger
}

// run follows the change feed from the first read on, until ctx ends.
func (f *follower) run(ctx context.Context) {
	last, ok := f.firstRead.wait(ctx)
	if !ok {
		return
	}
	for ctx.Err() == nil {
		var err error
		if last, err = f.next(ctx, last); err != nil && ctx.Err() == nil {
			f.log.WarnContext(ctx, "following the change feed failed; trying again", "error", err)
			delayqueue.Wait(ctx, followRetryWait)
		}
	}
}

// next waits for changes after the given number and applies them. It returns the
// number of the last change that the registry reflects.
func (f *follower) next(ctx context.Context, last int64) (int64, error) {
	if err := f.feed.WaitForChange(ctx, last); err != nil {
		return last, err
	}
	changes, err := f.feed.Changes(ctx, last, changesPerRead)
	if err != nil {
		return last, err
	}
	if len(changes) == 0 || changes[0].Number != last+1 {
		oldest, newest, err := f.feed.FeedBounds(ctx)
		if err != nil {
			return last, err
		}
		if changesLost(last, oldest, newest) {
			f.log.WarnContext(ctx, "changes were missed: reading all users again", "at", last, "oldest", oldest, "last", newest)
			return f.loader.readAll(ctx)
		}
	}
	if len(changes) == 0 {
		return last, nil
	}
	if err := f.loader.reload(ctx, changedUsers(changes)); err != nil {
		return last, err
	}
	return changes[len(changes)-1].Number, nil
}

// changesLost reports whether changes after the given number are missing from the feed.
// That happens if the database was restored from a backup, or if changes were pruned
// before they were read. oldest is 0 if the feed is empty.
func changesLost(at, oldest, last int64) bool {
	return last < at || last > at && (oldest == 0 || oldest > at+1)
}

// changedUsers returns the users whose links may have changed. It ignores
// changes of the now-playing state, because the poller makes them itself.
func changedUsers(changes []songspy.Change) (ids []songspy.UserID) {
	for _, c := range changes {
		if c.Kind != songspy.ChangePlaying {
			ids = append(ids, c.UserID)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}
