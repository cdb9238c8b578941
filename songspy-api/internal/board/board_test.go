package board

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func render(people []songspy.OnBoard) ([]byte, error) { return fmt.Append(nil, ids(people)), nil }

// follow runs a board over the feed for as long as the test lasts.
func follow(t *testing.T, feed *fakeFeed) *Board {
	t.Helper()
	b := New(Options{Feed: feed, Render: render, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
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
		elapse(3*time.Minute + songspy.EndGrace - time.Millisecond)
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
		for range 10 { // every sighting without an end is a change of the feed
			elapse(songspy.UnboundedShown - time.Minute)
			p.Playing.SeenAt, p.Playing.ObservedAt = time.Now(), time.Now()
			feed.put(p)
		}
		elapse(songspy.UnboundedShown - time.Millisecond)
		wantShown(t, b, "[1]")
		elapse(time.Millisecond)
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
