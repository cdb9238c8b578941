package sweep

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
type theatre struct {
	*Sweep
	store  *fakeStore
	player *fakePlayer
}

func newTheatre(t *testing.T, people int, changes ...func(*Options)) *theatre {
	th := &theatre{store: newFakeStore(people), player: &fakePlayer{looks: map[string][]time.Time{}, recalls: map[string][]time.Time{}}}
	th.Sweep = th.again(t, changes...)
	return th
}

// again gives another sweep over the same store, as a new process would.
func (th *theatre) again(t *testing.T, changes ...func(*Options)) *Sweep {
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
func play(t *testing.T, s *Sweep) (stop func()) {
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
		Sighting: songspy.SightingPlaying,
		Track:    songspy.Track{URI: "spotify:track:" + name, Kind: songspy.KindTrack, Title: name, DurationMS: 210_000},
		Progress: time.Since(began),
		At:       time.Now(),
	}, nil
}
