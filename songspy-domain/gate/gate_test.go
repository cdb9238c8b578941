package gate_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// pass lets one call through or fails the test.
func pass(t *testing.T, s *gate.State, at time.Time) gate.Pass {
	t.Helper()
	next, v := gate.Decide(*s, at, gate.API, gate.Routine)
	if !v.Allowed {
		t.Fatalf("at %v the call was held back: %s for %v", at.Sub(noon), v.Why, v.RetryAfter)
	}
	*s = next
	return v.Pass
}

// held asserts that no call passes, and returns why and for how long.
func held(t *testing.T, s gate.State, at time.Time) gate.Verdict {
	t.Helper()
	_, v := gate.Decide(s, at, gate.API, gate.Urgent)
	if v.Allowed {
		t.Fatalf("at %v an urgent call passed a closed door", at.Sub(noon))
	}
	return v
}

func TestRefusal_ClosesForAsLongAsTheProviderAsks(t *testing.T) {
	for name, c := range map[string]struct {
		outcome gate.Outcome
		want    time.Duration
		why     gate.Why
	}{
		"told":                        {gate.Outcome{Result: gate.Throttled, RetryAfter: 19056 * time.Second}, 19056 * time.Second, gate.WhyThrottled},
		"told less than a guess":      {gate.Outcome{Result: gate.Throttled, RetryAfter: 2 * time.Second}, 2 * time.Second, gate.WhyThrottled},
		"told a week":                 {gate.Outcome{Result: gate.Throttled, RetryAfter: 7 * 24 * time.Hour}, 24 * time.Hour, gate.WhyThrottled},
		"not told":                    {gate.Outcome{Result: gate.Throttled}, 30 * time.Second, gate.WhyThrottled},
		"quota":                       {gate.Outcome{Result: gate.QuotaExceeded}, 15 * time.Minute, gate.WhyQuota},
		"quota and told more":         {gate.Outcome{Result: gate.QuotaExceeded, RetryAfter: time.Hour}, time.Hour, gate.WhyQuota},
		"quota and told less":         {gate.Outcome{Result: gate.QuotaExceeded, RetryAfter: time.Second}, time.Second, gate.WhyQuota},
		"owner without a Premium":     {gate.Outcome{Result: gate.PremiumRequired}, time.Hour, gate.WhyPremium},
		"owner without, told shorter": {gate.Outcome{Result: gate.PremiumRequired, RetryAfter: time.Minute}, time.Hour, gate.WhyPremium},
	} {
		t.Run(name, func(t *testing.T) {
			var s gate.State
			s = gate.Report(s, noon, gate.API, pass(t, &s, noon), c.outcome)
			v := held(t, s, noon)
			if v.RetryAfter != c.want || v.Why != c.why {
				t.Fatalf("closed for %v by %q, want %v by %q", v.RetryAfter, v.Why, c.want, c.why)
			}
			held(t, s, noon.Add(c.want-time.Nanosecond))
			if !pass(t, &s, noon.Add(c.want)).Probe {
				t.Fatal("the first call after the closing is not a probe")
			}
		})
	}
}

func TestRefusals_InARowDoubleTheGuessUpToItsBound(t *testing.T) {
	for name, c := range map[string]struct {
		result gate.Result
		want   []time.Duration
	}{
		"throttled": {gate.Throttled, []time.Duration{
			30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute,
		}},
		"quota": {gate.QuotaExceeded, []time.Duration{
			15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 6 * time.Hour,
		}},
		"premium": {gate.PremiumRequired, []time.Duration{time.Hour, time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			var s gate.State
			at := noon
			for i, want := range c.want {
				s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{Result: c.result})
				if got := held(t, s, at).RetryAfter; got != want {
					t.Fatalf("closing %d lasts %v, want %v", i+1, got, want)
				}
				at = at.Add(want)
			}
			s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{})
			if d := s.API; d.Why != "" || d.Step != 0 || !d.ClosedUntil.IsZero() || !d.ProbeUntil.IsZero() {
				t.Fatalf("a success left %+v", d)
			}
			s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{Result: c.result})
			if got := held(t, s, at).RetryAfter; got != c.want[0] {
				t.Fatalf("after a success the first closing lasts %v, want %v", got, c.want[0])
			}
		})
	}
}

func TestRefusal_OfManyCallsAtOnceIsOneClosing(t *testing.T) {
	var s gate.State
	passes := make([]gate.Pass, 100)
	for i := range passes {
		passes[i] = pass(t, &s, noon)
	}
	for _, p := range passes {
		s = gate.Report(s, noon, gate.API, p, gate.Outcome{Result: gate.Throttled})
	}
	if got := held(t, s, noon).RetryAfter; got != 30*time.Second {
		t.Fatalf("a hundred refusals closed the door for %v, want 30s", got)
	}
}

func TestLateRefusal_LengthensAClosingAndDoesNotReopenOne(t *testing.T) {
	var s gate.State
	first, second, third := pass(t, &s, noon), pass(t, &s, noon), pass(t, &s, noon)
	s = gate.Report(s, noon, gate.API, first, gate.Outcome{Result: gate.Throttled})
	s = gate.Report(s, noon, gate.API, second, gate.Outcome{Result: gate.QuotaExceeded})
	if v := held(t, s, noon); v.RetryAfter != 15*time.Minute || v.Why != gate.WhyQuota {
		t.Fatalf("closed for %v by %q, want 15m by the quota", v.RetryAfter, v.Why)
	}
	s = gate.Report(s, noon, gate.API, third, gate.Outcome{Result: gate.Answered})
	if v := held(t, s, noon); v.RetryAfter != 15*time.Minute {
		t.Fatalf("a success from before the closing left the door closed for %v, want 15m", v.RetryAfter)
	}
	at := noon.Add(15 * time.Minute)
	s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{Result: gate.QuotaExceeded})
	if v := held(t, s, at); v.RetryAfter != 30*time.Minute {
		t.Fatalf("the second closing by the quota lasts %v, want 30m", v.RetryAfter)
	}
}

func TestLateRefusal_IsOldNewsOnceTheDoorHasReopened(t *testing.T) {
	var s gate.State
	first, late := pass(t, &s, noon), pass(t, &s, noon)
	s = gate.Report(s, noon, gate.API, first, gate.Outcome{Result: gate.Throttled})
	at := noon.Add(30 * time.Second)
	s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{})
	s = gate.Report(s, at, gate.API, late, gate.Outcome{Result: gate.Throttled})
	pass(t, &s, at)
}

func TestProbe_ThatLearntNothingPausesBriefly(t *testing.T) {
	var s gate.State
	s = gate.Report(s, noon, gate.API, pass(t, &s, noon), gate.Outcome{Result: gate.Throttled})
	at := noon.Add(30 * time.Second)
	probe := pass(t, &s, at)
	if v := held(t, s, at); v.Why != gate.WhyProbing {
		t.Fatalf("while the probe is out calls are held by %q", v.Why)
	}

	failed := gate.Report(s, at, gate.API, probe, gate.Outcome{Result: gate.Failed})
	if v := held(t, failed, at); v.RetryAfter != 5*time.Second {
		t.Fatalf("a failed probe is repeated after %v, want 5s", v.RetryAfter)
	}
	abandoned := gate.Report(s, at, gate.API, probe, gate.Outcome{Result: gate.Abandoned})
	if !pass(t, &abandoned, at).Probe {
		t.Fatal("an abandoned probe is not replaced at once")
	}
}

func TestProbe_ThatNeverReturnsIsReplaced(t *testing.T) {
	var s gate.State
	s = gate.Report(s, noon, gate.API, pass(t, &s, noon), gate.Outcome{Result: gate.Throttled})
	at := noon.Add(30 * time.Second)
	lost := pass(t, &s, at)
	at = at.Add(30 * time.Second)
	if !pass(t, &s, at).Probe {
		t.Fatal("the successor is not a probe")
	}
	s = gate.Report(s, at, gate.API, lost, gate.Outcome{})
	if v := held(t, s, at); v.Why != gate.WhyProbing {
		t.Fatalf("the lost probe's return left the door %q, want probing", v.Why)
	}
}

func TestDoors_CloseApart(t *testing.T) {
	var s gate.State
	s = gate.Report(s, noon, gate.API, pass(t, &s, noon), gate.Outcome{Result: gate.Throttled})
	if _, v := gate.Decide(s, noon, gate.Accounts, gate.Routine); !v.Allowed {
		t.Fatal("the accounts door closed with the Web API's")
	}
}

func TestState_SurvivesBeingKept(t *testing.T) {
	var s gate.State
	s = gate.Report(s, noon, gate.API, pass(t, &s, noon), gate.Outcome{Result: gate.QuotaExceeded})
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var kept gate.State
	if err := json.Unmarshal(b, &kept); err != nil {
		t.Fatal(err)
	}
	if kept != s {
		t.Fatalf("kept as %s it came back as %+v, want %+v", b, kept, s)
	}
}

func TestQuota_ARefusalOfTheProbeThatWaitedAsAskedIsBelievedLessAndLess(t *testing.T) {
	var s gate.State
	at := noon
	told := gate.Outcome{Result: gate.QuotaExceeded, RetryAfter: time.Second}
	for i, want := range []time.Duration{time.Second, 30 * time.Second, time.Minute, 2 * time.Minute} {
		s = gate.Report(s, at, gate.API, pass(t, &s, at), told)
		if v := held(t, s, at); v.RetryAfter != want {
			t.Fatalf("closing %d lasts %v, want %v", i, v.RetryAfter, want)
		}
		at = at.Add(want)
	}
	s = gate.Report(s, at, gate.API, pass(t, &s, at), gate.Outcome{})
	s = gate.Report(s, at, gate.API, pass(t, &s, at), told)
	if v := held(t, s, at); v.RetryAfter != time.Second {
		t.Errorf("after a success the next closing lasts %v", v.RetryAfter)
	}
}
