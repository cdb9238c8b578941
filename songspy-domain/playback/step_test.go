package playback

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// expectedPlay is a play with its times in seconds after base.
type expectedPlay struct {
	uri         string
	from, to    float64
	listened    float64
	provisional bool
}

func runSteps(t *testing.T, polls ...songspy.Observation) (songspy.NowPlaying, []expectedPlay, StepResult) {
	t.Helper()
	var n songspy.NowPlaying
	var plays []expectedPlay
	var last StepResult
	for _, o := range polls {
		last = Step(n, o)
		n = last.State
		for _, p := range last.Plays {
			if p.Probable {
				continue // see probable_test.go
			}
			plays = append(plays, expectedPlay{
				p.TrackURI, p.StartedAt.Sub(base).Seconds(), p.EndedAt.Sub(base).Seconds(),
				float64(p.ListenedMS) / 1000, p.Provisional,
			})
		}
	}
	return n, plays, last
}

func TestStep_ReturnsEndedPlays(t *testing.T) {
	idle := idleAt(-100)
	tests := map[string]struct {
		polls []songspy.Observation
		want  []expectedPlay
	}{
		"a track with a gapless successor was played to its end": {
			[]songspy.Observation{idle, playing(songA, 10, 10), playing(songB, 2, 202)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 200, false}},
		},
		"a track with an early successor was skipped, and only the observed time is proven": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songB, 30, 150)},
			[]expectedPlay{{"spotify:track:a", 0, 120, 50, true}},
		},
		"a skipped track with too little proven time is not a play": {
			[]songspy.Observation{idle, playing(songA, 20, 20), playing(songB, 30, 150)},
			nil,
		},
		"a song that fades into the next for twelve seconds was played to its end": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 3, 191)},
			[]expectedPlay{{"spotify:track:a", 0, 188, 188, false}},
		},
		"a song whose successor began sooner than any fade was skipped": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songB, 3, 190)},
			[]expectedPlay{{"spotify:track:a", 0, 187, 50, true}},
		},
		"a crossfade ends the first track where the next begins": {
			[]songspy.Observation{idle, playing(songA, 60, 60), playing(songB, 10, 206)},
			[]expectedPlay{{"spotify:track:a", 0, 196, 196, false}},
		},
		"a track that stops after 22 s was not played": {
			[]songspy.Observation{idle, playing(songA, 20, 20), idleAt(201), idleAt(231)},
			nil,
		},
		"one idle answer ends nothing": {
			[]songspy.Observation{idle, playing(songA, 50, 50), idleAt(60)},
			nil,
		},
		"a false idle answer changes nothing": {
			[]songspy.Observation{idle, playing(songA, 50, 50), idleAt(60), playing(songA, 100, 100), playing(songB, 1, 201)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 200, false}},
		},
		"idle time ends the play where it began": {
			[]songspy.Observation{idle, playing(songA, 50, 50), idleAt(60), idleAt(90), idleAt(120)},
			[]expectedPlay{{"spotify:track:a", 0, 60, 50, true}},
		},
		"two idle answers after the predicted end end the play there": {
			[]songspy.Observation{idle, playing(songA, 50, 50), idleAt(202), idleAt(230)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 50, true}},
		},
		"a track before idle time was not played to its end": {
			[]songspy.Observation{idle, playing(songA, 50, 50), idleAt(100), playing(songB, 10, 150)},
			[]expectedPlay{{"spotify:track:a", 0, 100, 50, true}},
		},
		"a track that is repeated at its end is two plays": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songA, 1, 202), playing(songB, 1, 402)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 200, false}, {"spotify:track:a", 201, 401, 200, false}},
		},
		"a loop with few polls counts the observed plays": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songA, 40, 440), playing(songB, 1, 601)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 50, true}, {"spotify:track:a", 400, 600, 200, true}},
		},
		"a track that history never lists is one play if it may have been paused": {
			[]songspy.Observation{idle, playing(localFile, 40, 40), playing(localFile, 45, 215), playing(songB, 1, 341)},
			[]expectedPlay{{"spotify:local:f", 0, 340, 170, false}},
		},
		"the same track much later is another play": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songA, 5, 300)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 50, true}},
		},
		"a pause between two polls lengthens the play and is not listening time": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songA, 100, 160), playing(songB, 1, 261)},
			[]expectedPlay{{"spotify:track:a", 0, 260, 200, false}},
		},
		"an observed pause ends the play if nothing follows": {
			[]songspy.Observation{idle, playing(songA, 50, 50), paused(songA, 80, 120), idleAt(300), idleAt(330)},
			[]expectedPlay{{"spotify:track:a", 0, 80, 80, false}},
		},
		"a track goes on after a pause": {
			[]songspy.Observation{idle, playing(songA, 50, 50), paused(songA, 80, 120), playing(songA, 90, 210), playing(songB, 0, 320)},
			[]expectedPlay{{"spotify:track:a", 0, 320, 200, false}},
		},
		"a track restarted after a pause is another play": {
			[]songspy.Observation{idle, playing(songA, 50, 50), paused(songA, 80, 120), playing(songA, 5, 210)},
			[]expectedPlay{{"spotify:track:a", 0, 80, 80, false}},
		},
		"seeking proves nothing between two polls": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songA, 150, 60), playing(songB, 0, 110)},
			[]expectedPlay{{"spotify:track:a", 0, 110, 100, false}},
		},
		"an advertisement ends the track where it began": {
			[]songspy.Observation{idle, playing(songA, 50, 50), advertisement(4, 204)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 200, false}},
		},
		"an unreadable answer changes nothing": {
			[]songspy.Observation{idle, playing(songA, 50, 50), unreadable(100), playing(songB, 1, 201)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 200, false}},
		},
		"a track without progress is proven between its polls": {
			[]songspy.Observation{idle, hiddenProgress(songA, 10), hiddenProgress(songA, 70), playing(songB, 5, 130)},
			[]expectedPlay{{"spotify:track:a", 10, 125, 60, true}},
		},
		"half of a track shorter than a minute is a play": {
			[]songspy.Observation{idle, playing(short, 21, 21), playing(songB, 1, 30)},
			[]expectedPlay{{"spotify:track:s", 0, 29, 21, true}},
		},
		"an old observation is ignored": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songB, 1, 40), playing(songB, 1, 50), playing(songB, 1, 201)},
			[]expectedPlay{{"spotify:track:a", 0, 200, 200, false}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, got, _ := runSteps(t, tt.polls...)
			if len(got) != len(tt.want) {
				t.Fatalf("plays = %+v, want %+v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("play %d = %+v, want %+v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestStep_PlayStartsAfterLastOtherTrack(t *testing.T) {
	episode := songspy.Track{URI: "spotify:episode:e", Kind: songspy.KindEpisode, DurationMS: 3_600_000}
	n, _, _ := runSteps(t, idleAt(0), playing(episode, 1800, 180))
	if !n.StartedAt.Equal(at(0)) {
		t.Errorf("a resumed episode started at %v, want the last idle poll %v", n.StartedAt, at(0))
	}
	if n.ListenedMS != 0 {
		t.Errorf("%d ms of a resumed episode are claimed as listened, want none", n.ListenedMS)
	}
	if want := at(180 + 1800); n.EndsAt == nil || !n.EndsAt.Equal(want) {
		t.Errorf("ends at %v, want %v", n.EndsAt, want)
	}
}

func TestStep_PausedTrackIsShownForTenMinutes(t *testing.T) {
	n, _, o := runSteps(t, idleAt(-1), playing(songA, 50, 50), paused(songA, 80, 120))
	if n.State != songspy.PlayerPaused || !o.Visible {
		t.Fatalf("state %s, visible %t", n.State, o.Visible)
	}
	if want := at(80).Add(10 * time.Minute); !n.ShownUntil().Equal(want) {
		t.Errorf("shown until %v, want %v", n.ShownUntil(), want)
	}
	later := Step(n, paused(songA, 80, 300))
	if !later.State.PausedSince.Equal(at(80)) || later.Visible || later.MustSave {
		t.Errorf("a longer pause is visible: %+v", later)
	}
}

func TestStep_PredictedProgressNeedsNoWrite(t *testing.T) {
	_, _, o := runSteps(t, idleAt(-1), playing(songA, 50, 50), playing(songA, 110, 110))
	if o.MustSave || o.Visible {
		t.Errorf("must save %t, visible %t, want neither", o.MustSave, o.Visible)
	}
	_, _, o = runSteps(t, idleAt(-1), playing(songA, 20, 20), playing(songA, 110, 110))
	if !o.MustSave || o.Visible {
		t.Errorf("a play that begins to count: must save %t, visible %t, want saved and not visible", o.MustSave, o.Visible)
	}
	_, _, o = runSteps(t, idleAt(-1), idleAt(50))
	if o.MustSave || o.Visible {
		t.Error("silence after silence is news")
	}
}

func TestStep_CountsConsecutiveSkips(t *testing.T) {
	n, _, _ := runSteps(t, idleAt(-1), playing(songA, 5, 5), playing(songB, 5, 15), playing(short, 5, 25))
	if n.Skips != 2 {
		t.Errorf("skips = %d, want 2", n.Skips)
	}
	o := Step(n, playing(songA, 1, 61))
	if o.State.Skips != 0 {
		t.Errorf("a track played to its end leaves %d skips, want 0", o.State.Skips)
	}
}

var (
	localFile = songspy.Track{URI: "spotify:local:f", Kind: songspy.KindLocal, Title: "F", DurationMS: 170_000}
	local     = songspy.Track{URI: "spotify:local:x", Kind: songspy.KindLocal, Title: "X"}
	episode   = songspy.Track{URI: "spotify:episode:e", Kind: songspy.KindEpisode, Title: "E", DurationMS: 7_200_000}
)

func pausedHidden(t songspy.Track, when float64) songspy.Observation {
	o := hiddenProgress(t, when)
	o.Kind = songspy.ObservedPaused
	return o
}

func TestStep_ClaimsOnlyProvenTime(t *testing.T) {
	idle := idleAt(-100)
	tests := map[string]struct {
		polls []songspy.Observation
		want  []expectedPlay
	}{
		"seeking forward and pausing proves nothing": {
			[]songspy.Observation{idle, playing(songA, 50, 50), paused(songA, 190, 60), idleAt(100), idleAt(130)},
			[]expectedPlay{{songA.URI, 0, 60, 50, false}},
		},
		"seeking forward while paused proves nothing": {
			[]songspy.Observation{idle, playing(songA, 50, 50), paused(songA, 50, 60), paused(songA, 190, 70), idleAt(100), idleAt(130)},
			[]expectedPlay{{songA.URI, 0, 70, 50, false}},
		},
		"seeking forward and resuming proves nothing": {
			[]songspy.Observation{idle, playing(songA, 50, 50), paused(songA, 80, 120), playing(songA, 190, 210), playing(songB, 0, 220)},
			[]expectedPlay{{songA.URI, 0, 220, 90, false}},
		},
		"a track that is paused when the player wakes up was not played": {
			[]songspy.Observation{idle, idleAt(0), paused(songA, 60, 180), idleAt(200), idleAt(230)},
			nil,
		},
		"a track that ended in a pause counts up to the pause": {
			[]songspy.Observation{idle, playing(songB, 170, 170), paused(songA, 60, 250), idleAt(300), idleAt(330)},
			[]expectedPlay{{songB.URI, 0, 180, 170, true}, {songA.URI, 190, 250, 60, true}},
		},
		"the first poll of a user proves nothing about the time before": {
			[]songspy.Observation{playing(episode, 5400, 0), playing(songA, 1, 20)},
			nil,
		},
		"a loop does not count across an outage": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songA, 10, 200*144+10), playing(songB, 1, 200*145+1)},
			[]expectedPlay{{songA.URI, 0, 200, 50, true}, {songA.URI, 200 * 144, 200 * 145, 200, true}},
		},
		"a track without progress proves nothing across an outage": {
			[]songspy.Observation{idle, hiddenProgress(local, 10), hiddenProgress(local, 18_000), hiddenProgress(local, 18_060), playing(songB, 0, 18_100)},
			[]expectedPlay{{local.URI, 10, 18_100, 60, true}},
		},
		"a track that hides its progress from its middle on may be another play of it, and counts once": {
			[]songspy.Observation{idle, playing(songA, 50, 50), hiddenProgress(songA, 150), hiddenProgress(songA, 201.5), hiddenProgress(songA, 233), playing(songB, 5, 300)},
			[]expectedPlay{{songA.URI, 0, 200, 200, false}},
		},
		"a track that hides its progress in one answer is one play": {
			[]songspy.Observation{idle, playing(songA, 50, 50), hiddenProgress(songA, 100), playing(songA, 150, 150), playing(songB, 2, 202)},
			[]expectedPlay{{songA.URI, 0, 200, 200, false}},
		},
		"idle time ends a track that restarted later": {
			[]songspy.Observation{idle, playing(songA, 50, 50), idleAt(100), playing(songA, 10, 300)},
			[]expectedPlay{{songA.URI, 0, 100, 50, true}},
		},
		"a pause without progress ends a play that restarts after it": {
			[]songspy.Observation{idle, hiddenProgress(songA, 10), hiddenProgress(songA, 60), pausedHidden(songA, 100), playing(songA, 5, 300)},
			[]expectedPlay{{songA.URI, 10, 100, 50, true}},
		},
		"an episode that two polls in a row miss is one play": {
			[]songspy.Observation{idle, playing(episode, 600, 1.5), playing(episode, 631, 32.5), idleAt(212.5), idleAt(242.5), playing(episode, 841, 242.5+30), playing(songA, 1, 400)},
			[]expectedPlay{{episode.URI, -100, 399, 241, true}},
		},
		"an episode without progress that two polls in a row miss is one play": {
			[]songspy.Observation{idle, hiddenProgress(episode, 10), hiddenProgress(episode, 190), idleAt(370), idleAt(400), hiddenProgress(episode, 430), playing(songA, 1, 600)},
			[]expectedPlay{{episode.URI, 10, 599, 420, true}},
		},
		"an episode rewound during a pause is the same play": {
			[]songspy.Observation{idle, playing(episode, 30, 30), paused(episode, 180, 200), playing(episode, 150, 220), playing(songA, 1, 300)},
			[]expectedPlay{{episode.URI, 0, 299, 180, true}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, got, _ := runSteps(t, tt.polls...)
			if len(got) != len(tt.want) {
				t.Fatalf("plays = %+v, want %+v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("play %d = %+v, want %+v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

// TestStep_RestartedTrackStartsAfterLastObservation polls a track, last at 50 s, and then
// the same track started again. OtherSeenAt must be 50 s, when a poll last showed the
// earlier play, and not the guessed end of that play: the open play may have begun in
// between.
func TestStep_RestartedTrackStartsAfterLastObservation(t *testing.T) {
	for name, polls := range map[string][]songspy.Observation{
		"after its end":           {idleAt(-1), playing(songA, 50, 50), playing(songA, 10, 300)},
		"without progress before": {idleAt(-1), hiddenProgress(songA, 50), playing(songA, 10, 300)},
		"after a pause":           {idleAt(-1), playing(songA, 20, 20), paused(songA, 50, 50), playing(songA, 10, 300)},
	} {
		if n, _, _ := runSteps(t, polls...); !n.OtherSeenAt.Equal(at(50)) {
			t.Errorf("%s: another track was seen at %v", name, n.OtherSeenAt)
		}
	}
}

func TestStep_PausedPlayerWithHiddenProgressLeavesBoard(t *testing.T) {
	n, _, o := runSteps(t, idleAt(-1), playing(songA, 50, 50), pausedHidden(songA, 120), pausedHidden(songA, 300), pausedHidden(songA, 480))
	if want := at(120).Add(songspy.PausedShownFor); !n.ShownUntil().Equal(want) {
		t.Errorf("shown until %v, want %v", n.ShownUntil(), want)
	}
	if o.Visible || o.MustSave {
		t.Error("a longer pause is visible")
	}
	n, _, _ = runSteps(t, idleAt(-1), pausedHidden(songA, 120), paused(songA, 50, 300))
	if !n.PausedSince.Equal(at(120)) {
		t.Errorf("paused since %v, want the first poll of the pause", n.PausedSince)
	}
}

func TestStep_UpdatesLengthReportedLater(t *testing.T) {
	reported := local
	reported.DurationMS = 100_000
	n, _, o := runSteps(t, idleAt(-1), playing(local, 10, 10), playing(reported, 40, 40))
	if n.EndsAt == nil || !n.EndsAt.Equal(at(100)) || !o.Visible {
		t.Errorf("ends at %v, visible %t, want %v and shown", n.EndsAt, o.Visible, at(100))
	}
	n = Step(n, playing(local, 50, 50)).State
	if n.DurationMS != 100_000 {
		t.Errorf("an answer without a length made it %d ms", n.DurationMS)
	}
	longer := reported
	longer.DurationMS = 300_000
	o = Step(n, paused(longer, 60, 60))
	o = Step(o.State, playing(longer, 60, 90))
	if !o.State.EndsAt.Equal(at(330)) {
		t.Errorf("ends at %v, want %v", o.State.EndsAt, at(330))
	}
}

func TestStep_SpeechPastItsLengthHasNoEnd(t *testing.T) {
	talk := songspy.Track{URI: "spotify:episode:t", Kind: songspy.KindEpisode, DurationMS: 200_000}
	n, _, _ := runSteps(t, idleAt(-1), playing(talk, 190, 190), playing(talk, 202, 202), playing(talk, 206, 206))
	if n.EndsAt != nil {
		t.Errorf("ends at %v, want no end", n.EndsAt)
	}
	next := NextPoll(n, songspy.ObservedPlaying, at(206), 0, 3*time.Minute)
	if next.Reason != PollInterval {
		t.Errorf("the next poll is at %v for %s, want the interval", next.At, next.Reason)
	}
	n, plays, _ := runSteps(t, idleAt(-1), playing(talk, 190, 190), playing(talk, 206, 206), playing(talk, 260, 260), playing(songB, 10, 280))
	if len(plays) != 1 || plays[0].listened != 260 || n.TrackURI != songB.URI {
		t.Errorf("plays %+v, want one of 260 s", plays)
	}
}

func TestStep_PlayerStuckAtEndIsNotPlaying(t *testing.T) {
	n, _, _ := runSteps(t, idleAt(-1), playing(songA, 190, 190), playing(songA, 199.9, 201.5))
	for when := 204.5; when < 1000; {
		o := Step(n, playing(songA, 199.9, when))
		n = o.State
		if n.State != songspy.PlayerPaused {
			t.Fatalf("at %v s the state is %s, want paused", when, n.State)
		}
		next := NextPoll(n, songspy.ObservedPlaying, at(when), 0, 3*time.Minute)
		if next.Reason != PollInterval {
			t.Fatalf("at %v s the next poll is for %s", when, next.Reason)
		}
		when = next.At.Sub(base).Seconds()
	}
	if n = Step(n, playing(songA, 3, 1100)).State; n.State != songspy.PlayerPlaying {
		t.Errorf("restarted it is %s, want playing", n.State)
	}
}

func TestStep_RepeatedTinyTrackIsNeitherCountedNorPolledOften(t *testing.T) {
	tiny := songspy.Track{URI: "spotify:track:tiny", DurationMS: 1}
	_, plays, _ := runSteps(t, idleAt(-1), playing(tiny, 0, 0), playing(tiny, 0, 180), playing(tiny, 0, 360))
	if len(plays) > 2 {
		t.Errorf("%d plays of a track that was polled three times", len(plays))
	}
	tiny.DurationMS = 5000
	n, _, _ := runSteps(t, idleAt(-1), playing(tiny, 1, 1))
	next := NextPoll(n, songspy.ObservedPlaying, at(1), 0, 3*time.Minute)
	if wait := next.At.Sub(at(1)); wait < recheckAfter {
		t.Errorf("a track of 5 s is polled again after %v", wait)
	}
}

func TestStep_UnusableObservationChangesNothing(t *testing.T) {
	n, _, _ := runSteps(t, idleAt(-1), playing(songA, 50, 50))
	nameless := playing(songspy.Track{}, 10, 60)
	strange := songspy.Observation{Kind: "strange", At: at(70)}
	for _, o := range []songspy.Observation{nameless, strange, unreadable(80)} {
		if got := Step(n, o); !got.State.ObservedAt.Equal(n.ObservedAt) || got.State.TrackURI != songA.URI || got.MustSave {
			t.Errorf("%s %q changed the state to %+v", o.Kind, o.Track.URI, got.State)
		}
	}
}

func TestNextPoll_OnlyFirstIdleIsCheckedSoon(t *testing.T) {
	n, _, _ := runSteps(t, idleAt(-1), playing(songA, 50, 50), idleAt(220))
	if next := NextPoll(n, songspy.ObservedIdle, at(220), 0, 3*time.Minute); next.Reason != PollIdleCheck {
		t.Errorf("after an idle answer: %s", next.Reason)
	}
	n = Step(n, unreadable(250)).State
	if next := NextPoll(n, songspy.ObservedUnreadable, at(250), 0, 3*time.Minute); next.Reason != PollInterval {
		t.Errorf("after an unreadable answer: %s", next.Reason)
	}
}

func TestStep_TruncatesTimesLikeTheStore(t *testing.T) {
	now := time.Now() // has a monotonic reading, which Step must remove, because it does not change when the clock is set back
	o := playing(songA, 50, 0)
	o.At = now
	n := Step(songspy.NowPlaying{}, o).State
	if want := now.Truncate(time.Microsecond); n.ObservedAt != want || n.SeenAt != want {
		t.Errorf("observed at %v, seen at %v, want %v", n.ObservedAt, n.SeenAt, want)
	}
}
