package gate_test

import (
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
)

// flood offers a call every millisecond for a second, all answered at once,
// and counts those that passed.
func flood(s *gate.State, from time.Time, u gate.Urgency) (passed int) {
	for i := range 1000 {
		at := from.Add(time.Duration(i) * time.Millisecond)
		next, v := gate.Decide(*s, at, gate.API, u)
		if v.Allowed {
			passed++
			*s = gate.Report(next, at, gate.API, v.Pass, gate.Outcome{})
		}
	}
	return passed
}

// reopened is a door that carried perSecond calls for a minute, was closed
// for 30 s and has just been opened by a probe.
func reopened(t *testing.T, perSecond int) (gate.State, time.Time) {
	t.Helper()
	var s gate.State
	at := noon
	var last gate.Pass
	for range 60 * perSecond {
		last = pass(t, &s, at)
		at = at.Add(time.Second / time.Duration(perSecond))
	}
	s = gate.Report(s, at, gate.API, last, gate.Outcome{Result: gate.Throttled})
	at = at.Add(30 * time.Second)
	return gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{}), at
}

func TestOpening_RampsUpToHalfThePaceThatWasRefused(t *testing.T) {
	s, at := reopened(t, 100)
	first := flood(&s, at, gate.Routine)
	if first == 0 || first > 5 {
		t.Fatalf("%d calls passed in the first second after the opening, want a few", first)
	}
	var passed int
	for range 20 {
		at = at.Add(time.Second)
		passed = flood(&s, at, gate.Routine)
	}
	if passed < 45 || passed > 60 {
		t.Fatalf("twenty seconds after a refusal at 100 a second %d pass, want about 50", passed)
	}
}

func TestPace_RisesSlowlyOnceItIsWhatWasLearnt(t *testing.T) {
	s, at := reopened(t, 100)
	for range 30 {
		flood(&s, at, gate.Routine)
		at = at.Add(time.Second)
	}
	before := s.API.Pace.Rate
	for range 30 {
		flood(&s, at, gate.Routine)
		at = at.Add(time.Second)
	}
	if rise := s.API.Pace.Rate - before; rise < 1 || rise > 3 {
		t.Fatalf("the pace rose by %.2f in a window, want a thirtieth of 50", rise)
	}
}

func TestPace_IsHalvedByTheNextRefusal(t *testing.T) {
	s, at := reopened(t, 100)
	for range 30 {
		flood(&s, at, gate.Routine)
		at = at.Add(time.Second)
	}
	at = at.Add(time.Second)
	before := s.API.Pace.Rate
	s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{Result: gate.Throttled})
	if got := s.API.Pace.Learnt; got < before/2-0.01 || got > before/2+0.01 {
		t.Fatalf("refused at %.1f a second it learnt %.1f, want half", before, got)
	}
}

func TestPace_IsDroppedWhenTheDoorHasShownThatItCarriesMore(t *testing.T) {
	var s gate.State // closed by something that tells nothing of pace
	s = gate.Report(s, noon, gate.API, pass(t, &s, noon), gate.Outcome{Result: gate.PremiumRequired})
	at := noon.Add(time.Hour)
	s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{})
	for range 12 {
		flood(&s, at, gate.Routine)
		at = at.Add(time.Second)
	}
	if passed := flood(&s, at, gate.Routine); passed != 1000 {
		t.Fatalf("%d of 1000 calls pass long after an opening, want all", passed)
	}
}

func TestUrgentCalls_PassAPacedDoorAtTheRoutineOnesCost(t *testing.T) {
	s, at := reopened(t, 10)
	pass(t, &s, at) // the opening's one credit
	next, v := gate.Decide(s, at, gate.API, gate.Urgent)
	if !v.Allowed {
		t.Fatalf("an urgent call was held by %q", v.Why)
	}
	_, urgent := gate.Decide(next, at.Add(time.Second), gate.API, gate.Routine)
	_, without := gate.Decide(s, at.Add(time.Second), gate.API, gate.Routine)
	if urgent.Allowed || !without.Allowed {
		t.Fatalf("a second later a routine call passes after an urgent one: %v, without one: %v", urgent.Allowed, without.Allowed)
	}
	if urgent.Why != gate.WhyRamping || urgent.RetryAfter < time.Second {
		t.Fatalf("held by %q for %v, want ramping for a second or more", urgent.Why, urgent.RetryAfter)
	}
}

func TestIdleCalls_GiveWayToAllOthersAtAPacedDoor(t *testing.T) {
	s, at := reopened(t, 10)
	pass(t, &s, at)
	for range 5 {
		at = at.Add(time.Second)
		flood(&s, at, gate.Routine)
	}
	at = at.Add(2 * time.Second)
	for range 30 { // others use less than half of the pace
		at = at.Add(500 * time.Millisecond)
		pass(t, &s, at)
		if _, v := gate.Decide(s, at.Add(50*time.Millisecond), gate.API, gate.Idle); v.Allowed {
			t.Fatal("an idle call passed right after another")
		}
	}
	if _, v := gate.Decide(s, at.Add(2*time.Second), gate.API, gate.Idle); !v.Allowed {
		t.Fatalf("held by %q though nobody else wants through", v.Why)
	}
}

func TestIdleCalls_NeverProbe(t *testing.T) {
	var s gate.State
	s = gate.Report(s, noon, gate.API, pass(t, &s, noon), gate.Outcome{Result: gate.Throttled, RetryAfter: time.Minute})
	after := noon.Add(time.Hour)
	if next, v := gate.Decide(s, after, gate.API, gate.Idle); v.Allowed || next != s || v.RetryAfter <= 0 {
		t.Fatalf("an idle call got %+v at a door that is due", v)
	}
	if _, v := gate.Decide(s, after, gate.API, gate.Routine); !v.Allowed || !v.Pass.Probe {
		t.Fatalf("a look got %+v, want the probe", v)
	}
}

func BenchmarkOpenDoor(b *testing.B) {
	var s gate.State
	b.ReportAllocs()
	for b.Loop() {
		next, v := gate.Decide(s, noon, gate.API, gate.Routine)
		s = gate.Report(next, noon, gate.API, v.Pass, gate.Outcome{})
	}
}
