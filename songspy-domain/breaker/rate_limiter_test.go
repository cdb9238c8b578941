package breaker_test

import (
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

// passedInSecond tries a call every millisecond for a second. Each call that passes
// is answered immediately. passedInSecond returns how many calls passed.
func passedInSecond(s *breaker.Breakers, from time.Time, u breaker.Urgency) (passed int) {
	for i := range 1000 {
		at := from.Add(time.Duration(i) * time.Millisecond)
		next, v := breaker.Decide(*s, at, breaker.CircuitAPI, u)
		if v.Allowed {
			passed++
			*s = breaker.Report(next, at, breaker.CircuitAPI, v.Permit, breaker.Outcome{})
		}
	}
	return passed
}

// recovered returns a breaker that passed perSecond calls a second for a
// minute, was open for 30 s, and has just been closed by a probe.
func recovered(t *testing.T, perSecond int) (breaker.Breakers, time.Time) {
	t.Helper()
	var s breaker.Breakers
	at := noon
	var last breaker.Permit
	for range 60 * perSecond {
		last = mustPass(t, &s, at)
		at = at.Add(time.Second / time.Duration(perSecond))
	}
	s = breaker.Report(s, at, breaker.CircuitAPI, last, breaker.Outcome{Result: breaker.RateLimited})
	at = at.Add(30 * time.Second)
	return breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{}), at
}

func TestReset_RampsUpToHalfTheRefusedRate(t *testing.T) {
	s, at := recovered(t, 100)
	first := passedInSecond(&s, at, breaker.Routine)
	if first == 0 || first > 5 {
		t.Fatalf("%d calls passed in the first second after the reset, want 1 to 5", first)
	}
	var passed int
	for range 20 {
		at = at.Add(time.Second)
		passed = passedInSecond(&s, at, breaker.Routine)
	}
	if passed < 45 || passed > 60 {
		t.Fatalf("20 s after a refusal at 100 calls a second %d pass, want about 50", passed)
	}
}

func TestLimiter_RisesSlowlyFromLearnedRate(t *testing.T) {
	s, at := recovered(t, 100)
	for range 30 {
		passedInSecond(&s, at, breaker.Routine)
		at = at.Add(time.Second)
	}
	before := s.API.Limiter.Rate
	for range 30 {
		passedInSecond(&s, at, breaker.Routine)
		at = at.Add(time.Second)
	}
	if rise := s.API.Limiter.Rate - before; rise < 1 || rise > 3 {
		t.Fatalf("the rate rose by %.2f in a window, want a thirtieth of 50", rise)
	}
}

func TestLimiter_IsHalvedByNextRefusal(t *testing.T) {
	s, at := recovered(t, 100)
	for range 30 {
		passedInSecond(&s, at, breaker.Routine)
		at = at.Add(time.Second)
	}
	at = at.Add(time.Second)
	before := s.API.Limiter.Rate
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{Result: breaker.RateLimited})
	if got := s.API.Limiter.Learned; got < before/2-0.01 || got > before/2+0.01 {
		t.Fatalf("refused at %.1f calls a second, learned %.1f, want half", before, got)
	}
}

func TestLimiter_IsLiftedAfterHigherRatePassed(t *testing.T) {
	var s breaker.Breakers // it opens because of a 403 (PremiumRequired), from which no rate is learned
	s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), breaker.Outcome{Result: breaker.PremiumRequired})
	at := noon.Add(time.Hour)
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{})
	for range 12 {
		passedInSecond(&s, at, breaker.Routine)
		at = at.Add(time.Second)
	}
	if passed := passedInSecond(&s, at, breaker.Routine); passed != 1000 {
		t.Fatalf("%d of 1000 calls pass long after a reset, want all", passed)
	}
}

func TestUrgent_PassesAtCostOfRoutineCalls(t *testing.T) {
	s, at := recovered(t, 10)
	mustPass(t, &s, at) // takes the only token that the bucket holds after the reset
	next, v := breaker.Decide(s, at, breaker.CircuitAPI, breaker.Urgent)
	if !v.Allowed {
		t.Fatalf("an urgent call was blocked by %q", v.Cause)
	}
	_, urgent := breaker.Decide(next, at.Add(time.Second), breaker.CircuitAPI, breaker.Routine)
	_, without := breaker.Decide(s, at.Add(time.Second), breaker.CircuitAPI, breaker.Routine)
	if urgent.Allowed || !without.Allowed {
		t.Fatalf("a second later a routine call passes after an urgent one: %v, without one: %v", urgent.Allowed, without.Allowed)
	}
	if urgent.Cause != breaker.CauseRampUp || urgent.RetryAfter < time.Second {
		t.Fatalf("blocked by %q for %v, want ramp_up for at least 1 s", urgent.Cause, urgent.RetryAfter)
	}
}

func TestBackground_YieldsToOtherCalls(t *testing.T) {
	s, at := recovered(t, 10)
	mustPass(t, &s, at)
	for range 5 {
		at = at.Add(time.Second)
		passedInSecond(&s, at, breaker.Routine)
	}
	at = at.Add(2 * time.Second)
	for range 30 { // other calls use less than half of the rate
		at = at.Add(500 * time.Millisecond)
		mustPass(t, &s, at)
		if _, v := breaker.Decide(s, at.Add(50*time.Millisecond), breaker.CircuitAPI, breaker.Background); v.Allowed {
			t.Fatal("a background call passed directly after another call")
		}
	}
	if _, v := breaker.Decide(s, at.Add(2*time.Second), breaker.CircuitAPI, breaker.Background); !v.Allowed {
		t.Fatalf("blocked by %q although no other call is made", v.Cause)
	}
}

func TestBackground_NeverProbes(t *testing.T) {
	var s breaker.Breakers
	s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), breaker.Outcome{Result: breaker.RateLimited, RetryAfter: time.Minute})
	after := noon.Add(time.Hour)
	if next, v := breaker.Decide(s, after, breaker.CircuitAPI, breaker.Background); v.Allowed || next != s || v.RetryAfter <= 0 {
		t.Fatalf("a background call got %+v from a half-open breaker", v)
	}
	if _, v := breaker.Decide(s, after, breaker.CircuitAPI, breaker.Routine); !v.Allowed || !v.Permit.Probe {
		t.Fatalf("a routine call got %+v, want the probe", v)
	}
}

func BenchmarkDecide_Closed(b *testing.B) {
	var s breaker.Breakers
	b.ReportAllocs()
	for b.Loop() {
		next, v := breaker.Decide(s, noon, breaker.CircuitAPI, breaker.Routine)
		s = breaker.Report(next, noon, breaker.CircuitAPI, v.Permit, breaker.Outcome{})
	}
}
