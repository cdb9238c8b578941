package listening

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestPlansKeepTheFloorAndReturnToTheirPhase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := seconds(t, 5, 600)
		phase := songspy.PhaseOf(songspy.UserID(rapid.Int64Range(1, 1<<40).Draw(t, "user")), interval)
		now := base.Add(seconds(t, 0, 3600))
		for range 8 {
			next := NextLook(songspy.NowPlaying{State: songspy.PlayerIdle}, songspy.SightingNothing, now, phase, interval)
			if wait := next.At.Sub(now); wait <= 0 || wait > interval {
				t.Fatalf("an idle listener waits %v of an interval of %v", wait, interval)
			}
			now = next.At
		}
		if off := now.Sub(FirstLook(songspy.NowPlaying{}, now.Add(-interval/2), phase, interval).At).Abs(); off > time.Millisecond {
			t.Fatalf("after eight idle looks the listener is %v off the phase", off)
		}
	})
}
