package store_test

import (
	"fmt"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// BenchmarkWritePlaybackUpdates writes batches of 500 users who go from one track to
// the next: a new state, a finished play, two tracks of the user and a change each.
func BenchmarkWritePlaybackUpdates(b *testing.B) {
	for _, engine := range []string{storetest.SQLite, storetest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			if engine == storetest.Postgres {
				storetest.Server(b)
			}
			s := storetest.Open(b, engine)
			updates := make([]songspy.PlaybackUpdate, 500)
			for i := range updates {
				updates[i].Playing = newPolledUser(b, s, i)
			}
			at, n := time.Now(), 0
			for b.Loop() {
				at = at.Add(3 * time.Minute)
				for i := range updates {
					changeSong(&updates[i], at, (i+n)%5000, (i+n+1)%5000)
				}
				n++
				if _, err := s.WritePlaybackUpdates(b.Context(), updates); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(n*len(updates))/b.Elapsed().Seconds(), "updates/s")
		})
	}
}

func newPolledUser(b *testing.B, s *store.Store, i int) songspy.NowPlaying {
	b.Helper()
	u, _, err := s.SignIn(b.Context(), songspy.GoogleProfile{Subject: fmt.Sprint("google-", i)}, songspy.AudienceEveryone)
	if err != nil {
		b.Fatal(err)
	}
	l, err := s.SaveLink(b.Context(), store.NewLink{
		UserID: u.ID, App: "main", Account: songspy.SpotifyAccount{ID: fmt.Sprint(i)},
		Grant: songspy.Grant{AccessToken: "a", RefreshToken: "r", ExpiresAt: time.Now().Add(time.Hour), Auth: songspy.AuthBasic},
	})
	if err != nil {
		b.Fatal(err)
	}
	return songspy.NowPlaying{UserID: u.ID, Generation: l.Generation, State: songspy.PlayerPlaying, DurationMS: 180_000}
}

func changeSong(h *songspy.PlaybackUpdate, at time.Time, from, to int) {
	track := func(n int) songspy.Track {
		return songspy.Track{URI: fmt.Sprint("spotify:track:", n), Kind: songspy.KindTrack, Title: fmt.Sprint("Song ", n), DurationMS: 180_000}
	}
	ends := at.Add(3 * time.Minute)
	n := &h.Playing
	n.TrackURI, n.StartedAt, n.ObservedAt, n.SeenAt, n.OtherSeenAt, n.EndsAt = track(to).URI, at, at, at, at, &ends
	h.Tracks = []songspy.Track{track(from), track(to)}
	h.Plays = []songspy.Play{{
		TrackURI: track(from).URI, StartedAt: at.Add(-3 * time.Minute), EndedAt: at, ListenedMS: 180_000, Source: songspy.SourceLive,
	}}
	h.Visible = true
}
