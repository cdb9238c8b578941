package poller

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// theatre is a sweep over fakes.
type harness struct {
	*Poller
	store  *fakeStore
	player *fakePlayer
}

func newHarness(t *testing.T, users int, changes ...func(*Options)) *harness {
	th := &harness{store: newFakeStore(users), player: &fakePlayer{polls: map[string][]time.Time{}, historyFetches: map[string][]time.Time{}}}
	th.Poller = th.restart(t, changes...)
	return th
}

// again gives another sweep over the same store, as a new process would.
func (th *harness) restart(t *testing.T, changes ...func(*Options)) *Poller {
	o := Options{
		Store: th.store, Feed: th.store, Player: th.player, Renewer: noRenewals{t},
		Interval: 3 * time.Minute, Spread: true, Workers: 16,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
	}
	for _, change := range changes {
		change(&o)
	}
	return New(o)
}

// play runs the sweep, with a plan at once and every interval, until stop.
func runPoller(t *testing.T, s *Poller) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() { s.Serve(ctx) })
	all.Go(func() {
		tick := time.NewTicker(s.Interval)
		defer tick.Stop()
		for {
			if err := s.Plan(ctx); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return
			}
		}
	})
	return func() {
		cancel()
		all.Wait()
	}
}

// song is a look that finds a song so far into its three minutes and a half.
func song(name string, began time.Time) (songspy.Observation, error) {
	return songspy.Observation{
		Kind:     songspy.ObservedPlaying,
		Track:    songspy.Track{URI: "spotify:track:" + name, Kind: songspy.KindTrack, Title: name, DurationMS: 210_000},
		Progress: time.Since(began),
		At:       time.Now(),
	}, nil
}
