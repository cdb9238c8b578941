package reconcile

import (
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// probablePlay returns a probable play, as polls store it. All arguments are in seconds: from
// and to are after base, and seen is how much of the play polls observed.
func probablePlay(t songspy.Track, from, to, seen float64) songspy.StoredPlay {
	k := storedPlay(t, from, to, to-from, true)
	k.Play.InferredMS, k.Play.Probable = int64((to-from-seen)*1000), true
	return k
}

func TestReconcile_ConfirmsProbablePlay(t *testing.T) {
	third := songspy.Track{URI: "spotify:track:third", Title: "Third", DurationMS: 31_000}
	before, after := storedPlay(songB, -180, 0, 180, false), storedPlay(songB, 90, 270, 180, false)
	around := []songspy.StoredPlay{before, probablePlay(songA, 0, 90, 2), after}
	partial := songspy.PartialPlayCounts{Listed: 5}
	for name, tt := range map[string]struct {
		items        []songspy.HistoryItem
		partialPlays songspy.PartialPlayCounts
		probable     bool // the play of A must stay probable
		there        bool // the play of A must still be stored
	}{
		"history lists it":                           {[]songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0), historyItem(songB, 90)}, songspy.PartialPlayCounts{}, false, true},
		"history lists its end":                      {[]songspy.HistoryItem{historyItem(songB, 0), historyItem(songA, 90), historyItem(songB, 270)}, songspy.PartialPlayCounts{}, false, true},
		"history lists both neighbours":              {[]songspy.HistoryItem{historyItem(songB, -180), historyItem(songB, 90)}, songspy.PartialPlayCounts{}, true, true},
		"history that lists partial plays does not":  {[]songspy.HistoryItem{historyItem(songB, -180), historyItem(songB, 90)}, partial, false, false},
		"it lists partial plays, but no neighbour":   {[]songspy.HistoryItem{historyItem(songB, -180)}, partial, true, true},
		"history lists another track in that time":   {[]songspy.HistoryItem{historyItem(songB, -180), historyItem(third, 20), historyItem(songB, 90)}, songspy.PartialPlayCounts{}, false, false},
		"history lists whole plays, and another one": {[]songspy.HistoryItem{historyItem(songB, -180), historyItem(third, 50), historyItem(songB, 90)}, songspy.PartialPlayCounts{Unlisted: 5}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := songspy.StoredPlays{Plays: around, PartialPlays: tt.partialPlays}
			all := applyTo(around, Reconcile(k, NewHistory(tt.items, at(-1000)), at(1000)))
			for _, p := range all {
				if p.Play.TrackURI != songA.URI {
					continue
				}
				if !tt.there || p.Play.Probable != tt.probable || p.PlayedAt.IsZero() != tt.probable {
					t.Errorf("stored %+v with the item of %v", p.Play, secondsIn(p.PlayedAt))
				}
				return
			}
			if tt.there {
				t.Errorf("it is gone: %+v", all)
			}
		})
	}
}
