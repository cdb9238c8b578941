package board

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

var errDown = errors.New("down")

func render(entries []visibility.Seen[songspy.BoardEntry]) ([]byte, error) {
	return fmt.Append(nil, ids(entries)), nil
}

// startBoard runs a board over the feed until the test ends.
func startBoard(t *testing.T, feed *fakeFeed) *Board {
	t.Helper()
	b := New(Options{Feed: feed, Render: render, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); b.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	synctest.Wait()
	return b
}

func wantEntries(t *testing.T, b *Board, want string) {
	t.Helper()
	page, err := b.Current()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(page.Body); got != want {
		t.Errorf("the board shows %s, want %s", got, want)
	}
}

// waitSecond waits for a second of the test's virtual time.
func waitSecond(t *testing.T) { t.Helper(); wait(time.Second) }

func wait(d time.Duration) {
	<-time.After(d)
	synctest.Wait()
}

func TestBoard_IsReadyRightAfterStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()), newPlaying(2, time.Now().Add(-time.Second)))
		wantEntries(t, startBoard(t, feed), "[1 2]")
	})
}

func TestBoard_ShowsChangesWithinASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()))
		b := startBoard(t, feed)
		feed.put(newPlaying(2, time.Now()))
		feed.put(newPlaying(3, time.Now().Add(time.Millisecond)))
		waitSecond(t)
		wantEntries(t, b, "[3 1 2]")
		feed.remove(1)
		waitSecond(t)
		wantEntries(t, b, "[3 2]")
	})
}

func TestBoard_RemovesASongTenSecondsAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := startBoard(t, newFeed(newPlaying(1, time.Now())))
		wait(3*time.Minute + songspy.EndGrace - time.Millisecond)
		wantEntries(t, b, "[1]")
		wait(time.Millisecond)
		wantEntries(t, b, "[]")
	})
}

func TestBoard_ShowsASongOnceItHasPlayedForTheMinimum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaying(1, time.Now())
		setting(&p).MinSeconds = 30
		b := startBoard(t, newFeed(p))
		wantEntries(t, b, "[]")
		wait(30*time.Second - time.Millisecond)
		wantEntries(t, b, "[]")
		wait(time.Millisecond)
		wantEntries(t, b, "[1]")
	})
}

func TestBoard_NeverShowsASongThatBeganWhileItsUserWasHidden(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaying(1, time.Now())
		setting(&p).HiddenUntil = new(time.Now().Add(time.Minute))
		feed := newFeed(p)
		b := startBoard(t, feed)
		wait(2 * time.Minute)
		wantEntries(t, b, "[]")
		p.Playing.StartedAt, p.Playing.EndsAt = time.Now(), new(time.Now().Add(time.Minute))
		feed.put(p)
		waitSecond(t)
		wantEntries(t, b, "[1]")
	})
}

func TestBoard_KeepsASongWithoutAnEndWhileItIsPolled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPlaying(1, time.Now())
		p.Playing.EndsAt = nil
		feed := newFeed(p)
		b := startBoard(t, feed)
		for range 10 { // each poll that sees the song go on is a change in the feed
			wait(songspy.UnknownEndShownFor - time.Minute)
			p.Playing.SeenAt, p.Playing.ObservedAt = time.Now(), time.Now()
			feed.put(p)
		}
		wait(songspy.UnknownEndShownFor - time.Millisecond)
		wantEntries(t, b, "[1]")
		wait(time.Millisecond)
		wantEntries(t, b, "[]")
	})
}

func TestBoard_ReloadsWhenTheFeedWentBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()))
		b := startBoard(t, feed)
		feed.put(newPlaying(2, time.Now()))
		waitSecond(t)
		feed.restore(newPlaying(3, time.Now()))
		wait(2 * time.Second)
		wantEntries(t, b, "[3]")
	})
}

func TestBoard_ReloadsWhenItMissedPrunedChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()))
		b := startBoard(t, feed)
		feed.Fail(errDown)
		feed.put(newPlaying(2, time.Now()))
		feed.remove(1)
		feed.Prune(2)
		feed.Fail(nil)
		wait(5 * time.Second)
		wantEntries(t, b, "[2]")
	})
}

func TestBoard_IsNotShownWhileTheFeedCannotBeRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()))
		b := startBoard(t, feed)
		feed.Fail(errDown)
		wait(8 * time.Second)
		wantEntries(t, b, "[1]")
		wait(4 * time.Second)
		_, err := b.Current()
		if songspy.CodeOf(err) != songspy.CodeUnavailable || songspy.RetryAfterOf(err) == 0 {
			t.Errorf("after 12 s without the feed: error %v, want unavailable", err)
		}
		if err := b.Ready(); err == nil || !strings.Contains(err.Error(), "change feed") {
			t.Errorf("Ready returns %v", err)
		}
		feed.Fail(nil)
		wait(3 * time.Second)
		wantEntries(t, b, "[1]")
	})
}

func TestBoard_IsUnavailableBeforeItIsLoaded(t *testing.T) {
	b := New(Options{Feed: newFeed(), Render: render, Now: time.Now, Log: slog.New(slog.DiscardHandler)})
	if _, err := b.Current(); songspy.CodeOf(err) != songspy.CodeUnavailable {
		t.Errorf("before the first read: error %v, want unavailable", err)
	}
}

func TestBoard_ShowsAtMostForty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed()
		for i := range songspy.UserID(100) {
			feed.set(newPlaying(i+1, time.Now()))
		}
		page, err := startBoard(t, feed).Current()
		if got := len(strings.Fields(string(page.Body))); err != nil || got != MaxEntries {
			t.Errorf("%d users are shown, error %v", got, err)
		}
	})
}

func TestBoard_ReturnsTheSamePageUntilSomethingChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed(newPlaying(1, time.Now()))
		b := startBoard(t, feed)
		first, _ := b.Current()
		wait(2 * time.Minute)
		second, _ := b.Current()
		if first != second {
			t.Error("the page was rendered again although nothing changed")
		}
		feed.put(newPlaying(1, time.Now()))
		feed.put(newPlaying(2, time.Now()))
		wait(time.Second)
		if third, _ := b.Current(); third.ETag == first.ETag {
			t.Error("another board has the same ETag")
		}
	})
}

func TestBoard_ReadsABurstOfChangesTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		feed := newFeed()
		b := startBoard(t, feed)
		const entries = 1501
		for i := range songspy.UserID(entries) {
			feed.put(newPlaying(i+1, time.Now()))
			feed.put(newPlaying(i+1, time.Now()))
		}
		waitSecond(t)
		if got := b.Stats(); got.Users != entries || got.LastChange != 2*entries {
			t.Errorf("the stats are %+v, want %d users and change %d", got, entries, 2*entries)
		}
	})
}
