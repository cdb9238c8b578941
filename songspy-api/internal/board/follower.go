package board

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// pace is the shortest time between two readings of the feed: what changes
	// in between is fetched and rendered at once.
	readInterval = 50 * time.Millisecond
	// patience bounds one call to the store; a feed that hangs is a feed that
	// cannot be read.
	feedTimeout = 5 * time.Second
	// pruneEvery is how often those whose song is over are forgotten. They are
	// not shown in the meantime.
	pruneInterval = 10 * time.Second
	// snapshotPatience bounds the loading of the whole board.
	snapshotTimeout = time.Minute

	changesPerRead = 2000
	usersPerRead   = 500
)

// Feed is the change feed and the people it tells of.
type Feed interface {
	// Feed gives the oldest number kept, 0 if none is, and the last one given out.
	FeedBounds(ctx context.Context) (oldest, last int64, err error)
	Changes(ctx context.Context, after int64, limit int) ([]songspy.Change, error)
	// WaitForChange returns when there may be changes after the given one, at
	// the latest after about a second.
	WaitForChange(ctx context.Context, after int64) error
	// OnBoard gives the people of these who have a play open; absent means gone.
	BoardEntries(ctx context.Context, ids []songspy.UserID) ([]songspy.BoardEntry, error)
	// BoardSnapshot gives everyone who may be shown, and the number of the last
	// change that is in it for certain.
	BoardSnapshot(ctx context.Context, each func(songspy.BoardEntry) error) (number int64, err error)
}

// errLost says that the feed and the board no longer fit together.
var errFeedLost = errors.New("the feed went back, or was pruned beyond what was read")

// Run follows the feed until ctx ends, which is its only end. A feed that
// cannot be read is tried again; one that went back or was pruned too far is
// answered with a fresh snapshot.
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
			b.opts.Log.InfoContext(ctx, "the board is loaded afresh", slog.String("why", err.Error()))
			f.loaded = false
		case ctx.Err() == nil:
			b.opts.Log.WarnContext(ctx, "the board cannot read the change feed", slog.Any("error", err))
			sleep(ctx, wait)
			wait = min(2*wait, longest)
		}
	}
}

// follower is what Run remembers from one reading to the next.
type follower struct {
	*Board
	loaded   bool
	prunedAt time.Time
}

// step loads the board, or waits for news and brings it up to date.
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

// load replaces the board by a snapshot.
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
	f.readAt.Store(startedAt.UnixNano()) // a snapshot is as old as its beginning
	return nil
}

// catchUp reads all that has changed and fetches those people afresh.
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

// changes reads what follows mine. It is errLost when that is not to be had.
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
	if err == nil && (len(changes) == 0 || changes[0].Number > after+1) { // pruned meanwhile
		return nil, errFeedLost
	}
	return changes, err
}

// refetch brings these people up to date.
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

// replace puts people in the place of ids. The page is rendered anew by the
// next viewer.
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

// prune forgets now and then whose song is over.
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

// peopleOf lists the people of the changes, each once.
func userIDsOf(changes []songspy.Change) []songspy.UserID {
	ids := make([]songspy.UserID, len(changes))
	for i, c := range changes {
		ids[i] = c.UserID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// pause waits for d, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
