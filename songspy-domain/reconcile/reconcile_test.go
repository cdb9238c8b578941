package reconcile

import (
	"slices"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// storedPlay returns a play that polls saw. from and to are seconds after base, and
// listened is the listening time in seconds.
func storedPlay(t songspy.Track, from, to, listened float64, provisional bool) songspy.StoredPlay {
	return songspy.StoredPlay{Track: t, Play: songspy.Play{
		ID: songspy.PlayID(from) + 10_000, TrackURI: t.URI, StartedAt: at(from), EndedAt: at(to), ListenedMS: int64(listened * 1000),
		Source: songspy.SourceLive, Provisional: provisional,
	}}
}

// stateAfter returns the state of a user after the given answers to polls.
func stateAfter(polls ...songspy.Observation) (n songspy.NowPlaying) {
	for _, o := range polls {
		n = playback.Step(n, o).State
	}
	return n
}

func historyItem(t songspy.Track, when float64) songspy.HistoryItem {
	return songspy.HistoryItem{Track: t, PlayedAt: at(when)}
}

// localTrack is a local file, which history never lists.
var localTrack = songspy.Track{URI: "spotify:local:x", Kind: songspy.KindLocal, Title: "X"}

func storedPlays(plays []songspy.StoredPlay, reported []time.Time) songspy.StoredPlays {
	return songspy.StoredPlays{Plays: plays, ProcessedAt: reported}
}

func TestReconcile_ConfirmsObservedPlaysByEitherEdge(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songA, 0, 200, 200, false), storedPlay(songB, 200, 380, 180, false)}
	for name, items := range map[string][]songspy.HistoryItem{
		"starts":    {historyItem(songA, 0.4), historyItem(songB, 201)},
		"ends":      {historyItem(songA, 200.4), historyItem(songB, 379)},
		"unordered": {historyItem(songB, 379), historyItem(songA, 200.4)},
	} {
		r := reconcileAll(storedPlays(known, nil), items, at(500))
		if len(r.Confirmed) != 2 || len(r.Added) != 0 || len(r.Unmatched) != 0 {
			t.Errorf("%s: %+v", name, r)
		}
	}
}

func TestReconcile_AddsPlayInUncoveredTime(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songA, 0, 200, 200, false), storedPlay(songA, 380, 580, 200, false)}
	r := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songA, 0), historyItem(songB, 200), historyItem(songA, 380)}, at(600))
	if len(r.Added) != 1 || len(r.Confirmed) != 2 {
		t.Fatalf("%+v", r)
	}
	got := r.Added[0].Play
	if !got.StartedAt.Equal(at(200)) || !got.EndedAt.Equal(at(380)) || got.ListenedMS != 180_000 || got.Source != songspy.SourceHistory || got.Provisional {
		t.Errorf("added %+v", got)
	}
}

func TestReconcile_AddsPlayBackwardsFromItsEnd(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songA, 0, 200, 200, false)}
	r := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songA, 200), historyItem(songB, 600)}, at(700))
	if len(r.Added) != 1 || !r.Added[0].Play.StartedAt.Equal(at(420)) || !r.Added[0].Play.EndedAt.Equal(at(600)) {
		t.Errorf("%+v", r.Added)
	}
}

func TestReconcile_AddsNothingWithoutUncoveredTime(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songA, 0, 200, 200, false), storedPlay(songB, 200, 380, 180, false)}
	other := songspy.Track{URI: "spotify:track:x", Title: "X", DurationMS: 190_000}
	r := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songA, 0), historyItem(other, 100), historyItem(songB, 200)}, at(380))
	if len(r.Added) != 0 || len(r.Unmatched) != 1 {
		t.Errorf("%+v", r)
	}
}

func TestReconcile_ProcessedItemChangesNothing(t *testing.T) {
	k := storedPlay(songA, 0, 200, 200, false)
	k.PlayedAt = at(0)
	r := reconcileAll(storedPlays([]songspy.StoredPlay{k}, nil), []songspy.HistoryItem{historyItem(songA, 0), historyItem(songA, 0)}, at(600))
	if len(r.Confirmed)+len(r.Added)+len(r.Unmatched) != 0 {
		t.Errorf("%+v", r)
	}
}

func TestReconcile_DeletedPlayStaysDeleted(t *testing.T) {
	k := storedPlay(songA, 0, 200, 200, false)
	gone := at(300)
	k.Play.DeletedAt = &gone
	r := reconcileAll(storedPlays([]songspy.StoredPlay{k}, nil), []songspy.HistoryItem{historyItem(songA, 3)}, at(600))
	if len(r.Added) != 0 {
		t.Errorf("history restored a deleted play: %+v", r.Added)
	}
}

func TestReconcile_RelinkedTrackIsSameRecording(t *testing.T) {
	a, b := songA, songA
	a.ISRC, b.ISRC, b.URI = "KRA382100001", "kra382100001", "spotify:track:relinked"
	if r := reconcileAll(storedPlays([]songspy.StoredPlay{storedPlay(a, 0, 200, 200, false)}, nil), []songspy.HistoryItem{historyItem(b, 1)}, at(600)); len(r.Added) != 0 || len(r.Confirmed) != 1 {
		t.Errorf("by ISRC: %+v", r)
	}
	a.ISRC, b.ISRC, b.DurationMS = "", "", a.DurationMS+1500
	if r := reconcileAll(storedPlays([]songspy.StoredPlay{storedPlay(a, 0, 200, 200, false)}, nil), []songspy.HistoryItem{historyItem(b, 1)}, at(600)); len(r.Added) != 0 || len(r.Confirmed) != 1 {
		t.Errorf("by title: %+v", r)
	}
}

func TestReconcile_EndTimeSettlesUnobservedTail(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 200, 50, true)}
	r := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songB, 0), historyItem(songA, 120)}, at(600))
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

func TestReconcile_UnobservedTailMakesRoom(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 200, 40, true)}
	r := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0), historyItem(songB, 45)}, at(230))
	if len(r.Added) != 1 || !r.Added[0].Play.StartedAt.Equal(at(45)) {
		t.Fatalf("added %+v", r.Added)
	}
	for _, c := range r.Confirmed {
		if c.Play.TrackURI == songA.URI && c.Play.EndedAt.After(at(45)) {
			t.Errorf("%+v overlaps the play that history added", c.Play)
		}
	}
}

// TestReconcile_Invariants draws stored plays and, independently of them, the items of an
// answer. After reconciling, no plays may overlap, no item may have two plays, no play may have more
// listening time than it lasts, and the same answer again must change nothing.
func TestReconcile_Invariants(t *testing.T) {
	tracks := []songspy.Track{songA, songB, short, {URI: "spotify:track:d", DurationMS: 31_000}}
	rapid.Check(t, func(t *rapid.T) {
		var known []songspy.StoredPlay
		now := 0.0
		for range rapid.IntRange(0, 8).Draw(t, "plays") {
			now += float64(rapid.IntRange(0, 300).Draw(t, "gap"))
			track := rapid.SampledFrom(tracks).Draw(t, "track")
			length := track.Duration().Seconds()
			listened := rapid.Float64Range(length/8, length).Draw(t, "listened")
			wasPaused := float64(rapid.SampledFrom([]int{0, 0, 20, 60, 240}).Draw(t, "stood"))
			k := storedPlay(track, now, now+length+wasPaused, listened, rapid.Bool().Draw(t, "provisional"))
			k.Play.ID = songspy.PlayID(len(known) + 1)
			k.Play.InferredMS = int64(float64(k.Play.ListenedMS) * rapid.SampledFrom([]float64{0, 0, 0.5, 1}).Draw(t, "inferred"))
			known, now = append(known, k), now+length+wasPaused
		}
		var items []songspy.HistoryItem
		for range rapid.IntRange(0, 12).Draw(t, "items") {
			items = append(items, historyItem(rapid.SampledFrom(append(tracks, localTrack)).Draw(t, "heard"), float64(rapid.IntRange(-200, int(now)+400).Draw(t, "at"))))
		}
		r := reconcileAll(storedPlays(known, nil), items, at(now+200))
		d := storeModel{plays: slices.Clone(known)}
		d.writeReconciliation(r)
		reported := d.processedAt // does not contain pending items
		if again := reconcileAll(storedPlays(applyTo(known, r), reported), items, at(now+200)); !again.IsEmpty() {
			t.Fatalf("the same answer again changes %+v", again)
		}
		all := applyTo(known, r)
		playedAt := map[time.Time]bool{}
		for i, k := range all {
			if !k.PlayedAt.IsZero() && playedAt[k.PlayedAt] {
				t.Fatalf("%v has two plays", k.PlayedAt)
			}
			playedAt[k.PlayedAt] = true
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

// applyTo returns the stored plays after a reconciliation, by start.
func applyTo(known []songspy.StoredPlay, r songspy.Reconciliation) []songspy.StoredPlay {
	d := storeModel{plays: slices.Clone(known), lastID: 1000}
	for _, k := range known {
		d.lastID = max(d.lastID, k.Play.ID)
	}
	d.writeReconciliation(r)
	return d.plays
}

func sortPlays(k []songspy.StoredPlay) {
	for i := range k {
		for j := i; j > 0 && k[j].Play.StartedAt.Before(k[j-1].Play.StartedAt); j-- {
			k[j], k[j-1] = k[j-1], k[j]
		}
	}
}

func TestReconcile_KeepsTwoItemsOfSameTime(t *testing.T) {
	first, second := songspy.Track{URI: "spotify:track:one", ISRC: "KR1", DurationMS: 31_000}, songspy.Track{URI: "spotify:track:two", ISRC: "KR2", DurationMS: 30_000}
	known := []songspy.StoredPlay{storedPlay(first, 0, 31, 31, false), storedPlay(second, 31, 61, 30, false)}
	items := []songspy.HistoryItem{{Track: first, PlayedAt: songspy.HistoryItemKey(at(46), first)}, {Track: second, PlayedAt: songspy.HistoryItemKey(at(46), second)}}
	r := reconcileAll(storedPlays(known, nil), items, at(600))
	if len(r.Confirmed) != 2 {
		t.Fatalf("of two items of one time, %d are stored", len(r.Confirmed))
	}
	d := storeModel{plays: slices.Clone(known)}
	d.writeReconciliation(r)
	relinked := slices.Clone(items)
	relinked[1].Track.URI += "-relinked"
	relinked[1].PlayedAt = songspy.HistoryItemKey(at(46), relinked[1].Track)
	if again := reconcileAll(storedPlays(d.plays, d.processedAt), relinked, at(600)); !again.IsEmpty() {
		t.Errorf("the same answer again changes %+v", again)
	}
	// The keys that earlier releases stored hold the time without the hash of the track.
	old := storedPlays([]songspy.StoredPlay{known[0]}, []time.Time{at(46)})
	old.Plays[0].PlayedAt = at(46)
	if again := reconcileAll(old, items[:1], at(600)); !again.IsEmpty() {
		t.Errorf("an item that was stored before is stored again: %+v", again)
	}
}

// TestReconcile_ISRCMayAppearOrDisappear draws stored plays and an answer, in which some items have an
// ISRC. Then the same answer comes again, with ISRCs for other items than before. It must change
// nothing.
func TestReconcile_ISRCMayAppearOrDisappear(t *testing.T) {
	tracks := []songspy.Track{songA, songB, short, {URI: "spotify:track:d", Title: "D", DurationMS: 31_000}}
	rapid.Check(t, func(t *rapid.T) {
		var known []songspy.StoredPlay
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
			k := storedPlay(track, now, now+length, rapid.Float64Range(length/8, length).Draw(t, "listened"), rapid.Bool().Draw(t, "provisional"))
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
				*items = append(*items, songspy.HistoryItem{Track: track, PlayedAt: songspy.HistoryItemKey(when, track)})
			}
		}
		r := reconcileAll(storedPlays(known, nil), first, at(now+200))
		d := storeModel{plays: slices.Clone(known)}
		d.writeReconciliation(r)
		if again := reconcileAll(storedPlays(applyTo(known, r), d.processedAt), second, at(now+200)); !again.IsEmpty() {
			t.Fatalf("the same answer with other ISRCs changes %+v", again)
		}
	})
}

func TestReconcile_MissingISRCAddsNoDuplicate(t *testing.T) {
	history := func(isrc bool) (items []songspy.HistoryItem) {
		for i := range songspy.HistoryItemsMax {
			track := songspy.Track{URI: "spotify:track:" + strconv.Itoa(i), Title: strconv.Itoa(i), DurationMS: 180_000}
			if isrc {
				track.ISRC = "KRA3821000" + strconv.Itoa(i)
			}
			items = append(items, songspy.HistoryItem{Track: track, PlayedAt: songspy.HistoryItemKey(at(float64(i*600)), track)})
		}
		short := songspy.Track{URI: "spotify:track:between", Title: "between", DurationMS: 170_000}
		if isrc {
			short.ISRC = "KRA382199999"
		}
		items[1] = songspy.HistoryItem{Track: short, PlayedAt: songspy.HistoryItemKey(at(60), short)} // too little time is free for a play of it
		return items
	}
	for _, isrc := range []bool{true, false} {
		d := storeModel{}
		d.writeReconciliation(reconcileAll(storedPlays(nil, nil), history(isrc), at(90_000)))
		if len(d.plays) < 40 {
			t.Fatalf("%d plays", len(d.plays))
		}
		if again := reconcileAll(storedPlays(d.plays, d.processedAt), history(!isrc), at(90_000)); !again.IsEmpty() {
			t.Errorf("first with ISRCs: %t; then the same answer adds %d plays, and %d items have no play", isrc, len(again.Added), len(again.Unmatched))
		}
	}
}
