package listening

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func kept(t songspy.Track, from, to, listened float64, provisional bool) songspy.KeptPlay {
	return songspy.KeptPlay{Track: t, Play: songspy.Play{
		ID: songspy.PlayID(from) + 10_000, TrackURI: t.URI, StartedAt: at(from), EndedAt: at(to), ListenedMS: int64(listened * 1000),
		Source: songspy.SourceLive, Provisional: provisional,
	}}
}

func item(t songspy.Track, when float64) songspy.HistoryItem {
	return songspy.HistoryItem{Track: t, PlayedAt: at(when)}
}

func around(plays []songspy.KeptPlay, told []time.Time) songspy.Kept {
	return songspy.Kept{Plays: plays, Told: told}
}

func TestHistoryConfirmsWhatWasSeenUnderEitherReading(t *testing.T) {
	known := []songspy.KeptPlay{kept(songA, 0, 200, 200, false), kept(songB, 200, 380, 180, false)}
	for name, items := range map[string][]songspy.HistoryItem{
		"starts":    {item(songA, 0.4), item(songB, 201)},
		"ends":      {item(songA, 200.4), item(songB, 379)},
		"unordered": {item(songB, 379), item(songA, 200.4)},
	} {
		r := reconcile(around(known, nil), items, at(500))
		if len(r.Confirmed) != 2 || len(r.Found) != 0 || len(r.Unplaced) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestHistoryFillsAHole(t *testing.T) {
	known := []songspy.KeptPlay{kept(songA, 0, 200, 200, false), kept(songA, 380, 580, 200, false)}
	r := reconcile(around(known, nil), []songspy.HistoryItem{item(songA, 0), item(songB, 200), item(songA, 380)}, at(600))
	if len(r.Found) != 1 || len(r.Confirmed) != 2 {
		t.Fatalf("%+v", r)
	}
	got := r.Found[0].Play
	if !got.StartedAt.Equal(at(200)) || !got.EndedAt.Equal(at(380)) || got.ListenedMS != 180_000 || got.Source != songspy.SourceHistory || got.Provisional {
		t.Errorf("found %+v", got)
	}
}

func TestHistoryThatToldOfEndsFillsAHoleFromItsEnd(t *testing.T) {
	known := []songspy.KeptPlay{kept(songA, 0, 200, 200, false)}
	r := reconcile(around(known, nil), []songspy.HistoryItem{item(songA, 200), item(songB, 600)}, at(700))
	if len(r.Found) != 1 || !r.Found[0].Play.StartedAt.Equal(at(420)) || !r.Found[0].Play.EndedAt.Equal(at(600)) {
		t.Errorf("%+v", r.Found)
	}
}

func TestHistoryWithoutAHoleMakesNoPlay(t *testing.T) {
	known := []songspy.KeptPlay{kept(songA, 0, 200, 200, false), kept(songB, 200, 380, 180, false)}
	other := songspy.Track{URI: "spotify:track:x", Title: "X", DurationMS: 190_000}
	r := reconcile(around(known, nil), []songspy.HistoryItem{item(songA, 0), item(other, 100), item(songB, 200)}, at(380))
	if len(r.Found) != 0 || len(r.Unplaced) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestAnItemSeenBeforeChangesNothing(t *testing.T) {
	k := kept(songA, 0, 200, 200, false)
	k.HeardAt = at(0)
	r := reconcile(around([]songspy.KeptPlay{k}, nil), []songspy.HistoryItem{item(songA, 0), item(songA, 0)}, at(600))
	if len(r.Confirmed)+len(r.Found)+len(r.Unplaced) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestADeletedPlayStaysDeleted(t *testing.T) {
	k := kept(songA, 0, 200, 200, false)
	gone := at(300)
	k.Play.DeletedAt = &gone
	r := reconcile(around([]songspy.KeptPlay{k}, nil), []songspy.HistoryItem{item(songA, 3)}, at(600))
	if len(r.Found) != 0 {
		t.Errorf("history brought back what the person deleted: %+v", r.Found)
	}
}

func TestARelinkedTrackIsTheSameRecording(t *testing.T) {
	a, b := songA, songA
	a.ISRC, b.ISRC, b.URI = "KRA382100001", "kra382100001", "spotify:track:relinked"
	if r := reconcile(around([]songspy.KeptPlay{kept(a, 0, 200, 200, false)}, nil), []songspy.HistoryItem{item(b, 1)}, at(600)); len(r.Found) != 0 || len(r.Confirmed) != 1 {
		t.Errorf("by ISRC: %+v", r)
	}
	a.ISRC, b.ISRC, b.DurationMS = "", "", a.DurationMS+1500
	if r := reconcile(around([]songspy.KeptPlay{kept(a, 0, 200, 200, false)}, nil), []songspy.HistoryItem{item(b, 1)}, at(600)); len(r.Found) != 0 || len(r.Confirmed) != 1 {
		t.Errorf("by title: %+v", r)
	}
}

func TestHistoryThatTellsEndsDecidesAnUnwitnessedTail(t *testing.T) {
	known := []songspy.KeptPlay{kept(songB, -180, 0, 180, false), kept(songA, 0, 200, 50, true)}
	r := reconcile(around(known, nil), []songspy.HistoryItem{item(songB, 0), item(songA, 120)}, at(600))
	var got songspy.Play
	for _, c := range r.Confirmed {
		if c.Play.TrackURI == songA.URI {
			got = c.Play
		}
	}
	if !got.EndedAt.Equal(at(120)) || got.ListenedMS != 120_000 || got.Provisional {
		t.Errorf("settled as %+v, want an end at 120 s", got)
	}
}

func TestAnUnwitnessedTailMakesRoom(t *testing.T) {
	known := []songspy.KeptPlay{kept(songB, -180, 0, 180, false), kept(songA, 0, 200, 40, true)}
	r := reconcile(around(known, nil), []songspy.HistoryItem{item(songB, -180), item(songA, 0), item(songB, 45)}, at(230))
	if len(r.Found) != 1 || !r.Found[0].Play.StartedAt.Equal(at(45)) {
		t.Fatalf("found %+v", r.Found)
	}
	for _, c := range r.Confirmed {
		if c.Play.TrackURI == songA.URI && c.Play.EndedAt.After(at(45)) {
			t.Errorf("%+v overlaps what history found", c.Play)
		}
	}
}

// TestReconcilingObeysTheLaws draws what was kept and what history says,
// related or not, and requires that plays never overlap, that nothing is told
// twice, and that the same answer again changes nothing.
func TestReconcilingObeysTheLaws(t *testing.T) {
	tracks := []songspy.Track{songA, songB, short, {URI: "spotify:track:d", DurationMS: 31_000}}
	rapid.Check(t, func(t *rapid.T) {
		var known []songspy.KeptPlay
		now := 0.0
		for range rapid.IntRange(0, 8).Draw(t, "plays") {
			now += float64(rapid.IntRange(0, 300).Draw(t, "gap"))
			track := rapid.SampledFrom(tracks).Draw(t, "track")
			length := track.Duration().Seconds()
			listened := rapid.Float64Range(length/8, length).Draw(t, "listened")
			stood := float64(rapid.SampledFrom([]int{0, 0, 20, 60, 240}).Draw(t, "stood"))
			k := kept(track, now, now+length+stood, listened, rapid.Bool().Draw(t, "provisional"))
			k.Play.ID = songspy.PlayID(len(known) + 1)
			k.Play.InferredMS = int64(float64(k.Play.ListenedMS) * rapid.SampledFrom([]float64{0, 0, 0.5, 1}).Draw(t, "inferred"))
			known, now = append(known, k), now+length+stood
		}
		var items []songspy.HistoryItem
		for range rapid.IntRange(0, 12).Draw(t, "items") {
			items = append(items, item(rapid.SampledFrom(append(tracks, local)).Draw(t, "heard"), float64(rapid.IntRange(-200, int(now)+400).Draw(t, "at"))))
		}
		r := reconcile(around(known, nil), items, at(now+200))
		d := disk{plays: slices.Clone(known)}
		d.retell(r)
		told := d.told // not what waits for another answer
		if again := reconcile(around(merge(known, r), told), items, at(now+200)); !again.Empty() {
			t.Fatalf("the same answer again changes %+v", again)
		}
		all := merge(known, r)
		heard := map[time.Time]bool{}
		for i, k := range all {
			if !k.HeardAt.IsZero() && heard[k.HeardAt] {
				t.Fatalf("%v was told twice", k.HeardAt)
			}
			heard[k.HeardAt] = true
			if k.Play.ListenedMS > k.Play.EndedAt.Sub(k.Play.StartedAt).Milliseconds()+1 {
				t.Fatalf("%+v claims more than its length", k.Play)
			}
			if k.Play.InferredMS < 0 || k.Play.InferredMS > k.Play.ListenedMS {
				t.Fatalf("%+v infers more than it claims", k.Play)
			}
			if i > 0 && k.Play.StartedAt.Before(all[i-1].Play.EndedAt) {
				t.Fatalf("plays overlap: %+v then %+v", all[i-1].Play, k.Play)
			}
		}
	})
}

// merge is what is kept after a reconciliation, by start.
func merge(known []songspy.KeptPlay, r songspy.Reconciled) []songspy.KeptPlay {
	d := disk{plays: slices.Clone(known), id: 1000}
	for _, k := range known {
		d.id = max(d.id, k.Play.ID)
	}
	d.retell(r)
	return d.plays
}

func sortKnown(k []songspy.KeptPlay) {
	for i := range k {
		for j := i; j > 0 && k[j].Play.StartedAt.Before(k[j-1].Play.StartedAt); j-- {
			k[j], k[j-1] = k[j-1], k[j]
		}
	}
}

func TestTwoItemsOfTheSameTimeAreBothKept(t *testing.T) {
	first, second := songspy.Track{URI: "spotify:track:one", ISRC: "KR1", DurationMS: 31_000}, songspy.Track{URI: "spotify:track:two", ISRC: "KR2", DurationMS: 30_000}
	known := []songspy.KeptPlay{kept(first, 0, 31, 31, false), kept(second, 31, 61, 30, false)}
	items := []songspy.HistoryItem{{Track: first, PlayedAt: songspy.PlayedAt(at(46), first)}, {Track: second, PlayedAt: songspy.PlayedAt(at(46), second)}}
	r := reconcile(around(known, nil), items, at(600))
	if len(r.Confirmed) != 2 {
		t.Fatalf("of two items of one time %d are kept", len(r.Confirmed))
	}
	d := disk{plays: slices.Clone(known)}
	d.retell(r)
	relinked := slices.Clone(items)
	relinked[1].Track.URI += "-relinked"
	relinked[1].PlayedAt = songspy.PlayedAt(at(46), relinked[1].Track)
	if again := reconcile(around(d.plays, d.told), relinked, at(600)); !again.Empty() {
		t.Errorf("the same answer again changes %+v", again)
	}
	// A ledger from before knows the time alone.
	old := around([]songspy.KeptPlay{known[0]}, []time.Time{at(46)})
	old.Plays[0].HeardAt = at(46)
	if again := reconcile(old, items[:1], at(600)); !again.Empty() {
		t.Errorf("an item that was kept before is kept again: %+v", again)
	}
}

// TestAnISRCThatAppearsOrDisappearsChangesNothing draws what was kept and an
// answer, and requires that the same answer changes nothing when it names the
// ISRCs of other tracks than before.
func TestAnISRCThatAppearsOrDisappearsChangesNothing(t *testing.T) {
	tracks := []songspy.Track{songA, songB, short, {URI: "spotify:track:d", Title: "D", DurationMS: 31_000}}
	rapid.Check(t, func(t *rapid.T) {
		var known []songspy.KeptPlay
		now := 0.0
		named := func(track songspy.Track, by string) songspy.Track {
			if track.ISRC = ""; rapid.Bool().Draw(t, by) {
				track.ISRC = "KR-" + track.URI
			}
			return track
		}
		for range rapid.IntRange(0, 6).Draw(t, "plays") {
			now += float64(rapid.IntRange(0, 300).Draw(t, "gap"))
			track := named(rapid.SampledFrom(tracks).Draw(t, "track"), "kept with an ISRC")
			length := track.Duration().Seconds()
			k := kept(track, now, now+length, rapid.Float64Range(length/8, length).Draw(t, "listened"), rapid.Bool().Draw(t, "provisional"))
			k.Play.ID = songspy.PlayID(len(known) + 1)
			known, now = append(known, k), now+length
		}
		var first, second []songspy.HistoryItem
		for range rapid.IntRange(1, 12).Draw(t, "items") {
			track, when := rapid.SampledFrom(tracks).Draw(t, "heard"), at(float64(rapid.IntRange(-200, int(now)+400).Draw(t, "at")))
			if slices.ContainsFunc(first, func(i songspy.HistoryItem) bool {
				return i.Track.URI == track.URI && i.PlayedAt.Truncate(time.Millisecond).Equal(when)
			}) {
				continue // an answer has no item twice
			}
			for _, items := range []*[]songspy.HistoryItem{&first, &second} {
				track = named(track, "answered with an ISRC")
				*items = append(*items, songspy.HistoryItem{Track: track, PlayedAt: songspy.PlayedAt(when, track)})
			}
		}
		r := reconcile(around(known, nil), first, at(now+200))
		d := disk{plays: slices.Clone(known)}
		d.retell(r)
		if again := reconcile(around(merge(known, r), d.told), second, at(now+200)); !again.Empty() {
			t.Fatalf("the same answer with other ISRCs changes %+v", again)
		}
	})
}

func TestAnAnswerThatNamesNoISRCAnymoreMakesNoSecondPlays(t *testing.T) {
	answer := func(isrc bool) (items []songspy.HistoryItem) {
		for i := range songspy.HistoryMost {
			track := songspy.Track{URI: "spotify:track:" + strconv.Itoa(i), Title: strconv.Itoa(i), DurationMS: 180_000}
			if isrc {
				track.ISRC = "KRA3821000" + strconv.Itoa(i)
			}
			items = append(items, songspy.HistoryItem{Track: track, PlayedAt: songspy.PlayedAt(at(float64(i*600)), track)})
		}
		short := songspy.Track{URI: "spotify:track:unplaced", Title: "between", DurationMS: 170_000}
		if isrc {
			short.ISRC = "KRA382199999"
		}
		items[1] = songspy.HistoryItem{Track: short, PlayedAt: songspy.PlayedAt(at(60), short)} // no room for it
		return items
	}
	for _, isrc := range []bool{true, false} {
		d := disk{}
		d.retell(reconcile(around(nil, nil), answer(isrc), at(90_000)))
		if len(d.plays) < 40 {
			t.Fatalf("%d plays", len(d.plays))
		}
		if again := reconcile(around(d.plays, d.told), answer(!isrc), at(90_000)); !again.Empty() {
			t.Errorf("first with ISRCs: %t; then the same answer adds %d plays, and %d items have no play", isrc, len(again.Found), len(again.Unplaced))
		}
	}
}
