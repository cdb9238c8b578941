package playback

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestNextPoll_KeepsIntervalAndReturnsToPhase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := seconds(t, 5, 600)
		phase := songspy.PhaseOf(songspy.UserID(rapid.Int64Range(1, 1<<40).Draw(t, "user")), interval)
		now := base.Add(seconds(t, 0, 3600))
		for range 8 {
			next := NextPoll(songspy.NowPlaying{State: songspy.PlayerIdle}, songspy.ObservedIdle, now, phase, interval)
			if wait := next.At.Sub(now); wait <= 0 || wait > interval {
				t.Fatalf("an idle listener waits %v of an interval of %v", wait, interval)
			}
			now = next.At
		}
		if distance := now.Sub(FirstPoll(songspy.NowPlaying{}, now.Add(-interval/2), phase, interval).At).Abs(); distance > time.Millisecond {
			t.Fatalf("after eight idle looks the listener is %v off the phase", distance)
		}
	})
}

func TestNextPoll_LongTrackIsPolledWhereSkipsAreLikely(t *testing.T) {
	const interval = 3 * time.Minute
	for _, c := range []struct {
		name    string
		length  float64 // of the song, in seconds
		skips   int16
		polls   []float64 // in the song, in seconds
		reasons []PollReason
	}{
		{"no longer than an interval", 170, 0, []float64{171.5}, []PollReason{PollTrackEnd}},
		{"a little longer", 210, 0, []float64{46.5, 211.5}, []PollReason{PollMidTrack, PollTrackEnd}},
		{"so long that the floor wants the look later", 270, 0, []float64{91.5, 271.5}, []PollReason{PollMidTrack, PollTrackEnd}},
		{"so long that the floor's look finds skips too late", 320, 0, []float64{46.5, 141.5, 321.5}, []PollReason{PollMidTrack, PollMidTrack, PollTrackEnd}},
		{"come to by a skip", 170, 1, []float64{31.5, 61.5, 171.5}, []PollReason{PollSkipping, PollSkipping, PollTrackEnd}},
	} {
		t.Run(c.name, func(t *testing.T) {
			song := songspy.Track{URI: "spotify:track:song", DurationMS: int64(c.length * 1000)}
			n, _, _ := runSteps(t, idleAt(-1), playing(song, 1.5, 1.5))
			n.Skips = c.skips
			when := 1.5
			for i, want := range c.polls {
				next := NextPoll(n, songspy.ObservedPlaying, at(when), 0, interval)
				if next.Reason != c.reasons[i] || !next.At.Equal(at(want)) {
					t.Fatalf("look %d comes at %v s for %s, want %v s for %s", i+1, next.At.Sub(base).Seconds(), next.Reason, want, c.reasons[i])
				}
				if when = want; when < c.length {
					n = Step(n, playing(song, when, when)).State
				}
			}
		})
	}
}

func TestNextPoll_ProvesNeverListedTracks(t *testing.T) {
	const interval = 3 * time.Minute
	for uri, want := range map[string]Poll{
		"spotify:local:a:b:c:170": {at(31), PollProof},
		"spotify:episode:e":       {at(31), PollProof},
		"spotify:track:t":         {at(171.5), PollTrackEnd},
	} {
		n, _, _ := runSteps(t, idleAt(-1), playing(songspy.Track{URI: uri, DurationMS: 170_000}, 1.5, 1.5))
		if got := NextPoll(n, songspy.ObservedPlaying, at(1.5), 0, interval); got != want {
			t.Errorf("%s: %+v, want %+v", uri, got, want)
		}
		if n.ListenedMS = 31_000; NextPoll(n, songspy.ObservedPlaying, at(31), 0, interval).Reason != PollTrackEnd {
			t.Errorf("%s: once it counts, its end is worth the next look", uri)
		}
	}
}
