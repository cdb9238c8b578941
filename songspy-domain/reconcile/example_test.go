package reconcile_test

import (
	"fmt"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/reconcile"
)

// Polls saw the first and the third track. History lists three tracks, by the
// starts of their plays, so the second play is added between the two stored ones.
func ExampleReconcile() {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	track := func(name string) songspy.Track {
		return songspy.Track{URI: "spotify:track:" + name, Title: name, DurationMS: 200_000}
	}
	played := func(name string, from, to time.Duration) songspy.StoredPlay {
		return songspy.StoredPlay{Track: track(name), Play: songspy.Play{
			TrackURI: track(name).URI, StartedAt: noon.Add(from), EndedAt: noon.Add(to),
			ListenedMS: (to - from).Milliseconds(), Source: songspy.SourceLive,
		}}
	}
	stored := songspy.StoredPlays{Plays: []songspy.StoredPlay{
		played("first", 0, 200*time.Second), played("third", 400*time.Second, 600*time.Second),
	}}
	stored.Plays[0].Play.ID, stored.Plays[1].Play.ID = 1, 2
	history := reconcile.NewHistory([]songspy.HistoryItem{
		{Track: track("first"), PlayedAt: noon},
		{Track: track("second"), PlayedAt: noon.Add(200 * time.Second)},
		{Track: track("third"), PlayedAt: noon.Add(400 * time.Second)},
	}, time.Time{})

	changes := reconcile.Reconcile(stored, history, noon.Add(time.Hour))
	fmt.Println(len(changes.Confirmed), "confirmed")
	for _, added := range changes.Added {
		fmt.Println("added", added.Track.Title, added.Play.StartedAt.Format(time.TimeOnly), added.Play.EndedAt.Format(time.TimeOnly))
	}
	// Output:
	// 2 confirmed
	// added second 12:03:20 12:06:40
}
