package playback

import (
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestStep_PlayFollowedLateEnoughIsProbable(t *testing.T) {
	idle := idleAt(-100)
	type expectedClaim struct{ from, to, listened, inferred float64 }
	tests := map[string]struct {
		polls []songspy.Observation
		want  *expectedClaim // nil: no play at all
	}{
		"the next track began, by its own progress, two minutes after it": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 150)}, &expectedClaim{0, 120, 120, 118},
		},
		"just enough": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 60)}, &expectedClaim{0, 30, 30, 28},
		},
		"the next track began too soon": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 59)}, nil,
		},
		"the next track keeps its progress secret": {
			[]songspy.Observation{idle, playing(songA, 2, 2), hiddenProgress(songB, 150)}, nil,
		},
		"the next track came in in the middle": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 170, 150)}, nil,
		},
		"the next track stands still": {
			[]songspy.Observation{idle, playing(songA, 2, 2), paused(songB, 30, 150)}, nil,
		},
		"silence in between": {
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
				t.Errorf("the next play begins at %v, before it is over", secondsIn(n.StartedAt))
			}
		})
	}
}

func TestWithProof_PollsWherePartialPlaysAreNotListed(t *testing.T) {
	state := func(polls ...songspy.Observation) (n songspy.NowPlaying) {
		for _, o := range append([]songspy.Observation{idleAt(-10)}, polls...) {
			n = Step(n, o).State
		}
		return n
	}
	for name, tt := range map[string]struct {
		n      songspy.NowPlaying
		now    float64
		want   float64
		reason PollReason
	}{
		"enough of it has sounded 31 s after its start": {state(playing(songA, 2, 2)), 2, 31, PollProof},
		"it stands in for the look after a skip":        {state(playing(songB, 1, 1), playing(songA, 4, 10)), 10, 37, PollProof},
		"what is proven needs no look":                  {state(playing(songA, 40, 40)), 40, -1, ""},
		"a track that ends sooner":                      {state(playing(short, 1, 1)), 1, 21, PollProof},
		"a player that stands still proves nothing":     {state(paused(songA, 2, 2)), 2, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			plain := NextPoll(tt.n, songspy.ObservedPlaying, at(tt.now), 0, testInterval)
			got := plain.WithProof(tt.n, at(tt.now), testInterval)
			want := Poll{at(tt.want), tt.reason}
			if tt.want < 0 {
				want = plain
			}
			if got != want {
				t.Errorf("the next look is at %v (%s), want %v (%s)", secondsIn(got.At), got.Reason, secondsIn(want.At), want.Reason)
			}
		})
	}
}
