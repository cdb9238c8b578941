package breaker_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

func TestMerge_OrderDoesNotMatter(t *testing.T) {
	circuit := rapid.Custom(func(t *rapid.T) breaker.SharedBreaker {
		at := func(name string) time.Time {
			if s := rapid.IntRange(0, 3).Draw(t, name); s > 0 {
				return noon.Add(time.Duration(s) * time.Minute)
			}
			return time.Time{}
		}
		return breaker.SharedBreaker{
			Cause: rapid.SampledFrom([]breaker.Cause{"", breaker.CauseRateLimited, breaker.CauseQuota}).Draw(t, "cause"), OpenUntil: at("until"),
			BackoffStep: rapid.IntRange(0, 2).Draw(t, "step"), ProbeUntil: at("probe"),
			Epoch: rapid.Int64Range(0, 3).Draw(t, "epoch"), Learned: float64(rapid.IntRange(0, 2).Draw(t, "learned")),
		}
	})
	state := rapid.Custom(func(t *rapid.T) breaker.SharedBreakers {
		return breaker.SharedBreakers{Accounts: circuit.Draw(t, "accounts"), API: circuit.Draw(t, "api")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := state.Draw(t, "a"), state.Draw(t, "b"), state.Draw(t, "c")
		if breaker.Merge(a, b) != breaker.Merge(b, a) || breaker.Merge(a, a) != a ||
			breaker.Merge(breaker.Merge(a, b), c) != breaker.Merge(a, breaker.Merge(b, c)) {
			t.Fatalf("merging %+v, %+v and %+v depends on the order", a, b, c)
		}
		if a.API.Epoch == b.API.Epoch && breaker.Merge(a, b).API.OpenUntil.Before(a.API.OpenUntil) {
			t.Fatal("a state of the same epoch shortened the open time")
		}
	})
}

func TestAdopt_TripsAndResetsEveryProcess(t *testing.T) {
	var one, other breaker.Breakers
	one = breaker.Report(one, noon, breaker.CircuitAPI, mustPass(t, &one, noon), breaker.Outcome{Result: breaker.RateLimited, RetryAfter: time.Hour})
	other = breaker.Adopt(other, noon, one.Shared())
	if _, v := breaker.Decide(other, noon.Add(59*time.Minute), breaker.CircuitAPI, breaker.Urgent); v.Allowed {
		t.Fatal("a call passed a breaker that another process has opened")
	}
	due := noon.Add(time.Hour)
	probe := mustPass(t, &one, due)
	other = breaker.Adopt(other, due, one.Shared())
	if _, v := breaker.Decide(other, due, breaker.CircuitAPI, breaker.Routine); v.Allowed || v.Cause != breaker.CauseProbing {
		t.Fatalf("during the probe of another process: %+v", v)
	}
	one = breaker.Report(one, due, breaker.CircuitAPI, probe, breaker.Outcome{})
	other = breaker.Adopt(other, due, one.Shared())
	if passed := passedInSecond(&other, due, breaker.Routine); passed == 0 || passed > 5 {
		t.Fatalf("%d calls passed in the first second after another process's probe, want 1 to 5", passed)
	}
	if again := breaker.Adopt(other, due, one.Shared()); again != other {
		t.Fatal("adopting the same state again changed it")
	}
}

func TestProcesses_ShareLearnedRate(t *testing.T) {
	whole, at := recovered(t, 100)
	const processes = 4
	var states [processes]breaker.Breakers
	for i := range states {
		states[i].Share = 1.0 / processes
		states[i] = breaker.Adopt(states[i], at, whole.Shared())
	}
	var passed int
	for range 30 {
		at = at.Add(time.Second)
		passed = 0
		for i := range states {
			passed += passedInSecond(&states[i], at, breaker.Routine)
		}
	}
	if passed < 45 || passed > 60 {
		t.Fatalf("30 s after a refusal at 100 calls a second %d pass, want about 50", passed)
	}
}

func TestWithdrawProbe_LetsAnotherProbe(t *testing.T) {
	var s breaker.Breakers
	s = breaker.Report(s, noon, breaker.CircuitAPI, mustPass(t, &s, noon), breaker.Outcome{Result: breaker.RateLimited, RetryAfter: time.Minute})
	before, due := s, noon.Add(time.Minute)
	probe := mustPass(t, &s, due)
	if s = breaker.WithdrawProbe(s, breaker.CircuitAPI, probe); s.Shared() != before.Shared() {
		t.Fatalf("after the withdrawal %+v, want %+v", s.Shared(), before.Shared())
	}
}
