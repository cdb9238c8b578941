package reconcile

import (
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// lastSeenAt returns the play k as if polls had last seen it at the given second after
// base: the time from then to its end is inferred.
func lastSeenAt(k songspy.StoredPlay, seen float64) songspy.StoredPlay {
	k.Play.InferredMS = k.Play.EndedAt.Sub(at(seen)).Milliseconds()
	return k
}

// TestReconcile_OldItemDoesNotSplitPlay: A was played at -600 s, when no poll saw it, and again at
// 435 s. One poll saw the later play, after its user sought forward, so its computed start is too
// early. The old item must become a play of its own, and the later play must end where it did.
func TestReconcile_OldItemDoesNotSplitPlay(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songB, -1000, -820, 180, false), storedPlay(songB, 200, 380, 180, false), storedPlay(songA, 400, 600, 200, false), storedPlay(songB, 600, 780, 180, false)}
	items := []songspy.HistoryItem{historyItem(songB, -1000), historyItem(songA, -600), historyItem(songB, 200), historyItem(songA, 435), historyItem(songB, 600)}
	all := applyTo(known, reconcileAll(storedPlays(known, nil), items, at(1200)))
	i := slices.IndexFunc(all, func(k songspy.StoredPlay) bool { return k.PlayedAt.Equal(at(435)) })
	if len(all) != 5 || i < 0 || !all[i].Play.EndedAt.Equal(at(600)) {
		t.Errorf("%+v", all)
	}
}

// TestReconcile_ShortenedPlayIsListenedNoLongerThanItLasts: times of polls have microseconds, and times of
// Spotify's history milliseconds. If an added play shortens another, rounding must not leave the
// shortened play with more listening time than it lasts.
func TestReconcile_ShortenedPlayIsListenedNoLongerThanItLasts(t *testing.T) {
	polled := lastSeenAt(storedPlay(songA, 0.000_456, 200.000_456, 200, true), 20)
	all := applyTo([]songspy.StoredPlay{polled}, reconcileAll(storedPlays([]songspy.StoredPlay{polled}, nil), []songspy.HistoryItem{historyItem(songB, 100)}, at(1500)))
	if len(all) != 2 || !all[0].Play.EndedAt.Equal(at(100)) || all[0].Play.ListenedMS > all[0].Play.EndedAt.Sub(all[0].Play.StartedAt).Milliseconds() {
		t.Errorf("%+v", all)
	}
}

// TestReconcile_PlayTakesNoItemFromBeforeAnotherTrack: the user plays B, A, B, A, B, and history lists all
// five. Polls saw only the first play of B, and the second play of A with a wrong start. That play of A
// must not be matched with the history item of the first play of A. In the end there must be five plays,
// each with its own item.
func TestReconcile_PlayTakesNoItemFromBeforeAnotherTrack(t *testing.T) {
	items := []songspy.HistoryItem{historyItem(songB, -1000), historyItem(songA, 0), historyItem(songB, 60), historyItem(songA, 240), historyItem(songB, 700)}
	for name, tt := range map[string]struct {
		second songspy.StoredPlay
		early  []songspy.HistoryItem // the items of the first of two answers
	}{
		"seeking forward put its start too early": {storedPlay(songA, 200, 440, 200, false), items},
		"a pause put its start too late":          {storedPlay(songA, 400, 600, 200, false), items[:3]},
	} {
		all := []songspy.StoredPlay{storedPlay(songB, -1000, -820, 180, false), tt.second}
		all = applyTo(all, reconcileAll(storedPlays(all, nil), tt.early, at(780)))
		all = applyTo(all, reconcileAll(storedPlays(all, nil), items, at(1500)))
		if got := playedAtOf(all); !slices.EqualFunc(got, []time.Time{at(-1000), at(0), at(60), at(240), at(700)}, time.Time.Equal) {
			t.Errorf("%s: the items of the plays are at %v; stored %+v", name, secondsOf(got), all)
		}
	}
}

// TestReconcile_PlayTakesNoItemWhileAnotherOfItsTrackIsDeferred: A was played twice, and polls saw the
// second play only. The item of the second play is deferred, because the open play has the same
// length and may be the same track. Meanwhile the second play must not take the item of the first.
func TestReconcile_PlayTakesNoItemWhileAnotherOfItsTrackIsDeferred(t *testing.T) {
	all := []songspy.StoredPlay{storedPlay(songB, -1000, -820, 180, false), lastSeenAt(storedPlay(songA, 200, 400, 200, false), 360)}
	items := []songspy.HistoryItem{historyItem(songB, -1000), historyItem(songA, 0), historyItem(songA, 200)}
	early := NewHistory(items, time.Time{})
	early.Items, early.Deferred = early.Items[:2], early.Items[2:]
	all = applyTo(all, Reconcile(storedPlays(all, nil), early, at(1200)))
	if len(all) != 2 || !all[1].PlayedAt.IsZero() {
		t.Errorf("before the second item: %+v", all)
	}
	all = applyTo(all, reconcileAll(storedPlays(all, nil), items, at(1300)))
	if got := playedAtOf(all); !slices.EqualFunc(got, []time.Time{at(-1000), at(0), at(200)}, time.Time.Equal) {
		t.Errorf("the items of the plays are at %v; stored %+v", secondsOf(got), all)
	}
}

// TestReconcile_PlaySeenAfterItsEndTakesTheLastItem: A was played twice, the second time not to its end,
// and the paused player still showed it. Polls saw it only then, after the end of the second play, so
// the stored play is too late. It must get the last item, and the other item a play of its own.
func TestReconcile_PlaySeenAfterItsEndTakesTheLastItem(t *testing.T) {
	all := []songspy.StoredPlay{storedPlay(songB, -1000, -820, 180, false), storedPlay(songA, 350, 430, 80, false)}
	items := []songspy.HistoryItem{historyItem(songB, -820), historyItem(songA, 200), historyItem(songA, 280)}
	all = applyTo(all, reconcileAll(storedPlays(all, nil), items, at(1200)))
	if got := playedAtOf(all); !slices.EqualFunc(got, []time.Time{at(-820), at(200), at(280)}, time.Time.Equal) {
		t.Errorf("the items of the plays are at %v; stored %+v", secondsOf(got), all)
	}
}

// TestReconcile_PlayIsNotExtendedOverAnotherTrack: A was left, B played, and A played again later. Polls
// saw the first play of A only. It must not be extended to the item of the later one.
func TestReconcile_PlayIsNotExtendedOverAnotherTrack(t *testing.T) {
	all := []songspy.StoredPlay{storedPlay(songB, -1000, -820, 180, false), storedPlay(songA, 0, 60, 60, false)}
	items := []songspy.HistoryItem{historyItem(songB, -820), historyItem(songB, 380), historyItem(songA, 580)}
	all = applyTo(all, reconcileAll(storedPlays(all, nil), items, at(1500)))
	if len(all) != 4 || !all[1].Play.EndedAt.Equal(at(60)) || !all[2].PlayedAt.Equal(at(380)) || !all[3].PlayedAt.Equal(at(580)) {
		t.Errorf("stored %+v", all)
	}
}

func TestReconcile_InferredTailYieldsToHistory(t *testing.T) {
	for name, items := range map[string][]songspy.HistoryItem{
		"starts": {historyItem(songA, 0), historyItem(songB, 70), historyItem(short, 201)},
		"ends":   {historyItem(songA, 70), historyItem(songB, 190), historyItem(short, 201+short.Duration().Seconds())},
	} {
		known := []songspy.StoredPlay{lastSeenAt(storedPlay(songA, 0, 200, 200, false), 20), storedPlay(short, 201, 201+short.Duration().Seconds(), 40, false)}
		r := reconcileAll(storedPlays(known, nil), items, at(900))
		all := applyTo(known, r)
		if len(all) != 3 || all[1].Play.TrackURI != songB.URI {
			t.Fatalf("%s: %+v", name, r)
		}
		first := all[0].Play
		if !first.EndedAt.Equal(at(70)) || first.ListenedMS != 70_000 {
			t.Errorf("%s: the shortened play is %+v", name, first)
		}
		if all[1].Play.StartedAt.Before(at(70)) || all[1].Play.EndedAt.After(at(201)) {
			t.Errorf("%s: the play between is %+v", name, all[1].Play)
		}
	}
}

func TestReconcile_RemovesPlayCountedOnlyByInferredTail(t *testing.T) {
	known := []songspy.StoredPlay{
		storedPlay(songB, -180, 0, 180, false), lastSeenAt(storedPlay(songA, 0, 200, 200, false), 2), storedPlay(songB, 201, 381, 180, false),
	}
	r := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songB, -180), historyItem(short, 10), historyItem(songB, 201)}, at(900))
	if len(r.Removed) != 1 || r.Removed[0].Play.ID != known[1].Play.ID {
		t.Fatalf("%+v", r)
	}
	if len(r.Added) != 1 || !r.Added[0].Play.StartedAt.Equal(at(10)) {
		t.Errorf("added %+v", r.Added)
	}
}

func TestReconcile_RestartedTrackIsTwoPlaysOnceBothAreListed(t *testing.T) {
	// Polls saw A with a progress of 2 s, and a minute and a half later with a progress of 35 s: after a
	// pause, or after a restart at 60 s. The stored play must be split once history lists A twice, even
	// if it lists the two plays in two answers.
	before, after := storedPlay(songB, -180, 0, 180, false), storedPlay(songB, 261, 441, 180, false)
	whole := storedPlay(songA, 0, 260, 200, false)
	for name, histories := range map[string][][]songspy.HistoryItem{
		"starts":               {{historyItem(songB, -180), historyItem(songA, 0), historyItem(songA, 60), historyItem(songB, 261)}},
		"ends":                 {{historyItem(songB, 0), historyItem(songA, 58), historyItem(songA, 260), historyItem(songB, 441)}},
		"starts, in two parts": {{historyItem(songB, -180), historyItem(songA, 0)}, {historyItem(songA, 60), historyItem(songB, 261)}},
		"ends, in two parts":   {{historyItem(songB, 0), historyItem(songA, 58)}, {historyItem(songA, 260), historyItem(songB, 441)}},
	} {
		all := []songspy.StoredPlay{before, whole, after}
		for _, items := range histories {
			all = applyTo(all, reconcileAll(storedPlays(all, nil), items, at(900)))
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
		if first.PlayedAt.IsZero() || !first.PlayedAt.Before(second.PlayedAt) {
			t.Errorf("%s: played at %v and %v", name, first.PlayedAt, second.PlayedAt)
		}
	}
}

func TestReconcile_DeletedPlayIsNotSplit(t *testing.T) {
	gone := storedPlay(songA, 0, 260, 200, false)
	deleted := at(500)
	gone.Play.DeletedAt = &deleted
	r := reconcileAll(storedPlays([]songspy.StoredPlay{gone}, nil), []songspy.HistoryItem{historyItem(songA, 0), historyItem(songA, 60)}, at(900))
	if len(r.Added) != 0 {
		t.Errorf("added %+v", r.Added)
	}
}

func TestReconcile_HistoryOnlyPlayYieldsToLaterItems(t *testing.T) {
	known := []songspy.StoredPlay{storedPlay(songB, -180, 0, 180, false), storedPlay(songB, 150, 330, 180, false)}
	first := reconcileAll(storedPlays(known, nil), []songspy.HistoryItem{historyItem(songB, -180), historyItem(songA, 0), historyItem(songB, 150)}, at(900))
	all := applyTo(known, first)
	second := reconcileAll(storedPlays(all, nil), []songspy.HistoryItem{historyItem(short, 70)}, at(900))
	if len(second.Added) != 1 || !second.Added[0].Play.StartedAt.Equal(at(70)) {
		t.Fatalf("added %+v", second)
	}
	for _, k := range applyTo(all, second) {
		if k.Play.TrackURI == songA.URI && (!k.Play.EndedAt.Equal(at(70)) || k.Play.ListenedMS != 70_000) {
			t.Errorf("the first is %+v", k.Play)
		}
	}
}
