package gate_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-domain/gate"
)

// TestAfterAClockIsSetBackADoorStaysClosedForAsLongAsItWasMeantTo closes a door
// under a clock that runs ahead, and asks under the right one. What is kept in
// the database counts the same.
func TestClockSetBack_BreakerStaysOpenForItsTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ahead := time.Duration(rapid.Int64Range(int64(6*time.Minute), int64(400*24*time.Hour)).Draw(rt, "ahead")).Truncate(time.Microsecond)
		requested := time.Duration(rapid.Int64Range(int64(time.Second), int64(48*time.Hour)).Draw(rt, "asked")).Truncate(time.Microsecond)
		var s gate.Breakers
		fast := noon.Add(ahead)
		s = gate.Report(s, fast, gate.CircuitAPI, mustPass(t, &s, fast), gate.Outcome{Result: gate.RateLimited, RetryAfter: requested})
		if rapid.Bool().Draw(rt, "after a restart") {
			s = gate.Adopt(gate.Breakers{}, noon, s.Shared())
		}
		s, v := gate.Decide(s, noon, gate.CircuitAPI, gate.Routine)
		want := min(requested, 24*time.Hour)
		if v.Allowed || v.RetryAfter > want || v.RetryAfter < want-time.Second {
			rt.Fatalf("held for %s, want %s", v.RetryAfter, want)
		}
		s, v = gate.Decide(s, noon.Add(want), gate.CircuitAPI, gate.Routine)
		if !v.Allowed || !v.Permit.Probe {
			rt.Fatalf("no probe leaves after %s: %+v", want, v)
		}
		s = gate.Report(s, noon.Add(want), gate.CircuitAPI, v.Permit, gate.Outcome{Result: gate.Answered})
		if s.API.Cause != "" {
			rt.Fatalf("the door stays closed: %s", s.API.Cause)
		}
	})
}

func TestClockSetBack_BreakerIsOpenForADayAtMost(t *testing.T) {
	stored := gate.SharedBreakers{API: gate.SharedBreaker{Cause: gate.CauseQuota, OpenUntil: noon.Add(9 * 24 * time.Hour), Epoch: 3}} // kept without when it closed
	s, v := gate.Decide(gate.Adopt(gate.Breakers{}, noon, stored), noon, gate.CircuitAPI, gate.Routine)
	if v.Allowed || v.RetryAfter != 24*time.Hour {
		t.Fatalf("held for %s", v.RetryAfter)
	}
	if merged := gate.Merge(s.Shared(), stored); merged != s.Shared() {
		t.Error("what was kept before wins over the correction")
	}
	s = gate.Adopt(s, noon, stored)
	if _, v := gate.Decide(s, noon.Add(24*time.Hour), gate.CircuitAPI, gate.Routine); !v.Allowed {
		t.Errorf("still held: %s", v.Cause)
	}
}

func TestClockSetBack_LostProbeIsReplaced(t *testing.T) {
	var s gate.Breakers
	fast := noon.Add(9 * time.Hour)
	s = gate.Report(s, fast, gate.CircuitAPI, mustPass(t, &s, fast), gate.Outcome{Result: gate.RateLimited, RetryAfter: time.Second})
	if !mustPass(t, &s, fast.Add(time.Second)).Probe {
		t.Fatal("no probe")
	}
	s, _ = gate.Decide(s, noon, gate.CircuitAPI, gate.Routine)
	if _, v := gate.Decide(s, noon.Add(31*time.Second), gate.CircuitAPI, gate.Routine); !v.Allowed {
		t.Fatalf("held for %s: %s", v.RetryAfter, v.Cause)
	}
}

func TestClockSetBack_LimiterKeepsLettingCallsPass(t *testing.T) {
	var s gate.Breakers
	fast := noon.Add(9 * time.Hour)
	s = gate.Report(s, fast, gate.CircuitAPI, mustPass(t, &s, fast), gate.Outcome{Result: gate.RateLimited, RetryAfter: time.Second})
	probe := mustPass(t, &s, fast.Add(time.Second))
	s = gate.Report(s, fast.Add(time.Second), gate.CircuitAPI, probe, gate.Outcome{Result: gate.Answered})
	mustPass(t, &s, fast.Add(2*time.Second))
	passed := 0
	for second := range 30 {
		next, v := gate.Decide(s, noon.Add(time.Duration(second)*time.Second), gate.CircuitAPI, gate.Routine)
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
	s := gate.TripForbidden(gate.Breakers{}, noon)
	if v := mustBlock(t, s, noon); v.Cause != gate.CauseForbidden || v.RetryAfter != time.Hour {
		t.Fatalf("held for %s: %s", v.RetryAfter, v.Cause)
	}
	if again := gate.TripForbidden(s, noon.Add(time.Minute)); again != s {
		t.Error("a second finding lengthens the closing")
	}
	at := noon.Add(time.Hour)
	s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{Result: gate.Forbidden})
	if v := mustBlock(t, s, at); v.Cause != gate.CauseForbidden || v.RetryAfter != time.Hour {
		t.Fatalf("after the probe was forbidden: held for %s: %s", v.RetryAfter, v.Cause)
	}
	at = at.Add(time.Hour)
	s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{Result: gate.Answered})
	mustPass(t, &s, at.Add(time.Second))
}

func TestReport_ForbiddenDoesNotTripClosedBreaker(t *testing.T) {
	var s gate.Breakers
	s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), gate.Outcome{Result: gate.Forbidden})
	mustPass(t, &s, noon)
}
