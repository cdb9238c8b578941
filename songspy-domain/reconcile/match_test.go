package reconcile

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestDeferOpenPlay_DefersItemsOfOpenPlay(t *testing.T) {
	known := storedPlays([]songspy.StoredPlay{storedPlay(songA, 0, 200, 200, false)}, nil)
	items := []songspy.HistoryItem{historyItem(songA, 0), historyItem(songB, 200)}
	r := reconcileAll(known, items, at(200)) // B has been open since 200 s
	if len(r.Added)+len(r.Unmatched) != 0 || len(r.Confirmed) != 1 {
		t.Fatalf("%+v", r)
	}
	known = storedPlays(append(applyTo(known.Plays, r), storedPlay(songB, 200, 380, 100, true)), nil)
	if r = reconcileAll(known, items, at(400)); len(r.Confirmed) != 1 || r.Confirmed[0].Play.TrackURI != songB.URI {
		t.Errorf("once B is over: %+v", r)
	}
}

func TestReconcile_ConsecutiveItemsShowPlayedAtEdge(t *testing.T) {
	// No poll saw any of these plays, because the phone had no network. The times between the
	// items alone must show whether PlayedAt is the start or the end.
	for name, items := range map[string][]songspy.HistoryItem{
		"starts": {historyItem(songA, 0), historyItem(songB, 200), historyItem(songA, 380)},
		"ends":   {historyItem(songA, 200), historyItem(songB, 380), historyItem(songA, 580)},
	} {
		r := reconcileAll(songspy.StoredPlays{}, items, at(3600))
		if len(r.Added) != 3 {
			t.Fatalf("%s: added %+v", name, r.Added)
		}
		for i, from := range []float64{0, 200, 380} {
			if got := r.Added[i].Play.StartedAt; !got.Equal(at(from)) {
				t.Errorf("%s: play %d began at %v, want %v", name, i, got, at(from))
			}
		}
	}
}

func TestReconcile_PlayFirstPolledAfterLongPauseIsOnePlay(t *testing.T) {
	// A began at 0. It was paused for 13 minutes before the first poll, so its start as computed from
	// polls is 800 s. The item at 0 must confirm the stored play, and must not add a second one.
	known := storedPlays([]songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 800, 1068, 150, true)}, nil)
	r := reconcileAll(known, []songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0)}, at(3600))
	if len(r.Added) != 0 || len(r.Confirmed) != 2 {
		t.Errorf("%+v", r)
	}
}

func TestReconcile_ForgottenHistoryLeavesGap(t *testing.T) {
	var items []songspy.HistoryItem
	for i := range songspy.HistoryItemsMax {
		items = append(items, historyItem(songA, 3600+float64(i)*200))
	}
	known := storedPlays([]songspy.StoredPlay{storedPlay(songB, 0, 180, 180, false)}, nil)
	until := at(3600 + 200*songspy.HistoryItemsMax)
	r := reconcileAll(known, items, until)
	if len(r.Gaps) != 1 || !r.Gaps[0].BeganAt.Equal(at(180)) || !r.Gaps[0].EndedAt.Equal(at(3400)) || r.Gaps[0].Reason != songspy.GapUnseen {
		t.Fatalf("gaps %+v", r.Gaps)
	}
	reported := make([]time.Time, 0, len(items))
	for _, i := range items {
		reported = append(reported, i.PlayedAt)
	}
	if again := reconcileAll(storedPlays(applyTo(known.Plays, r), reported), items, until); !again.IsEmpty() {
		t.Errorf("the same answer again: %+v", again)
	}
	if r := reconcileAll(known, items[1:], until); len(r.Gaps) != 0 {
		t.Errorf("%d items leave %+v", len(items)-1, r.Gaps)
	}
}

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

func TestReconcile_PlayEndedDuringPauseIsOnePlay(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 90, 90, false), storedPlay(songB, 400, 580, 180, false)}
	r := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songB, 0), historyItem(songA, 400), historyItem(songB, 580)}, at(900))
	all := applyTo(known, r)
	if len(r.Added) != 0 || !all[1].Play.EndedAt.Equal(at(400)) || all[1].Play.ListenedMS != 90_000 || !all[1].Play.Provisional {
		t.Errorf("added %+v; the play is %+v", r.Added, all[1].Play)
	}
}

func TestReconcile_AddsPartialPlayBetweenTwoOthers(t *testing.T) {
	for name, items := range map[string][]songspy.HistoryItem{
		"by its start": {historyItem(songB, 0), historyItem(songA, 180), historyItem(songB, 230)},
		"by its end":   {historyItem(songB, 180), historyItem(songA, 230), historyItem(songB, 290)},
	} {
		known := []songspy.StoredPlay{storedPlay(songB, 0, 180, 180, false), storedPlay(songB, 230, 290, 60, false)}
		r := reconcileAll(storedPlays(known, nil), items, at(900))
		if len(r.Added) != 1 || !r.Added[0].Play.StartedAt.Equal(at(180)) || !r.Added[0].Play.EndedAt.Equal(at(230)) {
			t.Errorf("%s: added %+v", name, r.Added)
		}
	}
}

func TestReconcile_AddedPlayEndsWhereNextBegan(t *testing.T) {
	r := reconcileAll(songspy.StoredPlays{}, []songspy.HistoryItem{historyItem(songA, 0), historyItem(songB, 200), historyItem(songA, 280), historyItem(songB, 480)}, at(900))
	if len(r.Added) != 4 || !r.Added[1].Play.EndedAt.Equal(at(280)) || r.Added[1].Play.ListenedMS != 80_000 {
		t.Errorf("added %+v", r.Added)
	}
}

func TestReconcile_PlayWithLateStartIsNotAddedAgain(t *testing.T) {
	// A began at 0 and was paused for a while before the first poll, so its stored start is too
	// late. The item of A must confirm this play. C shows whether PlayedAt is the start or the end.
	songC := songspy.Track{URI: "spotify:track:c", Title: "C", DurationMS: 240_000}
	for name, items := range map[string][]songspy.HistoryItem{
		"by its start": {historyItem(songA, 0), historyItem(songC, 400)},
		"by its end":   {historyItem(songA, 80), historyItem(songC, 640)},
	} {
		known := storedPlays([]songspy.StoredPlay{storedPlay(songA, 100, 150, 50, false), storedPlay(songC, 400, 640, 240, false)}, nil)
		r := reconcileAll(known, items, at(3600))
		if len(r.Added) != 0 || len(r.Confirmed) != 2 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestReconcile_AddsSecondPlayNextToObservedOne(t *testing.T) {
	known := storedPlays([]songspy.StoredPlay{storedPlay(songA, 100, 300, 200, false)}, nil)
	r := reconcileAll(known, []songspy.HistoryItem{historyItem(songA, 40), historyItem(songA, 100)}, at(3600))
	if len(r.Added) != 1 || !r.Added[0].Play.StartedAt.Equal(at(40)) || !r.Added[0].Play.EndedAt.Equal(at(100)) {
		t.Errorf("%+v", r)
	}
}

func TestReconcile_ItemOfOpenPlayWaitsForItsEnd(t *testing.T) {
	n := stateAfter(idleAt(0), playing(songA, 10, 100)) // A began at 90 s, or earlier if it was paused before the poll
	items := []songspy.HistoryItem{historyItem(songA, -200), historyItem(songA, 20), historyItem(songB, 60)}
	if got := matchableItems(n, items); len(got) != 2 || !got[0].PlayedAt.Equal(at(-200)) || got[1].Track.URI != songB.URI {
		t.Errorf("%+v", got)
	}
	n = stateAfter(idleAt(0), playing(songA, 10, 100), idleAt(300), idleAt(330))
	if got := matchableItems(n, items); len(got) != 3 {
		t.Errorf("after its end: %+v", got)
	}
}

// TestDeferOpenPlay_PausedPlayMayHaveBegunEarlier: the only poll of a play sees it paused. The
// play may have begun at any time since a poll saw another track. So an item of its track
// after that poll must be deferred, although the computed start of the play is later.
func TestDeferOpenPlay_PausedPlayMayHaveBegunEarlier(t *testing.T) {
	n := stateAfter(idleAt(-1), playing(songA, 1.5, 1.5), paused(songB, 60, 180))
	if !n.StartedAt.Equal(at(120)) || !n.OtherSeenAt.Equal(at(1.5)) {
		t.Errorf("%+v", n)
	}
	if reported := matchableItems(n, []songspy.HistoryItem{historyItem(songB, 30)}); len(reported) != 0 {
		t.Errorf("items of the open play match another play: %+v", reported)
	}
}
