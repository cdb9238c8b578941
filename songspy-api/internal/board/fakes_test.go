package board

import (
	"context"
	"sync"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
)

// fakeFeed is a store with a change feed, in memory. Each call of put adds a change to the
// feed.
type fakeFeed struct {
	changefeedtest.Feed
	mu      sync.Mutex
	entries map[songspy.UserID]songspy.BoardEntry
}

func newFeed(entries ...songspy.BoardEntry) *fakeFeed {
	f := &fakeFeed{entries: map[songspy.UserID]songspy.BoardEntry{}}
	for _, p := range entries {
		f.set(p)
	}
	return f
}

// set stores an entry without adding a change to the feed.
func (f *fakeFeed) set(p songspy.BoardEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries[p.User.ID] = p
}

func (f *fakeFeed) put(p songspy.BoardEntry) { f.set(p); f.Add(p.User.ID, songspy.ChangePlaying) }

func (f *fakeFeed) remove(id songspy.UserID) {
	f.mu.Lock()
	delete(f.entries, id)
	f.mu.Unlock()
	f.Add(id, songspy.ChangePlaying)
}

// restore replaces the feed as a restored backup does: the change numbers go back.
func (f *fakeFeed) restore(p songspy.BoardEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries = map[songspy.UserID]songspy.BoardEntry{p.User.ID: p}
	f.Restore(0)
}

func (f *fakeFeed) BoardEntries(_ context.Context, ids []songspy.UserID) (entries []songspy.BoardEntry, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if p, ok := f.entries[id]; ok {
			entries = append(entries, p)
		}
	}
	return entries, nil
}

func (f *fakeFeed) BoardSnapshot(ctx context.Context, each func(songspy.BoardEntry) error) (int64, error) {
	_, last, err := f.FeedBounds(ctx)
	if err != nil {
		return 0, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.entries {
		if err := each(p); err != nil {
			return 0, err
		}
	}
	return last, nil
}
