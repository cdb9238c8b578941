package delayqueue

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestNextAtPhase_IsWithinOneIntervalAndAtThePhase(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		interval := time.Duration(rapid.Int64Range(1, int64(time.Hour)).Draw(rt, "interval"))
		phase := time.Duration(rapid.Int64Range(0, int64(interval)-1).Draw(rt, "phase"))
		now := time.Unix(1_790_000_000, rapid.Int64Range(0, int64(48*time.Hour)).Draw(rt, "now"))
		next := NextAtPhase(now, phase, interval)
		if wait := next.Sub(now); wait <= 0 || wait > interval {
			rt.Fatalf("the next time is %s ahead", wait)
		}
		if off := next.UnixNano() % int64(interval); off != int64(phase) {
			rt.Fatalf("the next time is at phase %d, want %d", off, phase)
		}
	})
}
