package board

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// readInterval is the shortest time between two reads of the feed. Changes in
	// between are fetched and rendered together.
	readInterval = 50 * time.Millisecond
	// feedTimeout limits one read of the feed. A read that hangs counts as failed.
	feedTimeout = 5 * time.Second
	// pruneInterval is how often entries whose song is over are removed. They are not
	// shown in the meantime.
	pruneInterval = 10 * time.Second
	// snapshotTimeout limits the loading of the whole board.
	snapshotTimeout = time.Minute

	changesPerRead = 2000
	usersPerRead   = 500
)

// Feed is the change feed, and the users that it names.
type Feed interface {
	// FeedBounds returns the number of the oldest stored change (0 without changes) and
	// the last number that was assigned.
	FeedBounds(ctx context.Context) (oldest, last int64, err error)
	// Changes returns up to limit changes with numbers above after, in order.
	Changes(ctx context.Context, after int64, limit int) ([]songspy.Change, error)
	// WaitForChange returns when there may be changes after the given one, or after
	// about a second.
	WaitForChange(ctx context.Context, after int64) error
	// BoardEntries returns the entries of those users who have an open play. The
	// others are absent.
	BoardEntries(ctx context.Context, ids []songspy.UserID) ([]songspy.BoardEntry, error)
	// BoardSnapshot calls each with all candidates of the board. It returns the number
	// of the last change that the snapshot is certain to contain.
	BoardSnapshot(ctx context.Context, each func(songspy.BoardEntry) error) (number int64, err error)
}

// errFeedLost is returned when the changes that the board needs are not in the feed.
var errFeedLost = errors.New("the change numbers went back, or unread changes were pruned")

// Run follows the feed until ctx ends. If the feed cannot be read, Run tries again.
// If the feed has lost changes that the board needs, Run loads a new snapshot.
func (b *Board) Run(ctx context.Context) {
	const shortest, longest = 100 * time.Millisecond, 2 * time.Second
	f, wait := follower{Board: b}, shortest
	for ctx.Err() == nil {
		err := f.step(ctx)
		switch {
		case err == nil:
			wait = shortest
			sleep(ctx, readInterval)
		case errors.Is(err, errFeedLost):
			b.opts.Log.InfoContext(ctx, "the board is reloaded", slog.Any(logkey.Error, err))
			f.loaded = false
		case ctx.Err() == nil:
			b.opts.Log.WarnContext(ctx, "reading the change feed failed; trying again", slog.Any(logkey.Error, err))
			sleep(ctx, wait)
			wait = min(2*wait, longest)
		}
	}
}

// follower is the state of Run between two reads.
type follower struct {
	*Board
	loaded   bool
	prunedAt time.Time
}

// step loads the board, or waits for changes and applies them.
func (f *follower) step(ctx context.Context) error {
	if !f.loaded {
		if err := f.load(ctx); err != nil {
			return err
		}
		f.loaded = true
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, feedTimeout)
	defer cancel()
	if err := f.opts.Feed.WaitForChange(ctx, f.lastChange.Load()); err != nil {
		return err
	}
	if err := f.catchUp(ctx); err != nil {
		return err
	}
	f.prune()
	return nil
}

// load replaces the board with a snapshot.
func (f *follower) load(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	startedAt, fresh := f.opts.Now(), newIndex()
	number, err := f.opts.Feed.BoardSnapshot(ctx, func(p songspy.BoardEntry) error {
		fresh.put(p, startedAt)
		return nil
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.index = fresh
	f.page.Store(nil)
	f.mu.Unlock()
	f.lastChange.Store(number)
	f.readAt.Store(startedAt.UnixNano()) // the snapshot may lack what changed while it was read
	return nil
}

// catchUp reads all new changes and fetches their users again.
func (f *follower) catchUp(ctx context.Context) error {
	for {
		startedAt, after := f.opts.Now(), f.lastChange.Load()
		changes, err := f.readChanges(ctx, after)
		if err != nil {
			return err
		}
		if err := f.refetch(ctx, userIDsOf(changes)); err != nil {
			return err
		}
		if len(changes) > 0 {
			f.lastChange.Store(changes[len(changes)-1].Number)
		}
		if len(changes) < changesPerRead {
			f.readAt.Store(startedAt.UnixNano())
			return nil
		}
	}
}

// readChanges returns the changes after the given one. It returns errFeedLost if
// the feed no longer has all of them.
func (f *follower) readChanges(ctx context.Context, after int64) ([]songspy.Change, error) {
	oldest, last, err := f.opts.Feed.FeedBounds(ctx)
	switch {
	case err != nil:
		return nil, err
	case last == after:
		return nil, nil
	case last < after, oldest == 0, oldest > after+1:
		return nil, errFeedLost
	}
	changes, err := f.opts.Feed.Changes(ctx, after, changesPerRead)
	if err == nil && (len(changes) == 0 || changes[0].Number > after+1) { // pruned after FeedBounds
		return nil, errFeedLost
	}
	return changes, err
}

// refetch reads the entries of these users again.
func (f *follower) refetch(ctx context.Context, ids []songspy.UserID) error {
	for chunk := range slices.Chunk(ids, usersPerRead) {
		entries, err := f.opts.Feed.BoardEntries(ctx, chunk)
		if err != nil {
			return err
		}
		f.replaceEntries(chunk, entries)
	}
	return nil
}

// replaceEntries removes the users with these ids and adds the entries. The next
// viewer renders the page.
func (f *follower) replaceEntries(ids []songspy.UserID, entries []songspy.BoardEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.opts.Now()
	for _, id := range ids {
		f.index.remove(id)
	}
	for _, p := range entries {
		f.index.put(p, now)
	}
	f.page.Store(nil)
}

// prune removes entries whose song is over, every pruneInterval.
func (f *follower) prune() {
	now := f.opts.Now()
	if now.Sub(f.prunedAt).Abs() < pruneInterval {
		return
	}
	f.prunedAt = now
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.index.prune(now) {
		f.page.Store(nil)
	}
}

// userIDsOf returns the users of the changes, each once.
func userIDsOf(changes []songspy.Change) []songspy.UserID {
	ids := make([]songspy.UserID, len(changes))
	for i, c := range changes {
		ids[i] = c.UserID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// sleep waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
