package board

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// fakeFeed is a store in memory. Every put is a change.
type fakeFeed struct {
	mu      sync.Mutex
	entries map[songspy.UserID]songspy.BoardEntry
	changes []songspy.Change
	last    int64
	failing bool
	wake    chan struct{}
}

func newFeed(entries ...songspy.BoardEntry) *fakeFeed {
	f := &fakeFeed{entries: map[songspy.UserID]songspy.BoardEntry{}, wake: make(chan struct{})}
	for _, p := range entries {
		f.set(p)
	}
	return f
}

// set stores an entry without a change.
func (f *fakeFeed) set(p songspy.BoardEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries[p.User.ID] = p
}

func (f *fakeFeed) put(p songspy.BoardEntry) { f.set(p); f.addChange(p.User.ID) }

func (f *fakeFeed) remove(id songspy.UserID) {
	f.mu.Lock()
	delete(f.entries, id)
	f.mu.Unlock()
	f.addChange(id)
}

func (f *fakeFeed) addChange(id songspy.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.changes = append(f.changes, songspy.Change{Number: f.last, UserID: id, Kind: songspy.ChangePlaying})
	close(f.wake)
	f.wake = make(chan struct{})
}

// restore replaces the feed as a restored backup does: the change numbers go back.
func (f *fakeFeed) restore(p songspy.BoardEntry) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.entries, f.changes, f.last = map[songspy.UserID]songspy.BoardEntry{p.User.ID: p}, nil, 0
}

func (f *fakeFeed) prune() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = nil
}

func (f *fakeFeed) setFailing(failing bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.failing = failing
}

func (f *fakeFeed) state() (oldest, last int64, wake chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.failing {
		return 0, 0, nil, errors.New("down")
	}
	if len(f.changes) > 0 {
		oldest = f.changes[0].Number
	}
	return oldest, f.last, f.wake, nil
}

func (f *fakeFeed) FeedBounds(context.Context) (oldest, last int64, err error) {
	oldest, last, _, err = f.state()
	return oldest, last, err
}

func (f *fakeFeed) Changes(_ context.Context, after int64, limit int) ([]songspy.Change, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from, _ := slices.BinarySearchFunc(f.changes, after+1, func(c songspy.Change, n int64) int { return cmp.Compare(c.Number, n) })
	return slices.Clone(f.changes[from:min(len(f.changes), from+limit)]), nil
}

func (f *fakeFeed) WaitForChange(ctx context.Context, after int64) error {
	_, last, wake, err := f.state()
	if err != nil || last != after {
		return err
	}
	select {
	case <-wake:
	case <-time.After(time.Second):
	case <-ctx.Done():
	}
	return ctx.Err()
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

func (f *fakeFeed) BoardSnapshot(_ context.Context, each func(songspy.BoardEntry) error) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.entries {
		if err := each(p); err != nil {
			return 0, err
		}
	}
	return f.last, nil
}
