package playback

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestNextPoll_KeepsIntervalAndReturnsToPhase(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		interval := seconds(t, 5, 600)
		phase := songspy.PhaseOf(songspy.UserID(rapid.Int64Range(1, 1<<40).Draw(t, "user")), interval)
		now := base.Add(seconds(t, 0, 3600))
		for range 8 {
			next := NextPoll(songspy.NowPlaying{State: songspy.PlayerIdle}, songspy.ObservedIdle, now, phase, interval)
			if wait := next.At.Sub(now); wait <= 0 || wait > interval {
				t.Fatalf("an idle user waits %v of an interval of %v", wait, interval)
			}
			now = next.At
		}
		if distance := now.Sub(FirstPoll(songspy.NowPlaying{}, now.Add(-interval/2), phase, interval).At).Abs(); distance > time.Millisecond {
			t.Fatalf("after eight idle polls the user is %v off the phase", distance)
		}
	})
}

func TestNextPoll_LongTrackIsPolledWhereSkipsAreLikely(t *testing.T) {
	const interval = 3 * time.Minute
	for _, c := range []struct {
		name    string
		length  float64 // the length of the track in seconds
		skips   int16
		polls   []float64 // the expected times of the polls, in seconds from the start of the track
		reasons []PollReason
	}{
		{"no longer than an interval", 170, 0, []float64{171.5}, []PollReason{PollTrackEnd}},
		{"a little longer", 210, 0, []float64{46.5, 211.5}, []PollReason{PollMidTrack, PollTrackEnd}},
		{"so long that the interval needs the poll later", 270, 0, []float64{91.5, 271.5}, []PollReason{PollMidTrack, PollTrackEnd}},
		{"so long that the floor's look finds skips too late", 320, 0, []float64{46.5, 141.5, 321.5}, []PollReason{PollMidTrack, PollMidTrack, PollTrackEnd}},
		{"come to by a skip", 170, 1, []float64{31.5, 61.5, 171.5}, []PollReason{PollSkipping, PollSkipping, PollTrackEnd}},
	} {
		t.Run(c.name, func(t *testing.T) {
			song := songspy.Track{URI: "spotify:track:song", DurationMS: int64(c.length * 1000)}
			n, _, _ := runSteps(t, idleAt(-1), playing(song, 1.5, 1.5))
			n.Skips = c.skips
			when := 1.5
			for i, want := range c.polls {
				next := NextPoll(n, songspy.ObservedPlaying, at(when), 0, interval)
				if next.Reason != c.reasons[i] || !next.At.Equal(at(want)) {
					t.Fatalf("poll %d comes at %v s for %s, want %v s for %s", i+1, next.At.Sub(base).Seconds(), next.Reason, want, c.reasons[i])
				}
				if when = want; when < c.length {
					n = Step(n, playing(song, when, when)).State
				}
			}
		})
	}
}

func TestNextPoll_ProvesNeverListedTracks(t *testing.T) {
	const interval = 3 * time.Minute
	for uri, want := range map[string]Poll{
		"spotify:local:a:b:c:170": {at(31), PollProof},
		"spotify:episode:e":       {at(31), PollProof},
		"spotify:track:t":         {at(171.5), PollTrackEnd},
	} {
		n, _, _ := runSteps(t, idleAt(-1), playing(songspy.Track{URI: uri, DurationMS: 170_000}, 1.5, 1.5))
		if got := NextPoll(n, songspy.ObservedPlaying, at(1.5), 0, interval); got != want {
			t.Errorf("%s: %+v, want %+v", uri, got, want)
		}
		if n.ListenedMS = 31_000; NextPoll(n, songspy.ObservedPlaying, at(31), 0, interval).Reason != PollTrackEnd {
			t.Errorf("%s: after the proof, the next poll is not at its end", uri)
		}
	}
}

const testInterval = 3 * time.Minute

func TestSlowDownIdle_WithoutQuotaKeepsInterval(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := songspy.NowPlaying{State: rapid.SampledFrom([]songspy.PlayerState{songspy.PlayerIdle, songspy.PlayerPaused}).Draw(t, "state")}
		poll := NextPoll(n, songspy.ObservedIdle, base, seconds(t, 0, 180), testInterval)
		if got := poll.SlowDownIdle(n, base, testInterval, testInterval, 1); got != poll {
			t.Fatalf("%+v became %+v", poll, got)
		}
	})
}

func TestHourlyListening_MovesPollsWithoutAddingAny(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h HourlyListening
		usual := rapid.IntRange(0, 23).Draw(t, "usual")
		for range rapid.IntRange(0, 2000).Draw(t, "observations") {
			hour := usual
			if rapid.IntRange(0, 9).Draw(t, "chance") == 0 {
				hour = rapid.IntRange(0, 23).Draw(t, "hour")
			}
			h.Record(base.Add(time.Duration(hour) * time.Hour))
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
	var h HourlyListening
	for range 100 {
		h.Record(base)
	}
	if w := h.Weight(base); w < 4 {
		t.Errorf("in the only hour of listening the weight is %v", w)
	}
}

func TestSlowDownIdle_LeavesListeningUsersAlone(t *testing.T) {
	n, _, _ := runSteps(t, idleAt(-1), playing(songA, 1.5, 1.5))
	poll := NextPoll(n, songspy.ObservedPlaying, at(1.5), 0, testInterval)
	if got := poll.SlowDownIdle(n, at(1.5), testInterval, IdleWaitMax, 0.5); got != poll {
		t.Errorf("%+v became %+v", poll, got)
	}
	idle := songspy.NowPlaying{State: songspy.PlayerIdle}
	poll = NextPoll(idle, songspy.ObservedIdle, at(0), 0, testInterval)
	if got := poll.SlowDownIdle(idle, at(0), testInterval, 10*time.Minute, 2); got != (Poll{at(300), PollQuota}) {
		t.Errorf("an idle user at a good hour: %+v", got)
	}
}

// playingFor returns the state of a user who began a track of the given length, in
// seconds, at the time base.
func playingFor(length float64) songspy.NowPlaying {
	end := at(length)
	return songspy.NowPlaying{
		State: songspy.PlayerPlaying, TrackURI: songA.URI, StartedAt: at(0), SeenAt: at(0), ObservedAt: at(0), EndsAt: &end,
		DurationMS: int64(length * 1000),
	}
}

func TestThinOut_MidTrackPollsFirstThenTrackEnds(t *testing.T) {
	n, mean := playingFor(240), 100*time.Second
	midTrack, end, proof := Poll{at(45), PollMidTrack}, Poll{at(241.5), PollTrackEnd}, Poll{at(31), PollProof}
	for name, c := range map[string]struct {
		poll         Poll
		keep, chance float64
		want         Poll
	}{
		"mid-track, all kept":              {midTrack, 1, 0.99, midTrack},
		"mid-track, half of them kept":     {midTrack, 0.75, 0.4, midTrack},
		"mid-track, the other half":        {midTrack, 0.75, 0.6, end},
		"mid-track, none kept":             {midTrack, 0.5, 0, end},
		"after a skip, none kept":          {Poll{at(30), PollSkipping}, 0.5, 0, end},
		"an end, half kept":                {end, 0.5, 0.9, end},
		"an end that is far enough away":   {end, 0.45, 0.9, end},
		"an end, a fifth kept":             {end, 0.2, 0, Poll{at(500), PollQuota}},
		"mid-track, a fifth kept":          {midTrack, 0.2, 0, Poll{at(500), PollQuota}},
		"an end, hardly any kept":          {end, 0.01, 0, Poll{at(1800), PollQuota}},
		"an advertisement, a fifth kept":   {Poll{at(30), PollAdvertisement}, 0.2, 0, Poll{at(500), PollQuota}},
		"proof of a track, all kept":       {proof, 1, 0.99, proof},
		"proof of a track, half kept":      {proof, 0.75, 0.4, proof},
		"proof of a track, the other half": {proof, 0.75, 0.6, end},
		"proof of a track, a fifth kept":   {proof, 0.2, 0, Poll{at(500), PollQuota}},
		"whether the session is over":      {Poll{at(30), PollIdleCheck}, 0.1, 0, Poll{at(30), PollIdleCheck}},
	} {
		if got := c.poll.ThinOut(n, at(0), c.keep, c.chance, mean); got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
	for _, uri := range []string{"spotify:local:a:b:c:240", "spotify:episode:e"} {
		if n.TrackURI = uri; proof.ThinOut(n, at(0), 0.1, 0, mean) != proof {
			t.Errorf("the proof of %s, which history never lists, is thinned", uri)
		}
	}
	idle := songspy.NowPlaying{State: songspy.PlayerIdle}
	if got := midTrack.ThinOut(idle, at(0), 0.1, 0, mean); got != midTrack {
		t.Errorf("an idle user: %+v", got)
	}
}

func TestThinOut_NeverMovesPollForward(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := playingFor(rapid.Float64Range(1, 1000).Draw(t, "length"))
		poll := NextPoll(n, songspy.ObservedPlaying, at(0), 0, testInterval)
		keep := rapid.Float64Range(0.01, 1).Draw(t, "keep")
		got := poll.ThinOut(n, at(0), keep, rapid.Float64Range(0, 1).Draw(t, "chance"), seconds(t, 1, 600))
		if got.At.Before(poll.At) {
			t.Fatalf("%+v became %+v", poll, got)
		}
		if more := poll.ThinOut(n, at(0), 1, 1, time.Second); more != poll {
			t.Fatalf("with all polls kept %+v became %+v", poll, more)
		}
	})
}

func TestSpreadPoll_SpacesPollsOfFewUsers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var others []time.Time
		for range rapid.IntRange(0, 10).Draw(t, "others") {
			others = append(others, at(rapid.Float64Range(0, 3600).Draw(t, "other")))
		}
		planned, within := at(1800), seconds(t, 1, 900)
		got := SpreadPoll(planned, within, others)
		if distance := got.Sub(planned).Abs(); distance > within {
			t.Fatalf("a poll is placed %v from where it was planned, at most %v were allowed", distance, within)
		}
		if len(others) == 0 && !got.Equal(planned) {
			t.Fatalf("without others a poll is moved to %v", got)
		}
	})
	if got := SpreadPoll(at(1800), 10*time.Minute, []time.Time{at(1800), at(1810)}); got.Sub(at(1800)).Abs() < 5*time.Minute {
		t.Errorf("with two others a third is planned at %v", got)
	}
}
