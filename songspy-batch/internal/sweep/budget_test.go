package sweep

import (
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
	"github.com/songspy/songspy/songspy-domain/quota"
)

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// whole is the share of a batch that is alone.
func whole() float64 { return 1 }

func own(app string) string { return app }

func TestWithoutAQuotaNothingIsKeptOfHabits(t *testing.T) {
	for name, all := range map[string]*budgets{
		"no spending":    newBudgets(nil, 3*time.Minute),
		"nothing bounds": newBudgets(&Spending{Account: own, Share: whole, Room: func(string, time.Time) quota.Room { return quota.Room{} }}, 3*time.Minute),
	} {
		all.plan(noon, map[string]headcount{"app": {7, 1}})
		b := all.of("app")
		if b != nil || len(all.all()) > 0 || all.idleWait(time.Minute) != time.Minute || all.kept() != 1 {
			t.Fatalf("%s: no calls are bounded, and a budget is kept", name)
		}
		all.forget(1)
		b.saw(1, true, noon)
		b.asked(noon)
		look := listening.Look{At: noon.Add(time.Minute), Reason: listening.ReasonFloor}
		if got := b.heed(1, look, songspy.NowPlaying{}, noon); got != look || b.longest(time.Minute) != time.Minute {
			t.Errorf("%s: %+v became %+v", name, look, got)
		}
	}
}

// even is the room of an account that has made so many of its calls, evenly.
func even(limit, calls int64) (r quota.Room) {
	r = quota.Room{Bounded: true, Limit: limit, Ceiling: limit, Calls: calls}
	for i := range r.Leaving {
		r.Leaving[i] = calls / 24
	}
	return r
}

func TestIdlePeopleShareWhatListenersLeave(t *testing.T) {
	const people, interval = 100, 3 * time.Minute
	calls, share := int64(people*270), 1.0
	all := newBudgets(&Spending{
		Account: own, Share: func() float64 { return share },
		Room: func(account string, _ time.Time) quota.Room {
			return map[string]quota.Room{"app": even(people*300, calls), "other": even(people*300, 0)}[account]
		},
	}, interval)
	crowds := map[string]headcount{"app": {people, 0}, "other": {people / 4, 0}, "brought": {1, 0}}
	wait := func() time.Duration {
		all.plan(noon, crowds)
		return all.of("app").now().Wait
	}
	usual := wait()
	if usual <= interval || usual > 10*time.Minute {
		t.Fatalf("with three fifths of what the interval costs somebody idle waits %v", usual)
	}
	b := all.of("app")
	for range people * 10 { // a busy hour
		b.asked(noon.Add(-time.Hour))
	}
	if wait() <= usual {
		t.Errorf("after a busy hour they wait %v, not longer than %v", wait(), usual)
	}
	if notes := strings.Join(all.notes(interval), ""); !strings.HasPrefix(notes, "The 30000 calls that are planned for 24 hours for app app do not allow a poll every 3m0s") {
		t.Errorf("the notes say %q", notes)
	}
	if other := all.of("other").now().Wait; other != interval || all.of("brought") != nil || all.idleWait(interval) != b.now().Wait {
		t.Errorf("another app's people wait %v, and one that nothing bounds has %v", other, all.of("brought"))
	}
	// A replica that looks after a quarter of all people plans with a quarter of the calls.
	quarter := newBudget("app", interval)
	quarter.plan(noon, even(people*300, calls), headcount{people / 4, 0}, 0.25)
	if got := quarter.now().Wait; got != usual {
		t.Errorf("a quarter of the people wait %v, all of them %v", got, usual)
	}
}

func TestListeningIsExpectedToBeWorthWhatItWasTheDayBefore(t *testing.T) {
	b := newBudget("app", time.Minute)
	midnight := noon.Add(-12 * time.Hour)
	playing := songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:a", TrackID: 1}
	for hour := range 24 {
		for range 10 + 100*(hour/20) { // evenings are busy
			now := midnight.Add(time.Duration(hour) * time.Hour)
			b.heed(1, listening.Look{At: now.Add(100 * time.Second)}, playing, now)
		}
	}
	d := b.expected(midnight.Add(24*time.Hour+18*time.Hour), 0, 0)
	sum := 0.0
	for _, polls := range d.Listening[:6] {
		sum += polls
	}
	if sum < 459 || sum > 461 || d.Fixed != 0 {
		t.Errorf("for the evening %.1f polls are expected, want 2 × 10 and 4 × 110", sum)
	}
	if d := b.expected(midnight.Add(24*time.Hour+18*time.Hour), 0, 10); d.Listening[0] < 350 || d.Listening[2] > 115 {
		t.Errorf("with ten who listen now %.1f polls are expected", d.Listening)
	}
}

func TestPollsThatAreThinnedCountForWhatTheyWouldHaveBeen(t *testing.T) {
	b := newBudget("app", 3*time.Minute)
	room := even(288, 288)
	b.plan(noon, room, headcount{0, 5}, 1)
	if keep := b.now().Keep; keep >= 0.5 {
		t.Fatalf("%v of the polls of five who listen are kept with 288 calls", keep)
	}
	playing := songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:a", TrackID: 1}
	look := b.heed(1, listening.Look{At: noon.Add(usualMean), Reason: listening.ReasonEnd}, playing, noon)
	if look.Reason != listening.ReasonBudget || b.count.polls < 2 {
		t.Errorf("%+v counts for %v polls", look, b.count.polls)
	}
	if all := (&budgets{}); all.kept() != 1 {
		t.Error("without a plan polls are thinned")
	}
}

func TestFewIdlePeopleOfAnAccountAreLookedAtInTurn(t *testing.T) {
	b := newBudget("app", 3*time.Minute)
	b.plan(noon, even(288, 288), headcount{5, 0}, 1)
	next := map[songspy.UserID]time.Time{}
	for id := range songspy.UserID(5) { // all are looked at at once
		next[id] = noon
	}
	last, longest := noon, time.Duration(0)
	for range 500 {
		var id songspy.UserID
		for other, at := range next {
			if at.Before(next[id]) || at.Equal(next[id]) && other < id {
				id = other
			}
		}
		now := next[id]
		if now.Sub(noon) > 3*time.Hour {
			longest = max(longest, now.Sub(last))
		}
		last = now
		floor := listening.Look{At: now.Add(3 * time.Minute), Reason: listening.ReasonFloor}
		next[id] = b.heed(id, floor, songspy.NowPlaying{State: songspy.PlayerIdle}, now).At
	}
	if longest > 12*time.Minute {
		t.Errorf("five people who wait for half an hour each leave their account dark for %v", longest)
	}
}

func TestAnAppThatAPersonBroughtIsNotNamed(t *testing.T) {
	app := songspy.OwnApp("0123456789abcdef0123456789abcdef")
	all := newBudgets(&Spending{Account: own, Share: whole, Room: func(string, time.Time) quota.Room { return even(288, 288) }}, 3*time.Minute)
	all.plan(noon, map[string]headcount{app: {5, 5}})
	notes := strings.Join(all.notes(3*time.Minute), "\n")
	if strings.Contains(notes, "0123456789abcdef") || !strings.Contains(notes, "1 apps that people brought") {
		t.Errorf("the notes say %q", notes)
	}
}
