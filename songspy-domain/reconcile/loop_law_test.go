package reconcile

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// TestLoop_EveryListedPlayKeepsItsOwnItem draws a track that plays again and again. Polls may
// miss the first plays. They see some others only until a pause, and some only during a pause, so
// that the start that they compute is too late. History lists all plays. It is reconciled
// once directly at the end of the loop, and once ten minutes later. Each play must be stored
// once, with its own item.
func TestLoop_EveryListedPlayKeepsItsOwnItem(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		byEnd := rapid.Bool().Draw(t, "history tells ends")
		var known []songspy.StoredPlay
		var items []songspy.HistoryItem
		var want []time.Time
		add := func(track songspy.Track, from, until, seenFrom, seenUntil float64) {
			playedAt := from
			if byEnd {
				playedAt = until
			}
			items, want = append(items, historyItem(track, playedAt)), append(want, at(playedAt))
			if seenUntil > seenFrom {
				known = append(known, storedPlay(track, seenFrom, seenUntil, seenUntil-seenFrom, false))
			}
		}
		for i := range 8 { // these plays show whether PlayedAt is the start or the end, even if each repetition was paused
			from := -5000 + 500*float64(i)
			add(songB, from, from+180, from, from+180)
		}
		now, length := 0.0, songA.Duration().Seconds()
		plays := rapid.IntRange(2, 6).Draw(t, "plays")
		missed := rapid.IntRange(0, plays-1).Draw(t, "missed")
		for i := range plays {
			from, until := now, now+length
			seenFrom, seenUntil := from, until
			switch way := rapid.IntRange(0, 3).Draw(t, "way"); {
			case i < missed:
				seenUntil = from
			case way == 0: // polls last see it when it is paused; the play goes on later
				seenUntil = from + rapid.Float64Range(35, length-30).Draw(t, "paused after")
				until += rapid.Float64Range(20, 600).Draw(t, "pause")
			case way == 1: // polls first see it during its pause
				progress := rapid.Float64Range(35, length-30).Draw(t, "paused after")
				pause := rapid.Float64Range(20, 1200).Draw(t, "pause")
				seenUntil = from + progress + rapid.Float64Range(0, pause).Draw(t, "seen after")
				seenFrom = seenUntil - progress
				until += pause
			}
			add(songA, from, until, seenFrom, seenUntil)
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
