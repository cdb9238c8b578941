package attention

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// aSong returns the state of a user who has listened to a song of three and a half
// minutes for the time age, after skipping the given number of songs.
func aSong(age time.Duration, skips int16) songspy.NowPlaying {
	ends := noon.Add(210*time.Second - age)
	return songspy.NowPlaying{
		State: songspy.PlayerPlaying, TrackURI: "spotify:track:a", DurationMS: 210_000, ProgressMS: age.Milliseconds(),
		StartedAt: noon.Add(-age), ObservedAt: noon, EndsAt: &ends, Skips: skips,
	}
}

// anyState draws a state after a poll at noon.
func anyState(t *rapid.T) songspy.NowPlaying {
	n := aSong(time.Duration(rapid.IntRange(0, 230).Draw(t, "age"))*time.Second, rapid.Int16Range(0, 20).Draw(t, "skips"))
	switch rapid.SampledFrom([]string{"playing", "no progress", "paused", "idle", "advertisement"}).Draw(t, "state") {
	case "no progress":
		n.ProgressMS, n.EndsAt = -1, nil
	case "paused":
		since := noon.Add(-time.Duration(rapid.IntRange(0, 600).Draw(t, "paused")) * time.Second)
		n.State, n.PausedSince = songspy.PlayerPaused, &since
	case "idle":
		n = songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: noon}
	case "advertisement":
		n = songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: noon, Advertisement: true}
	}
	return n
}

func TestRisk_IsAProbabilityThatGrows(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := RiskOf(anyState(t), rapid.Float64Range(0, 5).Draw(t, "weight"))
		before, saved := 0.0, 0.0
		for d := time.Duration(0); d <= 4*time.Minute; d += 5 * time.Second {
			wrong, saves := r.Wrong(d), r.Saved(d)
			if wrong < before-1e-9 || wrong > 1 || saves < saved-1e-6 || saves > d.Seconds() {
				t.Fatalf("after %v: wrong %v (before %v), saved %v s (before %v)", d, wrong, before, saves, saved)
			}
			before, saved = wrong, saves
		}
	})
}

func TestNextPoll_IsBetweenTheGapAndThePlannedPoll(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := RiskOf(anyState(t), 1)
		planned := time.Duration(rapid.IntRange(0, 180).Draw(t, "planned")) * time.Second
		weight := rapid.Float64Range(0, 50).Draw(t, "weight")
		wait, worth := r.NextPoll(weight, planned)
		if worth && (wait < MinGap || wait >= planned) {
			t.Fatalf("the poll comes after %v, planned is one after %v", wait, planned)
		}
		if more, still := r.NextPoll(2*weight, planned); worth && (!still || more > wait) {
			t.Fatalf("with twice as many viewers the poll comes after %v instead of %v", more, wait)
		}
	})
}

func TestNextPoll_ComesSoonerWhereASkipIsLikelier(t *testing.T) {
	const planned, weight = 170 * time.Second, 0.4 // with a weight of 1, several of these waits would be MinGap
	wait := func(n songspy.NowPlaying) time.Duration {
		if d, worth := RiskOf(n, 1).NextPoll(weight, planned); worth {
			return d
		}
		return planned
	}
	young, skipping, old := wait(aSong(2*time.Second, 0)), wait(aSong(2*time.Second, 2)), wait(aSong(100*time.Second, 0))
	idle := wait(songspy.NowPlaying{State: songspy.PlayerIdle, ObservedAt: noon})
	if skipping >= young || young >= old || old > idle {
		t.Errorf("after skips %v, at a track's start %v, late in it %v, idle %v", skipping, young, old, idle)
	}
}
