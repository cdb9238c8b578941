package playback

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

var other = songspy.Track{URI: "spotify:track:other", Kind: songspy.KindTrack, Title: "Other", DurationMS: 240_000}

// TestStep_CountsPlaysAfterClockIsSetBack draws observations made while the clock ran
// ahead. Then the clock is set back, and three tracks begin, 200 s apart, each polled twice.
// Step must use each of these polls, leave no time of the state ahead of the clock, and
// return the plays of the first two tracks.
func TestStep_CountsPlaysAfterClockIsSetBack(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		ahead := time.Duration(rapid.IntRange(15*60, 20*3600).Draw(rt, "ahead in seconds")) * time.Second
		var n songspy.NowPlaying
		when := 0.0
		for range rapid.IntRange(1, 5).Draw(rt, "polls before") {
			when += rapid.Float64Range(10, 180).Draw(rt, "wait")
			o := rapid.SampledFrom([]songspy.Observation{
				playing(other, rapid.Float64Range(0, 190).Draw(rt, "progress"), when), idleAt(when), advertisement(5, when), unreadable(when),
				{Kind: songspy.ObservedPaused, Track: other, Progress: 30 * time.Second, At: at(when)},
			}).Draw(rt, "seen")
			o.At = o.At.Add(ahead)
			n = Step(n, o).State
		}
		start := when + rapid.Float64Range(1, 180).Draw(rt, "until the step")
		var plays []songspy.Play
		see := func(o songspy.Observation) {
			out := Step(n, o)
			n, plays = out.State, append(plays, out.Plays...)
			if !n.ObservedAt.Equal(o.At.Truncate(time.Microsecond)) {
				rt.Fatalf("the observation %s after the clock change is ignored", o.At.Sub(at(start)))
			}
			for _, at := range []time.Time{n.SeenAt, n.StartedAt, n.OtherSeenAt} {
				if at.After(o.At) {
					rt.Fatalf("a time is %s ahead", at.Sub(o.At))
				}
			}
		}
		for i, track := range []songspy.Track{songA, songB, songA} {
			began := start + 200*float64(i)
			see(playing(track, 20, began+20))
			see(playing(track, 150, began+150))
		}
		stored := map[string]bool{}
		for _, p := range plays {
			if p.StartedAt.After(at(start + 600)) {
				rt.Fatalf("a play began %s ahead", p.StartedAt.Sub(at(start)))
			}
			stored[p.TrackURI] = true
		}
		if !stored[songA.URI] || !stored[songB.URI] {
			rt.Fatalf("stored %v", stored)
		}
	})
}
