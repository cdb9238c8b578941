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
	pace = 50 * time.Millisecond
	// patience bounds one call to the store; a feed that hangs is a feed that
	// cannot be read.
	patience = 5 * time.Second
	// pruneEvery is how often those whose song is over are forgotten. They are
	// not shown in the meantime.
	pruneEvery = 10 * time.Second
	// snapshotPatience bounds the loading of the whole board.
	snapshotPatience = time.Minute

	changesAtOnce = 2000
	peopleAtOnce  = 500
)

// Feed is the change feed and the people it tells of.
type Feed interface {
	// Feed gives the oldest number kept, 0 if none is, and the last one given out.
	Feed(ctx context.Context) (oldest, last int64, err error)
	Changes(ctx context.Context, after int64, limit int) ([]songspy.Change, error)
	// WaitForChange returns when there may be changes after the given one, at
	// the latest after about a second.
	WaitForChange(ctx context.Context, after int64) error
	// OnBoard gives the people of these who have a play open; absent means gone.
	OnBoard(ctx context.Context, ids []songspy.UserID) ([]songspy.OnBoard, error)
	// BoardSnapshot gives everyone who may be shown, and the number of the last
	// change that is in it for certain.
	BoardSnapshot(ctx context.Context, each func(songspy.OnBoard) error) (number int64, err error)
}

// errLost says that the feed and the board no longer fit together.
var errLost = errors.New("the feed went back, or was pruned beyond what was read")

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
			pause(ctx, pace)
		case errors.Is(err, errLost):
			b.o.Log.InfoContext(ctx, "the board is loaded afresh", slog.String("why", err.Error()))
			f.loaded = false
		case ctx.Err() == nil:
			b.o.Log.WarnContext(ctx, "the board cannot read the change feed", slog.Any("error", err))
			pause(ctx, wait)
			wait = min(2*wait, longest)
		}
	}
}

// follower is what Run remembers from one reading to the next.
type follower struct {
	*Board
	loaded bool
	pruned time.Time
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
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	if err := f.o.Feed.WaitForChange(ctx, f.number.Load()); err != nil {
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
	ctx, cancel := context.WithTimeout(ctx, snapshotPatience)
	defer cancel()
	began, fresh := f.o.Now(), newCrowd()
	number, err := f.o.Feed.BoardSnapshot(ctx, func(p songspy.OnBoard) error {
		fresh.put(p, began)
		return nil
	})
	if err != nil {
		return err
	}
	f.mu.Lock()
	f.crowd = fresh
	f.page.Store(nil)
	f.mu.Unlock()
	f.number.Store(number)
	f.heard.Store(began.UnixNano()) // a snapshot is as old as its beginning
	return nil
}

// catchUp reads all that has changed and fetches those people afresh.
func (f *follower) catchUp(ctx context.Context) error {
	for {
		began, mine := f.o.Now(), f.number.Load()
		changes, err := f.changes(ctx, mine)
		if err != nil {
			return err
		}
		if err := f.refetch(ctx, peopleOf(changes)); err != nil {
			return err
		}
		if len(changes) > 0 {
			f.number.Store(changes[len(changes)-1].Number)
		}
		if len(changes) < changesAtOnce {
			f.heard.Store(began.UnixNano())
			return nil
		}
	}
}

// changes reads what follows mine. It is errLost when that is not to be had.
func (f *follower) changes(ctx context.Context, mine int64) ([]songspy.Change, error) {
	oldest, last, err := f.o.Feed.Feed(ctx)
	switch {
	case err != nil:
		return nil, err
	case last == mine:
		return nil, nil
	case last < mine, oldest == 0, oldest > mine+1:
		return nil, errLost
	}
	changes, err := f.o.Feed.Changes(ctx, mine, changesAtOnce)
	if err == nil && (len(changes) == 0 || changes[0].Number > mine+1) { // pruned meanwhile
		return nil, errLost
	}
	return changes, err
}

// refetch brings these people up to date.
func (f *follower) refetch(ctx context.Context, ids []songspy.UserID) error {
	for some := range slices.Chunk(ids, peopleAtOnce) {
		people, err := f.o.Feed.OnBoard(ctx, some)
		if err != nil {
			return err
		}
		f.replace(some, people)
	}
	return nil
}

// replace puts people in the place of ids. The page is rendered anew by the
// next viewer.
func (f *follower) replace(ids []songspy.UserID, people []songspy.OnBoard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.o.Now()
	for _, id := range ids {
		f.crowd.drop(id)
	}
	for _, p := range people {
		f.crowd.put(p, now)
	}
	f.page.Store(nil)
}

// prune forgets now and then whose song is over.
func (f *follower) prune() {
	now := f.o.Now()
	if now.Sub(f.pruned).Abs() < pruneEvery {
		return
	}
	f.pruned = now
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.crowd.prune(now) {
		f.page.Store(nil)
	}
}

// peopleOf lists the people of the changes, each once.
func peopleOf(changes []songspy.Change) []songspy.UserID {
	ids := make([]songspy.UserID, len(changes))
	for i, c := range changes {
		ids[i] = c.UserID
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

// pause waits for d, or until ctx ends.
func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
