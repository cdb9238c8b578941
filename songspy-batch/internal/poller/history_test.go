package poller

import (
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// playsThenIdle returns a function that answers polls. In the first 200 seconds after
// the time began a song is playing, and after that nothing plays.
func playsThenIdle(began time.Time) func(string) (songspy.Observation, error) {
	return func(string) (songspy.Observation, error) {
		if time.Since(began) < 200*time.Second {
			return song("one", began)
		}
		return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
	}
}

func historyAnswer(items ...songspy.HistoryItem) func(string) ([]songspy.HistoryItem, error) {
	return func(string) ([]songspy.HistoryItem, error) { return items, nil }
}

func TestHistoryIsFetchedAfterASessionAndAnUnchangedAnswerCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		began := time.Now()
		h.player.answer = playsThenIdle(began)
		h.player.history = historyAnswer(songspy.HistoryItem{PlayedAt: began, Track: songspy.Track{URI: "spotify:track:one", DurationMS: 210_000}})
		stop := runPoller(t, h.Poller)
		<-time.After(20 * time.Hour)
		stop()
		fetchedAt := h.player.historyFetches["1/1"]
		if n := len(fetchedAt); n < 2 || n > 12 {
			t.Errorf("history was fetched %d times in 20 hours, want a few", n)
		}
		if n := len(h.store.reconciled); n != 1 {
			t.Errorf("%d of these answers were reconciled, want only the first", n)
		}
	})
}

func TestAFailedHistoryFetchIsRetriedLater(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		most int // the largest number of fetches in four hours
	}{
		"the app is blocked": {failureWith(songspy.DispositionAppBlocked, time.Hour), 5},
		"no answer":          {failureWith(songspy.DispositionRetryLater, 0), 4 * 60},
		"the user must act":  {failureWith(songspy.DispositionNeedsUser, 0), 3},
		"the owner must act": {failureWith(songspy.DispositionNotRegistered, 0), 3},
		"a network error":    {errors.New("no route"), 4 * 60},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHarness(t, 1)
				h.player.answer = playsThenIdle(time.Now())
				h.player.history = func(string) ([]songspy.HistoryItem, error) { return nil, tt.err }
				stop := runPoller(t, h.Poller)
				<-time.After(4 * time.Hour)
				stop()
				if n := len(h.player.historyFetches["1/1"]); n < 1 || n > tt.most {
					t.Errorf("history was fetched %d times, want at most %d", n, tt.most)
				}
				if n := len(h.player.pollTimes("1/1")); n < 80 {
					t.Errorf("%d polls in four hours: failed history fetches delayed them", n)
				}
			})
		})
	}
}

func TestAPollDuringAHistoryFetchBeginsNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		h.player.answer = playsThenIdle(time.Now())
		var running, most atomic.Int32
		h.player.history = func(string) ([]songspy.HistoryItem, error) {
			most.Store(max(most.Load(), running.Add(1)))
			<-time.After(5 * h.opt.Interval) // a slow answer: polls of the user continue
			running.Add(-1)
			return nil, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(20 * time.Hour)
		stop()
		if n := most.Load(); n != 1 {
			t.Errorf("up to %d history fetches of the user ran at once, want 1", n)
		}
		if n := len(h.player.historyFetches["1/1"]); n < 2 || n > 12 {
			t.Errorf("history was fetched %d times in 20 hours, want a few", n)
		}
	})
}

func TestHistoryIsFetchedOnlyAfterPendingWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		began := time.Now()
		h.player.answer = playsThenIdle(began)
		h.store.writeFault = func() error {
			if time.Since(began) < time.Hour {
				return errors.New("the database is away")
			}
			return nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(3 * time.Hour)
		stop()
		for _, at := range h.player.historyFetches["1/1"] {
			if at.Sub(began) < time.Hour {
				t.Errorf("history was fetched %s after the start, while plays were not written", at.Sub(began))
			}
		}
		if len(h.player.historyFetches["1/1"]) == 0 {
			t.Error("history was never fetched")
		}
	})
}

func TestWithoutSpreadNoHistoryIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1, func(o *Options) { o.Spread = false })
		h.player.answer = playsThenIdle(time.Now())
		stop := runPoller(t, h.Poller)
		<-time.After(2 * playback.HistoryFetchInterval)
		stop()
		if n := len(h.player.historyFetches["1/1"]); n != 0 {
			t.Errorf("history was fetched %d times", n)
		}
	})
}

func TestTheIdleTimeUpToWhichHistoryFilledIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		began := time.Now()
		h.player.answer = playsThenIdle(began)
		later := songspy.HistoryItem{PlayedAt: began.Add(10 * time.Hour), Track: songspy.Track{URI: "spotify:track:two", DurationMS: 210_000}}
		h.player.history = func(string) (items []songspy.HistoryItem, err error) {
			if time.Now().After(later.PlayedAt.Add(time.Hour)) { // history lists the play late, as if a phone had no network
				items = append(items, later)
			}
			return items, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(30 * time.Hour)
		stop()
		updates, _ := h.store.writes()
		if last := updates[len(updates)-1].Playing; last.State != songspy.PlayerIdle || last.OtherSeenAt.Before(later.PlayedAt.Add(210*time.Second)) {
			t.Errorf("the last stored state is %s, seen until %v", last.State, last.OtherSeenAt)
		}
	})
}
