package breaker_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

// call is one that is out, with what the model knows of its door when it left.
type sentCall struct {
	permit breaker.Permit
	epoch  int // the model's count of closings and probes then
	leftAt time.Time
}

// door is a model of a door, kept without a look into the machine's state.
type breakerModel struct {
	open      bool      // refused, and no probe has succeeded since
	notBefore time.Time // no call may leave earlier
	epoch     int
	out       []sentCall
	probe     *sentCall // the probe that everybody waits for
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
			"a call wants through": func(t *rapid.T) {
				name := which.Draw(t, "door")
				d := models[name]
				next, v := breaker.Decide(s, now, name, urgency.Draw(t, "urgency"))
				if !v.Allowed {
					if v.RetryAfter <= 0 || v.Cause == "" {
						t.Fatalf("held back by %q for %v", v.Cause, v.RetryAfter)
					}
					if next != s {
						t.Fatal("a refusal changed the state")
					}
					return
				}
				s = next
				if now.Before(d.notBefore) {
					t.Fatalf("a call passed a door closed for another %v", d.notBefore.Sub(now))
				}
				if v.Permit.Probe != d.open {
					t.Fatalf("probe: %v through a door that is shut: %v", v.Permit.Probe, d.open)
				}
				if v.Permit.Probe {
					if d.probe != nil && now.Before(d.probe.leftAt.Add(30*time.Second)) {
						t.Fatal("a second probe while the first is out")
					}
					d.epoch++
				}
				c := sentCall{permit: v.Permit, epoch: d.epoch, leftAt: now}
				d.out = append(d.out, c)
				if v.Permit.Probe {
					d.probe = &c
				}
			},
			"a call comes back": func(t *rapid.T) {
				name := which.Draw(t, "door")
				d := models[name]
				if len(d.out) == 0 {
					t.Skip("no call is out")
				}
				i := rapid.IntRange(0, len(d.out)-1).Draw(t, "call")
				c := d.out[i]
				d.out = append(d.out[:i], d.out[i+1:]...)
				o := breaker.Outcome{Result: result.Draw(t, "result"), RetryAfter: time.Duration(seconds.Draw(t, "retry after")) * time.Second}
				s = breaker.Report(s, now, name, c.permit, o)

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
							t.Fatalf("after a probe's success a call got %+v in %+v", v, next)
						}
					}
				}
			},
			"": func(t *rapid.T) {
				for _, name := range breaker.Circuits() {
					// However it stands, whoever waits as told gets through in the end.
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
						t.Fatalf("%s stays shut: %+v", name, trial)
					}
				}
			},
		})
	})
}
