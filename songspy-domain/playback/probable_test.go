package playback

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestStep_PlayFollowedLateEnoughIsProbable(t *testing.T) {
	idle := idleAt(-100)
	type expectedClaim struct{ from, to, listened, inferred float64 }
	tests := map[string]struct {
		polls []songspy.Observation
		want  *expectedClaim // nil if Step must return no play
	}{
		"the next track began, by its own progress, two minutes after it": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 150)}, &expectedClaim{0, 120, 120, 118},
		},
		"exactly long enough": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 75)}, &expectedClaim{0, 45, 45, 43},
		},
		"the next track began too soon": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 74)}, nil,
		},
		"the next track reports no progress": {
			[]songspy.Observation{idle, playing(songA, 2, 2), hiddenProgress(songB, 150)}, nil,
		},
		"the next track began in the middle": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 170, 150)}, nil,
		},
		"the next track is paused": {
			[]songspy.Observation{idle, playing(songA, 2, 2), paused(songB, 30, 150)}, nil,
		},
		"a doubtful answer showed a third track in between": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(episode, 32, 32), playing(songB, 5, 75)}, nil,
		},
		"idle in between": {
			[]songspy.Observation{idle, playing(songA, 2, 2), idleAt(90), playing(songB, 30, 150)}, nil,
		},
		"it was paused when it was last seen": {
			[]songspy.Observation{idle, playing(songA, 2, 2), paused(songA, 5, 20), playing(songB, 30, 150)}, nil,
		},
		"the next track began after the predicted end": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 260)}, nil,
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var n songspy.NowPlaying
			var plays []songspy.Play
			for _, o := range tt.polls {
				out := Step(n, o)
				n = out.State
				plays = append(plays, out.Plays...)
			}
			if tt.want == nil {
				if len(plays) > 0 {
					t.Fatalf("plays %+v, want none", plays)
				}
				return
			}
			if len(plays) != 1 {
				t.Fatalf("plays %+v, want one", plays)
			}
			p := plays[0]
			got := expectedClaim{secondsIn(p.StartedAt), secondsIn(p.EndedAt), float64(p.ListenedMS) / 1000, float64(p.InferredMS) / 1000}
			if got != *tt.want || !p.Probable || !p.Provisional {
				t.Errorf("play %+v, want %+v, probable", p, *tt.want)
			}
			if n.StartedAt.Before(p.EndedAt) {
				t.Errorf("the next play begins at %v, before the previous one ends", secondsIn(n.StartedAt))
			}
		})
	}
}

func TestPollsProveWhatHistoryWillNotList(t *testing.T) {
	state := func(polls ...songspy.Observation) (n songspy.NowPlaying) {
		for _, o := range append([]songspy.Observation{idleAt(-10)}, polls...) {
			n = Step(n, o).State
		}
		return n
	}
	song := func(length float64) songspy.Track {
		return songspy.Track{URI: "spotify:track:song", DurationMS: int64(length * 1000)}
	}
	skipped := []songspy.Observation{playing(songB, 40, 40), playing(song(200), 2, 60)} // the second song began 58 s after base
	for name, tt := range map[string]struct {
		n      songspy.NowPlaying
		now    float64
		want   float64
		reason PollReason
	}{
		"enough was played 31 s after its start":                 {state(playing(song(170), 2, 2)), 2, 31, PollProof},
		"a poll that the interval needs soon stands for it":      {state(playing(song(220), 25, 25)), 25, 41.5, PollProof},
		"a later one would miss tracks that are left sooner":     {state(playing(song(240), 2, 2)), 2, 31, PollProof},
		"a proven play needs no poll before its end":             {state(playing(song(170), 40, 40)), 40, 171.5, PollTrackEnd},
		"a long rest is polled once, a little before its middle": {state(playing(song(280), 40, 40)), 40, 148.675, PollMidTrack},
		"after a skip, too, enough must be played":               {state(skipped...), 60, 89, PollProof},
		"after a skip polls go on, because skips come in runs":   {state(append(skipped, playing(song(200), 31, 89))...), 89, 164, PollSkipping},
		"late in a track skips are rare":                         {state(append(skipped, playing(song(200), 110, 168))...), 168, 259.5, PollTrackEnd},
		"a track that ends sooner":                               {state(playing(short, 1, 1)), 1, 21, PollProof},
		"a track without progress":                               {state(hiddenProgress(songA, 2)), 2, 33, PollProof},
		"a proven play without progress waits for its phase":     {state(hiddenProgress(songA, 2), hiddenProgress(songA, 33)), 33, -1, ""},
		"a paused player proves nothing":                         {state(paused(songA, 2, 2)), 2, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := NextPollWithProof(tt.n, songspy.ObservedPlaying, at(tt.now), 0, testInterval)
			want := Poll{at(tt.want), tt.reason}
			if tt.want < 0 {
				want = NextPoll(tt.n, songspy.ObservedPlaying, at(tt.now), 0, testInterval)
			}
			if got.Reason != want.Reason || got.At.Sub(want.At).Abs() > time.Millisecond {
				t.Errorf("the next poll is at %v (%s), want %v (%s)", secondsIn(got.At), got.Reason, secondsIn(want.At), want.Reason)
			}
		})
	}
}
