package poller

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// idlePlayer answers at once that nothing plays.
type idlePlayer struct{}

func (idlePlayer) CurrentlyPlaying(context.Context, songspy.Credentials) (songspy.Observation, error) {
	return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
}

func (idlePlayer) RecentlyPlayed(context.Context, songspy.Credentials, time.Time) ([]songspy.HistoryItem, error) {
	return nil, nil
}

// BenchmarkPoll measures the cost of a poll without the call to Spotify.
func BenchmarkPoll(b *testing.B) {
	p := New(Options{
		Registry: NewRegistry(time.Now, nil), Store: newFakeStore(1000), Player: idlePlayer{}, Renewer: noRenewals{}, Interval: 3 * time.Minute, Spread: true, Workers: 1,
		Now: time.Now, Logger: slog.New(slog.DiscardHandler), Metrics: NewMetrics(prometheus.NewRegistry()),
	})
	for id := range songspy.UserID(1000) {
		p.loader.merge(songspy.PolledUser{Link: songspy.Link{
			UserID: id, State: songspy.LinkActive, Generation: 1, AccessExpiresAt: time.Now().AddDate(1, 0, 0),
		}})
	}
	b.ReportAllocs()
	for i := range b.N {
		p.poll(b.Context(), songspy.UserID(i%1000), time.Now())
	}
}
