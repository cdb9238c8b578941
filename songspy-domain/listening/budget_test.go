package listening

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const floorInterval = 3 * time.Minute

func TestWithoutABudgetThePlanIsWhatItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := songspy.NowPlaying{State: rapid.SampledFrom([]songspy.PlayerState{songspy.PlayerIdle, songspy.PlayerPaused}).Draw(t, "state")}
		look := NextLook(n, songspy.SightingNothing, base, seconds(t, 0, 180), floorInterval)
		if got := look.Sparing(n, base, floorInterval, Budget{}.Wait(floorInterval), 1); got != look {
			t.Fatalf("%+v became %+v", look, got)
		}
	})
}

func TestMoreBudgetNeverMeansALongerWait(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		b := Budget{
			Left: rapid.Int64Range(0, 1<<40).Draw(t, "left"), Rest: seconds(t, 1, 86400),
			Listening: rapid.Float64Range(0, 1<<30).Draw(t, "listening"), Idle: rapid.IntRange(0, 1<<20).Draw(t, "idle"),
		}
		wait := b.Wait(floorInterval)
		if wait < floorInterval || wait > LongestWait {
			t.Fatalf("%+v waits %v", b, wait)
		}
		more := b
		more.Left += rapid.Int64Range(0, 1<<40).Draw(t, "more")
		if more.Wait(floorInterval) > wait {
			t.Fatalf("%+v waits %v, and %+v %v", b, wait, more, more.Wait(floorInterval))
		}
	})
}

// A day of people who listen at any time, planned once in an interval as the
// sweep does it: the budget is kept, and idle people are looked at until it ends.
func TestADayStaysWithinItsBudgetAndDoesNotEndInDarkness(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		const people = 100
		daily := int64(people * rapid.IntRange(150, 500).Draw(t, "calls"))
		listeners := rapid.IntRange(0, 20).Draw(t, "listeners")
		perListener := rapid.Float64Range(0, 1.2).Draw(t, "calls in an interval")
		spent, last := 0.0, 0.0
		for at := time.Duration(0); at < 24*time.Hour; at += floorInterval {
			rest := 24*time.Hour - at
			b := Budget{
				Left: daily - int64(spent), Rest: rest, Idle: people - listeners,
				Listening: float64(listeners) * perListener * float64(rest/floorInterval),
			}
			idle := float64(people-listeners) * float64(floorInterval) / float64(b.Wait(floorInterval))
			spent += idle + float64(listeners)*perListener
			last = idle
		}
		if least := float64(people-listeners) * float64(floorInterval) / float64(LongestWait); last < least*0.99 {
			t.Fatalf("the day ends with %.2f looks in an interval, want %.2f at least", last, least)
		}
		// Nobody waits longer than the longest wait, whatever that costs.
		bare := float64(listeners)*perListener*480 + float64(people-listeners)*float64(24*time.Hour)/float64(LongestWait)
		if spent > max(float64(daily), bare)*1.001+1 {
			t.Fatalf("%.0f calls were planned of %d", spent, daily)
		}
	})
}

func TestAHabitMovesLooksToItsHoursAndCostsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Habit
		usual := rapid.IntRange(0, 23).Draw(t, "usual")
		for range rapid.IntRange(0, 2000).Draw(t, "sightings") {
			hour := usual
			if rapid.IntRange(0, 9).Draw(t, "chance") == 0 {
				hour = rapid.IntRange(0, 23).Draw(t, "hour")
			}
			h.Listened(base.Add(time.Duration(hour) * time.Hour))
		}
		sum := 0.0
		for hour := range 24 {
			w := h.Weight(base.Add(time.Duration(hour) * time.Hour))
			if w < 0.5 {
				t.Fatalf("weight %v", w)
			}
			sum += w
		}
		if sum < 23.99 || sum > 24.01 {
			t.Fatalf("a day's weights add up to %v", sum)
		}
	})
	var h Habit
	for range 100 {
		h.Listened(base)
	}
	if w := h.Weight(base); w < 4 {
		t.Errorf("at the only hour that they listen a look weighs %v", w)
	}
}

func TestWhoListensIsLookedAtAsIfThereWereNoBudget(t *testing.T) {
	n, _, _ := run(t, nothing(-1), playing(songA, 1.5, 1.5))
	look := NextLook(n, songspy.SightingPlaying, at(1.5), 0, floorInterval)
	if got := look.Sparing(n, at(1.5), floorInterval, LongestWait, 0.5); got != look {
		t.Errorf("%+v became %+v", look, got)
	}
	idle := songspy.NowPlaying{State: songspy.PlayerIdle}
	look = NextLook(idle, songspy.SightingNothing, at(0), 0, floorInterval)
	if got := look.Sparing(idle, at(0), floorInterval, 10*time.Minute, 2); got != (Look{at(300), ReasonBudget}) {
		t.Errorf("somebody idle at a good hour: %+v", got)
	}
}
