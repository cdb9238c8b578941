package breaker_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

// sentCall is a call that is under way.
type sentCall struct {
	permit breaker.Permit
	epoch  int // the epoch of breakerModel when the call was made
	leftAt time.Time
}

// breakerModel predicts what a breaker must do from the calls and their results
// alone, without the state of the breaker under test.
type breakerModel struct {
	open      bool      // a call was refused, and no probe has succeeded since
	notBefore time.Time // no call may be made earlier
	epoch     int       // counts the openings and the probes
	pending   []sentCall
	probe     *sentCall // the probe that other calls wait for
}

func TestBreaker_Invariants(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s breaker.Breakers
		now := noon
		models := map[breaker.Circuit]*breakerModel{breaker.CircuitAPI: {}, breaker.CircuitAccounts: {}}
		which := rapid.SampledFrom(breaker.Circuits())
		seconds := rapid.IntRange(0, 4000)
		urgency := rapid.SampledFrom([]breaker.Urgency{breaker.Routine, breaker.Urgent, breaker.Background})
		result := rapid.SampledFrom([]breaker.Result{
			breaker.Answered, breaker.Answered, breaker.RateLimited, breaker.QuotaExceeded, breaker.PremiumRequired, breaker.Failed, breaker.Abandoned,
		})

		t.Repeat(map[string]func(*rapid.T){
			"time passes": func(t *rapid.T) {
				now = now.Add(time.Duration(seconds.Draw(t, "seconds")) * time.Second)
			},
			"a new call is made": func(t *rapid.T) {
				name := which.Draw(t, "circuit")
				d := models[name]
				next, v := breaker.Decide(s, now, name, urgency.Draw(t, "urgency"))
				if !v.Allowed {
					if v.RetryAfter <= 0 || v.Cause == "" {
						t.Fatalf("blocked by %q for %v", v.Cause, v.RetryAfter)
					}
					if next != s {
						t.Fatal("a blocked call changed the state")
					}
					return
				}
				s = next
				if now.Before(d.notBefore) {
					t.Fatalf("a call passed a breaker that is open for another %v", d.notBefore.Sub(now))
				}
				if v.Permit.Probe != d.open {
					t.Fatalf("permit is a probe: %v, breaker is open: %v", v.Permit.Probe, d.open)
				}
				if v.Permit.Probe {
					if d.probe != nil && now.Before(d.probe.leftAt.Add(30*time.Second)) {
						t.Fatal("a second probe before the first has returned")
					}
					d.epoch++
				}
				c := sentCall{permit: v.Permit, epoch: d.epoch, leftAt: now}
				d.pending = append(d.pending, c)
				if v.Permit.Probe {
					d.probe = &c
				}
			},
			"a call returns": func(t *rapid.T) {
				name := which.Draw(t, "circuit")
				d := models[name]
				if len(d.pending) == 0 {
					t.Skip("no call to return")
				}
				i := rapid.IntRange(0, len(d.pending)-1).Draw(t, "call")
				c := d.pending[i]
				d.pending = append(d.pending[:i], d.pending[i+1:]...)
				o := breaker.Outcome{Result: result.Draw(t, "result"), RetryAfter: time.Duration(seconds.Draw(t, "retry after")) * time.Second}
				before := s
				s = breaker.Report(s, now, name, c.permit, o)
				if before.ChangesNothing(name, c.permit, o) && s != before {
					t.Fatalf("%+v changed %+v to %+v", o, before, s)
				}

				current := c.epoch == d.epoch
				if current && c.permit.Probe {
					d.probe = nil
				}
				switch o.Result {
				case breaker.RateLimited, breaker.QuotaExceeded, breaker.PremiumRequired:
					if current {
						d.open, d.probe = true, nil
						d.epoch++
						d.notBefore = now.Add(max(o.RetryAfter, time.Second))
					}
				case breaker.Answered:
					if current && c.permit.Probe {
						d.open = false
						if next, v := breaker.Decide(s, now, name, breaker.Routine); !v.Allowed || v.Permit.Probe {
							t.Fatalf("after a successful probe a call got %+v in %+v", v, next)
						}
					}
				}
			},
			"": func(t *rapid.T) {
				for _, name := range breaker.Circuits() {
					// In every state, a caller that waits for each RetryAfter
					// must be allowed to call after at most ten attempts.
					at, trial := now, s
					for range 10 {
						next, v := breaker.Decide(trial, at, name, breaker.Routine)
						if v.Allowed {
							break
						}
						trial, at = next, at.Add(v.RetryAfter)
						if v.Cause == breaker.CauseProbing {
							at = at.Add(30 * time.Second)
						}
					}
					if _, v := breaker.Decide(trial, at, name, breaker.Routine); !v.Allowed {
						t.Fatalf("%s stays open: %+v", name, trial)
					}
				}
			},
		})
	})
}
