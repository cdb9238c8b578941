package playback

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// pollAll applies polls to a user whose history was fetched at the time of the first poll.
// It returns the user's states after the last poll.
func pollAll(polls ...songspy.Observation) (songspy.NowPlaying, HistoryState) {
	var n songspy.NowPlaying
	u := HistoryState{FetchedAt: polls[0].At}
	for _, obs := range polls {
		out := Step(n, obs)
		u = u.AfterPoll(n, out, n.ObservedAt, 3*time.Minute)
		n = out.State
	}
	return n, u
}

func TestNextFetch_OnlyForUncoveredTime(t *testing.T) {
	for name, tt := range map[string]struct {
		polls     []songspy.Observation
		reason    HistoryReason
		uncovered float64 // the end of the uncovered time, in seconds after base; 0 if there is none
	}{
		"idle":                {[]songspy.Observation{idleAt(0), idleAt(180), idleAt(360)}, HistoryRoutine, 0},
		"played to the end":   {[]songspy.Observation{idleAt(0), playing(songA, 40, 50), playing(songB, 2, 212), playing(songB, 90, 300)}, HistoryRoutine, 0},
		"a track was skipped": {[]songspy.Observation{idleAt(0), playing(songA, 40, 50), playing(songB, 20, 170)}, HistoryUncovered, 150},
		"skipped at once":     {[]songspy.Observation{idleAt(0), playing(songA, 40, 50), playing(songB, 5, 70)}, HistoryRoutine, 0},
		"two tracks later":    {[]songspy.Observation{idleAt(0), playing(songA, 40, 50), playing(songB, 20, 500)}, HistoryUncovered, 480},
		"a session's end":     {[]songspy.Observation{idleAt(0), playing(songA, 40, 50), idleAt(212), idleAt(242)}, HistorySessionEnd, 242},
		"one false idle":      {[]songspy.Observation{idleAt(0), playing(songA, 40, 50), idleAt(100), playing(songA, 120, 130)}, HistoryRoutine, 0},
		"no poll for an hour": {[]songspy.Observation{idleAt(0), idleAt(3600)}, HistoryResumed, 3600},
		"a track after a gap": {[]songspy.Observation{idleAt(0), playing(songA, 40, 50), playing(songB, 20, 4000)}, HistoryResumed, 3980},
		"an episode goes on":  {[]songspy.Observation{idleAt(0), playing(episode, 40, 50), playing(episode, 3040, 3050)}, HistoryRoutine, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, u := pollAll(tt.polls...)
			want := HistoryFetch{at(tt.uncovered).Add(songspy.HistoryDelayMax), tt.reason}
			switch tt.reason {
			case HistoryRoutine:
				want.At = u.FetchedAt.Add(HistoryFetchInterval)
			case HistoryUncovered:
				want.At = instant.Later(want.At, u.FetchedAt.Add(fetchGapMin))
			}
			if got := u.NextFetch(); !got.At.Equal(want.At) || got.Reason != want.Reason {
				t.Errorf("planned %+v, want %+v", got, want)
			}
		})
	}
}

func TestAHistoryOfWholePlaysIsNotAskedAboutWhatWasLeftEarly(t *testing.T) {
	start := HistoryState{UncoveredUntil: at(50), Reason: HistorySessionStart}
	for name, tt := range map[string]struct {
		u, before, want HistoryState
	}{
		"uncovered time":                 {HistoryState{UncoveredUntil: at(90), Reason: HistoryUncovered, PlaysSince: 2}, HistoryState{}, HistoryState{PlaysSince: 2}},
		"a session's end":                {HistoryState{UncoveredUntil: at(90), Reason: HistorySessionEnd}, HistoryState{}, HistoryState{}},
		"uncovered time, then a session": {HistoryState{UncoveredUntil: at(90), Reason: HistoryUncovered}, start, start},
		"a session's start":              {start, HistoryState{}, start},
		"no poll for a while":            {HistoryState{UncoveredUntil: at(90), Reason: HistoryResumed}, HistoryState{}, HistoryState{UncoveredUntil: at(90), Reason: HistoryResumed}},
	} {
		if got := tt.u.WithoutPartialPlays(tt.before); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestNextFetch_AtSessionStartUnlessFetchedRecently(t *testing.T) {
	for asked, want := range map[time.Duration]HistoryReason{recentFetch - time.Minute: HistoryRoutine, recentFetch + time.Minute: HistorySessionStart} {
		start := at(asked.Seconds())
		u := HistoryState{FetchedAt: at(0)}
		before := songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: start.Add(-3 * time.Minute), OtherSeenAt: start.Add(-3 * time.Minute)}
		out := Step(before, playing(songA, 0, asked.Seconds()))
		got := u.AfterPoll(before, out, before.ObservedAt, 3*time.Minute).NextFetch()
		if got.Reason != want || want == HistorySessionStart && !got.At.Equal(start.Add(songspy.HistoryDelayMax)) {
			t.Errorf("fetched %s before: planned %+v, want reason %s", asked, got, want)
		}
	}
}

func TestNextFetch_BeforeHistoryOverflows(t *testing.T) {
	u := HistoryState{FetchedAt: at(0), PlaysSince: nearlyFullHistory}
	if got := u.NextFetch(); got.Reason != HistoryOverflow || !got.At.Equal(at(0).Add(songspy.HistoryDelayMax)) {
		t.Errorf("planned %+v", got)
	}
	if got := u.AfterFetch(at(500)).NextFetch(); got.Reason != HistoryRoutine {
		t.Errorf("planned %+v although it was fetched", got)
	}
}

func TestNextFetch_RepeatsForTimeNotYetListed(t *testing.T) {
	u := HistoryState{FetchedAt: at(0), UncoveredUntil: at(1000), Reason: HistorySessionEnd}
	if got := u.AfterFetch(at(1060)).NextFetch(); got.Reason != HistorySessionEnd || !got.At.Equal(at(1000).Add(songspy.HistoryDelayMax)) {
		t.Errorf("planned %+v", got)
	}
	if got := u.AfterFetch(at(1130)).NextFetch(); got.Reason != HistoryRoutine {
		t.Errorf("planned %+v", got)
	}
}

func TestNextFetch_KeepsItsDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := func(label string) time.Time { return at(rapid.Float64Range(0, 40_000).Draw(t, label)) }
		u := HistoryState{FetchedAt: moment("asked"), PlaysSince: rapid.IntRange(0, 60).Draw(t, "plays")}
		if rapid.Bool().Draw(t, "hole") {
			u.UncoveredUntil, u.Reason = moment("until"), rapid.SampledFrom([]HistoryReason{HistoryUncovered, HistorySessionEnd, HistoryResumed}).Draw(t, "why")
		}
		next := u.NextFetch()
		if next.At.After(u.FetchedAt.Add(HistoryFetchInterval)) {
			t.Fatalf("%+v comes later than every %s", next, HistoryFetchInterval)
		}
		if next.Reason == u.Reason && next.At.Before(u.UncoveredUntil.Add(songspy.HistoryDelayMax)) {
			t.Fatalf("%+v comes before history can list the plays", next)
		}
		again := u.AfterFetch(next.At).NextFetch()
		if again.At.Sub(next.At) < songspy.HistoryDelayMax && again.Reason != u.Reason {
			t.Fatalf("%+v comes right after %+v", again, next)
		}
		if again.Reason == next.Reason && again.At.Equal(next.At) {
			t.Fatalf("%+v is planned again and again", again)
		}
	})
}

func TestSettledUntil_NoLaterPlayBeginsBefore(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, now := songspy.NowPlaying{}, base
		for range rapid.IntRange(1, 12).Draw(t, "looks") {
			settled := SettledUntil(n)
			obs := genObservation(t, now)
			now = instant.Later(now, obs.At)
			out := Step(n, obs)
			for _, p := range out.Plays {
				if p.StartedAt.Before(settled) {
					t.Fatalf("%+v began before %v, which was settled", p, settled)
				}
			}
			if SettledUntil(out.State).Before(settled) {
				t.Fatalf("settled until %v, then until %v", settled, SettledUntil(out.State))
			}
			n = out.State
		}
	})
}
