package reconcile

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// TestLoop_EveryListedPlayKeepsItsOwnItem draws a track that plays again and again.
// Polls miss the first plays, and see some others only until they were paused. The
// track after the loop is open at the first answer.
func TestLoop_EveryListedPlayKeepsItsOwnItem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		byEnd := rapid.Bool().Draw(t, "history tells ends")
		var known []songspy.StoredPlay
		var items []songspy.HistoryItem
		var want []time.Time
		add := func(track songspy.Track, from, until, seenUntil float64) {
			playedAt := from
			if byEnd {
				playedAt = until
			}
			items, want = append(items, historyItem(track, playedAt)), append(want, at(playedAt))
			if seenUntil > from {
				known = append(known, storedPlay(track, from, seenUntil, seenUntil-from, false))
			}
		}
		for i := range 4 { // they show the edge
			add(songB, -3000+500*float64(i), -2820+500*float64(i), -2820+500*float64(i))
		}
		now, length := 0.0, songA.Duration().Seconds()
		plays := rapid.IntRange(2, 6).Draw(t, "plays")
		missed := rapid.IntRange(0, plays-1).Draw(t, "missed")
		for i := range plays {
			from, until := now, now+length
			seenUntil := until
			switch way := rapid.IntRange(0, 3).Draw(t, "way"); {
			case i < missed:
				seenUntil = from
			case way == 0: // seen paused; it plays on later
				seenUntil = from + rapid.Float64Range(35, length-30).Draw(t, "paused after")
				until += rapid.Float64Range(20, 600).Draw(t, "pause")
			}
			add(songA, from, until, seenUntil)
			now = until
		}
		d := storeModel{plays: slices.Clone(known), lastID: 100}
		for _, until := range []float64{now, now + 600} {
			d.writeReconciliation(reconcileAll(songspy.StoredPlays{Plays: d.plays, ProcessedAt: d.processedAt}, items, at(until)))
		}
		if got := playedAtOf(d.plays); !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Fatalf("items of the plays at %v, want %v; stored %+v", secondsOf(got), secondsOf(want), d.plays)
		}
	})
}

func secondsOf(times []time.Time) (s []float64) {
	for _, t := range times {
		s = append(s, secondsIn(t))
	}
	return s
}
