package listening

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestAPlayWhoseSuccessorBeganLateEnoughIsProbable(t *testing.T) {
	idle := nothing(-100)
	type claim struct{ from, to, listened, inferred float64 }
	tests := map[string]struct {
		looks []songspy.Observation
		want  *claim // nil: no play at all
	}{
		"the next track began, by its own progress, two minutes after it": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 150)}, &claim{0, 120, 120, 118},
		},
		"just enough": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 75)}, &claim{0, 45, 45, 43},
		},
		"the next track began too soon": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 30, 74)}, nil,
		},
		"the next track keeps its progress secret": {
			[]songspy.Observation{idle, playing(songA, 2, 2), unknown(songB, 150)}, nil,
		},
		"the next track came in in the middle": {
			[]songspy.Observation{idle, playing(songA, 2, 2), playing(songB, 170, 150)}, nil,
		},
		"the next track stands still": {
			[]songspy.Observation{idle, playing(songA, 2, 2), paused(songB, 30, 150)}, nil,
		},
		"silence in between": {
			[]songspy.Observation{idle, playing(songA, 2, 2), nothing(90), playing(songB, 30, 150)}, nil,
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
			for _, o := range tt.looks {
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
			got := claim{off(p.StartedAt), off(p.EndedAt), float64(p.ListenedMS) / 1000, float64(p.InferredMS) / 1000}
			if got != *tt.want || !p.Probable || !p.Provisional {
				t.Errorf("play %+v, want %+v, probable", p, *tt.want)
			}
			if n.StartedAt.Before(p.EndedAt) {
				t.Errorf("the next play begins at %v, before it is over", off(n.StartedAt))
			}
		})
	}
}

// probableOf is a probable play, as polls keep it.
func probableOf(t songspy.Track, from, to, seen float64) songspy.KeptPlay {
	k := kept(t, from, to, to-from, true)
	k.Play.InferredMS, k.Play.Probable = int64((to-from-seen)*1000), true
	return k
}

func TestHistoryConfirmsAProbablePlayOrLeavesIt(t *testing.T) {
	third := songspy.Track{URI: "spotify:track:third", Title: "Third", DurationMS: 31_000}
	before, after := kept(songB, -180, 0, 180, false), kept(songB, 90, 270, 180, false)
	around := []songspy.KeptPlay{before, probableOf(songA, 0, 90, 2), after}
	partial := songspy.HistoryHabit{Listed: 5}
	for name, tt := range map[string]struct {
		items    []songspy.HistoryItem
		habit    songspy.HistoryHabit
		probable bool // it stays probable
		there    bool
	}{
		"history lists it":                           {[]songspy.HistoryItem{item(songB, -180), item(songA, 0), item(songB, 90)}, songspy.HistoryHabit{}, false, true},
		"history lists its end":                      {[]songspy.HistoryItem{item(songB, 0), item(songA, 90), item(songB, 270)}, songspy.HistoryHabit{}, false, true},
		"history lists both neighbours":              {[]songspy.HistoryItem{item(songB, -180), item(songB, 90)}, songspy.HistoryHabit{}, true, true},
		"history that lists partial plays does not":  {[]songspy.HistoryItem{item(songB, -180), item(songB, 90)}, partial, false, false},
		"it lists partial plays, but no neighbour":   {[]songspy.HistoryItem{item(songB, -180)}, partial, true, true},
		"history lists another track in that time":   {[]songspy.HistoryItem{item(songB, -180), item(third, 20), item(songB, 90)}, songspy.HistoryHabit{}, false, false},
		"history lists whole plays, and another one": {[]songspy.HistoryItem{item(songB, -180), item(third, 50), item(songB, 90)}, songspy.HistoryHabit{Unlisted: 5}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			k := songspy.Kept{Plays: around, Habit: tt.habit}
			all := merge(around, Reconcile(k, NewAnswer(tt.items, at(-1000)), at(1000)))
			for _, p := range all {
				if p.Play.TrackURI != songA.URI {
					continue
				}
				if !tt.there || p.Play.Probable != tt.probable || p.HeardAt.IsZero() != tt.probable {
					t.Errorf("kept %+v, told by %v", p.Play, off(p.HeardAt))
				}
				return
			}
			if tt.there {
				t.Errorf("it is gone: %+v", all)
			}
		})
	}
}

func TestPollsProveWhatHistoryWillNotList(t *testing.T) {
	state := func(looks ...songspy.Observation) (n songspy.NowPlaying) {
		for _, o := range append([]songspy.Observation{nothing(-10)}, looks...) {
			n = Step(n, o).State
		}
		return n
	}
	song := func(length float64) songspy.Track {
		return songspy.Track{URI: "spotify:track:song", DurationMS: int64(length * 1000)}
	}
	skipped := []songspy.Observation{playing(songB, 40, 40), playing(song(200), 2, 60)} // it began at 58
	for name, tt := range map[string]struct {
		n      songspy.NowPlaying
		now    float64
		want   float64
		reason Reason
	}{
		"enough of it has sounded 31 s after its start":          {state(playing(song(170), 2, 2)), 2, 31, ReasonProof},
		"a poll that the interval wants soon stands for it":      {state(playing(song(220), 25, 25)), 25, 41.5, ReasonProof},
		"one that it wants later would lose what is left sooner": {state(playing(song(240), 2, 2)), 2, 31, ReasonProof},
		"what is proven needs none but at its end":               {state(playing(song(170), 40, 40)), 40, 171.5, ReasonEnd},
		"a long rest is polled once, a little before its middle": {state(playing(song(280), 40, 40)), 40, 148.675, ReasonBetween},
		"after a skip too, enough has to sound":                  {state(skipped...), 60, 89, ReasonProof},
		"after a skip polls go on, for skips come in runs":       {state(append(skipped, playing(song(200), 31, 89))...), 89, 164, ReasonSkips},
		"late in a track hardly anybody skips":                   {state(append(skipped, playing(song(200), 110, 168))...), 168, 259.5, ReasonEnd},
		"a track that ends sooner":                               {state(playing(short, 1, 1)), 1, 21, ReasonProof},
		"a track that keeps its progress secret":                 {state(unknown(songA, 2)), 2, 33, ReasonProof},
		"secret progress that is proven waits for its place":     {state(unknown(songA, 2), unknown(songA, 33)), 33, -1, ""},
		"a player that stands still proves nothing":              {state(paused(songA, 2, 2)), 2, -1, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := NextLookProving(tt.n, songspy.SightingPlaying, at(tt.now), 0, floorOfDay)
			want := Look{at(tt.want), tt.reason}
			if tt.want < 0 {
				want = NextLook(tt.n, songspy.SightingPlaying, at(tt.now), 0, floorOfDay)
			}
			if got.Reason != want.Reason || got.At.Sub(want.At).Abs() > time.Millisecond {
				t.Errorf("the next poll is at %v (%s), want %v (%s)", off(got.At), got.Reason, off(want.At), want.Reason)
			}
		})
	}
}
