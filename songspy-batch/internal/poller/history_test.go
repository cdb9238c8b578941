package poller

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// stops plays a song for a while, then nothing.
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
		th := newHarness(t, 1)
		began := time.Now()
		th.player.answer = playsThenIdle(began)
		th.player.history = historyAnswer(songspy.HistoryItem{PlayedAt: began, Track: songspy.Track{URI: "spotify:track:one", DurationMS: 210_000}})
		stop := runPoller(t, th.Poller)
		<-time.After(20 * time.Hour)
		stop()
		fetchedAt := th.player.historyFetches["1/1"]
		if n := len(fetchedAt); n < 2 || n > 12 {
			t.Errorf("history was asked %d times in 20 hours, want a few", n)
		}
		if n := len(th.store.reconciled); n != 1 {
			t.Errorf("%d of these answers went to the store, want the first alone", n)
		}
	})
}

func TestAFailedHistoryFetchIsRetriedLater(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		most int // times in four hours
	}{
		"the app is paused":      {failureWith(songspy.DispositionAppBlocked, time.Hour), 5},
		"no answer":              {failureWith(songspy.DispositionRetryLater, 0), 4 * 60},
		"the person must act":    {failureWith(songspy.DispositionNeedsUser, 0), 3},
		"the owner must act":     {failureWith(songspy.DispositionNotRegistered, 0), 3},
		"some error of the host": {errors.New("no route"), 4 * 60},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := newHarness(t, 1)
				th.player.answer = playsThenIdle(time.Now())
				th.player.history = func(string) ([]songspy.HistoryItem, error) { return nil, tt.err }
				stop := runPoller(t, th.Poller)
				<-time.After(4 * time.Hour)
				stop()
				if n := len(th.player.historyFetches["1/1"]); n < 1 || n > tt.most {
					t.Errorf("history was asked %d times, want at most %d", n, tt.most)
				}
				if n := len(th.player.pollTimes("1/1")); n < 80 {
					t.Errorf("%d looks in four hours: history kept them", n)
				}
			})
		})
	}
}

func TestHistoryIsFetchedOnlyAfterPendingWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1)
		began := time.Now()
		th.player.answer = playsThenIdle(began)
		th.store.writeFault = func() error {
			if time.Since(began) < time.Hour {
				return errors.New("the database is away")
			}
			return nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(3 * time.Hour)
		stop()
		for _, at := range th.player.historyFetches["1/1"] {
			if at.Sub(began) < time.Hour {
				t.Errorf("history was asked %s after the start, while plays were unwritten", at.Sub(began))
			}
		}
		if len(th.player.historyFetches["1/1"]) == 0 {
			t.Error("history was never asked")
		}
	})
}

func TestWithoutSpreadNoHistoryIsFetched(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1, func(o *Options) { o.Spread = false })
		th.player.answer = playsThenIdle(time.Now())
		stop := runPoller(t, th.Poller)
		<-time.After(2 * playback.HistoryFetchInterval)
		stop()
		if n := len(th.player.historyFetches["1/1"]); n != 0 {
			t.Errorf("history was asked %d times", n)
		}
	})
}

func TestTheIdleTimeUpToWhichHistoryFilledIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1)
		began := time.Now()
		th.player.answer = playsThenIdle(began)
		later := songspy.HistoryItem{PlayedAt: began.Add(10 * time.Hour), Track: songspy.Track{URI: "spotify:track:two", DurationMS: 210_000}}
		th.player.history = func(string) (items []songspy.HistoryItem, err error) {
			if time.Now().After(later.PlayedAt.Add(time.Hour)) { // a phone without a network
				items = append(items, later)
			}
			return items, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(30 * time.Hour)
		stop()
		heard, _ := th.store.writes()
		if last := heard[len(heard)-1].Playing; last.State != songspy.PlayerIdle || last.OtherSeenAt.Before(later.PlayedAt.Add(210*time.Second)) {
			t.Errorf("the last that is stored is %s since %v", last.State, last.OtherSeenAt)
		}
	})
}
