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

// fakeFeed is a store whose every put is a change.
type fakeFeed struct {
	mu      sync.Mutex
	people  map[songspy.UserID]songspy.OnBoard
	changes []songspy.Change
	last    int64
	broken  bool
	wake    chan struct{}
}

func newFeed(people ...songspy.OnBoard) *fakeFeed {
	f := &fakeFeed{people: map[songspy.UserID]songspy.OnBoard{}, wake: make(chan struct{})}
	for _, p := range people {
		f.set(p)
	}
	return f
}

// set writes a person without a change.
func (f *fakeFeed) set(p songspy.OnBoard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.people[p.User.ID] = p
}

func (f *fakeFeed) put(p songspy.OnBoard) { f.set(p); f.announce(p.User.ID) }

func (f *fakeFeed) remove(id songspy.UserID) {
	f.mu.Lock()
	delete(f.people, id)
	f.mu.Unlock()
	f.announce(id)
}

func (f *fakeFeed) announce(id songspy.UserID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.changes = append(f.changes, songspy.Change{Number: f.last, UserID: id, Kind: songspy.ChangePlaying})
	close(f.wake)
	f.wake = make(chan struct{})
}

// restore is what a restored backup looks like.
func (f *fakeFeed) restore(p songspy.OnBoard) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.people, f.changes, f.last = map[songspy.UserID]songspy.OnBoard{p.User.ID: p}, nil, 0
}

func (f *fakeFeed) prune() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = nil
}

func (f *fakeFeed) down(broken bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.broken = broken
}

func (f *fakeFeed) state() (oldest, last int64, wake chan struct{}, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.broken {
		return 0, 0, nil, errors.New("down")
	}
	if len(f.changes) > 0 {
		oldest = f.changes[0].Number
	}
	return oldest, f.last, f.wake, nil
}

func (f *fakeFeed) Feed(context.Context) (oldest, last int64, err error) {
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

func (f *fakeFeed) OnBoard(_ context.Context, ids []songspy.UserID) (people []songspy.OnBoard, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, id := range ids {
		if p, ok := f.people[id]; ok {
			people = append(people, p)
		}
	}
	return people, nil
}

func (f *fakeFeed) BoardSnapshot(_ context.Context, each func(songspy.OnBoard) error) (int64, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, p := range f.people {
		if err := each(p); err != nil {
			return 0, err
		}
	}
	return f.last, nil
}
