package listening

import (
	"slices"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// seenUntil is a play taken as heard out, that was last seen then.
func seenUntil(k songspy.KeptPlay, seen float64) songspy.KeptPlay {
	k.Play.InferredMS = k.Play.EndedAt.Sub(at(seen)).Milliseconds()
	return k
}

// The later A was seen once, sought forward, so that its start was put too early.
func TestAnItemFromLongBeforeMakesNoTwoOfAPlay(t *testing.T) {
	known := []songspy.KeptPlay{kept(songB, -1000, -820, 180, false), kept(songB, 200, 380, 180, false), kept(songA, 400, 600, 200, false), kept(songB, 600, 780, 180, false)}
	items := []songspy.HistoryItem{item(songB, -1000), item(songA, -600), item(songB, 200), item(songA, 435), item(songB, 600)}
	all := merge(known, reconcile(around(known, nil), items, at(1200)))
	i := slices.IndexFunc(all, func(k songspy.KeptPlay) bool { return k.HeardAt.Equal(at(435)) })
	if len(all) != 5 || i < 0 || !all[i].Play.EndedAt.Equal(at(600)) {
		t.Errorf("%+v", all)
	}
}

func TestAnInferredTailYieldsToWhatHistoryTells(t *testing.T) {
	for name, items := range map[string][]songspy.HistoryItem{
		"starts": {item(songA, 0), item(songB, 70), item(short, 201)},
		"ends":   {item(songA, 70), item(songB, 190), item(short, 201+short.Duration().Seconds())},
	} {
		known := []songspy.KeptPlay{seenUntil(kept(songA, 0, 200, 200, false), 20), kept(short, 201, 201+short.Duration().Seconds(), 40, false)}
		r := reconcile(around(known, nil), items, at(900))
		all := merge(known, r)
		if len(all) != 3 || all[1].Play.TrackURI != songB.URI {
			t.Fatalf("%s: %+v", name, r)
		}
		first := all[0].Play
		if !first.EndedAt.Equal(at(70)) || first.ListenedMS != 70_000 {
			t.Errorf("%s: what was cut short is %+v", name, first)
		}
		if all[1].Play.StartedAt.Before(at(70)) || all[1].Play.EndedAt.After(at(201)) {
			t.Errorf("%s: what was in between is %+v", name, all[1].Play)
		}
	}
}

func TestAPlayThatCountedByItsInferredTailAloneIsTakenBack(t *testing.T) {
	known := []songspy.KeptPlay{
		kept(songB, -180, 0, 180, false), seenUntil(kept(songA, 0, 200, 200, false), 2), kept(songB, 201, 381, 180, false),
	}
	r := reconcile(around(known, nil), []songspy.HistoryItem{item(songB, -180), item(short, 10), item(songB, 201)}, at(900))
	if len(r.Refuted) != 1 || r.Refuted[0].Play.ID != known[1].Play.ID {
		t.Fatalf("%+v", r)
	}
	if len(r.Found) != 1 || !r.Found[0].Play.StartedAt.Equal(at(10)) {
		t.Errorf("found %+v", r.Found)
	}
}

func TestASongBegunAnewIsTwoPlaysOnceHistoryTellsOfBoth(t *testing.T) {
	// Seen at 2 s in, and at 35 s in a minute and a half later: a pause, or a new beginning at 60.
	before, after := kept(songB, -180, 0, 180, false), kept(songB, 261, 441, 180, false)
	whole := kept(songA, 0, 260, 200, false)
	for name, answers := range map[string][][]songspy.HistoryItem{
		"starts":               {{item(songB, -180), item(songA, 0), item(songA, 60), item(songB, 261)}},
		"ends":                 {{item(songB, 0), item(songA, 58), item(songA, 260), item(songB, 441)}},
		"starts, in two parts": {{item(songB, -180), item(songA, 0)}, {item(songA, 60), item(songB, 261)}},
		"ends, in two parts":   {{item(songB, 0), item(songA, 58)}, {item(songA, 260), item(songB, 441)}},
	} {
		all := []songspy.KeptPlay{before, whole, after}
		for _, items := range answers {
			all = merge(all, reconcile(around(all, nil), items, at(900)))
		}
		if len(all) != 4 {
			t.Errorf("%s: %+v", name, all)
			continue
		}
		first, second := all[1], all[2]
		if first.Play.ID != whole.Play.ID || first.Play.EndedAt.After(at(60)) || first.Play.ListenedMS > 60_000 || first.Play.ListenedMS < 57_000 {
			t.Errorf("%s: the first is %+v", name, first.Play)
		}
		if !second.Play.StartedAt.Equal(at(60)) || !second.Play.EndedAt.Equal(at(260)) || second.Play.ListenedMS != 200_000 || second.Play.Source != songspy.SourceLive {
			t.Errorf("%s: the second is %+v", name, second.Play)
		}
		if first.HeardAt.IsZero() || !first.HeardAt.Before(second.HeardAt) {
			t.Errorf("%s: heard at %v and %v", name, first.HeardAt, second.HeardAt)
		}
	}
}

func TestADeletedPlayIsNotSplit(t *testing.T) {
	gone := kept(songA, 0, 260, 200, false)
	deleted := at(500)
	gone.Play.DeletedAt = &deleted
	r := reconcile(around([]songspy.KeptPlay{gone}, nil), []songspy.HistoryItem{item(songA, 0), item(songA, 60)}, at(900))
	if len(r.Found) != 0 {
		t.Errorf("found %+v", r.Found)
	}
}

func TestWhatOnlyHistoryToldByItsStartYieldsToWhatItTellsLater(t *testing.T) {
	known := []songspy.KeptPlay{kept(songB, -180, 0, 180, false), kept(songB, 150, 330, 180, false)}
	first := reconcile(around(known, nil), []songspy.HistoryItem{item(songB, -180), item(songA, 0), item(songB, 150)}, at(900))
	all := merge(known, first)
	second := reconcile(around(all, nil), []songspy.HistoryItem{item(short, 70)}, at(900))
	if len(second.Found) != 1 || !second.Found[0].Play.StartedAt.Equal(at(70)) {
		t.Fatalf("found %+v", second)
	}
	for _, k := range merge(all, second) {
		if k.Play.TrackURI == songA.URI && (!k.Play.EndedAt.Equal(at(70)) || k.Play.ListenedMS != 70_000) {
			t.Errorf("the former is %+v", k.Play)
		}
	}
}
