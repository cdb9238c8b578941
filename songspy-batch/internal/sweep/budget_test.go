package sweep

import (
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

func TestWithoutABudgetNothingIsKeptOfHabits(t *testing.T) {
	all := newBudgets(&Spending{}, 3*time.Minute)
	b := all.of("app")
	if b != nil || len(all.all()) > 0 || all.idleWait(time.Minute) != time.Minute {
		t.Fatal("no calls are bounded, and a budget is kept")
	}
	all.plan(time.Now(), map[string]int{"app": 7})
	all.forget(1)
	b.saw(1, true, time.Now())
	b.spent(time.Now())
	look := listening.Look{At: time.Now().Add(time.Minute), Reason: listening.ReasonFloor}
	if got := b.heed(1, look, songspy.NowPlaying{}, time.Now()); got != look || b.longest(time.Minute) != time.Minute {
		t.Errorf("%+v became %+v", look, got)
	}
}

func TestIdlePeopleShareWhatListenersLeave(t *testing.T) {
	const people, interval = 100, 3 * time.Minute
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	spent := int64(people * 150) // half of the day, half of the calls
	share := 1.0
	all := newBudgets(&Spending{
		Daily: people * 300, Share: func() float64 { return share },
		Quota: func(app string) (string, bool) { return app, app != "brought" },
		Spent: func(quota string, _ time.Time) int64 { return map[string]int64{"app": spent}[quota] },
	}, interval)
	b := all.of("app")
	wait := func() time.Duration {
		all.plan(noon, map[string]int{"app": people, "other": people / 4, "brought": 1})
		return time.Duration(b.wait.Load())
	}
	usual := wait()
	if usual <= interval || usual > 10*time.Minute {
		t.Fatalf("at half of the day with half of its calls somebody idle waits %v", usual)
	}
	if spent += people * 50; wait() <= usual {
		t.Errorf("with more spent they wait %v, not longer than %v", wait(), usual)
	}
	spent -= people * 50
	// A replica that looks after a quarter of all people plans with a quarter of the calls.
	share = 0.25
	b.plan(noon, people/4)
	if got := time.Duration(b.wait.Load()); got != usual {
		t.Errorf("a quarter of the people wait %v, all of them %v", got, usual)
	}
	share = 1
	for range people * 20 { // a busy hour
		b.spent(noon.Add(-time.Hour))
	}
	if wait() <= usual {
		t.Errorf("after a busy hour they wait %v, not longer than %v", wait(), usual)
	}
	if notes := strings.Join(all.notes(interval), ""); !strings.HasPrefix(notes, "The day's 30000 calls of app app do not allow a look every 3m0s") {
		t.Errorf("the notes say %q", notes)
	}
	if other := all.of("other").idleWait(interval); other != interval || all.of("brought") != nil || all.idleWait(interval) != b.idleWait(interval) {
		t.Errorf("another app's people wait %v, and one that nothing bounds has %v", other, all.of("brought"))
	}
}

func TestListeningIsExpectedToCostWhatItDidTheDayBefore(t *testing.T) {
	b := newBudget(Spending{Daily: 1 << 30, Share: func() float64 { return 1 }}, "app", time.Minute)
	midnight := time.Date(2026, 11, 24, 0, 0, 0, 0, time.UTC)
	for hour := range 24 {
		for range 10 + 100*(hour/20) { // evenings are busy
			b.spent(midnight.Add(time.Duration(hour) * time.Hour))
		}
	}
	tomorrow := midnight.Add(24 * time.Hour)
	if got := b.expected(tomorrow.Add(18*time.Hour), tomorrow.Add(24*time.Hour)); got < 459 || got > 461 {
		t.Errorf("for the evening %.1f calls are expected, want 2 × 10 and 4 × 110", got)
	}
}
