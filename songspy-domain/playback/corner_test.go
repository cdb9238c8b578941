package playback

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

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
		"seeking forward and going on after a pause proves nothing": {
			[]songspy.Observation{idle, playing(songA, 50, 50), paused(songA, 80, 120), playing(songA, 190, 210), playing(songB, 0, 220)},
			[]expectedPlay{{songA.URI, 0, 220, 90, false}},
		},
		"a song that stands still when the player wakes up was not heard": {
			[]songspy.Observation{idle, idleAt(0), paused(songA, 60, 180), idleAt(200), idleAt(230)},
			nil,
		},
		"a song that ended in a pause after another one was heard so far": {
			[]songspy.Observation{idle, playing(songB, 170, 170), paused(songA, 60, 250), idleAt(300), idleAt(330)},
			[]expectedPlay{{songB.URI, 0, 180, 170, true}, {songA.URI, 190, 250, 60, true}},
		},
		"the first sight of a listener proves nothing of what was before": {
			[]songspy.Observation{playing(episode, 5400, 0), playing(songA, 1, 20)},
			nil,
		},
		"a loop is not believed through an outage": {
			[]songspy.Observation{idle, playing(songA, 50, 50), playing(songA, 10, 200*144+10), playing(songB, 1, 200*145+1)},
			[]expectedPlay{{songA.URI, 0, 200, 50, true}, {songA.URI, 200 * 144, 200 * 145, 200, true}},
		},
		"a secret progress proves nothing through an outage": {
			[]songspy.Observation{idle, hiddenProgress(local, 10), hiddenProgress(local, 18_000), hiddenProgress(local, 18_060), playing(songB, 0, 18_100)},
			[]expectedPlay{{local.URI, 10, 18_100, 60, true}},
		},
		"a silence ends a song that began again later": {
			[]songspy.Observation{idle, playing(songA, 50, 50), idleAt(100), playing(songA, 10, 300)},
			[]expectedPlay{{songA.URI, 0, 100, 50, true}},
		},
		"a pause of secret progress ends the play that began anew after it": {
			[]songspy.Observation{idle, hiddenProgress(songA, 10), hiddenProgress(songA, 60), pausedHidden(songA, 100), playing(songA, 5, 300)},
			[]expectedPlay{{songA.URI, 10, 100, 50, true}},
		},
		"an episode that two looks in a row miss is one play": {
			[]songspy.Observation{idle, playing(episode, 600, 1.5), playing(episode, 631, 32.5), idleAt(212.5), idleAt(242.5), playing(episode, 841, 242.5+30), playing(songA, 1, 400)},
			[]expectedPlay{{episode.URI, -100, 399, 241, true}},
		},
		"an episode rewound in a pause is the same play": {
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

// What a former play of the same track was taken to last bounds nothing that
// history tells of the open one.
func TestStep_RestartedTrackStartsAfterLastObservation(t *testing.T) {
	for name, polls := range map[string][]songspy.Observation{
		"after its end":             {idleAt(-1), playing(songA, 50, 50), playing(songA, 10, 300)},
		"of secret progress before": {idleAt(-1), hiddenProgress(songA, 50), playing(songA, 10, 300)},
		"after a pause":             {idleAt(-1), playing(songA, 20, 20), paused(songA, 50, 50), playing(songA, 10, 300)},
	} {
		if n, _, _ := runSteps(t, polls...); !n.OtherSeenAt.Equal(at(50)) {
			t.Errorf("%s: nothing but it was seen at %v", name, n.OtherSeenAt)
		}
	}
}

func TestStep_PausedPlayerWithHiddenProgressLeavesBoard(t *testing.T) {
	n, _, o := runSteps(t, idleAt(-1), playing(songA, 50, 50), pausedHidden(songA, 120), pausedHidden(songA, 300), pausedHidden(songA, 480))
	if want := at(120).Add(songspy.PausedShownFor); !n.ShownUntil().Equal(want) {
		t.Errorf("shown until %v, want %v", n.ShownUntil(), want)
	}
	if o.Visible || o.MustSave {
		t.Error("standing still on is news")
	}
	n, _, _ = runSteps(t, idleAt(-1), pausedHidden(songA, 120), paused(songA, 50, 300))
	if !n.PausedSince.Equal(at(120)) {
		t.Errorf("paused since %v, want the first sight of the pause", n.PausedSince)
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
		t.Errorf("the next look comes at %v for %s, want the floor", next.At, next.Reason)
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
			t.Fatalf("at %v s the next look is for %s", when, next.Reason)
		}
		when = next.At.Sub(base).Seconds()
	}
	if n = Step(n, playing(songA, 3, 1100)).State; n.State != songspy.PlayerPlaying {
		t.Errorf("begun anew it is %s, want playing", n.State)
	}
}

func TestStep_RepeatedTinyTrackIsNeitherCountedNorPolledOften(t *testing.T) {
	tiny := songspy.Track{URI: "spotify:track:tiny", DurationMS: 1}
	_, plays, _ := runSteps(t, idleAt(-1), playing(tiny, 0, 0), playing(tiny, 0, 180), playing(tiny, 0, 360))
	if len(plays) > 2 {
		t.Errorf("%d plays claimed of a track seen three times", len(plays))
	}
	tiny.DurationMS = 5000
	n, _, _ := runSteps(t, idleAt(-1), playing(tiny, 1, 1))
	next := NextPoll(n, songspy.ObservedPlaying, at(1), 0, 3*time.Minute)
	if wait := next.At.Sub(at(1)); wait < recheckAfter {
		t.Errorf("a track of 5 s is looked at again after %v", wait)
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
		t.Errorf("after a silence: %s", next.Reason)
	}
	n = Step(n, unreadable(250)).State
	if next := NextPoll(n, songspy.ObservedUnreadable, at(250), 0, 3*time.Minute); next.Reason != PollInterval {
		t.Errorf("after what cannot be read: %s", next.Reason)
	}
}

func TestStep_TruncatesTimesLikeTheStore(t *testing.T) {
	now := time.Now() // with a monotonic reading, which knows nothing of a clock that was set back
	o := playing(songA, 50, 0)
	o.At = now
	n := Step(songspy.NowPlaying{}, o).State
	if want := now.Truncate(time.Microsecond); n.ObservedAt != want || n.SeenAt != want {
		t.Errorf("observed at %v, seen at %v, want %v", n.ObservedAt, n.SeenAt, want)
	}
}
