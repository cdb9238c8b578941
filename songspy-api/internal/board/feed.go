package board

import (
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed"
)

const (
	// feedTimeout limits one read of the feed and of its users. A read that hangs counts
	// as failed.
	feedTimeout = 5 * time.Second
	// pruneInterval is how often entries whose song is over are removed. They are not
	// shown in the meantime.
	pruneInterval = 10 * time.Second
	// snapshotTimeout limits the loading of the whole board.
	snapshotTimeout = time.Minute
)

// Feed is the change feed, and reads the entries of the users that its changes name.
type Feed interface {
	changefeed.Feed
	// BoardEntries returns the entries of those of the given users that have an open play. It
	// returns nothing for the other users.
	BoardEntries(ctx context.Context, ids []songspy.UserID) ([]songspy.BoardEntry, error)
	// BoardSnapshot calls the function each once for every user with an open play that the
	// board may have to show. It returns the number of the last change that the snapshot is
	// certain to contain.
	BoardSnapshot(ctx context.Context, each func(songspy.BoardEntry) error) (number int64, err error)
}

// Run loads the board, follows the change feed and serves streams until ctx ends. Then it
// ends the streams, which takes up to about DrainTime; until then they get changes.
func (b *Board) Run(ctx context.Context) {
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	var tasks sync.WaitGroup
	tasks.Go(func() { b.follow(running) })
	tasks.Go(func() { b.runTicks(running) })
	<-ctx.Done()
	b.drain()
	stop()
	tasks.Wait()
}

func (b *Board) follow(ctx context.Context) {
	f := &changefeed.Follower{
		Feed: b.opts.Feed, Load: b.load, Apply: b.refetch, CaughtUp: b.caughtUp,
		Timeout: feedTimeout, Now: b.opts.Now, Log: b.opts.Log,
	}
	f.Run(ctx, changefeed.Unloaded)
}

// load replaces the board with a snapshot, and reads the viewers of all streams again. It
// returns the number of the last change that is in the snapshot.
func (b *Board) load(ctx context.Context) (number int64, err error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTimeout)
	defer cancel()
	now, fresh := b.opts.Now(), newIndex()
	number, err = b.opts.Feed.BoardSnapshot(ctx, func(p songspy.BoardEntry) error {
		fresh.put(p, now)
		return nil
	})
	if err != nil {
		return 0, err
	}
	b.opts.Viewers.Clear()
	b.mu.Lock()
	fresh.takeChanged() // the changes are dropped: because of isReloaded, the next tick updates everything
	b.index, b.streams.isReloaded = fresh, true
	b.forgetAnswers()
	streams := slices.Collect(maps.Keys(b.streams.open))
	b.mu.Unlock()
	return number, b.rereadAll(ctx, streams)
}

// refetch applies changes of the feed. It reads the viewers of the affected streams and the
// entries of the changed users again. Users without an entry are removed from the board. The
// answers are rendered again when the next viewer asks for them.
func (b *Board) refetch(ctx context.Context, changes []songspy.Change) error {
	b.opts.Viewers.Apply(changes)
	if err := b.rereadOn(ctx, changefeed.UserIDsExcept(changes, songspy.ChangePlaying, songspy.ChangeLink)); err != nil {
		return err
	}
	ids := changefeed.UserIDsExcept(changes, songspy.ChangeRelation, songspy.ChangeSession)
	entries, err := b.opts.Feed.BoardEntries(ctx, ids)
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	now := b.opts.Now()
	for _, id := range ids {
		b.index.remove(id)
	}
	for _, p := range entries {
		b.index.put(p, now)
	}
	b.forgetAnswers()
	return nil
}

// caughtUp records that the board has all changes up to the number, and all changes that
// were made before the given time. Every pruneInterval it also removes entries whose song
// is over.
func (b *Board) caughtUp(number int64, at time.Time) {
	b.lastChange.Store(number)
	b.readAt.Store(at.UnixNano())
	b.opts.Viewers.CaughtUp(at)
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.opts.Now(); now.Sub(b.prunedAt).Abs() >= pruneInterval {
		b.prunedAt = now
		if b.index.prune(now) {
			b.forgetAnswers()
		}
	}
}

// rereadOn finds the streams whose ReadViewer reads data of one of the users, and reads their
// viewers again.
func (b *Board) rereadOn(ctx context.Context, users []songspy.UserID) error {
	b.mu.Lock()
	streams := b.streams.toReread(users)
	b.mu.Unlock()
	return b.rereadAll(ctx, streams)
}

func (b *Board) rereadAll(ctx context.Context, streams []*Stream) error {
	for _, s := range streams {
		if err := b.readViewer(ctx, s); err != nil {
			return err
		}
	}
	return nil
}
