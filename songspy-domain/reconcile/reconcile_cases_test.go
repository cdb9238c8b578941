package reconcile

import (
	"slices"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestReconcile_ListenedTimeNeverExceedsTrackLength(t *testing.T) {
	// A was paused for a minute, so its stored play lasts longer than its track. If history shows that
	// it ended at the stored end, the whole play must not count as listened.
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 260, 50, true)}
	r := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songB, 0), historyItem(songA, 260)}, at(600))
	for _, c := range r.Confirmed {
		if c.Play.TrackURI == songA.URI && c.Play.ListenedMS > songA.DurationMS {
			t.Errorf("%d ms listened of %d", c.Play.ListenedMS, songA.DurationMS)
		}
	}
}

func TestReconcile_PlayWithMissedStartIsNotDuplicated(t *testing.T) {
	// A began at 0. After a false idle answer, the start that polls compute is a minute or two too
	// late. The item at 0 must confirm the stored play, and must not add a second one.
	for _, start := range []float64{70, 130} {
		known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, start, 200, 200-start, true)}
		for name, items := range map[string][]songspy.HistoryItem{
			"of the starts": {historyItem(songB, -180), historyItem(songA, 0)},
			"alone":         {historyItem(songA, 0)},
		} {
			r := reconcileAll(storedPlays(known, nil), items, at(600))
			if len(r.Added) != 0 || len(r.Confirmed) != len(items) {
				t.Errorf("%s: added %+v, confirmed %+v", name, r.Added, r.Confirmed)
			}
		}
	}
	loop := []songspy.StoredPlay{storedPlay(songA, 200, 400, 200, true)}
	if r := reconcileAll(storedPlays(loop, nil), []songspy.HistoryItem{historyItem(songA, 0), historyItem(songA, 200)}, at(600)); len(r.Added) != 1 {
		t.Errorf("an earlier repetition was not added: %+v", r)
	}
}

func TestReconcile_AddedPlayWithUnknownEndIsProvisional(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songA, 0, 200, 200, false)}
	for name, tt := range map[string]struct {
		items []songspy.HistoryItem
		want  bool
	}{
		"listed by its start":          {[]songspy.HistoryItem{historyItem(songA, 0), historyItem(songB, 200)}, true},
		"listed by its end":            {[]songspy.HistoryItem{historyItem(songA, 200), historyItem(songB, 380)}, false},
		"listed by an unknown edge":    {[]songspy.HistoryItem{historyItem(songB, 500)}, true},
		"listed by its start, gapless": {[]songspy.HistoryItem{historyItem(songA, 0), historyItem(songB, 200), historyItem(songA, 380)}, false},
	} {
		r := reconcileAll(storedPlays(known, nil), tt.items, at(900))
		if len(r.Added) == 0 || r.Added[0].Play.TrackURI != songB.URI || r.Added[0].Play.Provisional != tt.want {
			t.Errorf("%s: added %+v, want provisional %t", name, r.Added, tt.want)
		}
	}
}

// reconcileInTurn reconciles several answers one after another. It returns the
// stored plays after all of them, and the result of the last one.
func reconcileInTurn(known []songspy.StoredPlay, until float64, histories ...[]songspy.HistoryItem) (all []songspy.StoredPlay, last songspy.Reconciliation) {
	d := storeModel{plays: slices.Clone(known), lastID: 100}
	for _, items := range histories {
		last = reconcileAll(songspy.StoredPlays{Plays: d.plays, ProcessedAt: d.processedAt}, items, at(until))
		d.writeReconciliation(last)
	}
	return d.plays, last
}

// TestReconcile_ItemIsPendingWhileAnotherOfItsTrackMayFollow: A was left after a minute and
// restarted. Polls saw the second play only. History lists the first play before it lists the
// second one. While only the first is listed, its item must not be given to the stored second
// play, but wait. If one answer lists both, both plays must be stored.
func TestReconcile_ItemIsPendingWhileAnotherOfItsTrackMayFollow(t *testing.T) {
	for name, items := range map[string][]songspy.HistoryItem{
		"starts": {historyItem(songB, -180), historyItem(songA, 0), historyItem(songA, 64)},
		"ends":   {historyItem(songB, 0), historyItem(songA, 62), historyItem(songA, 264)},
	} {
		known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), lastSeenAt(storedPlay(songA, 64, 264, 200, false), 160)}
		early, r := reconcileInTurn(known, 300, items[:2])
		if len(early) != 2 || r.Pending != 2 || !early[1].PlayedAt.IsZero() {
			t.Errorf("%s: early, %+v", name, r)
		}
		all, _ := reconcileInTurn(known, 900, items[:2], items)
		for _, histories := range [][][]songspy.HistoryItem{{items}, {items, items}} {
			if at, _ := reconcileInTurn(known, 900, histories...); len(at) != 3 {
				t.Errorf("%s: at once %+v", name, at)
			}
		}
		if len(all) == 3 && name == "starts" && !all[2].PlayedAt.Equal(at(64)) {
			t.Errorf("%s: the second has the item of %v", name, all[2].PlayedAt)
		}
	}
}

func TestReconcile_MatchesStartOfPlayPausedBeforeFirstPoll(t *testing.T) {
	// A began at 0 and was paused for 25 minutes. Polls first saw it 20 minutes into that pause, so its
	// computed start is 1200 s. Then it played to its end. It must get the item at 0.
	all, _ := reconcileInTurn([]songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 1200, 1700, 180, false), storedPlay(songB, 1700, 1880, 180, false)}, 3600,
		[]songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0), historyItem(songB, 1700)})
	if len(all) != 3 || !all[1].PlayedAt.Equal(at(0)) {
		t.Errorf("%+v", all)
	}
}

// TestReconcile_LastPlayOfLoopTakesNoItemOfTheFirst: A plays four times, and polls miss the
// first play. They see the last play paused after two minutes. In one case ("played on") it is
// played to its end later. At the first reconciliation, until 920 s, its item is so recent that it
// must wait for the second. In the other case ("left") history never lists the last play. In both,
// the item of the first play must not be given to the last one.
func TestReconcile_LastPlayOfLoopTakesNoItemOfTheFirst(t *testing.T) {
	known := []songspy.StoredPlay{
		storedPlay(songB, -1580, -1400, 180, false), storedPlay(songB, -1180, -1000, 180, false),
		storedPlay(songA, 200, 400, 200, false), storedPlay(songA, 400, 600, 200, false), storedPlay(songA, 600, 720, 120, false),
	}
	items := []songspy.HistoryItem{historyItem(songB, -1400), historyItem(songB, -1000), historyItem(songA, 200), historyItem(songA, 400), historyItem(songA, 600)}
	for name, last := range map[string][]songspy.HistoryItem{"played on": {historyItem(songA, 920)}, "left": nil} {
		d := storeModel{plays: slices.Clone(known), lastID: 100}
		d.plays[0].PlayedAt, d.processedAt = at(-1400), []time.Time{at(-1400)}
		for _, until := range []float64{920, 1500} {
			d.writeReconciliation(reconcileAll(songspy.StoredPlays{Plays: d.plays, ProcessedAt: d.processedAt}, slices.Concat(items, last), at(until)))
		}
		want := []time.Time{at(-1400), at(-1000), at(200), at(400), at(600), {}}
		if last != nil {
			want[5] = at(920)
		}
		if got := playedAtOf(d.plays); !slices.EqualFunc(got, want, time.Time.Equal) {
			t.Errorf("%s: plays with items at %v, want %v", name, got, want)
		}
	}
}

// TestReconcile_RarePollsOfALoopCountEachPlayOnce: A plays twice, and the only poll sees the
// second play, long after it was paused or had ended. Both plays must be stored once, each
// with its own item.
func TestReconcile_RarePollsOfALoopCountEachPlayOnce(t *testing.T) {
	before := []songspy.StoredPlay{storedPlay(songB, -780, -600, 180, false), storedPlay(songB, -380, -200, 180, false)}
	for name, c := range map[string]struct {
		seen   songspy.StoredPlay
		second float64 // the end of the second play
	}{
		"shown as playing after its end": {lastSeenAt(storedPlay(songA, 260, 414, 154, false), 414), 350},
		"paused, then played to its end": {storedPlay(songA, 517, 556, 39, false), 1583},
	} {
		items := []songspy.HistoryItem{historyItem(songB, -600), historyItem(songB, -200), historyItem(songA, 200), historyItem(songA, c.second)}
		all, _ := reconcileInTurn(append(slices.Clone(before), c.seen), 3000, items, items)
		if len(all) != 4 {
			t.Errorf("%s: %d plays, want 4: %+v", name, len(all), all)
			continue
		}
		first, second := all[2], all[3]
		if !first.PlayedAt.Equal(at(200)) || !first.Play.StartedAt.Equal(at(0)) || !second.PlayedAt.Equal(at(c.second)) {
			t.Errorf("%s: first %+v, second %+v", name, first, second)
		}
	}
}

// TestReconcile_ItemOfALaterPlaySplitsNoPlay: the only poll of the first play saw A as playing after
// its end. Hours later A plays again, between two polls. The item of this later play must
// become a play of its own, and must not split the first.
func TestReconcile_ItemOfALaterPlaySplitsNoPlay(t *testing.T) {
	known := []songspy.StoredPlay{
		storedPlay(songB, -780, -600, 180, false), storedPlay(songB, -380, -200, 180, false), storedPlay(songA, 60, 320, 260, false), storedPlay(songB, 9000, 9180, 180, false),
	}
	items := []songspy.HistoryItem{historyItem(songB, -600), historyItem(songB, -200), historyItem(songA, 200), historyItem(songA, 8000), historyItem(songB, 9180)}
	all, _ := reconcileInTurn(known, 12000, items[:3], items)
	if len(all) != 5 || !all[2].PlayedAt.Equal(at(200)) || !all[3].Play.EndedAt.Equal(at(8000)) {
		t.Errorf("%+v", all)
	}
}

// TestReconcile_ItemAtTheStartOfTheOpenPlayIsPending: an item lies one second before the start of the
// open play. That play may have begun earlier, so the item must be pending at first. When the
// same answer is reconciled again later, the item must become a play.
func TestReconcile_ItemAtTheStartOfTheOpenPlayIsPending(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songB, -380, -200, 180, false), storedPlay(songB, -180, 0, 180, false)}
	items := []songspy.HistoryItem{historyItem(songB, -200), historyItem(songB, 0), historyItem(songA, 199)}
	if r := reconcileAll(storedPlays(known, nil), items, at(200)); r.Pending != 1 || len(r.Added)+len(r.Unmatched) != 0 {
		t.Errorf("while a later poll may explain it: %+v", r)
	}
	if r := reconcileAll(storedPlays(known, nil), items, at(900)); len(r.Added) != 1 {
		t.Errorf("later: %+v", r)
	}
}

// playedAtOf returns the PlayedAt of each play: the time of its history item, or the zero time.
func playedAtOf(plays []songspy.StoredPlay) (at []time.Time) {
	for _, k := range plays {
		at = append(at, k.PlayedAt)
	}
	return at
}

// TestReconcile_LoopLeavesPlayedAtEdgeUnknown: in a loop every item lies at the end of one play and
// at the start of the next, so it does not show whether PlayedAt is the start or the end. Such an
// item must wait, and no third repetition may be added.
func TestReconcile_LoopLeavesPlayedAtEdgeUnknown(t *testing.T) {
	loop := []songspy.StoredPlay{storedPlay(songA, 0, 200, 200, false), storedPlay(songA, 200, 400, 200, false)}
	middle := []songspy.HistoryItem{historyItem(songA, 200)}
	if all, r := reconcileInTurn(loop, 900, middle, middle); len(all) != 2 || r.Pending != 1 || !r.IsEmpty() {
		t.Errorf("an item between two repetitions: %+v", r)
	}
	for name, items := range map[string][]songspy.HistoryItem{
		"starts": {historyItem(songA, -60), historyItem(songA, 200)},                          // the first play began a minute before its stored start
		"ends":   {historyItem(songA, 200), historyItem(songA, 400), historyItem(songB, 580)}, // B plays from 400 s to 580 s, and no poll saw it
	} {
		if all, _ := reconcileInTurn(loop, 900, items, items); len(all) > 2 && all[0].Track.URI == songA.URI && all[2].Track.URI == songA.URI {
			t.Errorf("%s: a third repetition was added: %+v", name, all)
		}
	}
}

func TestReconcile_LoopWithPauseWaitsForAnotherTrack(t *testing.T) {
	// Polls saw A play four times. The second time it is paused for two minutes after 160 s, so that it
	// ends at 520 s, but polls saw it only until 360 s. History lists ends, and begins with an earlier
	// play of A that no poll saw. All items must wait until another track shows whether PlayedAt is the
	// start or the end.
	loop := []songspy.StoredPlay{storedPlay(songA, 0, 200, 200, false), storedPlay(songA, 200, 360, 160, false), storedPlay(songA, 520, 720, 200, false), storedPlay(songA, 720, 920, 200, false)}
	items := []songspy.HistoryItem{historyItem(songA, 0), historyItem(songA, 200), historyItem(songA, 520), historyItem(songA, 720)}
	if all, r := reconcileInTurn(loop, 1100, items); len(all) != 4 || r.Pending != 4 {
		t.Errorf("a loop alone: %+v of %+v", r, all)
	}
	loop = append(loop, storedPlay(songB, 920, 1100, 180, false))
	if all, _ := reconcileInTurn(loop, 1400, items, append(items, historyItem(songA, 920), historyItem(songB, 1100))); len(all) != 6 || !all[1].PlayedAt.Equal(at(200)) || !all[4].PlayedAt.Equal(at(920)) {
		t.Errorf("with another song: %+v", all)
	}
}

func TestReconcile_AddsUnobservedLoops(t *testing.T) {
	first, last := lastSeenAt(storedPlay(songA, 0, 200, 200, false), 50), storedPlay(songA, 400, 600, 200, false)
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), first, last, storedPlay(songB, 600, 780, 180, false)}
	before, after := historyItem(songB, -180), historyItem(songB, 600)
	for want, items := range map[string][]songspy.HistoryItem{
		"b a a a b": {before, historyItem(songA, 0), historyItem(songA, 200), historyItem(songA, 400), after},
		"b a s a b": {before, historyItem(songA, 0), historyItem(short, 200), historyItem(songA, 400), after},
		"b a a b":   {before, historyItem(songA, 0), historyItem(songA, 400), after},
	} {
		all, r := reconcileInTurn(known, 1000, items, items)
		var playedAt []string
		for _, k := range all {
			playedAt = append(playedAt, strings.TrimPrefix(k.Track.URI, "spotify:track:"))
		}
		if got := strings.Join(playedAt, " "); got != want || !r.IsEmpty() {
			t.Errorf("%s: %s", want, got)
		}
	}
}

func TestReconcile_SeekBackBeforePauseIsOnePlay(t *testing.T) {
	// Polls saw A playing with a progress of 72 s and, a moment after its predicted end, paused with a
	// progress of 69 s: the user had sought back. Polls took that for a second play. History lists one, so
	// the two must be merged.
	second := storedPlay(songA, 133, 202, 69, true)
	known := []songspy.StoredPlay{storedPlay(songB, -400, -220, 180, false), storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 133, 72, true), second}
	for i := range known {
		known[i].Play.ID = songspy.PlayID(i + 1)
	}
	items := []songspy.HistoryItem{historyItem(songB, -400), historyItem(songB, -180), historyItem(songA, 0)}
	if all, r := reconcileInTurn(known, 900, items, items); len(all) != 3 || !r.IsEmpty() || !all[2].Play.EndedAt.Equal(at(202)) {
		t.Errorf("%+v", all)
	}
}

func TestDeferOpenPlay_DefersRelinkedTrack(t *testing.T) {
	n := stateAfter(idleAt(0), playing(songA, 10, 100))
	relinked := songA
	relinked.URI += "-relinked"
	if got := matchableItems(n, []songspy.HistoryItem{historyItem(relinked, 20), historyItem(songB, 60)}); len(got) != 1 || got[0].Track.URI != songB.URI {
		t.Errorf("%+v", got)
	}
}

func TestReconcile_DefersItemHiddenByFalseIdle(t *testing.T) {
	n := stateAfter(idleAt(-100), idleAt(46), playing(songA, 76, 76)) // A has played since 0, so the idle answer at 46 s is false
	if got := matchableItems(n, []songspy.HistoryItem{historyItem(songA, -300), historyItem(songA, 0)}); len(got) != 1 || !got[0].PlayedAt.Equal(at(-300)) {
		t.Errorf("%+v", got)
	}
}

func TestReconcile_SplitPlayKeepsObservedTime(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), lastSeenAt(storedPlay(songA, 0, 260, 200, false), 160), storedPlay(songB, 261, 441, 180, false)}
	all, _ := reconcileInTurn(known, 900, []songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0), historyItem(songA, 60), historyItem(songB, 261)})
	var seen int64
	for _, k := range all {
		if k.Track.URI == songA.URI {
			seen += k.Play.ListenedMS - k.Play.InferredMS
		}
	}
	if len(all) != 4 || seen != 100_000 {
		t.Errorf("%d ms observed of %+v", seen, all)
	}
}

func TestReconcile_PauseIsNotListenedTime(t *testing.T) {
	// A poll at 180 s saw A with a progress of 150 s, after a pause of half a minute. History shows that A
	// ended 20 s before its predicted end. So 180 s of it were played: the pause must not count.
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 230, 150, true)}
	all, _ := reconcileInTurn(known, 900, []songspy.HistoryItem{historyItem(songB, 0), historyItem(songA, 210)})
	if len(all) != 2 || all[1].Play.ListenedMS != 180_000 {
		t.Errorf("%+v", all)
	}
}

func TestReconcile_PauseAsLongAsTrackIsOnePlay(t *testing.T) {
	// Polls saw A with a progress of 2 s, and of 172 s after a pause as long as the track, as if A had been
	// played to its end and restarted. If history lists it once, the two stored plays must be merged. If history
	// lists both, both must stay.
	again := storedPlay(songA, 198, 396, 172, true)
	known := []songspy.StoredPlay{storedPlay(songB, -400, -220, 180, false), storedPlay(songB, -180, 0, 180, false), lastSeenAt(storedPlay(songA, 0, 198, 198, false), 2), again}
	for i := range known {
		known[i].Play.ID = songspy.PlayID(i + 1)
	}
	for name, items := range map[string][]songspy.HistoryItem{
		"starts": {historyItem(songB, -400), historyItem(songB, -180), historyItem(songA, 0)},
		"ends":   {historyItem(songB, -220), historyItem(songB, 0), historyItem(songA, 396)},
	} {
		all, r := reconcileInTurn(known, 900, items, items)
		if len(all) != 4-1 || !r.IsEmpty() {
			t.Errorf("%s: %+v", name, all)
			continue
		}
		if got := all[2]; !got.Play.EndedAt.Equal(at(396)) || got.Play.ListenedMS > 200_000 || got.PlayedAt.IsZero() {
			t.Errorf("%s: %+v", name, got)
		}
	}
	both := []songspy.HistoryItem{historyItem(songB, -400), historyItem(songB, -180), historyItem(songA, 0), historyItem(songA, 198)}
	if all, _ := reconcileInTurn(known, 900, both); len(all) != 4 {
		t.Errorf("listed twice: %+v", all)
	}
}

func TestReconcile_ThreeMergedPlaysKeepTheirTimes(t *testing.T) {
	// A was restarted after 190 s and again after 64 s, and then played to its end. Polls took that for one
	// play with seeking back. History lists the ends of three plays, so the stored play must be split into
	// three that end there.
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), lastSeenAt(storedPlay(songA, 0, 456, 200, false), 346), storedPlay(songB, 456, 636, 180, false)}
	all, _ := reconcileInTurn(known, 900, []songspy.HistoryItem{historyItem(songB, 0), historyItem(songA, 190), historyItem(songA, 254), historyItem(songA, 456), historyItem(songB, 636)})
	if len(all) != 5 {
		t.Fatalf("%+v", all)
	}
	for i, end := range []float64{190, 254, 456} {
		if got := all[i+1].Play; !got.EndedAt.Equal(at(end)) || got.ListenedMS < 30_000 {
			t.Errorf("the play that ended at %v is %+v", end, got)
		}
	}
}

// TestReconcile_MergesUnlistedObservedPlayWithHistoryOnlyPlay: before the edge was known, the item at 386 s
// was given to the play that ended then, and the item at 180 s became a play that only history knows
// (guess). So five plays are stored for four items. The guess must be removed, and the observed play
// without an item must get the item of the guess.
func TestReconcile_MergesUnlistedObservedPlayWithHistoryOnlyPlay(t *testing.T) {
	guess := matchedAt(storedPlay(songA, 180, 281, 101, true), 180)
	guess.Play.Source = songspy.SourceHistory
	known := []songspy.StoredPlay{
		matchedAt(storedPlay(songB, 0, 180, 180, false), 0), guess,
		matchedAt(storedPlay(songA, 281, 386, 74, true), 386), storedPlay(songA, 386, 586, 80, true), matchedAt(storedPlay(songB, 586, 766, 180, false), 586),
	}
	items := []songspy.HistoryItem{historyItem(songB, 0), historyItem(songA, 180), historyItem(songA, 386), historyItem(songB, 586)}
	reported := []time.Time{at(0), at(180), at(386), at(586)}
	r := reconcileAll(songspy.StoredPlays{Plays: known, ProcessedAt: reported}, items, at(1000))
	if len(r.Added) != 0 || len(r.Removed) != 1 || r.Removed[0].Play.ID != guess.Play.ID {
		t.Fatalf("added %+v, removed %+v", r.Added, r.Removed)
	}
	if i := slices.IndexFunc(r.Confirmed, func(k songspy.StoredPlay) bool { return k.PlayedAt.Equal(at(180)) }); i < 0 || r.Confirmed[i].Play.ID != known[3].Play.ID {
		t.Errorf("confirmed %+v", r.Confirmed)
	}
	if r := reconcileAll(songspy.StoredPlays{Plays: known, ProcessedAt: reported}, items, at(600)); len(r.Removed) != 0 {
		t.Errorf("before history could list it: removed %+v", r.Removed)
	}
}

// TestReconcile_NearestItemIsMatchedFirst: A was left after half a minute and restarted, which looked
// like a pause to polls. Polls last saw it paused just before its end. History lists both plays by
// their ends, so the stored play must be split into two that end there.
func TestReconcile_NearestItemIsMatchedFirst(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 230, 190, true), storedPlay(songB, 270, 450, 180, false)}
	items := []songspy.HistoryItem{historyItem(songB, 0), historyItem(songA, 35), historyItem(songA, 268), historyItem(songB, 450)}
	all, r := reconcileInTurn(known, 900, items, items)
	if len(all) != 4 || !r.IsEmpty() || !all[1].Play.EndedAt.Equal(at(35)) || !all[2].Play.EndedAt.Equal(at(268)) {
		t.Errorf("%+v", all)
	}
}

func TestReconcile_MergedDeletedPlayStaysEmpty(t *testing.T) {
	gone := storedPlay(songA, 133, 202, 69, true)
	gone.Play.DeletedAt = &base
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songA, 0, 133, 72, true), gone}
	all, r := reconcileInTurn(known, 900, []songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0)})
	if len(all) != 3 || len(r.Removed) != 0 || all[2].Play.ListenedMS != 0 || all[2].Play.DeletedAt == nil || all[1].Play.EndedAt.After(all[2].Play.StartedAt) {
		t.Errorf("%+v", all)
	}
}

// matchedAt returns the play k with a history item of the given time, in seconds after base.
func matchedAt(k songspy.StoredPlay, when float64) songspy.StoredPlay {
	k.PlayedAt = at(when)
	return k
}
