package breaker_test

import (
	"fmt"
	"time"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

// Spotify answers 429 with Retry-After: 60. No call passes for a minute; then one
// call passes as the probe.
func ExampleDecide() {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	state, decision := breaker.Decide(breaker.Breakers{}, now, breaker.CircuitAPI, breaker.Routine)
	fmt.Println("first call:", decision.Allowed)

	state = breaker.Report(state, now, breaker.CircuitAPI, decision.Permit, breaker.Outcome{Result: breaker.RateLimited, RetryAfter: time.Minute})
	_, decision = breaker.Decide(state, now.Add(10*time.Second), breaker.CircuitAPI, breaker.Routine)
	fmt.Println("after 10 s:", decision.Allowed, decision.Cause, decision.RetryAfter)

	_, decision = breaker.Decide(state, now.Add(time.Minute), breaker.CircuitAPI, breaker.Routine)
	fmt.Println("after 60 s:", decision.Allowed, "as the probe:", decision.Permit.Probe)
	// Output:
	// first call: true
	// after 10 s: false rate_limited 50s
	// after 60 s: true as the probe: true
}
