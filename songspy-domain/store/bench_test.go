package store_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// BenchmarkWritePlaybackUpdates measures how many updates a second the store writes in batches
// of 500. The updates of a batch are of 500 users. The player of each has just gone on to the next
// track, so each update writes a player state, a finished play and two tracks, and publishes a
// change.
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

// eachEngine runs a benchmark on both databases.
func eachEngine(b *testing.B, run func(b *testing.B, s *store.Store)) {
	for _, engine := range []string{storetest.SQLite, storetest.Postgres} {
		b.Run(engine, func(b *testing.B) {
			if engine == storetest.Postgres {
				storetest.Server(b)
			}
			run(b, storetest.Open(b, engine))
		})
	}
}

// BenchmarkInsert compares two ways to insert a batch of 500 gaps: as a rowset (all rows in a
// few arguments), and by GORM's CreateInBatches.
func BenchmarkInsert(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *store.Store) {
		user, at := newPolledUser(b, s, 1).UserID, time.Now()
		for name, insert := range map[string]func(context.Context, []songspy.Gap) error{"rowset": s.InsertGaps, "gorm": s.InsertGapsWithGORM} {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					gaps := make([]songspy.Gap, 500)
					for i := range gaps {
						at = at.Add(time.Second)
						gaps[i] = songspy.Gap{UserID: user, BeganAt: at, Reason: songspy.GapAppBlocked}
					}
					if err := insert(b.Context(), gaps); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	})
}

// BenchmarkRead compares two ways to read 2000 changes: by SQL and a scan function, and by
// GORM's Find.
func BenchmarkRead(b *testing.B) {
	eachEngine(b, func(b *testing.B, s *store.Store) {
		updates := make([]songspy.PlaybackUpdate, 500)
		for i := range updates {
			updates[i].Playing = newPolledUser(b, s, i)
		}
		for n := range 4 {
			for i := range updates {
				changeSong(&updates[i], time.Now().Add(time.Duration(n)*time.Hour), i+n, i+n+1)
			}
			if _, err := s.WritePlaybackUpdates(b.Context(), updates); err != nil {
				b.Fatal(err)
			}
		}
		for name, read := range map[string]func(context.Context, int64, int) ([]songspy.Change, error){"sql": s.Changes, "gorm": s.ChangesWithGORM} {
			b.Run(name, func(b *testing.B) {
				for b.Loop() {
					if changes, err := read(b.Context(), 0, 2000); err != nil || len(changes) != 2000 {
						b.Fatalf("%d changes, error %v", len(changes), err)
					}
				}
			})
		}
	})
}

func newPolledUser(b *testing.B, s *store.Store, i int) songspy.NowPlaying {
	b.Helper()
	u, _, err := s.SignIn(b.Context(), songspy.GoogleProfile{Subject: fmt.Sprint("google-", i)}, songspy.AudienceEveryone)
	if err != nil {
		b.Fatal(err)
	}
	l, err := s.SaveLink(b.Context(), songspy.NewLink{
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
