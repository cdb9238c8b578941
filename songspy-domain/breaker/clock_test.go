package breaker_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

// TestAfterAClockIsSetBackADoorStaysClosedForAsLongAsItWasMeantTo closes a door
// under a clock that runs ahead, and asks under the right one. What is kept in
// the database counts the same.
func TestClockSetBack_BreakerStaysOpenForItsTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ahead := time.Duration(rapid.Int64Range(int64(6*time.Minute), int64(400*24*time.Hour)).Draw(rt, "ahead")).Truncate(time.Microsecond)
		requested := time.Duration(rapid.Int64Range(int64(time.Second), int64(48*time.Hour)).Draw(rt, "asked")).Truncate(time.Microsecond)
		var s breaker.Breakers
		fast := noon.Add(ahead)
		s = breaker.Report(s, fast, breaker.CircuitAPI, mustPass(t, &s, fast), breaker.Outcome{Result: breaker.RateLimited, RetryAfter: requested})
		if rapid.Bool().Draw(rt, "after a restart") {
			s = breaker.Adopt(breaker.Breakers{}, noon, s.Shared())
		}
		s, v := breaker.Decide(s, noon, breaker.CircuitAPI, breaker.Routine)
		want := min(requested, 24*time.Hour)
		if v.Allowed || v.RetryAfter > want || v.RetryAfter < want-time.Second {
			rt.Fatalf("held for %s, want %s", v.RetryAfter, want)
		}
		s, v = breaker.Decide(s, noon.Add(want), breaker.CircuitAPI, breaker.Routine)
		if !v.Allowed || !v.Permit.Probe {
			rt.Fatalf("no probe leaves after %s: %+v", want, v)
		}
		s = breaker.Report(s, noon.Add(want), breaker.CircuitAPI, v.Permit, breaker.Outcome{Result: breaker.Answered})
		if s.API.Cause != "" {
			rt.Fatalf("the door stays closed: %s", s.API.Cause)
		}
	})
}

func TestClockSetBack_BreakerIsOpenForADayAtMost(t *testing.T) {
	stored := breaker.SharedBreakers{API: breaker.SharedBreaker{Cause: breaker.CauseQuota, OpenUntil: noon.Add(9 * 24 * time.Hour), Epoch: 3}} // kept without when it closed
	s, v := breaker.Decide(breaker.Adopt(breaker.Breakers{}, noon, stored), noon, breaker.CircuitAPI, breaker.Routine)
	if v.Allowed || v.RetryAfter != 24*time.Hour {
		t.Fatalf("held for %s", v.RetryAfter)
	}
	if merged := breaker.Merge(s.Shared(), stored); merged != s.Shared() {
		t.Error("what was kept before wins over the correction")
	}
	s = breaker.Adopt(s, noon, stored)
	if _, v := breaker.Decide(s, noon.Add(24*time.Hour), breaker.CircuitAPI, breaker.Routine); !v.Allowed {
		t.Errorf("still held: %s", v.Cause)
	}
}

func TestClockSetBack_LostProbeIsReplaced(t *testing.T) {
	var s breaker.Breakers
	fast := noon.Add(9 * time.Hour)
	s = breaker.Report(s, fast, breaker.CircuitAPI, mustPass(t, &s, fast), breaker.Outcome{Result: breaker.RateLimited, RetryAfter: time.Second})
	if !mustPass(t, &s, fast.Add(time.Second)).Probe {
		t.Fatal("no probe")
	}
	s, _ = breaker.Decide(s, noon, breaker.CircuitAPI, breaker.Routine)
	if _, v := breaker.Decide(s, noon.Add(31*time.Second), breaker.CircuitAPI, breaker.Routine); !v.Allowed {
		t.Fatalf("held for %s: %s", v.RetryAfter, v.Cause)
	}
}

func TestClockSetBack_LimiterKeepsLettingCallsPass(t *testing.T) {
	var s breaker.Breakers
	fast := noon.Add(9 * time.Hour)
	s = breaker.Report(s, fast, breaker.CircuitAPI, mustPass(t, &s, fast), breaker.Outcome{Result: breaker.RateLimited, RetryAfter: time.Second})
	probe := mustPass(t, &s, fast.Add(time.Second))
	s = breaker.Report(s, fast.Add(time.Second), breaker.CircuitAPI, probe, breaker.Outcome{Result: breaker.Answered})
	mustPass(t, &s, fast.Add(2*time.Second))
	passed := 0
	for second := range 30 {
		next, v := breaker.Decide(s, noon.Add(time.Duration(second)*time.Second), breaker.CircuitAPI, breaker.Routine)
		s = next
		if v.Allowed {
			passed++
		}
	}
	if passed < 25 {
		t.Errorf("%d calls in thirty seconds at one a second", passed)
	}
}

func TestTripForbidden_OpenUntilProbeIsUnderstood(t *testing.T) {
	s := breaker.TripForbidden(breaker.Breakers{}, noon)
	if v := mustBlock(t, s, noon); v.Cause != breaker.CauseForbidden || v.RetryAfter != time.Hour {
		t.Fatalf("held for %s: %s", v.RetryAfter, v.Cause)
	}
	if again := breaker.TripForbidden(s, noon.Add(time.Minute)); again != s {
		t.Error("a second finding lengthens the closing")
	}
	at := noon.Add(time.Hour)
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{Result: breaker.Forbidden})
	if v := mustBlock(t, s, at); v.Cause != breaker.CauseForbidden || v.RetryAfter != time.Hour {
		t.Fatalf("after the probe was forbidden: held for %s: %s", v.RetryAfter, v.Cause)
	}
	at = at.Add(time.Hour)
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{Result: breaker.Answered})
	mustPass(t, &s, at.Add(time.Second))
}

func TestReport_ForbiddenDoesNotTripClosedBreaker(t *testing.T) {
	var s breaker.Breakers
	s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), breaker.Outcome{Result: breaker.Forbidden})
	mustPass(t, &s, noon)
}
