package reconcile

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Spotify's answer is full (50 items), so Spotify may have dropped older items. The gap must begin
// where the last stored play ended, and end before the first item's play, for any items after it.
func TestReconcile_ForgottenHistoryLeavesGapUpToTheFirstItem(t *testing.T) {
	full := func(item func(i int) songspy.HistoryItem) (items []songspy.HistoryItem) {
		for i := range songspy.HistoryItemsMax {
			items = append(items, item(i))
		}
		return items
	}
	// alternate returns item i of a listener who plays A and B in turn from 3,600 s on. If ends is
	// true, PlayedAt is the end of the play.
	alternate := func(i int, ends bool) songspy.HistoryItem {
		track := []songspy.Track{songA, songB}[i%2]
		began := 3600 + float64(i/2)*(songA.Duration()+songB.Duration()).Seconds() + float64(i%2)*songA.Duration().Seconds()
		if ends {
			began += track.Duration().Seconds()
		}
		return historyItem(track, began)
	}
	for name, items := range map[string][]songspy.HistoryItem{
		"PlayedAt is the start": full(func(i int) songspy.HistoryItem { return alternate(i, false) }),
		"PlayedAt is the end":   full(func(i int) songspy.HistoryItem { return alternate(i, true) }),
		"an item that no play can have": full(func(i int) songspy.HistoryItem {
			if i == 20 {
				return historyItem(songA, alternate(19, true).PlayedAt.Sub(at(0)).Seconds()+2)
			}
			return alternate(i, true)
		}),
	} {
		t.Run(name, func(t *testing.T) {
			known := storedPlays([]songspy.StoredPlay{storedPlay(songB, 0, 180, 180, false)}, nil)
			r := reconcileAll(known, items, items[len(items)-1].PlayedAt.Add(time.Hour))
			if len(r.Gaps) != 1 || !r.Gaps[0].BeganAt.Equal(at(180)) || r.Gaps[0].EndedAt.After(at(3600)) || r.Gaps[0].EndedAt.Before(at(3400)) {
				t.Errorf("the gaps are %+v; %d items are unmatched", r.Gaps, len(r.Unmatched))
			}
		})
	}
}
