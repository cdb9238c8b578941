package reconcile

import (
	"slices"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestReconcile_CountsListedPartialPlays(t *testing.T) {
	// In all cases but one, the middle track was skipped after 90 of 200 s, so its play is partial.
	// Most cases differ in whether history lists that play and the plays around it, or in how much
	// of it polls saw.
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 90, 60, true), storedPlay(songB, 90, 270, 180, false)}
	seldom := []songspy.StoredPlay{known[0], storedPlay(songA, 0, 90, 12, true), known[2]}
	whole := []songspy.StoredPlay{known[0], storedPlay(songA, 0, 200, 200, false), storedPlay(songB, 200, 380, 180, false)}
	later := []songspy.StoredPlay{known[0], known[1], storedPlay(songB, 90+20*60, 270+20*60, 180, false)}
	both := []songspy.HistoryItem{historyItem(songB, -180), historyItem(songB, 90)}
	for name, tt := range map[string]struct {
		knownBefore []songspy.StoredPlay
		items       []songspy.HistoryItem
		want        songspy.PartialPlayCounts
	}{
		"it lists one":                       {known, append(both, historyItem(songA, 0)), songspy.PartialPlayCounts{Listed: 1}},
		"it lists only those around it":      {known, both, songspy.PartialPlayCounts{Unlisted: 1}},
		"it lists only the one before":       {known, both[:1], songspy.PartialPlayCounts{}},
		"too little of it was seen":          {seldom, both, songspy.PartialPlayCounts{}},
		"it reached its end":                 {whole, []songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0), historyItem(songB, 200)}, songspy.PartialPlayCounts{}},
		"the next one is of another session": {later, []songspy.HistoryItem{historyItem(songB, -180), historyItem(songB, 90+20*60)}, songspy.PartialPlayCounts{}},
		"an item lists it later":             {known, append(both, historyItem(short, 400)), songspy.PartialPlayCounts{Unlisted: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			r := reconcileAll(storedPlays(tt.knownBefore, nil), tt.items, at(4000))
			if r.PartialPlays != tt.want {
				t.Errorf("counted %+v, want %+v", r.PartialPlays, tt.want)
			}
			d := storeModel{plays: slices.Clone(tt.knownBefore)}
			d.writeReconciliation(r)
			if again := reconcileAll(storedPlays(d.plays, d.processedAt), tt.items, at(4000)); again.PartialPlays != (songspy.PartialPlayCounts{}) {
				t.Errorf("the same answer again shows %+v", again.PartialPlays)
			}
		})
	}
}

// TestReconcile_RepetitionThatWasLeftIsMergedOnlyIfHistoryWouldListIt: A played to its end and
// directly again, for two minutes of its 200 s. History lists the first play only. If history
// lists whole plays only, the second play must stay, because its absence proves nothing.
// Otherwise the two must become one play.
func TestReconcile_RepetitionThatWasLeftIsMergedOnlyIfHistoryWouldListIt(t *testing.T) {
	first := storedPlay(songA, 0, 200, 200, false)
	first.Play.InferredMS = 100_000
	for name, tt := range map[string]struct {
		counts songspy.PartialPlayCounts
		want   int
	}{
		"history lists whole plays only": {songspy.PartialPlayCounts{Unlisted: 5}, 3},
		"history lists partial plays":    {songspy.PartialPlayCounts{Listed: 5}, 2},
		"unknown":                        {songspy.PartialPlayCounts{}, 2},
	} {
		known := songspy.StoredPlays{Plays: []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), first, storedPlay(songA, 200, 320, 120, true)}, PartialPlays: tt.counts}
		d := storeModel{plays: slices.Clone(known.Plays)}
		d.writeReconciliation(reconcileAll(known, []songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0)}, at(4000)))
		if len(d.plays) != tt.want {
			t.Errorf("%s: %d plays, want %d: %+v", name, len(d.plays), tt.want, d.plays)
		}
	}
}
