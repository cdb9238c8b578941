package sweep

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

// stops plays a song for a while, then nothing.
func stops(began time.Time) func(string) (songspy.Observation, error) {
	return func(string) (songspy.Observation, error) {
		if time.Since(began) < 200*time.Second {
			return song("one", began)
		}
		return songspy.Observation{Sighting: songspy.SightingNothing, At: time.Now()}, nil
	}
}

func answers(items ...songspy.HistoryItem) func(string) ([]songspy.HistoryItem, error) {
	return func(string) ([]songspy.HistoryItem, error) { return items, nil }
}

func TestHistoryIsAskedAfterASessionAndTheSameAnswerCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newTheatre(t, 1)
		began := time.Now()
		th.player.answer = stops(began)
		th.player.history = answers(songspy.HistoryItem{PlayedAt: began, Track: songspy.Track{URI: "spotify:track:one", DurationMS: 210_000}})
		stop := play(t, th.Sweep)
		<-time.After(20 * time.Hour)
		stop()
		asked := th.player.recalls["1/1"]
		if n := len(asked); n < 2 || n > 12 {
			t.Errorf("history was asked %d times in 20 hours, want a few", n)
		}
		if n := len(th.store.told); n != 1 {
			t.Errorf("%d of these answers went to the store, want the first alone", n)
		}
	})
}

func TestHistoryThatCannotBeAskedIsLeftAloneForAWhile(t *testing.T) {
	for name, tt := range map[string]struct {
		err  error
		most int // times in four hours
	}{
		"the app is paused":      {refusal(songspy.DispositionAppPaused, time.Hour), 5},
		"no answer":              {refusal(songspy.DispositionRetryLater, 0), 4 * 60},
		"the person must act":    {refusal(songspy.DispositionNeedsPerson, 0), 3},
		"the owner must act":     {refusal(songspy.DispositionNotRegistered, 0), 3},
		"some error of the host": {errors.New("no route"), 4 * 60},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				th := newTheatre(t, 1)
				th.player.answer = stops(time.Now())
				th.player.history = func(string) ([]songspy.HistoryItem, error) { return nil, tt.err }
				stop := play(t, th.Sweep)
				<-time.After(4 * time.Hour)
				stop()
				if n := len(th.player.recalls["1/1"]); n < 1 || n > tt.most {
					t.Errorf("history was asked %d times, want at most %d", n, tt.most)
				}
				if n := len(th.player.at("1/1")); n < 80 {
					t.Errorf("%d looks in four hours: history kept them", n)
				}
			})
		})
	}
}

func TestHistoryIsNotAskedBeforeWhatWasSeenIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newTheatre(t, 1)
		began := time.Now()
		th.player.answer = stops(began)
		th.store.refuse = func() error {
			if time.Since(began) < time.Hour {
				return errors.New("the database is away")
			}
			return nil
		}
		stop := play(t, th.Sweep)
		<-time.After(3 * time.Hour)
		stop()
		for _, at := range th.player.recalls["1/1"] {
			if at.Sub(began) < time.Hour {
				t.Errorf("history was asked %s after the start, while plays were unwritten", at.Sub(began))
			}
		}
		if len(th.player.recalls["1/1"]) == 0 {
			t.Error("history was never asked")
		}
	})
}

func TestWithoutSpreadHistoryIsLeftAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newTheatre(t, 1, func(o *Options) { o.Spread = false })
		th.player.answer = stops(time.Now())
		stop := play(t, th.Sweep)
		<-time.After(2 * listening.HistoryEvery)
		stop()
		if n := len(th.player.recalls["1/1"]); n != 0 {
			t.Errorf("history was asked %d times", n)
		}
	})
}

func TestTheSilenceUpToWhichHistoryFilledIsStored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newTheatre(t, 1)
		began := time.Now()
		th.player.answer = stops(began)
		later := songspy.HistoryItem{PlayedAt: began.Add(10 * time.Hour), Track: songspy.Track{URI: "spotify:track:two", DurationMS: 210_000}}
		th.player.history = func(string) (items []songspy.HistoryItem, err error) {
			if time.Now().After(later.PlayedAt.Add(time.Hour)) { // a phone without a network
				items = append(items, later)
			}
			return items, nil
		}
		stop := play(t, th.Sweep)
		<-time.After(30 * time.Hour)
		stop()
		heard, _ := th.store.writes()
		if last := heard[len(heard)-1].Playing; last.State != songspy.PlayerIdle || last.ElsewhereAt.Before(later.PlayedAt.Add(210*time.Second)) {
			t.Errorf("the last that is stored is %s since %v", last.State, last.ElsewhereAt)
		}
	})
}
