package listening

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const floorInterval = 3 * time.Minute

func TestWithoutAQuotaIdleUsersArePolledAtTheInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := songspy.NowPlaying{State: rapid.SampledFrom([]songspy.PlayerState{songspy.PlayerIdle, songspy.PlayerPaused}).Draw(t, "state")}
		look := NextLook(n, songspy.SightingNothing, base, seconds(t, 0, 180), floorInterval)
		if got := look.Sparing(n, base, floorInterval, floorInterval, 1); got != look {
			t.Fatalf("%+v became %+v", look, got)
		}
	})
}

func TestAHabitMovesLooksToItsHoursAndCostsNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h Habit
		usual := rapid.IntRange(0, 23).Draw(t, "usual")
		for range rapid.IntRange(0, 2000).Draw(t, "sightings") {
			hour := usual
			if rapid.IntRange(0, 9).Draw(t, "chance") == 0 {
				hour = rapid.IntRange(0, 23).Draw(t, "hour")
			}
			h.Listened(base.Add(time.Duration(hour) * time.Hour))
		}
		sum := 0.0
		for hour := range 24 {
			w := h.Weight(base.Add(time.Duration(hour) * time.Hour))
			if w < 0.5 {
				t.Fatalf("weight %v", w)
			}
			sum += w
		}
		if sum < 23.99 || sum > 24.01 {
			t.Fatalf("a day's weights add up to %v", sum)
		}
	})
	var h Habit
	for range 100 {
		h.Listened(base)
	}
	if w := h.Weight(base); w < 4 {
		t.Errorf("at the only hour that they listen a look weighs %v", w)
	}
}

func TestUsersWhoListenDoNotWaitAsIdleUsersDo(t *testing.T) {
	n, _, _ := run(t, nothing(-1), playing(songA, 1.5, 1.5))
	look := NextLook(n, songspy.SightingPlaying, at(1.5), 0, floorInterval)
	if got := look.Sparing(n, at(1.5), floorInterval, LongestWait, 0.5); got != look {
		t.Errorf("%+v became %+v", look, got)
	}
	idle := songspy.NowPlaying{State: songspy.PlayerIdle}
	look = NextLook(idle, songspy.SightingNothing, at(0), 0, floorInterval)
	if got := look.Sparing(idle, at(0), floorInterval, 10*time.Minute, 2); got != (Look{at(300), ReasonBudget}) {
		t.Errorf("somebody idle at a good hour: %+v", got)
	}
}

// listeningTo is somebody who began a song of that many seconds at 0.
func listeningTo(length float64) songspy.NowPlaying {
	end := at(length)
	return songspy.NowPlaying{
		State: songspy.PlayerPlaying, TrackURI: songA.URI, StartedAt: at(0), SeenAt: at(0), ObservedAt: at(0), EndsAt: &end,
		DurationMS: int64(length * 1000),
	}
}

func TestPollsOfListeningUsersAreThinnedMidTrackFirstThenAtEnds(t *testing.T) {
	n, mean := listeningTo(240), 100*time.Second
	midTrack, end, proof := Look{at(45), ReasonBetween}, Look{at(241.5), ReasonEnd}, Look{at(31), ReasonProof}
	for name, c := range map[string]struct {
		look         Look
		keep, chance float64
		want         Look
	}{
		"mid-track, all kept":              {midTrack, 1, 0.99, midTrack},
		"mid-track, half of those kept":    {midTrack, 0.75, 0.4, midTrack},
		"mid-track, the other half":        {midTrack, 0.75, 0.6, end},
		"mid-track, none kept":             {midTrack, 0.5, 0, end},
		"after a skip, none kept":          {Look{at(30), ReasonSkips}, 0.5, 0, end},
		"an end, half kept":                {end, 0.5, 0.9, end},
		"an end that is far enough away":   {end, 0.45, 0.9, end},
		"an end, a fifth kept":             {end, 0.2, 0, Look{at(500), ReasonBudget}},
		"mid-track, a fifth kept":          {midTrack, 0.2, 0, Look{at(500), ReasonBudget}},
		"an end, hardly any kept":          {end, 0.01, 0, Look{at(1800), ReasonBudget}},
		"an advertisement, a fifth kept":   {Look{at(30), ReasonAdvertisement}, 0.2, 0, Look{at(500), ReasonBudget}},
		"proof of a track, all kept":       {proof, 1, 0.99, proof},
		"proof of a track, half kept":      {proof, 0.75, 0.4, proof},
		"proof of a track, the other half": {proof, 0.75, 0.6, end},
		"proof of a track, a fifth kept":   {proof, 0.2, 0, Look{at(500), ReasonBudget}},
		"whether the session is over":      {Look{at(30), ReasonSilence}, 0.1, 0, Look{at(30), ReasonSilence}},
	} {
		if got := c.look.Thinned(n, at(0), c.keep, c.chance, mean); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	for _, uri := range []string{"spotify:local:a:b:c:240", "spotify:episode:e"} {
		if n.TrackURI = uri; proof.Thinned(n, at(0), 0.1, 0, mean) != proof {
			t.Errorf("the proof of %s, which history never lists, is thinned", uri)
		}
	}
	idle := songspy.NowPlaying{State: songspy.PlayerIdle}
	if got := midTrack.Thinned(idle, at(0), 0.1, 0, mean); got != midTrack {
		t.Errorf("somebody idle: %+v", got)
	}
}

func TestThinningNeverMovesAPollForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := listeningTo(rapid.Float64Range(1, 1000).Draw(t, "length"))
		look := NextLook(n, songspy.SightingPlaying, at(0), 0, floorInterval)
		keep := rapid.Float64Range(0.01, 1).Draw(t, "keep")
		got := look.Thinned(n, at(0), keep, rapid.Float64Range(0, 1).Draw(t, "chance"), seconds(t, 1, 600))
		if got.At.Before(look.At) {
			t.Fatalf("%+v became %+v", look, got)
		}
		if more := look.Thinned(n, at(0), 1, 1, time.Second); more != look {
			t.Fatalf("with all polls kept %+v became %+v", look, more)
		}
	})
}

func TestFewUsersArePolledOneAfterAnother(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var others []time.Time
		for range rapid.IntRange(0, 10).Draw(t, "others") {
			others = append(others, at(rapid.Float64Range(0, 3600).Draw(t, "other")))
		}
		planned, within := at(1800), seconds(t, 1, 900)
		got := Placed(planned, within, others)
		if off := got.Sub(planned).Abs(); off > within {
			t.Fatalf("a poll is placed %v from where it was planned, at most %v were allowed", off, within)
		}
		if len(others) == 0 && !got.Equal(planned) {
			t.Fatalf("without others a poll is moved to %v", got)
		}
	})
	if got := Placed(at(1800), 10*time.Minute, []time.Time{at(1800), at(1810)}); got.Sub(at(1800)).Abs() < 5*time.Minute {
		t.Errorf("where two others are a third is made at %v", got)
	}
}
