package listening

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// watch feeds looks to a listener whose history was asked at the first of them.
func watch(looks ...songspy.Observation) (songspy.NowPlaying, Untold) {
	var n songspy.NowPlaying
	u := Untold{AskedAt: looks[0].At}
	for _, obs := range looks {
		out := Step(n, obs)
		u = u.Looked(n, out, n.ObservedAt, 3*time.Minute)
		n = out.State
	}
	return n, u
}

func TestHistoryIsAskedOnlyWhereLooksLeaveAHole(t *testing.T) {
	for name, tt := range map[string]struct {
		looks []songspy.Observation
		why   Errand
		hole  float64 // where it ends, in seconds
	}{
		"silence":            {[]songspy.Observation{nothing(0), nothing(180), nothing(360)}, ErrandRoutine, 0},
		"songs heard out":    {[]songspy.Observation{nothing(0), playing(songA, 40, 50), playing(songB, 2, 212), playing(songB, 90, 300)}, ErrandRoutine, 0},
		"a song cut short":   {[]songspy.Observation{nothing(0), playing(songA, 40, 50), playing(songB, 20, 170)}, ErrandHole, 150},
		"cut at once":        {[]songspy.Observation{nothing(0), playing(songA, 40, 50), playing(songB, 5, 70)}, ErrandRoutine, 0},
		"two songs later":    {[]songspy.Observation{nothing(0), playing(songA, 40, 50), playing(songB, 20, 500)}, ErrandHole, 480},
		"a session's end":    {[]songspy.Observation{nothing(0), playing(songA, 40, 50), nothing(212), nothing(242)}, ErrandEnd, 242},
		"one false silence":  {[]songspy.Observation{nothing(0), playing(songA, 40, 50), nothing(100), playing(songA, 120, 130)}, ErrandRoutine, 0},
		"nobody looked":      {[]songspy.Observation{nothing(0), nothing(3600)}, ErrandReturn, 3600},
		"back to a song":     {[]songspy.Observation{nothing(0), playing(songA, 40, 50), playing(songB, 20, 4000)}, ErrandReturn, 3980},
		"an episode goes on": {[]songspy.Observation{nothing(0), playing(episode, 40, 50), playing(episode, 3040, 3050)}, ErrandRoutine, 0},
	} {
		t.Run(name, func(t *testing.T) {
			_, u := watch(tt.looks...)
			want := Inquiry{at(tt.hole).Add(arrives), tt.why}
			switch tt.why {
			case ErrandRoutine:
				want.At = u.AskedAt.Add(HistoryEvery)
			case ErrandHole:
				want.At = later(want.At, u.AskedAt.Add(apart))
			}
			if got := u.NextInquiry(); !got.At.Equal(want.At) || got.Errand != want.Errand {
				t.Errorf("planned %+v, want %+v", got, want)
			}
		})
	}
}

func TestAHistoryOfWholePlaysIsNotAskedAboutWhatWasLeftEarly(t *testing.T) {
	start := Untold{Until: at(50), Why: ErrandStart}
	for name, tt := range map[string]struct {
		u, before, want Untold
	}{
		"a hole":                            {Untold{Until: at(90), Why: ErrandHole, Plays: 2}, Untold{}, Untold{Plays: 2}},
		"a session's end":                   {Untold{Until: at(90), Why: ErrandEnd}, Untold{}, Untold{}},
		"a hole leaves the session's start": {Untold{Until: at(90), Why: ErrandHole}, start, start},
		"a session's start":                 {start, Untold{}, start},
		"nobody polled for a while":         {Untold{Until: at(90), Why: ErrandReturn}, Untold{}, Untold{Until: at(90), Why: ErrandReturn}},
	} {
		if got := tt.u.WholeOnly(tt.before); got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}

func TestTheStartOfASessionAsksWhatCameBeforeUnlessThatIsKnown(t *testing.T) {
	for asked, want := range map[time.Duration]Errand{recently - time.Minute: ErrandRoutine, recently + time.Minute: ErrandStart} {
		start := at(asked.Seconds())
		u := Untold{AskedAt: at(0)}
		before := songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: start.Add(-3 * time.Minute), ElsewhereAt: start.Add(-3 * time.Minute)}
		out := Step(before, playing(songA, 0, asked.Seconds()))
		got := u.Looked(before, out, before.ObservedAt, 3*time.Minute).NextInquiry()
		if got.Errand != want || want == ErrandStart && !got.At.Equal(start.Add(arrives)) {
			t.Errorf("asked %s before: planned %+v, want it for %s", asked, got, want)
		}
	}
}

func TestHistoryIsAskedBeforeItForgets(t *testing.T) {
	u := Untold{AskedAt: at(0), Plays: nearlyAll}
	if got := u.NextInquiry(); got.Errand != ErrandOverflow || !got.At.Equal(at(0).Add(arrives)) {
		t.Errorf("planned %+v", got)
	}
	if got := u.Asked(at(500)).NextInquiry(); got.Errand != ErrandRoutine {
		t.Errorf("planned %+v though it was asked", got)
	}
}

func TestAHoleThatHistoryCannotTellOfYetIsAskedAboutAgain(t *testing.T) {
	u := Untold{AskedAt: at(0), Until: at(1000), Why: ErrandEnd}
	if got := u.Asked(at(1060)).NextInquiry(); got.Errand != ErrandEnd || !got.At.Equal(at(1000).Add(arrives)) {
		t.Errorf("planned %+v", got)
	}
	if got := u.Asked(at(1130)).NextInquiry(); got.Errand != ErrandRoutine {
		t.Errorf("planned %+v", got)
	}
}

func TestInquiriesKeepTheirDistance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		moment := func(label string) time.Time { return at(rapid.Float64Range(0, 40_000).Draw(t, label)) }
		u := Untold{AskedAt: moment("asked"), Plays: rapid.IntRange(0, 60).Draw(t, "plays")}
		if rapid.Bool().Draw(t, "hole") {
			u.Until, u.Why = moment("until"), rapid.SampledFrom([]Errand{ErrandHole, ErrandEnd, ErrandReturn}).Draw(t, "why")
		}
		next := u.NextInquiry()
		if next.At.After(u.AskedAt.Add(HistoryEvery)) {
			t.Fatalf("%+v comes later than every %s", next, HistoryEvery)
		}
		if next.Errand == u.Why && next.At.Before(u.Until.Add(arrives)) {
			t.Fatalf("%+v comes before history can tell", next)
		}
		again := u.Asked(next.At).NextInquiry()
		if again.At.Sub(next.At) < arrives && again.Errand != u.Why {
			t.Fatalf("%+v comes right after %+v", again, next)
		}
		if again.Errand == next.Errand && again.At.Equal(next.At) {
			t.Fatalf("%+v is planned for ever", again)
		}
	})
}

func TestSettledTimeIsNeverClaimedByALaterPlay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, now := songspy.NowPlaying{}, base
		for range rapid.IntRange(1, 12).Draw(t, "looks") {
			settled := Settled(n)
			obs := genObservation(t, now)
			now = later(now, obs.At)
			out := Step(n, obs)
			for _, p := range out.Plays {
				if p.StartedAt.Before(settled) {
					t.Fatalf("%+v began before %v, which was settled", p, settled)
				}
			}
			if Settled(out.State).Before(settled) {
				t.Fatalf("settled until %v, then until %v", settled, Settled(out.State))
			}
			n = out.State
		}
	})
}
