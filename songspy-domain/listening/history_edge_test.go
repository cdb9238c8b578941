package listening

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestWhatHistoryTellsOfTheOpenPlayIsLeftForLater(t *testing.T) {
	known := around([]songspy.KeptPlay{kept(songA, 0, 200, 200, false)}, nil)
	items := []songspy.HistoryItem{item(songA, 0), item(songB, 200)}
	r := reconcile(known, items, at(200)) // B is open since 200
	if len(r.Found)+len(r.Unplaced) != 0 || len(r.Confirmed) != 1 {
		t.Fatalf("%+v", r)
	}
	known = around(append(merge(known.Plays, r), kept(songB, 200, 380, 100, true)), nil)
	if r = reconcile(known, items, at(400)); len(r.Confirmed) != 1 || r.Confirmed[0].Play.TrackURI != songB.URI {
		t.Errorf("once B is over: %+v", r)
	}
}

func TestSongsInARowTellWhatHistoryMeansByItsTimes(t *testing.T) {
	// Nobody saw any of it: a phone without a network.
	for name, items := range map[string][]songspy.HistoryItem{
		"starts": {item(songA, 0), item(songB, 200), item(songA, 380)},
		"ends":   {item(songA, 200), item(songB, 380), item(songA, 580)},
	} {
		r := reconcile(songspy.Kept{}, items, at(3600))
		if len(r.Found) != 3 {
			t.Fatalf("%s: found %+v", name, r.Found)
		}
		for i, from := range []float64{0, 200, 380} {
			if got := r.Found[i].Play.StartedAt; !got.Equal(at(from)) {
				t.Errorf("%s: play %d began at %v, want %v", name, i, got, at(from))
			}
		}
	}
}

func TestAPlayThatWasFirstSeenAfterALongPauseIsNotToldTwice(t *testing.T) {
	// Nobody looked before 1068 s, when it had stood still for 13 minutes at its 268th second.
	known := around([]songspy.KeptPlay{kept(songB, -180, 0, 180, false), kept(songA, 800, 1068, 150, true)}, nil)
	r := reconcile(known, []songspy.HistoryItem{item(songB, -180), item(songA, 0)}, at(3600))
	if len(r.Found) != 0 || len(r.Confirmed) != 2 {
		t.Errorf("%+v", r)
	}
}

func TestHistoryThatHasForgottenLeavesAGap(t *testing.T) {
	var items []songspy.HistoryItem
	for i := range songspy.HistoryMost {
		items = append(items, item(songA, 3600+float64(i)*200))
	}
	known := around([]songspy.KeptPlay{kept(songB, 0, 180, 180, false)}, nil)
	until := at(3600 + 200*songspy.HistoryMost)
	r := reconcile(known, items, until)
	if len(r.Gaps) != 1 || !r.Gaps[0].BeganAt.Equal(at(180)) || !r.Gaps[0].EndedAt.Equal(at(3400)) || r.Gaps[0].Reason != songspy.GapUnseen {
		t.Fatalf("gaps %+v", r.Gaps)
	}
	told := make([]time.Time, 0, len(items))
	for _, i := range items {
		told = append(told, i.PlayedAt)
	}
	if again := reconcile(around(merge(known.Plays, r), told), items, until); !again.Empty() {
		t.Errorf("the same answer again: %+v", again)
	}
	if r := reconcile(known, items[1:], until); len(r.Gaps) != 0 {
		t.Errorf("%d items leave %+v", len(items)-1, r.Gaps)
	}
}

func TestAPlayLeftInAPauseThatHistoryEndsLaterIsOnePlay(t *testing.T) {
	known := []songspy.KeptPlay{kept(songB, -180, 0, 180, false), kept(songA, 0, 90, 90, false), kept(songB, 400, 580, 180, false)}
	r := reconcile(around(known, nil), []songspy.HistoryItem{item(songB, 0), item(songA, 400), item(songB, 580)}, at(900))
	all := merge(known, r)
	if len(r.Found) != 0 || !all[1].Play.EndedAt.Equal(at(400)) || all[1].Play.ListenedMS != 90_000 || !all[1].Play.Provisional {
		t.Errorf("found %+v; the play is %+v", r.Found, all[1].Play)
	}
}

func TestASongCutShortBetweenTwoOthersIsFound(t *testing.T) {
	for name, items := range map[string][]songspy.HistoryItem{
		"by its start": {item(songB, 0), item(songA, 180), item(songB, 230)},
		"by its end":   {item(songB, 180), item(songA, 230), item(songB, 290)},
	} {
		known := []songspy.KeptPlay{kept(songB, 0, 180, 180, false), kept(songB, 230, 290, 60, false)}
		r := reconcile(around(known, nil), items, at(900))
		if len(r.Found) != 1 || !r.Found[0].Play.StartedAt.Equal(at(180)) || !r.Found[0].Play.EndedAt.Equal(at(230)) {
			t.Errorf("%s: found %+v", name, r.Found)
		}
	}
}

func TestAFoundPlayEndsWhereHistorySaysThatTheNextBegan(t *testing.T) {
	r := reconcile(songspy.Kept{}, []songspy.HistoryItem{item(songA, 0), item(songB, 200), item(songA, 280), item(songB, 480)}, at(900))
	if len(r.Found) != 4 || !r.Found[1].Play.EndedAt.Equal(at(280)) || r.Found[1].Play.ListenedMS != 80_000 {
		t.Errorf("found %+v", r.Found)
	}
}

func TestAPlayWhoseStartWasPutTooLateIsNotFoundAnew(t *testing.T) {
	// A began at 0 and stood still for a while before anybody saw it; C tells
	// which edge this person's history means.
	songC := songspy.Track{URI: "spotify:track:c", Title: "C", DurationMS: 240_000}
	for name, items := range map[string][]songspy.HistoryItem{
		"by its start": {item(songA, 0), item(songC, 400)},
		"by its end":   {item(songA, 80), item(songC, 640)},
	} {
		known := around([]songspy.KeptPlay{kept(songA, 100, 150, 50, false), kept(songC, 400, 640, 240, false)}, nil)
		r := reconcile(known, items, at(3600))
		if len(r.Found) != 0 || len(r.Confirmed) != 2 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestAPlayHeardTwiceIsFoundBesideTheOneThatWasSeen(t *testing.T) {
	known := around([]songspy.KeptPlay{kept(songA, 100, 300, 200, false)}, nil)
	r := reconcile(known, []songspy.HistoryItem{item(songA, 40), item(songA, 100)}, at(3600))
	if len(r.Found) != 1 || !r.Found[0].Play.StartedAt.Equal(at(40)) || !r.Found[0].Play.EndedAt.Equal(at(100)) {
		t.Errorf("%+v", r)
	}
}

func TestWhatMayTellOfTheOpenPlayWaitsForItsEnd(t *testing.T) {
	n, _, _ := run(t, nothing(0), playing(songA, 10, 100)) // paused for a while, perhaps, since some time after 0
	items := []songspy.HistoryItem{item(songA, -200), item(songA, 20), item(songB, 60)}
	if got := tellable(n, items); len(got) != 2 || !got[0].PlayedAt.Equal(at(-200)) || got[1].Track.URI != songB.URI {
		t.Errorf("%+v", got)
	}
	n, _, _ = run(t, nothing(0), playing(songA, 10, 100), nothing(300), nothing(330))
	if got := tellable(n, items); len(got) != 3 {
		t.Errorf("after its end: %+v", got)
	}
}
