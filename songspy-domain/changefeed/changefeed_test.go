package changefeed_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/changefeed"
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
)

// database is a fake database in memory. It holds one value for each user, a change feed
// that reports changes of these values, and the state of the follower under test, which
// copies the values.
type database struct {
	changefeedtest.Feed
	mu       sync.Mutex
	values   map[songspy.UserID]int
	applyErr error
	follower followerState
}

// followerState is the copy of the values that a follower keeps, with the number of
// successful calls of Load and of all calls of Apply, and the arguments of the last call of
// CaughtUp.
type followerState struct {
	copied         map[songspy.UserID]int
	loads, applied int
	caughtUpTo     int64
	caughtUpAt     time.Time
}

func newDatabase() *database {
	return &database{values: map[songspy.UserID]int{}, follower: followerState{copied: map[songspy.UserID]int{}}}
}

// state returns a copy of the follower's state.
func (d *database) state() followerState {
	d.mu.Lock()
	defer d.mu.Unlock()
	s := d.follower
	s.copied = maps.Clone(s.copied)
	return s
}

func (d *database) setApplyErr(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.applyErr = err
}

// set changes a user's value and adds a change to the feed. The value 0 deletes the user's
// value.
func (d *database) set(id songspy.UserID, value int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.values[id] = value
	if value == 0 {
		delete(d.values, id)
	}
	d.Add(id, songspy.ChangePlaying)
}

func (d *database) load(ctx context.Context) (int64, error) {
	_, last, err := d.FeedBounds(ctx)
	d.mu.Lock()
	defer d.mu.Unlock()
	if err != nil {
		return 0, err
	}
	d.follower.loads++
	clear(d.follower.copied)
	for id, value := range d.values {
		d.follower.copied[id] = value
	}
	return last, nil
}

func (d *database) apply(_ context.Context, changes []songspy.Change) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.follower.applied++
	if d.applyErr != nil {
		return d.applyErr
	}
	for _, id := range changefeed.UserIDsExcept(changes) {
		delete(d.follower.copied, id)
		if value, ok := d.values[id]; ok {
			d.follower.copied[id] = value
		}
	}
	return nil
}

func (d *database) newFollower() *changefeed.Follower {
	return &changefeed.Follower{
		Feed: d, Load: d.load, Apply: d.apply, Now: time.Now, Log: slog.New(slog.DiscardHandler),
		CaughtUp: func(number int64, at time.Time) {
			d.mu.Lock()
			defer d.mu.Unlock()
			d.follower.caughtUpTo, d.follower.caughtUpAt = number, at
		},
	}
}

// follow calls f.Run(ctx, after) in the background. It returns once the follower waits for
// a change or for time to pass (synctest.Wait). The returned function cancels ctx and waits
// until Run has returned.
func follow(f *changefeed.Follower, after int64) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var all sync.WaitGroup
	all.Go(func() { f.Run(ctx, after) })
	synctest.Wait()
	return func() { cancel(); all.Wait() }
}

func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestAnUnloadedFollowerLoadsAndThenAppliesChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set(1, 10)
		stop := follow(d.newFollower(), changefeed.Unloaded)
		defer stop()
		if d.state().copied[1] != 10 || d.state().caughtUpTo != 1 {
			t.Fatalf("after the start: %v, caught up to %d", d.state().copied, d.state().caughtUpTo)
		}
		d.set(2, 20)
		d.set(1, 0)
		wait(time.Second)
		if _, ok := d.state().copied[1]; ok || d.state().copied[2] != 20 || d.state().loads != 1 || d.state().caughtUpTo != 3 {
			t.Errorf("after two changes: %v, %d loads, caught up to %d", d.state().copied, d.state().loads, d.state().caughtUpTo)
		}
	})
}

func TestAFollowerThatIsLoadedContinuesAtItsPosition(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set(1, 10)
		d.set(2, 20)
		defer follow(d.newFollower(), 1)()
		wait(time.Second)
		if _, ok := d.state().copied[1]; ok || d.state().copied[2] != 20 || d.state().loads != 0 {
			t.Errorf("applied %v with %d loads, want only the second change", d.state().copied, d.state().loads)
		}
	})
}

func TestEverythingIsLoadedAgainAfterLostChanges(t *testing.T) {
	for name, lose := range map[string]func(d *database){
		"some unread changes were pruned":    func(d *database) { d.set(2, 20); d.set(3, 30); d.Prune(3) },
		"all unread changes were pruned":     func(d *database) { d.set(2, 20); d.Prune(3) },
		"the database was restored":          func(d *database) { d.Restore(1) },
		"the database was restored to empty": func(d *database) { d.Restore(0) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				d := newDatabase()
				d.set(1, 10)
				d.set(1, 11)
				defer follow(d.newFollower(), changefeed.Unloaded)()
				d.Fail(errors.New("down"))
				lose(d)
				d.mu.Lock()
				d.values[9] = 90 // not in the change feed, so only Load finds it
				d.mu.Unlock()
				wait(time.Minute)
				d.Fail(nil)
				wait(5 * time.Second)
				if d.state().loads != 2 || d.state().copied[9] != 90 {
					t.Errorf("%d loads and %v, want a second load", d.state().loads, d.state().copied)
				}
			})
		})
	}
}

func TestPrunedChangesThatWereReadAreNotLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set(1, 10)
		d.set(2, 20)
		defer follow(d.newFollower(), changefeed.Unloaded)()
		d.Prune(2)
		wait(time.Minute)
		d.set(3, 30)
		wait(time.Second)
		if d.state().loads != 1 || d.state().copied[3] != 30 {
			t.Errorf("%d loads and %v, want one load", d.state().loads, d.state().copied)
		}
	})
}

func TestChangesThatCouldNotBeAppliedAreAppliedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		defer follow(d.newFollower(), changefeed.Unloaded)()
		loadedAt := time.Now()
		d.setApplyErr(errors.New("down"))
		d.set(1, 10)
		wait(time.Minute)
		if d.state().applied < 10 || d.state().applied > 60 || d.state().caughtUpTo != 0 || d.state().caughtUpAt.After(loadedAt) {
			t.Errorf("in a minute of failures: %d attempts, caught up to %d at %v", d.state().applied, d.state().caughtUpTo, d.state().caughtUpAt)
		}
		d.setApplyErr(nil)
		wait(5 * time.Second)
		if d.state().copied[1] != 10 || d.state().loads != 1 || d.state().caughtUpTo != 1 {
			t.Errorf("after the failures: %v, %d loads, caught up to %d", d.state().copied, d.state().loads, d.state().caughtUpTo)
		}
	})
}

func TestALoadThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		d.set(1, 10)
		d.Fail(errors.New("down"))
		defer follow(d.newFollower(), changefeed.Unloaded)()
		wait(time.Minute)
		d.Fail(nil)
		wait(5 * time.Second)
		if d.state().loads != 1 || d.state().copied[1] != 10 {
			t.Errorf("%d loads and %v", d.state().loads, d.state().copied)
		}
	})
}

func TestCaughtUpIsCalledWithoutChangesToo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		defer follow(d.newFollower(), changefeed.Unloaded)()
		wait(time.Hour)
		if age := time.Since(d.state().caughtUpAt); age > 3*time.Second {
			t.Errorf("the last time was %v ago", age)
		}
	})
}

// hangingFeed is a feed whose WaitForChange returns only when the context of the call ends.
type hangingFeed struct{ *database }

func (hangingFeed) WaitForChange(ctx context.Context, _ int64) error {
	<-ctx.Done()
	return ctx.Err()
}

func TestAReadThatHangsCountsAsFailedAfterTheTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failures []time.Time
		d := newDatabase()
		f := d.newFollower()
		f.Feed, f.Timeout = hangingFeed{d}, 5*time.Second
		f.Log = slog.New(logFunc(func() { failures = append(failures, time.Now()) }))
		stop := follow(f, changefeed.Unloaded)
		wait(time.Minute)
		stop()
		if len(failures) < 5 {
			t.Errorf("%d failures in a minute of hanging reads", len(failures))
		}
	})
}

// logFunc is a slog.Handler that calls the function for each log record and ignores the
// record's content.
type logFunc func()

func (logFunc) Enabled(context.Context, slog.Level) bool    { return true }
func (f logFunc) Handle(context.Context, slog.Record) error { f(); return nil }
func (f logFunc) WithAttrs([]slog.Attr) slog.Handler        { return f }
func (f logFunc) WithGroup(string) slog.Handler             { return f }

func TestALongBacklogIsReadInSeveralParts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := newDatabase()
		const users = 5000
		for i := range songspy.UserID(users) {
			d.set(i+1, 1)
		}
		defer follow(d.newFollower(), 0)()
		if len(d.state().copied) == users {
			t.Fatal("the whole backlog was read at once")
		}
		if d.state().caughtUpTo != 0 {
			t.Errorf("caught up to %d, in the middle of a backlog", d.state().caughtUpTo)
		}
		wait(time.Second)
		if len(d.state().copied) != users || d.state().caughtUpTo != users || d.state().loads != 0 {
			t.Errorf("%d users, caught up to %d, %d loads", len(d.state().copied), d.state().caughtUpTo, d.state().loads)
		}
	})
}

func TestTheCopyEqualsTheDatabaseWhenItIsQuiet(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		events := rapid.SliceOfN(rapid.IntRange(0, 9), 1, 40).Draw(rt, "events")
		synctest.Test(t, func(t *testing.T) {
			d := newDatabase()
			defer follow(d.newFollower(), changefeed.Unloaded)()
			for i, event := range events {
				_, last, _ := d.FeedBounds(t.Context())
				switch event {
				case 0:
					d.Fail(errors.New("down"))
				case 1:
					d.Fail(nil)
				case 2:
					d.Prune(max(0, last-1)) // keeps the last change, as the cleanup of the batch does
				case 3:
					wait(time.Second)
				default:
					d.set(songspy.UserID(event), i)
				}
			}
			d.Fail(nil)
			wait(10 * time.Second)
			if fmt.Sprint(d.state().copied) != fmt.Sprint(d.values) {
				rt.Errorf("the copy is %v, the database %v", d.state().copied, d.values)
			}
		})
	})
}

func TestUserIDs_AreSortedWithoutRepeatsAndWithoutTheGivenKinds(t *testing.T) {
	got := changefeed.UserIDsExcept([]songspy.Change{
		{UserID: 3, Kind: songspy.ChangeLink}, {UserID: 1, Kind: songspy.ChangeUser}, {UserID: 3, Kind: songspy.ChangeUser}, {UserID: 2, Kind: songspy.ChangePlaying},
	}, songspy.ChangePlaying)
	if want := []songspy.UserID{1, 3}; !slices.Equal(got, want) {
		t.Errorf("the users are %v, want %v", got, want)
	}
}
