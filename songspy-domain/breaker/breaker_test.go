package breaker_test

import (
	"encoding/json"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// mustPass returns the permit of one routine call, or fails the test if the call is blocked.
func mustPass(t *testing.T, s *breaker.Breakers, at time.Time) breaker.Permit {
	t.Helper()
	next, v := breaker.Decide(*s, at, breaker.CircuitAPI, breaker.Routine)
	if !v.Allowed {
		t.Fatalf("at %v the call was blocked: %s for %v", at.Sub(noon), v.Cause, v.RetryAfter)
	}
	*s = next
	return v.Permit
}

// mustBlock fails the test if an urgent call may be made. It returns the decision.
func mustBlock(t *testing.T, s breaker.Breakers, at time.Time) breaker.Decision {
	t.Helper()
	_, v := breaker.Decide(s, at, breaker.CircuitAPI, breaker.Urgent)
	if v.Allowed {
		t.Fatalf("at %v an urgent call passed an open breaker", at.Sub(noon))
	}
	return v
}

func TestRefusal_HonoursRetryAfter(t *testing.T) {
	for name, c := range map[string]struct {
		outcome breaker.Outcome
		want    time.Duration
		cause   breaker.Cause
	}{
		"Retry-After":                                {breaker.Outcome{Result: breaker.RateLimited, RetryAfter: 19056 * time.Second}, 19056 * time.Second, breaker.CauseRateLimited},
		"Retry-After below the estimate":             {breaker.Outcome{Result: breaker.RateLimited, RetryAfter: 2 * time.Second}, 2 * time.Second, breaker.CauseRateLimited},
		"Retry-After of a week":                      {breaker.Outcome{Result: breaker.RateLimited, RetryAfter: 7 * 24 * time.Hour}, 24 * time.Hour, breaker.CauseRateLimited},
		"no Retry-After":                             {breaker.Outcome{Result: breaker.RateLimited}, 30 * time.Second, breaker.CauseRateLimited},
		"quota":                                      {breaker.Outcome{Result: breaker.QuotaExceeded}, 15 * time.Minute, breaker.CauseQuota},
		"quota, longer Retry-After":                  {breaker.Outcome{Result: breaker.QuotaExceeded, RetryAfter: time.Hour}, time.Hour, breaker.CauseQuota},
		"quota, shorter Retry-After":                 {breaker.Outcome{Result: breaker.QuotaExceeded, RetryAfter: time.Second}, time.Second, breaker.CauseQuota},
		"owner without Premium":                      {breaker.Outcome{Result: breaker.PremiumRequired}, time.Hour, breaker.CausePremiumRequired},
		"owner without Premium, shorter Retry-After": {breaker.Outcome{Result: breaker.PremiumRequired, RetryAfter: time.Minute}, time.Hour, breaker.CausePremiumRequired},
	} {
		t.Run(name, func(t *testing.T) {
			var s breaker.Breakers
			s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), c.outcome)
			v := mustBlock(t, s, noon)
			if v.RetryAfter != c.want || v.Cause != c.cause {
				t.Fatalf("open for %v because of %q, want %v because of %q", v.RetryAfter, v.Cause, c.want, c.cause)
			}
			mustBlock(t, s, noon.Add(c.want-time.Nanosecond))
			if !mustPass(t, &s, noon.Add(c.want)).Probe {
				t.Fatal("the first call after OpenUntil is not a probe")
			}
		})
	}
}

func TestRefusals_InARowBackOffUpToLimit(t *testing.T) {
	for name, c := range map[string]struct {
		result breaker.Result
		want   []time.Duration
	}{
		"rate limited": {breaker.RateLimited, []time.Duration{
			30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 15 * time.Minute, 15 * time.Minute,
		}},
		"quota": {breaker.QuotaExceeded, []time.Duration{
			15 * time.Minute, 30 * time.Minute, time.Hour, 2 * time.Hour, 4 * time.Hour, 6 * time.Hour, 6 * time.Hour,
		}},
		"premium": {breaker.PremiumRequired, []time.Duration{time.Hour, time.Hour}},
	} {
		t.Run(name, func(t *testing.T) {
			var s breaker.Breakers
			at := noon
			for i, want := range c.want {
				s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{Result: c.result})
				if got := mustBlock(t, s, at).RetryAfter; got != want {
					t.Fatalf("opening %d lasts %v, want %v", i+1, got, want)
				}
				at = at.Add(want)
			}
			s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{})
			if d := s.API; d.Cause != "" || d.BackoffStep != 0 || !d.OpenUntil.IsZero() || !d.ProbeUntil.IsZero() {
				t.Fatalf("a successful probe left %+v", d)
			}
			s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{Result: c.result})
			if got := mustBlock(t, s, at).RetryAfter; got != c.want[0] {
				t.Fatalf("the first opening after a success lasts %v, want %v", got, c.want[0])
			}
		})
	}
}

func TestRefusal_ManyAtOnceTripOnce(t *testing.T) {
	var s breaker.Breakers
	permits := make([]breaker.Permit, 100)
	for i := range permits {
		permits[i] = mustPass(t, &s, noon)
	}
	for _, p := range permits {
		s = breaker.Report(s, noon, breaker.CircuitAPI, p, breaker.Outcome{Result: breaker.RateLimited})
	}
	if got := mustBlock(t, s, noon).RetryAfter; got != 30*time.Second {
		t.Fatalf("a hundred refusals opened the breaker for %v, want 30s", got)
	}
}

func TestLateRefusal_ExtendsOpenBreakerOnly(t *testing.T) {
	var s breaker.Breakers
	first, second, third := mustPass(t, &s, noon), mustPass(t, &s, noon), mustPass(t, &s, noon)
	s = breaker.Report(s, noon, breaker.CircuitAPI, first, breaker.Outcome{Result: breaker.RateLimited})
	s = breaker.Report(s, noon, breaker.CircuitAPI, second, breaker.Outcome{Result: breaker.QuotaExceeded})
	if v := mustBlock(t, s, noon); v.RetryAfter != 15*time.Minute || v.Cause != breaker.CauseQuota {
		t.Fatalf("open for %v because of %q, want 15m because of the quota", v.RetryAfter, v.Cause)
	}
	s = breaker.Report(s, noon, breaker.CircuitAPI, third, breaker.Outcome{Result: breaker.Answered})
	if v := mustBlock(t, s, noon); v.RetryAfter != 15*time.Minute {
		t.Fatalf("a success of an older call left the breaker open for %v, want 15m", v.RetryAfter)
	}
	at := noon.Add(15 * time.Minute)
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{Result: breaker.QuotaExceeded})
	if v := mustBlock(t, s, at); v.RetryAfter != 30*time.Minute {
		t.Fatalf("the second opening because of the quota lasts %v, want 30m", v.RetryAfter)
	}
}

func TestLateRefusal_IsIgnoredAfterReset(t *testing.T) {
	var s breaker.Breakers
	first, late := mustPass(t, &s, noon), mustPass(t, &s, noon)
	s = breaker.Report(s, noon, breaker.CircuitAPI, first, breaker.Outcome{Result: breaker.RateLimited})
	at := noon.Add(30 * time.Second)
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{})
	s = breaker.Report(s, at, breaker.CircuitAPI, late, breaker.Outcome{Result: breaker.RateLimited})
	mustPass(t, &s, at)
}

func TestProbe_FailedProbeWaitsBriefly(t *testing.T) {
	var s breaker.Breakers
	s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), breaker.Outcome{Result: breaker.RateLimited})
	at := noon.Add(30 * time.Second)
	probe := mustPass(t, &s, at)
	if v := mustBlock(t, s, at); v.Cause != breaker.CauseProbing {
		t.Fatalf("during the probe calls are blocked by %q", v.Cause)
	}

	failed := breaker.Report(s, at, breaker.CircuitAPI, probe, breaker.Outcome{Result: breaker.Failed})
	if v := mustBlock(t, failed, at); v.RetryAfter != 5*time.Second {
		t.Fatalf("a failed probe is repeated after %v, want 5s", v.RetryAfter)
	}
	abandoned := breaker.Report(s, at, breaker.CircuitAPI, probe, breaker.Outcome{Result: breaker.Abandoned})
	if !mustPass(t, &abandoned, at).Probe {
		t.Fatal("an abandoned probe is not replaced immediately")
	}
}

func TestProbe_LostProbeIsReplaced(t *testing.T) {
	var s breaker.Breakers
	s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), breaker.Outcome{Result: breaker.RateLimited})
	at := noon.Add(30 * time.Second)
	lost := mustPass(t, &s, at)
	at = at.Add(30 * time.Second)
	if !mustPass(t, &s, at).Probe {
		t.Fatal("the next call is not a probe")
	}
	s = breaker.Report(s, at, breaker.CircuitAPI, lost, breaker.Outcome{})
	if v := mustBlock(t, s, at); v.Cause != breaker.CauseProbing {
		t.Fatalf("the late answer of the lost probe left the cause %q, want probing", v.Cause)
	}
}

func TestCircuits_TripIndependently(t *testing.T) {
	var s breaker.Breakers
	s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), breaker.Outcome{Result: breaker.RateLimited})
	if _, v := breaker.Decide(s, noon, breaker.CircuitAccounts, breaker.Routine); !v.Allowed {
		t.Fatal("the breaker of accounts opened with that of the Web API")
	}
}

func TestBreakers_SurviveStoring(t *testing.T) {
	var s breaker.Breakers
	s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), breaker.Outcome{Result: breaker.QuotaExceeded})
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var stored breaker.Breakers
	if err := json.Unmarshal(b, &stored); err != nil {
		t.Fatal(err)
	}
	if stored != s {
		t.Fatalf("stored as %s, read as %+v, want %+v", b, stored, s)
	}
}

func TestQuota_RefusedProbesBackOff(t *testing.T) {
	var s breaker.Breakers
	at := noon
	refusal := breaker.Outcome{Result: breaker.QuotaExceeded, RetryAfter: time.Second}
	for i, want := range []time.Duration{time.Second, 30 * time.Second, time.Minute, 2 * time.Minute} {
		s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), refusal)
		if v := mustBlock(t, s, at); v.RetryAfter != want {
			t.Fatalf("opening %d lasts %v, want %v", i, v.RetryAfter, want)
		}
		at = at.Add(want)
	}
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{})
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), refusal)
	if v := mustBlock(t, s, at); v.RetryAfter != time.Second {
		t.Errorf("the next opening after a success lasts %v", v.RetryAfter)
	}
}

// The test opens a breaker while the clock is ahead, and decides after the clock was set right.
// In some cases a new process reads the state from the database in between. The breaker
// must stay open for the requested time, at most a day, and then allow a probe.
func TestClockSetBack_BreakerStaysOpenForItsTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ahead := time.Duration(rapid.Int64Range(int64(6*time.Minute), int64(400*24*time.Hour)).Draw(rt, "ahead")).Truncate(time.Microsecond)
		requested := time.Duration(rapid.Int64Range(int64(time.Second), int64(48*time.Hour)).Draw(rt, "requested")).Truncate(time.Microsecond)
		var s breaker.Breakers
		fast := noon.Add(ahead)
		s = breaker.Report(s, fast, breaker.CircuitAPI, mustPass(t, &s, fast), breaker.Outcome{Result: breaker.RateLimited, RetryAfter: requested})
		if rapid.Bool().Draw(rt, "after a restart") {
			s = breaker.Adopt(breaker.Breakers{}, noon, s.Shared())
		}
		s, v := breaker.Decide(s, noon, breaker.CircuitAPI, breaker.Routine)
		want := min(requested, 24*time.Hour)
		if v.Allowed || v.RetryAfter > want || v.RetryAfter < want-time.Second {
			rt.Fatalf("blocked for %s, want %s", v.RetryAfter, want)
		}
		s, v = breaker.Decide(s, noon.Add(want), breaker.CircuitAPI, breaker.Routine)
		if !v.Allowed || !v.Permit.Probe {
			rt.Fatalf("no probe is allowed after %s: %+v", want, v)
		}
		s = breaker.Report(s, noon.Add(want), breaker.CircuitAPI, v.Permit, breaker.Outcome{Result: breaker.Answered})
		if s.API.Cause != "" {
			rt.Fatalf("the breaker stays open: %s", s.API.Cause)
		}
	})
}

func TestClockSetBack_BreakerIsOpenForADayAtMost(t *testing.T) {
	stored := breaker.SharedBreakers{API: breaker.SharedBreaker{Cause: breaker.CauseQuota, OpenUntil: noon.Add(9 * 24 * time.Hour), Epoch: 3}} // the stored state has no OpenedAt
	s, v := breaker.Decide(breaker.Adopt(breaker.Breakers{}, noon, stored), noon, breaker.CircuitAPI, breaker.Routine)
	if v.Allowed || v.RetryAfter != 24*time.Hour {
		t.Fatalf("blocked for %s, want 24h", v.RetryAfter)
	}
	if merged := breaker.Merge(s.Shared(), stored); merged != s.Shared() {
		t.Error("the uncorrected state wins over the correction")
	}
	s = breaker.Adopt(s, noon, stored)
	if _, v := breaker.Decide(s, noon.Add(24*time.Hour), breaker.CircuitAPI, breaker.Routine); !v.Allowed {
		t.Errorf("still blocked: %s", v.Cause)
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
		t.Fatalf("blocked for %s: %s", v.RetryAfter, v.Cause)
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
		t.Errorf("%d calls passed in 30 s at one a second, want at least 25", passed)
	}
}

func TestTripForbidden_OpenUntilProbeIsUnderstood(t *testing.T) {
	s := breaker.TripForbidden(breaker.Breakers{}, noon)
	if v := mustBlock(t, s, noon); v.Cause != breaker.CauseForbidden || v.RetryAfter != time.Hour {
		t.Fatalf("blocked for %s: %s", v.RetryAfter, v.Cause)
	}
	if again := breaker.TripForbidden(s, noon.Add(time.Minute)); again != s {
		t.Error("a second call of TripForbidden extends the open time")
	}
	at := noon.Add(time.Hour)
	s = breaker.Report(s, at, breaker.CircuitAPI, mustPass(t, &s, at), breaker.Outcome{Result: breaker.Forbidden})
	if v := mustBlock(t, s, at); v.Cause != breaker.CauseForbidden || v.RetryAfter != time.Hour {
		t.Fatalf("after a forbidden probe: blocked for %s: %s", v.RetryAfter, v.Cause)
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
