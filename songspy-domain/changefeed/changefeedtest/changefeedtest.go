// Package changefeedtest provides a change feed in memory, for tests and benchmarks.
package changefeedtest

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Feed is a change feed in memory. Its zero value is a feed without changes. It
// is safe for concurrent use.
type Feed struct {
	mu      sync.Mutex
	changes []songspy.Change
	last    int64
	err     error
	wake    chan struct{}
}

// Add appends a change of the user to the feed, and makes all waiting calls of WaitForChange
// return.
func (f *Feed) Add(id songspy.UserID, kind songspy.ChangeKind) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	f.changes = append(f.changes, songspy.Change{Number: f.last, UserID: id, Kind: kind, At: time.Now()})
	if f.wake != nil {
		close(f.wake)
		f.wake = nil
	}
}

// Prune deletes the changes whose numbers are at most number. The cleanup of the batch does
// the same with old changes.
func (f *Feed) Prune(number int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes = f.changes[f.index(number):]
}

// Restore deletes the changes with numbers above the given one. The next change gets
// the given number plus one, as in a database that was restored from a backup.
func (f *Feed) Restore(number int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.changes, f.last = f.changes[:f.index(number)], number
}

// Fail makes the methods of changefeed.Feed return err, until Fail is called with nil.
func (f *Feed) Fail(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err = err
}

// index returns the index in f.changes of the first change whose number is greater than
// the given one.
func (f *Feed) index(number int64) int {
	i, _ := slices.BinarySearchFunc(f.changes, number+1, func(c songspy.Change, n int64) int { return cmp.Compare(c.Number, n) })
	return i
}

// FeedBounds implements changefeed.Feed.
func (f *Feed) FeedBounds(context.Context) (oldest, last int64, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.changes) > 0 {
		oldest = f.changes[0].Number
	}
	return oldest, f.last, f.err
}

// Changes implements changefeed.Feed.
func (f *Feed) Changes(_ context.Context, after int64, limit int) ([]songspy.Change, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	from := f.index(after)
	return slices.Clone(f.changes[from:min(len(f.changes), from+limit)]), f.err
}

// WaitForChange implements changefeed.Feed.
func (f *Feed) WaitForChange(ctx context.Context, after int64) error {
	f.mu.Lock()
	if f.err != nil || f.last != after {
		defer f.mu.Unlock()
		return f.err
	}
	if f.wake == nil {
		f.wake = make(chan struct{})
	}
	wake := f.wake
	f.mu.Unlock()
	select {
	case <-wake:
	case <-time.After(750 * time.Millisecond):
	case <-ctx.Done():
	}
	return ctx.Err()
}
