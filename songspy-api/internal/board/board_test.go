package board

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func render(people []songspy.OnBoard) ([]byte, error) { return fmt.Append(nil, ids(people)), nil }

// follow runs a board over the feed for as long as the test lasts.
func follow(t *testing.T, feed *fakeFeed) *Board {
	t.Helper()
	b := New(Options{Feed: feed, Render: render, StaleAfter: staleAfter, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return b
}

func wantShown(t *testing.T, b *Board, want string) {
	t.Helper()
	page, err := b.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(page.Body); got != want {
		t.Errorf("the board shows %s, want %s", got, want)
	}
}

// second lets a second of the bubble pass.
func second(t *testing.T) { t.Helper(); elapse(time.Second) }

func elapse(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestBoard_IsThereRightAfterTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(playing(1, time.Now()), playing(2, time.Now().Add(-time.Second)))
		wantShown(t, follow(t, feed), "[1 2]")
	})
}

func TestBoard_FollowsWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(playing(1, time.Now()))
		b := follow(t, feed)
		feed.put(playing(2, time.Now()))
		feed.put(playing(3, time.Now().Add(time.Millisecond)))
		second(t)
		wantShown(t, b, "[3 1 2]")
		feed.remove(1)
		second(t)
		wantShown(t, b, "[3 2]")
	})
}

func TestBoard_DropsASongTenSecondsAfterItsEndWithoutNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := follow(t, newFeed(playing(1, time.Now())))
		elapse(3*time.Minute + grace - time.Millisecond)
		wantShown(t, b, "[1]")
		elapse(time.Millisecond)
		wantShown(t, b, "[]")
	})
}

func TestBoard_ShowsAPersonAgainWhenTheirPauseInSharingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, until := playing(1, time.Now()), time.Now().Add(time.Minute)
		p.User.SharingPausedUntil = &until
		b := follow(t, newFeed(p))
		wantShown(t, b, "[]")
		elapse(time.Minute)
		wantShown(t, b, "[1]")
	})
}

func TestBoard_KeepsASongWithoutAnEndWhileItIsLookedAt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := playing(1, time.Now())
		p.Playing.EndsAt = nil
		feed := newFeed(p)
		b := follow(t, feed)
		for range 10 { // each look is written and tells viewers nothing new
			elapse(3 * time.Minute)
			p.Playing.ObservedAt = time.Now()
			feed.set(p)
		}
		wantShown(t, b, "[1]")
		elapse(staleAfter)
		wantShown(t, b, "[]")
	})
}

func TestBoard_LoadsAfreshWhenTheFeedWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(playing(1, time.Now()))
		b := follow(t, feed)
		feed.put(playing(2, time.Now()))
		second(t)
		feed.restore(playing(3, time.Now()))
		elapse(2 * time.Second)
		wantShown(t, b, "[3]")
	})
}

func TestBoard_LoadsAfreshWhenItSleptBeyondThePruning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(playing(1, time.Now()))
		b := follow(t, feed)
		feed.down(true)
		feed.put(playing(2, time.Now()))
		feed.remove(1)
		feed.prune()
		feed.down(false)
		elapse(5 * time.Second)
		wantShown(t, b, "[2]")
	})
}

func TestBoard_IsNotShownWhileTheFeedCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(playing(1, time.Now()))
		b := follow(t, feed)
		feed.down(true)
		elapse(8 * time.Second)
		wantShown(t, b, "[1]")
		elapse(4 * time.Second)
		_, err := b.Current()
		if songspy.CodeOf(err) != songspy.CodeUnavailable || songspy.RetryAfterOf(err) == 0 {
			t.Errorf("after 12 s without the feed: %v", err)
		}
		if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "change feed") {
			t.Errorf("ready says %v", err)
		}
		feed.down(false)
		elapse(3 * time.Second)
		wantShown(t, b, "[1]")
	})
}

func TestBoard_IsUnavailableBeforeItIsLoaded(t *testing.T) {
	b := New(Options{Feed: newFeed(), Render: render, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if _, err := b.Current(); songspy.CodeOf(err) != songspy.CodeUnavailable {
		t.Errorf("before the first reading: %v", err)
	}
}

func TestBoard_ShowsAtMostForty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed()
		for i := range songspy.UserID(100) {
			feed.set(playing(i+1, time.Now()))
		}
		page, err := follow(t, feed).Current()
		if got := len(strings.Fields(string(page.Body))); err != nil || got != Size {
			t.Errorf("%d people are shown, %v", got, err)
		}
	})
}

func TestBoard_GivesTheSamePageUntilSomethingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(playing(1, time.Now()))
		b := follow(t, feed)
		first, _ := b.Current()
		elapse(2 * time.Minute)
		second, _ := b.Current()
		if first != second {
			t.Error("the page was rendered again though nothing changed")
		}
		feed.put(playing(1, time.Now()))
		feed.put(playing(2, time.Now()))
		elapse(time.Second)
		if third, _ := b.Current(); third.ETag == first.ETag {
			t.Error("another board has the same ETag")
		}
	})
}

func TestBoard_ReadsABurstOfChangesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed()
		b := follow(t, feed)
		const people = 3*peopleAtOnce + 1
		for i := range songspy.UserID(people) {
			feed.put(playing(i+1, time.Now()))
			feed.put(playing(i+1, time.Now()))
		}
		second(t)
		if got := b.Stats(); got.People != people || got.Number != 2*people {
			t.Errorf("stats %+v", got)
		}
	})
}

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
