package gate_test

import (
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
)

// flood offers a call every millisecond for a second, all answered at once,
// and counts those that passed.
func passedInSecond(s *gate.Breakers, from time.Time, u gate.Urgency) (passed int) {
	for i := range 1000 {
		at := from.Add(time.Duration(i) * time.Millisecond)
		next, v := gate.Decide(*s, at, gate.CircuitAPI, u)
		if v.Allowed {
			passed++
			*s = gate.Report(next, at, gate.CircuitAPI, v.Permit, gate.Outcome{})
		}
	}
	return passed
}

// reopened is a door that carried perSecond calls for a minute, was closed
// for 30 s and has just been opened by a probe.
func recovered(t *testing.T, perSecond int) (gate.Breakers, time.Time) {
	t.Helper()
	var s gate.Breakers
	at := noon
	var last gate.Permit
	for range 60 * perSecond {
		last = mustPass(t, &s, at)
		at = at.Add(time.Second / time.Duration(perSecond))
	}
	s = gate.Report(s, at, gate.CircuitAPI, last, gate.Outcome{Result: gate.RateLimited})
	at = at.Add(30 * time.Second)
	return gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{}), at
}

func TestReset_RampsUpToHalfTheRefusedRate(t *testing.T) {
	s, at := recovered(t, 100)
	first := passedInSecond(&s, at, gate.Routine)
	if first == 0 || first > 5 {
		t.Fatalf("%d calls passed in the first second after the opening, want a few", first)
	}
	var passed int
	for range 20 {
		at = at.Add(time.Second)
		passed = passedInSecond(&s, at, gate.Routine)
	}
	if passed < 45 || passed > 60 {
		t.Fatalf("twenty seconds after a refusal at 100 a second %d pass, want about 50", passed)
	}
}

func TestLimiter_RisesSlowlyFromLearnedRate(t *testing.T) {
	s, at := recovered(t, 100)
	for range 30 {
		passedInSecond(&s, at, gate.Routine)
		at = at.Add(time.Second)
	}
	before := s.API.Limiter.Rate
	for range 30 {
		passedInSecond(&s, at, gate.Routine)
		at = at.Add(time.Second)
	}
	if rise := s.API.Limiter.Rate - before; rise < 1 || rise > 3 {
		t.Fatalf("the pace rose by %.2f in a window, want a thirtieth of 50", rise)
	}
}

func TestLimiter_IsHalvedByNextRefusal(t *testing.T) {
	s, at := recovered(t, 100)
	for range 30 {
		passedInSecond(&s, at, gate.Routine)
		at = at.Add(time.Second)
	}
	at = at.Add(time.Second)
	before := s.API.Limiter.Rate
	s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{Result: gate.RateLimited})
	if got := s.API.Limiter.Learned; got < before/2-0.01 || got > before/2+0.01 {
		t.Fatalf("refused at %.1f a second it learnt %.1f, want half", before, got)
	}
}

func TestLimiter_IsLiftedAfterHigherRatePassed(t *testing.T) {
	var s gate.Breakers // closed by something that tells nothing of pace
	s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), gate.Outcome{Result: gate.PremiumRequired})
	at := noon.Add(time.Hour)
	s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{})
	for range 12 {
		passedInSecond(&s, at, gate.Routine)
		at = at.Add(time.Second)
	}
	if passed := passedInSecond(&s, at, gate.Routine); passed != 1000 {
		t.Fatalf("%d of 1000 calls pass long after an opening, want all", passed)
	}
}

func TestUrgent_PassesAtCostOfRoutineCalls(t *testing.T) {
	s, at := recovered(t, 10)
	mustPass(t, &s, at) // the opening's one credit
	next, v := gate.Decide(s, at, gate.CircuitAPI, gate.Urgent)
	if !v.Allowed {
		t.Fatalf("an urgent call was held by %q", v.Cause)
	}
	_, urgent := gate.Decide(next, at.Add(time.Second), gate.CircuitAPI, gate.Routine)
	_, without := gate.Decide(s, at.Add(time.Second), gate.CircuitAPI, gate.Routine)
	if urgent.Allowed || !without.Allowed {
		t.Fatalf("a second later a routine call passes after an urgent one: %v, without one: %v", urgent.Allowed, without.Allowed)
	}
	if urgent.Cause != gate.CauseRampUp || urgent.RetryAfter < time.Second {
		t.Fatalf("held by %q for %v, want ramping for a second or more", urgent.Cause, urgent.RetryAfter)
	}
}

func TestBackground_YieldsToOtherCalls(t *testing.T) {
	s, at := recovered(t, 10)
	mustPass(t, &s, at)
	for range 5 {
		at = at.Add(time.Second)
		passedInSecond(&s, at, gate.Routine)
	}
	at = at.Add(2 * time.Second)
	for range 30 { // others use less than half of the pace
		at = at.Add(500 * time.Millisecond)
		mustPass(t, &s, at)
		if _, v := gate.Decide(s, at.Add(50*time.Millisecond), gate.CircuitAPI, gate.Background); v.Allowed {
			t.Fatal("an idle call passed right after another")
		}
	}
	if _, v := gate.Decide(s, at.Add(2*time.Second), gate.CircuitAPI, gate.Background); !v.Allowed {
		t.Fatalf("held by %q though nobody else wants through", v.Cause)
	}
}

func TestBackground_NeverProbes(t *testing.T) {
	var s gate.Breakers
	s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), gate.Outcome{Result: gate.RateLimited, RetryAfter: time.Minute})
	after := noon.Add(time.Hour)
	if next, v := gate.Decide(s, after, gate.CircuitAPI, gate.Background); v.Allowed || next != s || v.RetryAfter <= 0 {
		t.Fatalf("an idle call got %+v at a door that is due", v)
	}
	if _, v := gate.Decide(s, after, gate.CircuitAPI, gate.Routine); !v.Allowed || !v.Permit.Probe {
		t.Fatalf("a look got %+v, want the probe", v)
	}
}

func BenchmarkDecide_Closed(b *testing.B) {
	var s gate.Breakers
	b.ReportAllocs()
	for b.Loop() {
		next, v := gate.Decide(s, noon, gate.CircuitAPI, gate.Routine)
		s = gate.Report(next, noon, gate.CircuitAPI, v.Permit, gate.Outcome{})
	}
}
