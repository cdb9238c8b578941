package poller

import (
	"context"
	"slices"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// readPageSize is the largest number of links that one query reads.
const readPageSize = 2000

// firstRead signals that the process has read all users from the store once since its start.
type firstRead struct {
	once   sync.Once
	done   chan struct{}
	change int64
}

func newFirstRead() *firstRead { return &firstRead{done: make(chan struct{})} }

// complete records the first read. The read reflects the change with the number change, and all
// changes before it. Later calls of complete do nothing.
func (f *firstRead) complete(change int64) {
	f.once.Do(func() {
		f.change = change
		close(f.done)
	})
}

func (f *firstRead) isDone() bool {
	select {
	case <-f.done:
		return true
	default:
		return false
	}
}

// wait waits for the first read. It returns the number of a change: the read reflects that change
// and all changes before it. ok is false if ctx ended first.
func (f *firstRead) wait(ctx context.Context) (change int64, ok bool) {
	select {
	case <-f.done:
		return f.change, true
	case <-ctx.Done():
		return 0, false
	}
}

// loader reads users from the store into the registry and plans their first polls.
type loader struct {
	Options
	planner    *planner
	heartbeat  *heartbeat
	timesAhead *timesAhead
	firstRead  *firstRead

	// mu is held from a read of the store until its result is in the registry, so that an older
	// read never replaces a newer one. It is locked before Registry.mu.
	mu sync.Mutex
}

// readAll updates the registry from the whole store. It returns the number of a change:
// the registry then reflects that change and all changes before it.
func (l *loader) readAll(ctx context.Context) (change int64, err error) {
	_, change, err = l.Feed.FeedBounds(ctx)
	if err != nil {
		return 0, err
	}
	round := l.Registry.beginRead()
	for after, more := songspy.UserID(0), true; more; {
		if after, more, err = l.readPage(ctx, after); err != nil {
			return 0, err
		}
	}
	l.Registry.removeUnread(round)
	return change, nil
}

// readPage reads one page of the versions of links, of users whose id is greater than the argument
// after, and plans a poll for every user who has none. It returns the last user of the page, and
// whether there may be more pages. It reads the whole user only if the stored version of the link
// is newer than the registry's, because decrypting tokens costs most, and tokens seldom change.
func (l *loader) readPage(ctx context.Context, after songspy.UserID) (last songspy.UserID, more bool, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	page, err := l.Store.LinkVersions(ctx, after, readPageSize)
	if err != nil {
		return 0, false, err
	}
	now := l.Now()
	var changed []songspy.UserID
	for _, v := range page {
		last = v.UserID
		if !l.Shards.Owns(last) {
			continue
		}
		switch current := l.Registry.confirm(v); {
		case !l.Shards.Loaded(last): // loadShards reads these users
		case !current:
			changed = append(changed, last)
		case l.Registry.hasPoll(last):
		default:
			l.planner.planFirst(last, l.planner.atPhase(last, 0), reasonInterval)
		}
	}
	users, err := l.Store.PolledUsersByID(ctx, changed)
	if err != nil {
		return 0, false, err
	}
	for _, u := range users {
		id := u.Link.UserID
		switch merged := l.merge(u); {
		case merged == relinked, merged == added && l.firstRead.isDone(): // this read has found a link that the change feed has not reported yet
			l.planner.planFirst(id, now, reasonLinked)
		case merged == alreadyKnown && l.Registry.hasPoll(id): // a new entry has no poll, although that of a removed entry may still run
		default:
			l.planner.planFirst(id, l.planner.firstAt(id, u.Playing, now), reasonStart)
		}
	}
	return last, len(page) == readPageSize, nil
}

// applyChanges reads the users again whose links may have changed. It ignores changes
// of the now-playing state, because the poller makes them itself, and changes of
// relations and sessions, which concern no link.
func (l *loader) applyChanges(ctx context.Context, changes []songspy.Change) error {
	return l.reload(ctx, changefeed.UserIDsExcept(changes, songspy.ChangePlaying, songspy.ChangeRelation, songspy.ChangeSession))
}

// reload reads the given users again. Users who are new or linked again are
// polled now. Users who may not be polled any more are removed.
func (l *loader) reload(ctx context.Context, ids []songspy.UserID) error {
	ids = slices.DeleteFunc(ids, func(id songspy.UserID) bool { return !l.Shards.Owns(id) })
	if len(ids) == 0 {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	users, err := l.Store.PolledUsersByID(ctx, ids)
	if err != nil {
		return err
	}
	gone := make(map[songspy.UserID]bool, len(ids))
	for _, id := range ids {
		gone[id] = true
	}
	now := l.Now()
	for _, u := range users {
		id := u.Link.UserID
		delete(gone, id)
		if l.merge(u) != alreadyKnown {
			l.planner.planFirst(id, now, reasonLinked)
		}
	}
	for id := range gone {
		l.Registry.removeUser(id)
	}
	return nil
}

// loadShards reads the users of shards (parts of the users) that this replica has acquired. The
// keys of polledUntil are these shards. The value is the time until which the previous owner of the
// shard has made all polls, or the zero time if that is unknown.
func (l *loader) loadShards(ctx context.Context, polledUntil map[int16]time.Time) error {
	if err := l.heartbeat.readLast(ctx); err != nil {
		return err
	}
	for after, more := songspy.UserID(0), true; more; {
		page, err := l.Store.LinkVersions(ctx, after, readPageSize)
		if err != nil {
			return err
		}
		var ids []songspy.UserID
		for _, v := range page {
			after = v.UserID
			if _, ok := polledUntil[songspy.ShardOf(v.UserID)]; ok {
				ids = append(ids, v.UserID)
			}
		}
		if err := l.loadUsers(ctx, ids, polledUntil); err != nil {
			return err
		}
		more = len(page) == readPageSize
	}
	return nil
}

func (l *loader) loadUsers(ctx context.Context, ids []songspy.UserID, polledUntil map[int16]time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	users, err := l.Store.PolledUsersByID(ctx, ids)
	if err != nil {
		return err
	}
	now := l.Now()
	for _, u := range users {
		u, ahead := l.timesAhead.correctUser(u, now)
		id := u.Link.UserID
		until := polledUntil[songspy.ShardOf(id)]
		c := coverageSince(u, later(until, l.heartbeat.last), now)
		c.aheadOfClock = ahead
		if l.Registry.merge(u, c) != alreadyKnown {
			reason := reasonTakeover
			if until.IsZero() {
				reason = reasonStart
			}
			l.planner.planFirst(id, l.planner.resumedAt(id, u.Playing, until, now), reason)
		}
	}
	return nil
}

// dropShards removes the users of shards that this replica no longer owns.
func (l *loader) dropShards(shards []int16) {
	var gone [songspy.ShardCount]bool
	for _, shard := range shards {
		gone[shard] = true
	}
	l.Registry.removeIf(func(id songspy.UserID) bool { return gone[songspy.ShardOf(id)] })
}

// merge adds a user to the registry, or updates the user's entry.
//
// A user of the first read counts as polled by the previous process until that process's last
// heartbeat. The coverage of a user who comes later begins now, because no process has just
// polled this link: it is new, or works again.
func (l *loader) merge(u songspy.PolledUser) mergeResult {
	now := l.Now()
	u, ahead := l.timesAhead.correctUser(u, now)
	c := coverage{answeredUntil: now, history: playback.HistoryState{FetchedAt: now}, aheadOfClock: ahead}
	switch {
	case !l.firstRead.isDone():
		c = coverageSince(u, l.heartbeat.last, now)
		c.aheadOfClock = ahead
	case !u.Playing.ObservedAt.IsZero(): // the user has linked again, perhaps after a time without a link: history may list what was played in that time
		c.history.UncoveredUntil, c.history.Reason = now, playback.HistoryResumed
	}
	return l.Registry.merge(u, c)
}
