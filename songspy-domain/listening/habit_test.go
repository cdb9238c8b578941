package listening

import (
	"slices"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestAnAnswerShowsWhetherHistoryListsPartialPlays(t *testing.T) {
	// The middle one was left after 90 of 200 s.
	known := []songspy.KeptPlay{kept(songB, -180, 0, 180, false), kept(songA, 0, 90, 60, true), kept(songB, 90, 270, 180, false)}
	seldom := []songspy.KeptPlay{known[0], kept(songA, 0, 90, 12, true), known[2]}
	whole := []songspy.KeptPlay{known[0], kept(songA, 0, 200, 200, false), kept(songB, 200, 380, 180, false)}
	later := []songspy.KeptPlay{known[0], known[1], kept(songB, 90+20*60, 270+20*60, 180, false)}
	both := []songspy.HistoryItem{item(songB, -180), item(songB, 90)}
	for name, tt := range map[string]struct {
		known []songspy.KeptPlay
		items []songspy.HistoryItem
		want  songspy.HistoryHabit
	}{
		"it lists one":                           {known, append(both, item(songA, 0)), songspy.HistoryHabit{Listed: 1}},
		"it lists only those around it":          {known, both, songspy.HistoryHabit{Unlisted: 1}},
		"it lists only the one before":           {known, both[:1], songspy.HistoryHabit{}},
		"too little of it was seen":              {seldom, both, songspy.HistoryHabit{}},
		"it reached its end":                     {whole, []songspy.HistoryItem{item(songB, -180), item(songA, 0), item(songB, 200)}, songspy.HistoryHabit{}},
		"the next one is of another session":     {later, []songspy.HistoryItem{item(songB, -180), item(songB, 90+20*60)}, songspy.HistoryHabit{}},
		"what it lists later was not to be seen": {known, append(both, item(short, 400)), songspy.HistoryHabit{Unlisted: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := reconcile(around(tt.known, nil), tt.items, at(4000))
			if r.Learned != tt.want {
				t.Errorf("learned %+v, want %+v", r.Learned, tt.want)
			}
			d := disk{plays: slices.Clone(tt.known)}
			d.retell(r)
			if again := reconcile(around(d.plays, d.told), tt.items, at(4000)); again.Learned != (songspy.HistoryHabit{}) {
				t.Errorf("the same answer again shows %+v", again.Learned)
			}
		})
	}
}
