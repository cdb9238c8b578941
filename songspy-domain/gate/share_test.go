package gate_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-domain/gate"
)

func TestMerge_OrderDoesNotMatter(t *testing.T) {
	circuit := rapid.Custom(func(t *rapid.T) gate.SharedBreaker {
		at := func(name string) time.Time {
			if s := rapid.IntRange(0, 3).Draw(t, name); s > 0 {
				return noon.Add(time.Duration(s) * time.Minute)
			}
			return time.Time{}
		}
		return gate.SharedBreaker{
			Cause: rapid.SampledFrom([]gate.Cause{"", gate.CauseRateLimited, gate.CauseQuota}).Draw(t, "why"), OpenUntil: at("until"),
			BackoffStep: rapid.IntRange(0, 2).Draw(t, "step"), ProbeUntil: at("probe"),
			Epoch: rapid.Int64Range(0, 3).Draw(t, "epoch"), Learned: float64(rapid.IntRange(0, 2).Draw(t, "learnt")),
		}
	})
	state := rapid.Custom(func(t *rapid.T) gate.SharedBreakers {
		return gate.SharedBreakers{Accounts: circuit.Draw(t, "accounts"), API: circuit.Draw(t, "api")}
	})
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := state.Draw(t, "a"), state.Draw(t, "b"), state.Draw(t, "c")
		if gate.Merge(a, b) != gate.Merge(b, a) || gate.Merge(a, a) != a ||
			gate.Merge(gate.Merge(a, b), c) != gate.Merge(a, gate.Merge(b, c)) {
			t.Fatalf("%+v, %+v and %+v depend on their order", a, b, c)
		}
		if a.API.Epoch == b.API.Epoch && gate.Merge(a, b).API.OpenUntil.Before(a.API.OpenUntil) {
			t.Fatal("a closing was shortened by news as old")
		}
	})
}

func TestAdopt_TripsAndResetsEveryProcess(t *testing.T) {
	var one, other gate.Breakers
	one = gate.Report(one, noon, gate.CircuitAPI, mustPass(t, &one, noon), gate.Outcome{Result: gate.RateLimited, RetryAfter: time.Hour})
	other = gate.Adopt(other, noon, one.Shared())
	if _, v := gate.Decide(other, noon.Add(59*time.Minute), gate.CircuitAPI, gate.Urgent); v.Allowed {
		t.Fatal("a call passed a door that another process saw closing")
	}
	due := noon.Add(time.Hour)
	probe := mustPass(t, &one, due)
	other = gate.Adopt(other, due, one.Shared())
	if _, v := gate.Decide(other, due, gate.CircuitAPI, gate.Routine); v.Allowed || v.Cause != gate.CauseProbing {
		t.Fatalf("while another's probe is out: %+v", v)
	}
	one = gate.Report(one, due, gate.CircuitAPI, probe, gate.Outcome{})
	other = gate.Adopt(other, due, one.Shared())
	if passed := passedInSecond(&other, due, gate.Routine); passed == 0 || passed > 5 {
		t.Fatalf("in the first second after another's probe %d calls passed, want a few", passed)
	}
	if again := gate.Adopt(other, due, one.Shared()); again != other {
		t.Fatal("the same news again changed the state")
	}
}

func TestProcesses_ShareLearnedRate(t *testing.T) {
	whole, at := recovered(t, 100)
	const processes = 4
	var states [processes]gate.Breakers
	for i := range states {
		states[i].Share = 1.0 / processes
		states[i] = gate.Adopt(states[i], at, whole.Shared())
	}
	var passed int
	for range 30 {
		at = at.Add(time.Second)
		passed = 0
		for i := range states {
			passed += passedInSecond(&states[i], at, gate.Routine)
		}
	}
	if passed < 45 || passed > 60 {
		t.Fatalf("half a minute after a refusal at 100 a second %d pass, want about 50", passed)
	}
}

func TestWithdrawProbe_LetsAnotherProbe(t *testing.T) {
	var s gate.Breakers
	s = gate.Report(s, noon, gate.CircuitAPI, mustPass(t, &s, noon), gate.Outcome{Result: gate.RateLimited, RetryAfter: time.Minute})
	before, due := s, noon.Add(time.Minute)
	probe := mustPass(t, &s, due)
	if s = gate.WithdrawProbe(s, gate.CircuitAPI, probe); s.Shared() != before.Shared() {
		t.Fatalf("%+v, want %+v", s.Shared(), before.Shared())
	}
}
