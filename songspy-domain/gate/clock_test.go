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
func TestAfterAClockIsSetBackADoorStaysClosedForAsLongAsItWasMeantTo(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ahead := time.Duration(rapid.Int64Range(int64(6*time.Minute), int64(400*24*time.Hour)).Draw(rt, "ahead")).Truncate(time.Microsecond)
		asked := time.Duration(rapid.Int64Range(int64(time.Second), int64(48*time.Hour)).Draw(rt, "asked")).Truncate(time.Microsecond)
		var s gate.State
		fast := noon.Add(ahead)
		s = gate.Report(s, fast, gate.API, pass(t, &s, fast), gate.Outcome{Result: gate.Throttled, RetryAfter: asked})
		if rapid.Bool().Draw(rt, "after a restart") {
			s = gate.Adopt(gate.State{}, noon, s.Shared())
		}
		s, v := gate.Decide(s, noon, gate.API, gate.Routine)
		want := min(asked, 24*time.Hour)
		if v.Allowed || v.RetryAfter > want || v.RetryAfter < want-time.Second {
			rt.Fatalf("held for %s, want %s", v.RetryAfter, want)
		}
		s, v = gate.Decide(s, noon.Add(want), gate.API, gate.Routine)
		if !v.Allowed || !v.Pass.Probe {
			rt.Fatalf("no probe leaves after %s: %+v", want, v)
		}
		s = gate.Report(s, noon.Add(want), gate.API, v.Pass, gate.Outcome{Result: gate.Answered})
		if s.API.Why != "" {
			rt.Fatalf("the door stays closed: %s", s.API.Why)
		}
	})
}

func TestAfterAClockIsSetBackNoDoorIsClosedForMoreThanADay(t *testing.T) {
	kept := gate.Shared{API: gate.SharedDoor{Why: gate.WhyQuota, ClosedUntil: noon.Add(9 * 24 * time.Hour), Epoch: 3}} // kept without when it closed
	s, v := gate.Decide(gate.Adopt(gate.State{}, noon, kept), noon, gate.API, gate.Routine)
	if v.Allowed || v.RetryAfter != 24*time.Hour {
		t.Fatalf("held for %s", v.RetryAfter)
	}
	if merged := gate.Merge(s.Shared(), kept); merged != s.Shared() {
		t.Error("what was kept before wins over the correction")
	}
	s = gate.Adopt(s, noon, kept)
	if _, v := gate.Decide(s, noon.Add(24*time.Hour), gate.API, gate.Routine); !v.Allowed {
		t.Errorf("still held: %s", v.Why)
	}
}

func TestAfterAClockIsSetBackAProbeThatNeverCameBackIsReplaced(t *testing.T) {
	var s gate.State
	fast := noon.Add(9 * time.Hour)
	s = gate.Report(s, fast, gate.API, pass(t, &s, fast), gate.Outcome{Result: gate.Throttled, RetryAfter: time.Second})
	if !pass(t, &s, fast.Add(time.Second)).Probe {
		t.Fatal("no probe")
	}
	s, _ = gate.Decide(s, noon, gate.API, gate.Routine)
	if _, v := gate.Decide(s, noon.Add(31*time.Second), gate.API, gate.Routine); !v.Allowed {
		t.Fatalf("held for %s: %s", v.RetryAfter, v.Why)
	}
}

func TestAfterAClockIsSetBackAPacedDoorGoesOnLettingCallsThrough(t *testing.T) {
	var s gate.State
	fast := noon.Add(9 * time.Hour)
	s = gate.Report(s, fast, gate.API, pass(t, &s, fast), gate.Outcome{Result: gate.Throttled, RetryAfter: time.Second})
	probe := pass(t, &s, fast.Add(time.Second))
	s = gate.Report(s, fast.Add(time.Second), gate.API, probe, gate.Outcome{Result: gate.Answered})
	pass(t, &s, fast.Add(2*time.Second))
	passed := 0
	for second := range 30 {
		next, v := gate.Decide(s, noon.Add(time.Duration(second)*time.Second), gate.API, gate.Routine)
		s = next
		if v.Allowed {
			passed++
		}
	}
	if passed < 25 {
		t.Errorf("%d calls in thirty seconds at one a second", passed)
	}
}

func TestForbid_ClosesUntilAProbeIsAnsweredInWordsThatAreKnown(t *testing.T) {
	s := gate.Forbid(gate.State{}, noon)
	if v := held(t, s, noon); v.Why != gate.WhyForbidden || v.RetryAfter != time.Hour {
		t.Fatalf("held for %s: %s", v.RetryAfter, v.Why)
	}
	if again := gate.Forbid(s, noon.Add(time.Minute)); again != s {
		t.Error("a second finding lengthens the closing")
	}
	at := noon.Add(time.Hour)
	s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{Result: gate.Forbidden})
	if v := held(t, s, at); v.Why != gate.WhyForbidden || v.RetryAfter != time.Hour {
		t.Fatalf("after the probe was forbidden: held for %s: %s", v.RetryAfter, v.Why)
	}
	at = at.Add(time.Hour)
	s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{Result: gate.Answered})
	pass(t, &s, at.Add(time.Second))
}

func TestAForbiddenCallSaysNothingAboutAnOpenDoor(t *testing.T) {
	var s gate.State
	s = gate.Report(s, noon, gate.API, pass(t, &s, noon), gate.Outcome{Result: gate.Forbidden})
	pass(t, &s, noon)
}
