package gate_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// pass lets one call through or fails the test.
func mustPass(t *testing.T, s *gate.Breakers, at time.Time) gate.Permit {
	t.Helper()
	next, v := gate.Decide(*s, at, gate.CircuitAPI, gate.Routine)
	if !v.Allowed {
		t.Fatalf("at %v the call was held back: %s for %v", at.Sub(noon), v.Cause, v.RetryAfter)
	}
	*s = next
	return v.Permit
}

// held asserts that no call passes, and returns why and for how long.
func mustBlock(t *testing.T, s gate.Breakers, at time.Time) gate.Decision {
	t.Helper()
	_, v := gate.Decide(s, at, gate.CircuitAPI, gate.Urgent)
	if v.Allowed {
		t.Fatalf("at %v an urgent call passed a closed door", at.Sub(noon))
	}
	return v
}

func TestRefusal_HonoursRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		outcome gate.Outcome
		want    time.Duration
		cause   gate.Cause
	}{
		"told":                        {gate.Outcome{Result: gate.RateLimited, RetryAfter: 19056 * time.Second}, 19056 * time.Second, gate.CauseRateLimited},
		"told less than a guess":      {gate.Outcome{Result: gate.RateLimited, RetryAfter: 2 * time.Second}, 2 * time.Second, gate.CauseRateLimited},
		"told a week":                 {gate.Outcome{Result: gate.RateLimited, RetryAfter: 7 * 24 * time.Hour}, 24 * time.Hour, gate.CauseRateLimited},
		"not told":                    {gate.Outcome{Result: gate.RateLimited}, 30 * time.Second, gate.CauseRateLimited},
		"quota":                       {gate.Outcome{Result: gate.QuotaExceeded}, 15 * time.Minute, gate.CauseQuota},
		"quota and told more":         {gate.Outcome{Result: gate.QuotaExceeded, RetryAfter: time.Hour}, time.Hour, gate.CauseQuota},
		"quota and told less":         {gate.Outcome{Result: gate.QuotaExceeded, RetryAfter: time.Second}, time.Second, gate.CauseQuota},
		"owner without a Premium":     {gate.Outcome{Result: gate.PremiumRequired}, time.Hour, gate.CausePremiumRequired},
		"owner without, told shorter": {gate.Outcome{Result: gate.PremiumRequired, RetryAfter: time.Minute}, time.Hour, gate.CausePremiumRequired},
	} {
		t.Run(name, func(t *testing.T) {
			var s gate.Breakers
			s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), c.outcome)
			v := mustBlock(t, s, noon)
			if v.RetryAfter != c.want || v.Cause != c.cause {
				t.Fatalf("closed for %v by %q, want %v by %q", v.RetryAfter, v.Cause, c.want, c.cause)
			}
			mustBlock(t, s, noon.Add(c.want-time.Nanosecond))
			if !mustPass(t, &s, noon.Add(c.want)).Probe {
				t.Fatal("the first call after the closing is not a probe")
			}
		})
	}
}

func TestRefusals_InARowBackOffUpToLimit(t *testing.T) {
	for name, c := range map[string]struct {
		result gate.Result
		want   []time.Duration
	}{
		"throttled": {gate.RateLimited, []time.Duration{
			30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute,
		}},
		"quota": {gate.QuotaExceeded, []time.Duration{
			15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 6 * time.Hour,
		}},
		"premium": {gate.PremiumRequired, []time.Duration{time.Hour, time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			var s gate.Breakers
			at := noon
			for i, want := range c.want {
				s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{Result: c.result})
				if got := mustBlock(t, s, at).RetryAfter; got != want {
					t.Fatalf("closing %d lasts %v, want %v", i+1, got, want)
				}
				at = at.Add(want)
			}
			s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{})
			if d := s.API; d.Cause != "" || d.BackoffStep != 0 || !d.OpenUntil.IsZero() || !d.ProbeUntil.IsZero() {
				t.Fatalf("a success left %+v", d)
			}
			s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{Result: c.result})
			if got := mustBlock(t, s, at).RetryAfter; got != c.want[0] {
				t.Fatalf("after a success the first closing lasts %v, want %v", got, c.want[0])
			}
		})
	}
}

func TestRefusal_ManyAtOnceTripOnce(t *testing.T) {
	var s gate.Breakers
	passes := make([]gate.Permit, 100)
	for i := range passes {
		passes[i] = mustPass(t, &s, noon)
	}
	for _, p := range passes {
		s = gate.Report(s, noon, gate.CircuitAPI, p, gate.Outcome{Result: gate.RateLimited})
	}
	if got := mustBlock(t, s, noon).RetryAfter; got != 30*time.Second {
		t.Fatalf("a hundred refusals closed the door for %v, want 30s", got)
	}
}

func TestLateRefusal_ExtendsOpenBreakerOnly(t *testing.T) {
	var s gate.Breakers
	first, second, third := mustPass(t, &s, noon), mustPass(t, &s, noon), mustPass(t, &s, noon)
	s = gate.Report(s, noon, gate.CircuitAPI, first, gate.Outcome{Result: gate.RateLimited})
	s = gate.Report(s, noon, gate.CircuitAPI, second, gate.Outcome{Result: gate.QuotaExceeded})
	if v := mustBlock(t, s, noon); v.RetryAfter != 15*time.Minute || v.Cause != gate.CauseQuota {
		t.Fatalf("closed for %v by %q, want 15m by the quota", v.RetryAfter, v.Cause)
	}
	s = gate.Report(s, noon, gate.CircuitAPI, third, gate.Outcome{Result: gate.Answered})
	if v := mustBlock(t, s, noon); v.RetryAfter != 15*time.Minute {
		t.Fatalf("a success from before the closing left the door closed for %v, want 15m", v.RetryAfter)
	}
	at := noon.Add(15 * time.Minute)
	s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{Result: gate.QuotaExceeded})
	if v := mustBlock(t, s, at); v.RetryAfter != 30*time.Minute {
		t.Fatalf("the second closing by the quota lasts %v, want 30m", v.RetryAfter)
	}
}

func TestLateRefusal_IsIgnoredAfterReset(t *testing.T) {
	var s gate.Breakers
	first, late := mustPass(t, &s, noon), mustPass(t, &s, noon)
	s = gate.Report(s, noon, gate.CircuitAPI, first, gate.Outcome{Result: gate.RateLimited})
	at := noon.Add(30 * time.Second)
	s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{})
	s = gate.Report(s, at, gate.CircuitAPI, late, gate.Outcome{Result: gate.RateLimited})
	mustPass(t, &s, at)
}

func TestProbe_FailedProbeWaitsBriefly(t *testing.T) {
	var s gate.Breakers
	s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), gate.Outcome{Result: gate.RateLimited})
	at := noon.Add(30 * time.Second)
	probe := mustPass(t, &s, at)
	if v := mustBlock(t, s, at); v.Cause != gate.CauseProbing {
		t.Fatalf("while the probe is out calls are held by %q", v.Cause)
	}

	failed := gate.Report(s, at, gate.CircuitAPI, probe, gate.Outcome{Result: gate.Failed})
	if v := mustBlock(t, failed, at); v.RetryAfter != 5*time.Second {
		t.Fatalf("a failed probe is repeated after %v, want 5s", v.RetryAfter)
	}
	abandoned := gate.Report(s, at, gate.CircuitAPI, probe, gate.Outcome{Result: gate.Abandoned})
	if !mustPass(t, &abandoned, at).Probe {
		t.Fatal("an abandoned probe is not replaced at once")
	}
}

func TestProbe_LostProbeIsReplaced(t *testing.T) {
	var s gate.Breakers
	s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), gate.Outcome{Result: gate.RateLimited})
	at := noon.Add(30 * time.Second)
	lost := mustPass(t, &s, at)
	at = at.Add(30 * time.Second)
	if !mustPass(t, &s, at).Probe {
		t.Fatal("the successor is not a probe")
	}
	s = gate.Report(s, at, gate.CircuitAPI, lost, gate.Outcome{})
	if v := mustBlock(t, s, at); v.Cause != gate.CauseProbing {
		t.Fatalf("the lost probe's return left the door %q, want probing", v.Cause)
	}
}

func TestCircuits_TripIndependently(t *testing.T) {
	var s gate.Breakers
	s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), gate.Outcome{Result: gate.RateLimited})
	if _, v := gate.Decide(s, noon, gate.CircuitAccounts, gate.Routine); !v.Allowed {
		t.Fatal("the accounts door closed with the Web API's")
	}
}

func TestBreakers_SurviveStoring(t *testing.T) {
	var s gate.Breakers
	s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), gate.Outcome{Result: gate.QuotaExceeded})
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var stored gate.Breakers
	if err := json.Unmarshal(b, &stored); err != nil {
		t.Fatal(err)
	}
	if stored != s {
		t.Fatalf("kept as %s it came back as %+v, want %+v", b, stored, s)
	}
}

func TestQuota_RefusedProbesBackOff(t *testing.T) {
	var s gate.Breakers
	at := noon
	informed := gate.Outcome{Result: gate.QuotaExceeded, RetryAfter: time.Second}
	for i, want := range []time.Duration{time.Second, 30 * time.Second, time.Minute, 2 * time.Minute} {
		s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), informed)
		if v := mustBlock(t, s, at); v.RetryAfter != want {
			t.Fatalf("closing %d lasts %v, want %v", i, v.RetryAfter, want)
		}
		at = at.Add(want)
	}
	s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), gate.Outcome{})
	s = gate.Report(s, at, gate.CircuitAPI, mustPass(t, &s, at), informed)
	if v := mustBlock(t, s, at); v.RetryAfter != time.Second {
		t.Errorf("after a success the next closing lasts %v", v.RetryAfter)
	}
}
