package playback_test

import (
	"fmt"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// Two polls show one track, and the last poll shows the next track. The first play
// ends where the second began.
func ExampleStep() {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	first := songspy.Track{URI: "spotify:track:first", DurationMS: 200_000}
	second := songspy.Track{URI: "spotify:track:second", DurationMS: 180_000}

	var state songspy.NowPlaying
	for _, observation := range []songspy.Observation{
		{Kind: songspy.ObservedIdle, At: noon},
		{Kind: songspy.ObservedPlaying, Track: first, Progress: 10 * time.Second, At: noon.Add(70 * time.Second)},
		{Kind: songspy.ObservedPlaying, Track: first, Progress: 130 * time.Second, At: noon.Add(190 * time.Second)},
		{Kind: songspy.ObservedPlaying, Track: second, Progress: 2 * time.Second, At: noon.Add(262 * time.Second)},
	} {
		result := playback.Step(state, observation)
		state = result.State
		for _, play := range result.Plays {
			fmt.Println(play.TrackURI, play.StartedAt.Format(time.TimeOnly), play.EndedAt.Format(time.TimeOnly), play.ListenedMS/1000, "s")
		}
	}
	fmt.Println("now", state.TrackURI, "until", state.EndsAt.Format(time.TimeOnly))
	// Output:
	// spotify:track:first 12:01:00 12:04:20 200 s
	// now spotify:track:second until 12:07:20
}

// The track ends less than one poll interval from now. So the next poll comes just after
// its end.
func ExampleNextPoll() {
	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	track := songspy.Track{URI: "spotify:track:first", DurationMS: 150_000}
	state := playback.Step(songspy.NowPlaying{}, songspy.Observation{
		Kind: songspy.ObservedPlaying, Track: track, Progress: 50 * time.Second, At: noon,
	}).State

	next := playback.NextPoll(state, songspy.ObservedPlaying, noon, 0, 3*time.Minute)
	fmt.Println(next.At.Sub(noon), next.Reason)
	// Output: 1m41.5s track_end
}
