package listening

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

var (
	talk = songspy.Track{URI: "spotify:episode:talk", Kind: songspy.KindEpisode, Title: "T", DurationMS: 3_600_000}
	book = songspy.Track{URI: "spotify:chapter:one", Kind: songspy.KindChapter, Title: "C", DurationMS: 3_600_000}
	tiny = songspy.Track{URI: "spotify:track:tiny", Kind: songspy.KindTrack, Title: "T", DurationMS: 60_000}
	two  = songspy.Track{URI: "spotify:track:2", Kind: songspy.KindTrack, DurationMS: 150_000}
	next = songspy.Track{URI: "spotify:track:3", Kind: songspy.KindTrack, DurationMS: 150_000}
	last = songspy.Track{URI: "spotify:track:4", Kind: songspy.KindTrack, DurationMS: 200_000}
)

func TestOddPlayersAreCountedForWhatTheyPlayed(t *testing.T) {
	idle := nothing(-100)
	tests := map[string]struct {
		looks []songspy.Observation
		want  []heard
	}{
		"a podcast at twice the clock counts by the clock": {
			[]songspy.Observation{idle, playing(talk, 0, 0), playing(talk, 60, 30), playing(talk, 360, 180), playing(songB, 0, 240)},
			[]heard{{talk.URI, 0, 240, 180, true}},
		},
		"a podcast at 3.5 times the clock ends when it is over": {
			[]songspy.Observation{idle, playing(talk, 0, 0), playing(talk, 105, 30), playing(talk, 3500, 1000), playing(songB, 0.5, 1029)},
			[]heard{{talk.URI, 0, 1028.5, 1028.5, false}},
		},
		"a chapter at half the clock counts what moved until two intervals agree": {
			[]songspy.Observation{idle, playing(book, 0, 0), playing(book, 50, 100), playing(book, 100, 200), playing(book, 150, 300), playing(songB, 0, 350)},
			[]heard{{book.URI, 0, 350, 250, true}},
		},
		"a pause is not a slow speed": {
			[]songspy.Observation{idle, playing(talk, 0, 0), playing(talk, 60, 100), playing(talk, 160, 200), playing(talk, 240, 300), playing(songB, 0, 310)},
			[]heard{{talk.URI, 0, 310, 240, true}},
		},
		"two pauses that make the same speed are none that players offer": {
			[]songspy.Observation{idle, playing(talk, 1.5, 1.5), playing(talk, 27, 31), playing(talk, 196.5, 235.5), playing(songB, 0, 240)},
			[]heard{{talk.URI, 0, 240, 196.5, true}},
		},
		"an episode that came fast began later than its progress says": {
			[]songspy.Observation{idle, playing(talk, 100, 50), playing(talk, 300, 150), playing(talk, 500, 250), playing(songB, 0, 260)},
			[]heard{{talk.URI, 0, 260, 250, true}},
		},
		"a jump forward takes no time from what was heard": {
			[]songspy.Observation{idle, playing(songA, 10, 10), playing(songA, 100, 60), playing(songB, 0, 160)},
			[]heard{{songA.URI, 0, 160, 160, false}},
		},
		"a track is over where its length is": {
			[]songspy.Observation{idle, playing(tiny, 10, 10), playing(tiny, 190, 190), playing(tiny, 553, 553), playing(songB, 5, 560)},
			[]heard{{tiny.URI, 0, 60, 60, false}},
		},
		"a player that grows from the first sight on plays nothing": {
			[]songspy.Observation{idle, playing(tiny, 700, 10), playing(tiny, 880, 190), nothing(400), nothing(450)},
			nil,
		},
		"a frozen player is paused since it was first seen there": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(songA, 85, 85), playing(songA, 85, 200), playing(songA, 85, 900), nothing(1000), nothing(1050)},
			[]heard{{songA.URI, 0, 85, 85, false}},
		},
		"what a frozen player shows after silence was not heard": {
			[]songspy.Observation{idle, nothing(0), playing(songA, 60, 180), playing(songA, 60, 325), playing(songA, 60, 500), nothing(700), nothing(750)},
			nil,
		},
		"a frozen player at the place that a loop would be at is no loop": {
			[]songspy.Observation{idle, playing(songB, 170, 170), playing(songA, 1.5, 181.5), playing(songA, 1.5, 381.5), playing(songA, 1.5, 384.5), nothing(700), nothing(750)},
			[]heard{{songB.URI, 0, 180, 180, false}},
		},
		"a device that always says 0 plays what it shows": {
			[]songspy.Observation{idle, playing(songA, 0, 10), playing(songA, 0, 100), playing(songB, 0, 210), playing(songB, 0, 300), playing(short, 0, 380)},
			[]heard{{songA.URI, 10, 210, 90, true}, {songB.URI, 210, 380, 90, true}},
		},
		"for no longer than its track lasts": {
			[]songspy.Observation{idle, playing(songA, 0, 10), playing(songB, 0, 210), playing(songB, 0, 380), playing(songB, 0, 560), playing(short, 0, 740)},
			[]heard{{songB.URI, 210, 390, 180, true}},
		},
		"one answer with the new track and the old progress loses nothing": {
			[]songspy.Observation{
				idle, playing(songB, 60, 60), playing(two, 1.5, 181.5), playing(next, 150, 331.5), playing(next, 4.5, 334.5), playing(last, 1.5, 481.5),
			},
			[]heard{{songB.URI, 0, 180, 180, false}, {two.URI, 180, 330, 150, false}, {next.URI, 330, 480, 150, false}},
		},
		"nor does one after a skip": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(songB, 85, 85), playing(songB, 6, 88), playing(last, 1, 263)},
			[]heard{{songA.URI, 0, 82, 40, true}, {songB.URI, 82, 262, 180, false}},
		},
		"nor one that is taken back": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(songB, 85, 85), playing(songA, 88, 88), playing(last, 1, 201)},
			[]heard{{songA.URI, 0, 200, 200, false}},
		},
		"a player that is frozen exactly at its track's end is no loop": {
			[]songspy.Observation{idle, playing(two, 100, 100), playing(two, 150, 151.5), playing(two, 150, 304.5), nothing(400), nothing(450)},
			[]heard{{two.URI, 0, 151.5, 150, false}},
		},
		"nor one that is checked in time, nor one that nobody could check": {
			[]songspy.Observation{
				idle, playing(songA, 170, 170), playing(two, 200, 201.5), playing(two, 200, 204.5), playing(two, 11.5, 211.5), playing(last, 150, 351.5),
				playing(last, 28.5, 380), playing(songB, 1, 552.5),
			},
			[]heard{{songA.URI, 0, 200, 200, false}, {two.URI, 200, 350, 150, false}, {last.URI, 351.5, 551.5, 200, false}},
		},
		"a third track that shows the progress of a doubted one was not heard": {
			[]songspy.Observation{
				idle, playing(songA, 170, 170), playing(two, 200, 201.5), playing(last, 150, 351.5), nothing(400), nothing(450),
			},
			[]heard{{songA.URI, 0, 200, 200, false}},
		},
		"nor was the open one that shows it": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(two, 85, 85), playing(songA, 150, 240), nothing(300), nothing(350)},
			[]heard{{songA.URI, 0, 290, 85, true}},
		},
		"nor did it come round": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(two, 85, 85), playing(songA, 9, 211), playing(songB, 1, 403)},
			[]heard{{songA.URI, 0, 85, 40, true}, {songA.URI, 202, 402, 200, true}},
		},
		"what stays where it was sought to is believed": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(songB, 100, 85), playing(songB, 103, 88), playing(songB, 110, 95), playing(last, 1, 166)},
			[]heard{{songA.URI, 0, 85, 40, true}, {songB.URI, 85, 165, 70, true}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, got, _ := run(t, tt.looks...)
			if len(got) != len(tt.want) {
				t.Fatalf("plays = %+v, want %+v", got, tt.want)
			}
			for i := range got {
				if got[i] != tt.want[i] {
					t.Errorf("play %d = %+v, want %+v", i, got[i], tt.want[i])
				}
			}
		})
	}
}

func TestTheEndIsPredictedByASpeedThatTwoIntervalsConfirmed(t *testing.T) {
	n, _, _ := run(t, nothing(-1), playing(talk, 0, 0), playing(talk, 60, 40))
	if want := at(40 + 3540); n.Speed != 0 || !n.EndsAt.Equal(want) {
		t.Errorf("after one interval it ends at %v by the speed %d, want %v", n.EndsAt, n.Speed, want)
	}
	n = Step(n, playing(talk, 330, 220)).State
	if want := at(220 + (3600-330)/1.5); n.Speed != 1500 || n.EndsAt.Sub(want).Abs() > time.Millisecond {
		t.Errorf("after two it ends at %v by the speed %d, want %v", n.EndsAt, n.Speed, want)
	}
	n = Step(n, playing(talk, 510, 400)).State // by the clock again
	n = Step(n, playing(talk, 690, 580)).State
	if want := at(580 + 3600 - 690); n.Speed != 0 || !n.EndsAt.Equal(want) {
		t.Errorf("by the clock again it ends at %v by the speed %d, want %v", n.EndsAt, n.Speed, want)
	}
}

// player is what a player shows at a time.
type player func(at time.Time) songspy.Observation

// polls are the polls of a player, as planned, in five hours, and the state after each.
func polls(p player) (times []time.Time, states []songspy.NowPlaying, reasons map[Reason]int) {
	var n songspy.NowPlaying
	reasons = map[Reason]int{}
	for now := base.Add(-time.Minute); now.Before(base.Add(5 * time.Hour)); {
		times = append(times, now)
		o := p(now)
		o.At = now
		n = Step(n, o).State
		states = append(states, n)
		l := NextLook(n, o.Sighting, now, 0, floorOfDay)
		reasons[l.Reason]++
		now = l.At
	}
	return times, states, reasons
}

// worst is how many polls the worst hour holds beyond what the plays that began
// in it allow.
func worst(times, begun []time.Time) int {
	most := -1000
	for i, from := range times {
		until, n := from.Add(time.Hour), 0
		for _, at := range times[i:] {
			if at.Before(until) {
				n++
			}
		}
		for _, at := range begun {
			if !at.Before(from) && at.Before(until) {
				n -= 3
			}
		}
		most = max(most, n-24)
	}
	return most
}

func TestAPlayerThatTeachesNothingIsPolledAtTheInterval(t *testing.T) {
	since := func(at time.Time) float64 { return at.Sub(base).Seconds() }
	show := func(track songspy.Track, progress func(float64) float64) player {
		return func(at time.Time) songspy.Observation {
			if at.Before(base) {
				return nothing(since(at))
			}
			return playing(track, progress(since(at)), since(at))
		}
	}
	frozen := func(where float64) func(float64) float64 {
		return func(at float64) float64 { return min(at, where) }
	}
	every := func(o songspy.Observation) player {
		return func(time.Time) songspy.Observation { return o }
	}
	tests := map[string]player{
		"frozen 3.5 s before the end": show(songA, frozen(196.5)),
		"frozen at the start":         show(songA, frozen(1.5)),
		"frozen in the middle":        show(songA, frozen(77)),
		"frozen at the end":           show(songA, frozen(200)),
		"frozen podcast":              show(talk, frozen(300)),
		"growing":                     show(tiny, func(at float64) float64 { return at }),
		"growing podcast":             show(songspy.Track{URI: talk.URI, DurationMS: 600_000}, func(at float64) float64 { return at }),
		"always 0":                    show(songA, func(float64) float64 { return 0 }),
		"always unknown":              every(unknown(songA, 0)),
		"an advertisement for ever":   every(advertisement(5, 0)),
		"unreadable":                  every(unreadable(0)),
		"podcast at 3.5 times":        show(book, func(at float64) float64 { return at * 3.5 }),
		"podcast at half the clock":   show(talk, func(at float64) float64 { return at / 2 }),
		"jumping for ever":            show(talk, func(at float64) float64 { return float64(int(at*17) % 3600) }),
		"new track, old progress": func(at time.Time) songspy.Observation {
			if at.Before(base.Add(time.Minute)) {
				return playing(songA, since(at), since(at))
			}
			return playing(songB, 60, since(at))
		},
		"another track at every poll": func(at time.Time) songspy.Observation {
			return playing([]songspy.Track{songA, songB}[at.Unix()%2], 100, since(at))
		},
		"silent at every other poll": func(at time.Time) songspy.Observation {
			if at.Unix()%2 == 0 {
				return nothing(since(at))
			}
			return playing(talk, since(at), since(at))
		},
	}
	for name, p := range tests {
		t.Run(name, func(t *testing.T) {
			times, states, reasons := polls(p)
			begun := []time.Time{base}
			for i := 1; i < len(states); i++ {
				if states[i].Open() && states[i].TrackURI != states[i-1].TrackURI {
					begun = append(begun, times[i])
				}
			}
			if over := worst(times, begun); over > 0 {
				t.Errorf("the worst hour costs %d polls too many: %v", over, reasons)
			}
			if reasons[ReasonProof] > 2*len(begun) {
				t.Errorf("%d polls prove %d plays", reasons[ReasonProof], len(begun))
			}
		})
	}
}

func TestAPlayerThatMisleadsLeavesTheBoard(t *testing.T) {
	for name, progress := range map[string]func(float64) float64{
		"frozen before the end": func(at float64) float64 { return min(at, 196.5) },
		"frozen in the middle":  func(at float64) float64 { return min(at, 60) },
		"growing":               func(at float64) float64 { return at },
	} {
		t.Run(name, func(t *testing.T) {
			times, states, _ := polls(func(at time.Time) songspy.Observation {
				s := at.Sub(base).Seconds()
				if s < 0 {
					return nothing(s)
				}
				return playing(songA, progress(s), s)
			})
			for i, n := range states {
				if late := times[i].Sub(base) > 200*time.Second+floorOfDay; late && n.State == songspy.PlayerPlaying {
					t.Fatalf("after %v it is shown as playing", times[i].Sub(base))
				}
			}
		})
	}
}

// oddSpan draws one play of a player that may mislead.
type oddSpan struct {
	span
	speed     float64
	frozen    bool          // in its pause and after its end it claims to play
	growing   bool          // after its end it goes on
	mixed     time.Duration // for how long it shows the former one's progress
	insertion time.Duration // by how much it is longer than it says
}

type oddTruth []oddSpan

func genOddTruth(t *rapid.T) (tr oddTruth) {
	now := base
	for range rapid.IntRange(1, 10).Draw(t, "spans") {
		s := oddSpan{span: span{start: now}, speed: 1}
		switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); kind {
		case 0:
			s.end = now.Add(seconds(t, 20, 2000))
		case 1:
			s.ad, s.end = true, now.Add(seconds(t, 15, 3000))
		default:
			n := rapid.IntRange(1, 5).Draw(t, "track")
			length := time.Duration(60+n*47) * time.Second
			s.track = songspy.Track{URI: "spotify:track:" + string(rune('0'+n)), DurationMS: length.Milliseconds()}
			if kind == 2 {
				length = seconds(t, 600, 3600)
				s.track = songspy.Track{URI: "spotify:episode:e", DurationMS: length.Milliseconds()}
				s.speed = rapid.SampledFrom([]float64{0.5, 0.8, 1, 1.2, 1.5, 2, 3, 3.5}).Draw(t, "speed")
				s.insertion = time.Duration(rapid.SampledFrom([]int{0, 0, 30, 120}).Draw(t, "inserted")) * time.Second
			}
			whole := time.Duration(float64(length+s.insertion) / s.speed)
			s.end = now.Add(whole)
			switch rapid.IntRange(0, 9).Draw(t, "way") {
			case 0, 1:
				s.end = earlier(s.end, now.Add(seconds(t, 2, 50)))
			case 2:
				s.pauseAt, s.pause = now.Add(seconds(t, 2, 50)), seconds(t, 5, 85)
				s.end = s.end.Add(s.pause)
				s.frozen = rapid.Bool().Draw(t, "frozen")
			case 3:
				s.frozen, s.linger = true, seconds(t, 60, 9000)
			case 4:
				s.growing, s.linger = true, seconds(t, 60, 9000)
			case 5:
				s.end = earlier(s.end, now.Add(seconds(t, 2, 100)))
				s.frozen, s.linger = true, seconds(t, 60, 9000)
			}
			if len(tr) > 0 && rapid.IntRange(0, 4).Draw(t, "mixed") == 0 {
				s.mixed = seconds(t, 1, 6)
			}
		}
		tr = append(tr, s)
		now = s.end.Add(s.linger)
	}
	return tr
}

func (s oddSpan) at(when time.Time) time.Duration {
	return time.Duration(float64(s.progress(when)) * s.speed).Truncate(time.Millisecond)
}

// mixes reports whether a play is shown with the former one's progress.
func (tr oddTruth) mixes(i int, when time.Time) bool {
	s := tr[i]
	return when.Before(s.start.Add(s.mixed)) && tr[i-1].track.URI != "" && tr[i-1].track.URI != s.track.URI
}

// look is what such a player shows.
func (tr oddTruth) look(when time.Time) songspy.Observation {
	for i, s := range tr {
		if when.Before(s.start) || !when.Before(s.end.Add(s.linger)) {
			continue
		}
		o := songspy.Observation{Sighting: songspy.SightingPlaying, Track: s.track, Progress: s.at(when), At: when}
		switch {
		case s.ad:
			return songspy.Observation{Sighting: songspy.SightingAdvertisement, Progress: when.Sub(s.start), At: when}
		case s.track.URI == "":
			return songspy.Observation{Sighting: songspy.SightingNothing, At: when}
		case !when.Before(s.end) && s.growing:
		case !when.Before(s.end):
			o.Progress = s.at(s.end)
		case s.standsStill(when) && !s.frozen:
			o.Sighting = songspy.SightingPaused
		case tr.mixes(i, when) && tr[i-1].growing:
			o.Progress = tr[i-1].at(s.start)
		case tr.mixes(i, when):
			o.Progress = tr[i-1].at(tr[i-1].end)
		}
		return o
	}
	return songspy.Observation{Sighting: songspy.SightingNothing, At: when}
}

// begun are the times at which plays and advertisements begin.
func (tr oddTruth) begun() (begun []time.Time) {
	for _, s := range tr {
		if s.track.URI != "" || s.ad {
			begun = append(begun, s.start)
		}
	}
	return begun
}

func TestAnOddPlayerObeysTheLaws(t *testing.T) {
	followed, kept := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		tr := genOddTruth(t)
		var n songspy.NowPlaying
		var plays []songspy.Play
		var times []time.Time
		seen := map[int][]time.Time{}
		met := map[int]bool{}
		// The progress of a former track that no poll met looks like the track's own:
		// no answer says that anything else was played.
		blind := map[string]time.Duration{}
		var script strings.Builder
		for _, s := range tr {
			fmt.Fprintf(&script, "truth %s ad=%t %.1f-%.1f, lingers %.1f, pause %.1f+%.1f, speed %.1f, frozen %t, growing %t, mixed %.1f\n", s.track.URI, s.ad, off(s.start), off(s.end),
				s.linger.Seconds(), off(s.pauseAt), s.pause.Seconds(), s.speed, s.frozen, s.growing, s.mixed.Seconds())
		}
		end := tr[len(tr)-1].end.Add(tr[len(tr)-1].linger + 10*time.Minute)
		for now := base.Add(-time.Minute); now.Before(end); {
			times = append(times, now)
			o := tr.look(now)
			for i, s := range tr {
				met[i] = met[i] || !now.Before(s.start) && now.Before(s.end.Add(s.linger))
				if !now.Before(s.start) && now.Before(s.end) && tr.mixes(i, now) && !met[i-1] {
					blind[s.track.URI] += o.Progress
				}
				if s.track.URI != "" && !now.Before(s.start) && now.Before(s.end) && !s.standsStill(now) {
					seen[i] = append(seen[i], now)
				}
			}
			out := Step(restored(n), o)
			n = out.State
			plays = append(plays, out.Plays...)
			l := NextLook(n, o.Sighting, now, 0, floorOfDay)
			fmt.Fprintf(&script, "%.1f %s %s at %.1f: %s of %s, %d polls; next %.1f for %s\n", off(now), o.Sighting, o.Track.URI, o.Progress.Seconds(),
				n.State, n.TrackURI, n.Polls, off(l.At), l.Reason)
			now = l.At
		}
		if over := worst(times, tr.begun()); over > 0 {
			t.Fatalf("the worst hour costs %d polls too many\n%s", over, script.String())
		}
		claimed, sounded := map[string]time.Duration{}, map[string]time.Duration{}
		for i, p := range plays {
			if i > 0 && p.StartedAt.Before(plays[i-1].EndedAt) {
				t.Fatalf("plays overlap: %+v", plays)
			}
			claimed[p.TrackURI] += milliseconds(p.ListenedMS - p.InferredMS)
		}
		for _, s := range tr {
			sounded[s.track.URI] += s.end.Sub(s.start) - s.pause
		}
		for uri, listened := range claimed {
			if !speech(uri) && listened > sounded[uri]+blind[uri]+time.Duration(len(tr))*crossfade {
				t.Fatalf("%s: %v claimed, %v sounded: %+v\n%s", uri, listened, sounded[uri], plays, script.String())
			}
		}
		for i, looks := range seen {
			s := tr[i]
			if looks[len(looks)-1].Sub(looks[0])-s.pause < countable {
				continue
			}
			followed++
			for _, p := range plays {
				if p.TrackURI == s.track.URI && p.StartedAt.Before(s.end) && s.start.Before(p.EndedAt) {
					kept++
					break
				}
			}
		}
	})
	if float64(kept) < 0.995*float64(followed) {
		t.Errorf("of %d plays that polls followed for %v %d are kept", followed, countable, kept)
	}
	t.Logf("of %d plays that polls followed for %v %d are kept", followed, countable, kept)
}

// TestAStateThatADatabaseMadeUpKeepsTimesInOrder steps states that hold nonsense.
func TestAStateThatADatabaseMadeUpKeepsTimesInOrder(t *testing.T) {
	doubtedAt, nothingSince := at(409.9), at(410)
	tests := map[string]struct {
		state songspy.NowPlaying
		seen  songspy.Observation
	}{
		"silent after its track came round": {
			songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: songA.URI, DurationMS: songA.DurationMS, StartedAt: at(0), SeenAt: at(10), ProgressMS: 10_000,
				OpenedAt: at(10), DoubtedAt: &doubtedAt, Stalled: true, NothingSince: &nothingSince},
			nothing(420),
		},
		"slow, and a hundred days further in than it is long": {
			songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: talk.URI, DurationMS: 14_250, StartedAt: at(0), SeenAt: at(10), OpenedAt: at(10), Speed: 475},
			playing(talk, 1e7, 220),
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			out := Step(tt.state, tt.seen)
			for _, p := range out.Plays {
				if p.EndedAt.After(tt.seen.At) {
					t.Errorf("a play ends at %v, after the poll at %v", p.EndedAt, tt.seen.At)
				}
			}
			if n := out.State; n.Open() && (n.StartedAt.After(n.SeenAt) || n.SeenAt.After(tt.seen.At)) {
				t.Errorf("the open play began at %v and was seen at %v, by a poll at %v", n.StartedAt, n.SeenAt, tt.seen.At)
			}
		})
	}
}
