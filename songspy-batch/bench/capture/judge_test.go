package main

import (
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

var base = time.Date(2026, 11, 2, 20, 0, 0, 0, time.UTC)

func at(seconds int) time.Time { return base.Add(time.Duration(seconds) * time.Second) }

func song(name string, length int) sim.Track {
	return sim.Track{
		Kind: sim.KindTrack, URI: "spotify:track:" + name, HistoryURI: "spotify:track:other-" + name, ISRC: "KR" + name,
		Duration: time.Duration(length) * time.Second,
	}
}

// played returns a play of t without a pause. The times from and to are in seconds after base.
func played(t sim.Track, from, to int) sim.Play {
	return sim.Play{Track: t, Start: at(from), End: at(to), Listened: at(to).Sub(at(from))}
}

func storedAs(uri string, from, to int) storedPlay {
	return storedPlay{uri: uri, start: at(from), end: at(to), listened: at(to).Sub(at(from))}
}

// resultOf returns the figures of one person. The argument truth holds the real plays, plays the
// stored ones, and s the recorded polls and board entries.
func resultOf(truth []sim.Play, plays []storedPlay, s observations) result {
	res := result{personDays: 1}
	v := userVerdict{result: &res, from: at(0), to: at(10_000), truth: truth, plays: plays, recorded: s}
	v.checkHistory()
	v.checkBoard()
	res.finish()
	return res
}

func TestAPlayStoredTwiceIsADuplicateAndAnInventedOneIsNot(t *testing.T) {
	t.Parallel()
	a, b := song("a", 200), song("b", 200)
	truth := []sim.Play{played(a, 0, 200), played(b, 200, 400)}
	res := resultOf(truth, []storedPlay{storedAs(a.URI, 0, 200), storedAs(a.URI, 3, 190), storedAs(b.HistoryURI, 200, 400), storedAs("spotify:track:c", 400, 600)}, observations{})
	if res.Duplicates != 1 || res.NotPlayed != 1 || res.Claimed != 4 || res.Plays != (fraction{2, 2}) {
		t.Errorf("unexpected result %+v", res)
	}
}

// In this test the second play lasts 50 s, but its stored play begins late and lasts until the
// third play. Only its history item shows that it is the second play. So it must count as a
// duplicate if it has no item, and must not if it has the item.
func TestAPlayWithTheItemOfARealOneIsNoDuplicate(t *testing.T) {
	t.Parallel()
	a := song("a", 400)
	truth := []sim.Play{played(a, 0, 400), played(a, 400, 450), played(a, 1600, 2000)}
	truth[1].PlayedAt = at(400)
	late := storedAs(a.URI, 800, 1601)
	plays := []storedPlay{storedAs(a.URI, 0, 400), late, storedAs(a.URI, 1600, 2000)}
	if res := resultOf(truth, plays, observations{}); res.Duplicates != 1 {
		t.Errorf("without an item: %+v", res)
	}
	plays[1].playedAt = at(400).Add(7 * time.Microsecond)
	if res := resultOf(truth, plays, observations{}); res.Duplicates != 0 || res.Plays != (fraction{3, 3}) || res.StartOff[1] != 400 {
		t.Errorf("with the item of the second: %+v", res)
	}
	if res := resultOf(truth, append(plays, storedAs(a.URI, 400, 450)), observations{}); res.Duplicates != 1 {
		t.Errorf("beside another one: %+v", res)
	}
	truth[0], plays[0] = played(a, 350, 400), storedAs(a.URI, 350, 450) // this stored play is nearer to the second play than the stored play "late" is
	if res := resultOf(truth, plays, observations{}); res.Duplicates != 0 || res.Plays != (fraction{3, 3}) {
		t.Errorf("beside a play that ends too late: %+v", res)
	}
}

func TestEachRepeatIsMatchedWithItsOwnPlay(t *testing.T) {
	t.Parallel()
	a := song("a", 200)
	truth := []sim.Play{played(a, 0, 200), played(a, 200, 400), played(a, 400, 600)}
	res := resultOf(truth, []storedPlay{storedAs(a.URI, 401, 600), storedAs(a.URI, 1, 200)}, observations{})
	if res.Plays != (fraction{3, 2}) || res.Duplicates != 0 || !slices.Equal(res.StartOff, []float64{1, 1}) {
		t.Errorf("unexpected result %+v", res)
	}
}

func TestAStoredPlayOfASkippedSongCountsAsNotPlayed(t *testing.T) {
	t.Parallel()
	a := song("a", 200)
	res := resultOf([]sim.Play{played(a, 0, 22)}, []storedPlay{storedAs(a.URI, 0, 40)}, observations{})
	if res.NotPlayed != 1 || res.Plays.Total != 0 {
		t.Errorf("unexpected result %+v", res)
	}
}

func TestProvable_IsWhatAPollOrHistoryCouldShow(t *testing.T) {
	t.Parallel()
	a, b, c, d := song("a", 200), song("b", 200), song("c", 200), song("d", 200)
	listed, private := played(b, 200, 400), played(d, 600, 800)
	listed.ListedAt, private.Private = at(500), true
	res := resultOf([]sim.Play{played(a, 0, 200), listed, played(c, 400, 600), private}, []storedPlay{storedAs(a.URI, 0, 200)}, observations{shownPolls: []time.Time{at(100)}})
	if res.Plays != (fraction{3, 1}) || res.Provable != (fraction{2, 1}) || res.Seen != (fraction{1, 1}) {
		t.Errorf("unexpected result %+v", res)
	}
}

func TestFollowed_NeedsLongEnoughPollsOrASeamlessEnd(t *testing.T) {
	complete := func(p sim.Play) sim.Play { p.Complete = true; return p }
	a, b := song("a", 200), song("b", 200)
	paused := played(a, 0, 200)
	paused.PauseAfter, paused.PauseFor = 20*time.Second, 100*time.Second
	tests := map[string]struct {
		truth []sim.Play
		polls []int
		want  bool
	}{
		"one poll":                            {[]sim.Play{complete(played(a, 0, 200))}, []int{100}, false},
		"two polls 30 s apart":                {[]sim.Play{played(a, 0, 100)}, []int{10, 40}, true},
		"two polls with a pause between":      {[]sim.Play{paused}, []int{10, 130}, false},
		"one poll, and the next at its end":   {[]sim.Play{complete(played(a, 0, 200)), played(b, 201, 300)}, []int{100, 202}, true},
		"one poll, and the next much later":   {[]sim.Play{complete(played(a, 0, 200)), played(b, 220, 300)}, []int{100, 222}, false},
		"one poll, and the next after a skip": {[]sim.Play{played(a, 0, 100), played(b, 100, 300)}, []int{50, 102}, false},
		"no poll":                             {[]sim.Play{complete(played(a, 0, 200)), played(b, 201, 300)}, []int{202}, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			v := userVerdict{truth: tt.truth}
			for _, poll := range tt.polls {
				v.recorded.shownPolls = append(v.recorded.shownPolls, at(poll))
			}
			if got := v.followed(0); got != tt.want {
				t.Errorf("followed: %t, want %t", got, tt.want)
			}
		})
	}
}

func TestWorstPollExcess_IsFoundWhereverTheHourBegins(t *testing.T) {
	v := userVerdict{from: at(0), to: at(10_000), truth: []sim.Play{played(song("a", 200), 3000, 3200)}}
	for s := 2000; s < 5600; s += 100 {
		v.recorded.polls = append(v.recorded.polls, at(s))
	}
	if got := v.worstPollExcess(); got != 36-24-3 {
		t.Errorf("the worst hour exceeds its limit by %d polls, want 9", got)
	}
}

// showing returns a board entry. The arguments since, start and end are in seconds after base:
// viewers see the entry from since on, and its track plays from start to end.
func showing(t sim.Track, since, start, end int) boardState {
	ends := at(end)
	return boardState{at(since), songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: t.URI, StartedAt: at(start), EndsAt: &ends}}
}

func TestTheBoardIsMeasuredByDelayAndByCorrectTime(t *testing.T) {
	t.Parallel()
	a, b := song("a", 200), song("b", 200)
	truth := []sim.Play{played(a, 0, 100), played(b, 100, 300), played(b, 300, 500)}
	res := resultOf(truth, nil, observations{shown: []boardState{showing(a, 20, 0, 200), showing(b, 150, 100, 300), showing(b, 302, 300, 500)}})
	if want := []float64{20, 50, 50}; !slices.Equal(res.Delay, want) {
		t.Errorf("delays from start to board are %v s, want %v", res.Delay, want)
	}
	// The board shows song a for 80 of its 100 s, and song b for 150 of the 200 s of its first
	// play. The 200 s of b's second play count in full: the board shows the first entry of b
	// until the second replaces it.
	if want := 430.0 / 500; res.OnBoard != want {
		t.Errorf("the board shows %v of the playing time, want %v", res.OnBoard, want)
	}
}

func TestAPauseDoesNotCountAsPlayingTime(t *testing.T) {
	t.Parallel()
	p := played(song("a", 200), 0, 260)
	p.PauseAfter, p.PauseFor = 100*time.Second, 60*time.Second
	var total time.Duration
	for _, part := range playingIntervals(p) {
		total += part.to.Sub(part.from)
	}
	if total != 200*time.Second {
		t.Errorf("the play has %v of playing time, want 200 s", total)
	}
}

func TestPercentilesAreMeasuredValues(t *testing.T) {
	t.Parallel()
	if got := percentiles([]time.Duration{4 * time.Second, time.Second, 3 * time.Second, 2 * time.Second}, 50, 90, 25); !slices.Equal(got, []float64{2, 4, 1}) {
		t.Errorf("percentiles are %v, want 2, 4 and 1 s", got)
	}
}
