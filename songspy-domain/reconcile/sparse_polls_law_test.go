package reconcile

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// TestSparsePolls_ItemsFollowTheOrderOfThePlays draws plays of a few tracks. Polls see only
// one of them, as under a small quota. Its computed start is too early if the user sought
// forward, and too late if the play was paused. History lists all plays, each some time after
// its end, and is fetched three times. In the end, the items of the stored plays must be in the
// order of time, and the play that polls saw must be stored once, with its own item.
func TestSparsePolls_ItemsFollowTheOrderOfThePlays(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		byEnd := rapid.Bool().Draw(t, "history tells ends")
		var known []songspy.StoredPlay
		var items []songspy.HistoryItem
		var listedFrom []float64
		var own time.Time // the PlayedAt of the play that polls saw
		add := func(track songspy.Track, start, until float64) time.Time {
			item := historyItem(track, start)
			if byEnd {
				item = historyItem(track, until)
			}
			from := until + rapid.Float64Range(10, 120).Draw(t, "delay") // when history begins to list the item: not before earlier items
			if n := len(listedFrom); n > 0 {
				from = max(from, listedFrom[n-1])
			}
			items, listedFrom = append(items, item), append(listedFrom, from)
			return item.PlayedAt
		}
		for i := range 8 { // these plays show whether PlayedAt is the start or the end
			from := -5000 + 500*float64(i)
			add(songB, from, from+180)
			known = append(known, storedPlay(songB, from, from+180, 180, false))
		}
		plays := rapid.IntRange(3, 10).Draw(t, "plays")
		seen := rapid.IntRange(0, plays-1).Draw(t, "seen")
		now, before, last := 0.0, 0.0, songB // before is when the previous play began
		for i := range plays {
			track := rapid.SampledFrom([]songspy.Track{songA, songB, short}).Filter(func(t songspy.Track) bool { return t.URI != last.URI }).Draw(t, "track")
			last = track
			length := track.Duration().Seconds()
			until := now + length
			if i != seen {
				if rapid.Bool().Draw(t, "left early") {
					until = now + rapid.Float64Range(31, length).Draw(t, "listened")
				}
				add(track, now, until)
				before, now = now, until
				continue
			}
			start, end := now, until
			switch rapid.IntRange(0, 2).Draw(t, "way") {
			case 0:
				jump := rapid.Float64Range(0, max(0, min(length-31, now-before-1))).Draw(t, "jump") // the computed start stays after the start of the previous play
				start, end, until = now-jump, until-jump, until-jump
			case 1: // polls see it only during a pause
				pause := rapid.Float64Range(20, 150).Draw(t, "pause")
				start = now + rapid.Float64Range(0, pause).Draw(t, "seen after")
				end, until = start+length, until+pause
			}
			known = append(known, storedPlay(track, start, end, end-max(start, now), false))
			own = add(track, now, until)
			before, now = now, until
		}
		d := storeModel{plays: slices.Clone(known[:len(known)-1]), lastID: 100}
		polled := known[len(known)-1]
		for _, fetch := range []float64{rapid.Float64Range(0, now+130).Draw(t, "fetched"), now + 3000, now + 3000} {
			if isStored := slices.ContainsFunc(d.plays, func(k songspy.StoredPlay) bool { return k.Play.ID == polled.Play.ID }); !isStored && !polled.Play.EndedAt.After(at(fetch)) {
				d.plays = append(d.plays, polled)
				sortPlays(d.plays)
			}
			listed := items[:0:0]
			for i, item := range items {
				if listedFrom[i] <= fetch {
					listed = append(listed, item)
				}
			}
			d.writeReconciliation(reconcileAll(songspy.StoredPlays{Plays: d.plays, ProcessedAt: d.processedAt}, listed, at(fetch)))
		}
		if got := playedAtOf(d.plays); !slices.IsSortedFunc(got, time.Time.Compare) {
			t.Errorf("the items of the plays are at %v", secondsOf(got))
		}
		i := slices.IndexFunc(d.plays, func(k songspy.StoredPlay) bool { return k.Play.ID == polled.Play.ID })
		if i < 0 || !d.plays[i].PlayedAt.Equal(own) {
			t.Errorf("the play that polls saw does not have its item of %v", secondsIn(own))
		}
		if len(d.plays) > len(items) {
			t.Errorf("%d plays are stored of %d", len(d.plays), len(items))
		}
		if t.Failed() {
			t.Fatalf("stored %+v", d.plays)
		}
	})
}
