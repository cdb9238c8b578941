package playback

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

var (
	podcast   = songspy.Track{URI: "spotify:episode:talk", Kind: songspy.KindEpisode, Title: "T", DurationMS: 3_600_000}
	audiobook = songspy.Track{URI: "spotify:chapter:one", Kind: songspy.KindChapter, Title: "C", DurationMS: 3_600_000}
	tiny      = songspy.Track{URI: "spotify:track:tiny", Kind: songspy.KindTrack, Title: "T", DurationMS: 60_000}
	track2    = songspy.Track{URI: "spotify:track:2", Kind: songspy.KindTrack, DurationMS: 150_000}
	track3    = songspy.Track{URI: "spotify:track:3", Kind: songspy.KindTrack, DurationMS: 150_000}
	track4    = songspy.Track{URI: "spotify:track:4", Kind: songspy.KindTrack, DurationMS: 200_000}
)

func TestStep_CountsOddPlayersCorrectly(t *testing.T) {
	idle := idleAt(-100)
	tests := map[string]struct {
		polls []songspy.Observation
		want  []expectedPlay
	}{
		"a podcast at double speed counts by the clock": {
			[]songspy.Observation{idle, playing(podcast, 0, 0), playing(podcast, 60, 30), playing(podcast, 360, 180), playing(songB, 0, 240)},
			[]expectedPlay{{podcast.URI, 0, 240, 180, true}},
		},
		"a podcast at 3.5 times the speed ends when it is over": {
			[]songspy.Observation{idle, playing(podcast, 0, 0), playing(podcast, 105, 30), playing(podcast, 3500, 1000), playing(songB, 0.5, 1029)},
			[]expectedPlay{{podcast.URI, 0, 1028.5, 1028.5, false}},
		},
		"a chapter at half speed counts its progress until two intervals agree": {
			[]songspy.Observation{idle, playing(audiobook, 0, 0), playing(audiobook, 50, 100), playing(audiobook, 100, 200), playing(audiobook, 150, 300), playing(songB, 0, 350)},
			[]expectedPlay{{audiobook.URI, 0, 350, 250, true}},
		},
		"a pause is not a slow speed": {
			[]songspy.Observation{idle, playing(podcast, 0, 0), playing(podcast, 60, 100), playing(podcast, 160, 200), playing(podcast, 240, 300), playing(songB, 0, 310)},
			[]expectedPlay{{podcast.URI, 0, 310, 240, true}},
		},
		"two pauses that look like one speed are not a speed that players offer": {
			[]songspy.Observation{idle, playing(podcast, 1.5, 1.5), playing(podcast, 27, 31), playing(podcast, 196.5, 235.5), playing(songB, 0, 240)},
			[]expectedPlay{{podcast.URI, 0, 240, 196.5, true}},
		},
		"a fast episode began later than its progress implies": {
			[]songspy.Observation{idle, playing(podcast, 100, 50), playing(podcast, 300, 150), playing(podcast, 500, 250), playing(songB, 0, 260)},
			[]expectedPlay{{podcast.URI, 0, 260, 250, true}},
		},
		"seeking forward keeps the time that was played": {
			[]songspy.Observation{idle, playing(songA, 10, 10), playing(songA, 100, 60), playing(songB, 0, 160)},
			[]expectedPlay{{songA.URI, 0, 160, 160, false}},
		},
		"a track ends at its length": {
			[]songspy.Observation{idle, playing(tiny, 10, 10), playing(tiny, 190, 190), playing(tiny, 553, 553), playing(songB, 5, 560)},
			[]expectedPlay{{tiny.URI, 0, 60, 60, false}},
		},
		"a player that is beyond the length from the first poll on plays nothing": {
			[]songspy.Observation{idle, playing(tiny, 700, 10), playing(tiny, 880, 190), idleAt(400), idleAt(450)},
			nil,
		},
		"a stalled player is paused since it was first seen there": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(songA, 85, 85), playing(songA, 85, 200), playing(songA, 85, 900), idleAt(1000), idleAt(1050)},
			[]expectedPlay{{songA.URI, 0, 85, 85, false}},
		},
		"a track that a stalled player shows after idle time was not played": {
			[]songspy.Observation{idle, idleAt(0), playing(songA, 60, 180), playing(songA, 60, 325), playing(songA, 60, 500), idleAt(700), idleAt(750)},
			nil,
		},
		"a stalled player where a loop would be is not a loop": {
			[]songspy.Observation{idle, playing(songB, 170, 170), playing(songA, 1.5, 181.5), playing(songA, 1.5, 381.5), playing(songA, 1.5, 384.5), idleAt(700), idleAt(750)},
			[]expectedPlay{{songB.URI, 0, 180, 180, false}},
		},
		"a device that always reports 0 plays what it shows": {
			[]songspy.Observation{idle, playing(songA, 0, 10), playing(songA, 0, 100), playing(songB, 0, 210), playing(songB, 0, 300), playing(short, 0, 380)},
			[]expectedPlay{{songA.URI, 10, 210, 90, true}, {songB.URI, 210, 380, 90, true}},
		},
		"a device that always reports 0 plays no longer than its track": {
			[]songspy.Observation{idle, playing(songA, 0, 10), playing(songB, 0, 210), playing(songB, 0, 380), playing(songB, 0, 560), playing(short, 0, 740)},
			[]expectedPlay{{songB.URI, 210, 390, 180, true}},
		},
		"one answer with the new track and the old progress loses nothing": {
			[]songspy.Observation{
				idle, playing(songB, 60, 60), playing(track2, 1.5, 181.5), playing(track3, 150, 331.5), playing(track3, 4.5, 334.5), playing(track4, 1.5, 481.5),
			},
			[]expectedPlay{{songB.URI, 0, 180, 180, false}, {track2.URI, 180, 330, 150, false}, {track3.URI, 330, 480, 150, false}},
		},
		"the same after a skip": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(songB, 85, 85), playing(songB, 6, 88), playing(track4, 1, 263)},
			[]expectedPlay{{songA.URI, 0, 82, 40, true}, {songB.URI, 82, 262, 180, false}},
		},
		"the same if the next answer shows the old track": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(songB, 85, 85), playing(songA, 88, 88), playing(track4, 1, 201)},
			[]expectedPlay{{songA.URI, 0, 200, 200, false}},
		},
		"a player that is stalled exactly at its track's end is not a loop": {
			[]songspy.Observation{idle, playing(track2, 100, 100), playing(track2, 150, 151.5), playing(track2, 150, 304.5), idleAt(400), idleAt(450)},
			[]expectedPlay{{track2.URI, 0, 151.5, 150, false}},
		},
		"the same with a check in time, and without one": {
			[]songspy.Observation{
				idle, playing(songA, 170, 170), playing(track2, 200, 201.5), playing(track2, 200, 204.5), playing(track2, 11.5, 211.5), playing(track4, 150, 351.5),
				playing(track4, 28.5, 380), playing(songB, 1, 552.5),
			},
			[]expectedPlay{{songA.URI, 0, 200, 200, false}, {track2.URI, 200, 350, 150, false}, {track4.URI, 351.5, 551.5, 200, false}},
		},
		"a third track with the progress of a doubted one was not played": {
			[]songspy.Observation{
				idle, playing(songA, 170, 170), playing(track2, 200, 201.5), playing(track4, 150, 351.5), idleAt(400), idleAt(450),
			},
			[]expectedPlay{{songA.URI, 0, 200, 200, false}},
		},
		"the open track with that progress was not played": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(track2, 85, 85), playing(songA, 150, 240), idleAt(300), idleAt(350)},
			[]expectedPlay{{songA.URI, 0, 290, 85, true}},
		},
		"the open track with that progress did not loop": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(track2, 85, 85), playing(songA, 9, 211), playing(songB, 1, 403)},
			[]expectedPlay{{songA.URI, 0, 85, 40, true}, {songA.URI, 202, 402, 200, true}},
		},
		"a progress after seeking is believed if it stays": {
			[]songspy.Observation{idle, playing(songA, 40, 40), playing(songB, 100, 85), playing(songB, 103, 88), playing(songB, 110, 95), playing(track4, 1, 166)},
			[]expectedPlay{{songA.URI, 0, 85, 40, true}, {songB.URI, 85, 165, 70, true}},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			_, got, _ := runSteps(t, tt.polls...)
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

func TestStep_PredictsEndByConfirmedSpeed(t *testing.T) {
	n, _, _ := runSteps(t, idleAt(-1), playing(podcast, 0, 0), playing(podcast, 60, 40))
	if want := at(40 + 3540); n.Speed != 0 || !n.EndsAt.Equal(want) {
		t.Errorf("after one interval it ends at %v by the speed %d, want %v", n.EndsAt, n.Speed, want)
	}
	n = Step(n, playing(podcast, 330, 220)).State
	if want := at(220 + (3600-330)/1.5); n.Speed != 1500 || n.EndsAt.Sub(want).Abs() > time.Millisecond {
		t.Errorf("after two it ends at %v by the speed %d, want %v", n.EndsAt, n.Speed, want)
	}
	n = Step(n, playing(podcast, 510, 400)).State // at normal speed again
	n = Step(n, playing(podcast, 690, 580)).State
	if want := at(580 + 3600 - 690); n.Speed != 0 || !n.EndsAt.Equal(want) {
		t.Errorf("at normal speed again it ends at %v by the speed %d, want %v", n.EndsAt, n.Speed, want)
	}
}

// player simulates a player: the function returns what the player shows at a time.
type player func(at time.Time) songspy.Observation

// pollPlayer polls the player for five hours, at the times that a function of the map
// planners plans. The argument planner is the key of that function. pollPlayer returns the
// times of the polls, the state after each, and the number of polls by reason.
func pollPlayer(p player, planner string) (times []time.Time, states []songspy.NowPlaying, reasons map[PollReason]int) {
	var n songspy.NowPlaying
	reasons = map[PollReason]int{}
	for now := base.Add(-time.Minute); now.Before(base.Add(5 * time.Hour)); {
		times = append(times, now)
		o := p(now)
		o.At = now
		n = Step(n, o).State
		states = append(states, n)
		l := planners[planner](n, o.Kind, now, 0, testInterval)
		reasons[l.Reason]++
		now = l.At
	}
	return times, states, reasons
}

// worstHour returns by how many polls the worst hour exceeds its limit, which is 24 polls
// plus 3 for each play or advertisement that began in the hour. times are the times of the
// polls, and begun are the starts of the plays and advertisements. The result is 0 or
// negative if no hour exceeds its limit.
func worstHour(times, begun []time.Time) int {
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

func TestNextPoll_UninformativePlayerIsPolledAtInterval(t *testing.T) {
	since := func(at time.Time) float64 { return at.Sub(base).Seconds() }
	show := func(track songspy.Track, progress func(float64) float64) player {
		return func(at time.Time) songspy.Observation {
			if at.Before(base) {
				return idleAt(since(at))
			}
			return playing(track, progress(since(at)), since(at))
		}
	}
	stalled := func(where float64) func(float64) float64 {
		return func(at float64) float64 { return min(at, where) }
	}
	every := func(o songspy.Observation) player {
		return func(time.Time) songspy.Observation { return o }
	}
	tests := map[string]player{
		"stalled 3.5 s before the end": show(songA, stalled(196.5)),
		"stalled at the start":         show(songA, stalled(1.5)),
		"stalled in the middle":        show(songA, stalled(77)),
		"stalled at the end":           show(songA, stalled(200)),
		"stalled podcast":              show(podcast, stalled(300)),
		"growing":                      show(tiny, func(at float64) float64 { return at }),
		"growing podcast":              show(songspy.Track{URI: podcast.URI, DurationMS: 600_000}, func(at float64) float64 { return at }),
		"always 0":                     show(songA, func(float64) float64 { return 0 }),
		"always unknown":               every(hiddenProgress(songA, 0)),
		"an endless advertisement":     every(advertisement(5, 0)),
		"unreadable":                   every(unreadable(0)),
		"podcast at 3.5 times":         show(audiobook, func(at float64) float64 { return at * 3.5 }),
		"podcast at half the clock":    show(podcast, func(at float64) float64 { return at / 2 }),
		"jumping for ever":             show(podcast, func(at float64) float64 { return float64(int(at*17) % 3600) }),
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
				return idleAt(since(at))
			}
			return playing(podcast, since(at), since(at))
		},
	}
	for name, p := range tests {
		for _, planner := range plannerNames {
			t.Run(name+" by "+planner, func(t *testing.T) {
				times, states, reasons := pollPlayer(p, planner)
				begun := []time.Time{base}
				for i := 1; i < len(states); i++ {
					if states[i].IsOpen() && states[i].TrackURI != states[i-1].TrackURI {
						begun = append(begun, times[i])
					}
				}
				if over := worstHour(times, begun); over > 0 {
					t.Errorf("the worst hour costs %d polls too many: %v", over, reasons)
				}
				if reasons[PollProof] > 2*len(begun) {
					t.Errorf("%d polls prove %d plays", reasons[PollProof], len(begun))
				}
			})
		}
	}
}

func TestStep_MisleadingPlayerLeavesBoard(t *testing.T) {
	for name, progress := range map[string]func(float64) float64{
		"stalled before the end": func(at float64) float64 { return min(at, 196.5) },
		"stalled in the middle":  func(at float64) float64 { return min(at, 60) },
		"growing":                func(at float64) float64 { return at },
	} {
		t.Run(name, func(t *testing.T) {
			times, states, _ := pollPlayer(func(at time.Time) songspy.Observation {
				s := at.Sub(base).Seconds()
				if s < 0 {
					return idleAt(s)
				}
				return playing(songA, progress(s), s)
			}, "NextPoll")
			for i, n := range states {
				if late := times[i].Sub(base) > 200*time.Second+testInterval; late && n.State == songspy.PlayerPlaying {
					t.Fatalf("after %v it is shown as playing", times[i].Sub(base))
				}
			}
		})
	}
}

// genOddTimeline draws plays of players that report wrong values.
func genOddTimeline(t *rapid.T) (tr timeline) {
	now := base
	for range rapid.IntRange(1, 10).Draw(t, "spans") {
		s := span{Start: now, Speed: 1}
		switch kind := rapid.IntRange(0, 9).Draw(t, "kind"); kind {
		case 0:
			s.End = now.Add(seconds(t, 20, 2000))
		case 1:
			s.Ad, s.End = true, now.Add(seconds(t, 15, 3000))
		default:
			n := rapid.IntRange(1, 5).Draw(t, "track")
			length := time.Duration(60+n*47) * time.Second
			s.Track = songspy.Track{URI: "spotify:track:" + string(rune('0'+n)), DurationMS: length.Milliseconds()}
			if kind == 2 {
				length = seconds(t, 600, 3600)
				s.Track = songspy.Track{URI: "spotify:episode:e", DurationMS: length.Milliseconds()}
				s.Speed = rapid.SampledFrom([]float64{0.5, 0.8, 1, 1.2, 1.5, 2, 3, 3.5}).Draw(t, "speed")
				length += time.Duration(rapid.SampledFrom([]int{0, 0, 30, 120}).Draw(t, "inserted")) * time.Second
			}
			whole := time.Duration(float64(length) / s.Speed)
			s.End = now.Add(whole)
			switch rapid.IntRange(0, 9).Draw(t, "way") {
			case 0, 1:
				s.End = instant.Earlier(s.End, now.Add(seconds(t, 2, 50)))
			case 2:
				s.PauseAt, s.Pause = now.Add(seconds(t, 2, 50)), seconds(t, 5, 85)
				s.End = s.End.Add(s.Pause)
				s.Stalled = rapid.Bool().Draw(t, "stalled")
			case 3:
				s.Stalled, s.PausedAfter = true, seconds(t, 60, 9000)
			case 4:
				s.RunsOn, s.PausedAfter = true, seconds(t, 60, 9000)
			case 5:
				s.End = instant.Earlier(s.End, now.Add(seconds(t, 2, 100)))
				s.Stalled, s.PausedAfter = true, seconds(t, 60, 9000)
			}
			if len(tr) > 0 && rapid.IntRange(0, 4).Draw(t, "mixed") == 0 {
				s.MixedFor = seconds(t, 1, 6)
			}
		}
		tr = append(tr, s)
		now = s.End.Add(s.PausedAfter)
	}
	return tr
}

// startsOf returns the times at which plays and advertisements begin.
func startsOf(tr timeline) (begun []time.Time) {
	for _, s := range tr {
		if s.Track.URI != "" || s.Ad {
			begun = append(begun, s.Start)
		}
	}
	return begun
}

func TestStep_OddPlayerInvariants(t *testing.T) {
	followed, stored := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		tr := genOddTimeline(t)
		planner := rapid.SampledFrom(plannerNames).Draw(t, "plan")
		var n songspy.NowPlaying
		var plays []songspy.Play
		var times []time.Time
		seen := map[int][]time.Time{}
		met := map[int]bool{}
		// blind adds up, by URI of the new track, the progress that an answer took from the
		// previous track although no poll had shown the previous track. Step cannot tell such
		// progress from the new track's own.
		blind := map[string]time.Duration{}
		var script strings.Builder
		for _, s := range tr {
			fmt.Fprintf(&script, "truth %s ad=%t %.1f-%.1f, shown paused for %.1f, pause %.1f+%.1f, speed %.1f, stalled %t, growing %t, mixed %.1f\n", s.Track.URI, s.Ad, secondsIn(s.Start), secondsIn(s.End),
				s.PausedAfter.Seconds(), secondsIn(s.PauseAt), s.Pause.Seconds(), s.Speed, s.Stalled, s.RunsOn, s.MixedFor.Seconds())
		}
		end := tr[len(tr)-1].End.Add(tr[len(tr)-1].PausedAfter + 10*time.Minute)
		for now := base.Add(-time.Minute); now.Before(end); {
			times = append(times, now)
			o := tr.Poll(now)
			for i, s := range tr {
				met[i] = met[i] || !now.Before(s.Start) && now.Before(s.End.Add(s.PausedAfter))
				if !now.Before(s.Start) && now.Before(s.End) && tr.IsMixedAt(i, now) && !met[i-1] {
					blind[s.Track.URI] += o.Progress
				}
				if s.Track.URI != "" && !now.Before(s.Start) && now.Before(s.End) && !s.IsPausedAt(now) {
					seen[i] = append(seen[i], now)
				}
			}
			out := Step(storeRoundTrip(n), o)
			n = out.State
			plays = append(plays, out.Plays...)
			l := planners[planner](n, o.Kind, now, 0, testInterval)
			fmt.Fprintf(&script, "%.1f %s %s at %.1f: %s of %s, %d polls; next %.1f for %s\n", now.Sub(base).Seconds(), o.Kind, o.Track.URI, o.Progress.Seconds(),
				n.State, n.TrackURI, n.Polls, l.At.Sub(base).Seconds(), l.Reason)
			now = l.At
		}
		if over := worstHour(times, startsOf(tr)); over > 0 {
			t.Fatalf("the worst hour costs %d polls too many\n%s", over, script.String())
		}
		claimed, playedTime := map[string]time.Duration{}, map[string]time.Duration{}
		for i, p := range plays {
			if i > 0 && p.StartedAt.Before(plays[i-1].EndedAt) {
				t.Fatalf("plays overlap: %+v", plays)
			}
			claimed[p.TrackURI] += instant.Milliseconds(p.ListenedMS - p.InferredMS)
		}
		for _, s := range tr {
			playedTime[s.Track.URI] += s.End.Sub(s.Start) - s.Pause
		}
		for uri, listened := range claimed {
			if !songspy.IsSpeech(uri) && listened > playedTime[uri]+blind[uri]+time.Duration(len(tr))*endTolerance {
				t.Fatalf("%s: %v claimed, %v played: %+v\n%s", uri, listened, playedTime[uri], plays, script.String())
			}
		}
		for i, polls := range seen {
			s := tr[i]
			if polls[len(polls)-1].Sub(polls[0])-s.Pause < songspy.HistoryPlayMin {
				continue
			}
			followed++
			for _, p := range plays {
				if p.TrackURI == s.Track.URI && p.StartedAt.Before(s.End) && s.Start.Before(p.EndedAt) {
					stored++
					break
				}
			}
		}
	})
	if float64(stored) < 0.995*float64(followed) {
		t.Errorf("of %d plays that polls followed for %v, %d are stored", followed, songspy.HistoryPlayMin, stored)
	}
	t.Logf("of %d plays that polls followed for %v, %d are stored", followed, songspy.HistoryPlayMin, stored)
}

// TestStep_InvalidStateKeepsTimesInOrder applies an observation to invalid stored states. No
// play may end after the poll. The open play must not begin after SeenAt, and SeenAt must not
// be after the poll.
func TestStep_InvalidStateKeepsTimesInOrder(t *testing.T) {
	doubtedAt, nothingSince := at(409.9), at(410)
	tests := map[string]struct {
		state songspy.NowPlaying
		seen  songspy.Observation
	}{
		"idle after its track looped": {
			songspy.NowPlaying{
				State: songspy.PlayerPlaying, TrackURI: songA.URI, DurationMS: songA.DurationMS, StartedAt: at(0), SeenAt: at(10), ProgressMS: 10_000,
				OpenedAt: at(10), DoubtedAt: &doubtedAt, Stalled: true, IdleSince: &nothingSince,
			},
			idleAt(420),
		},
		"slow, with a progress a hundred days beyond its length": {
			songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: podcast.URI, DurationMS: 14_250, StartedAt: at(0), SeenAt: at(10), OpenedAt: at(10), Speed: 475},
			playing(podcast, 1e7, 220),
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
			if n := out.State; n.IsOpen() && (n.StartedAt.After(n.SeenAt) || n.SeenAt.After(tt.seen.At)) {
				t.Errorf("the open play began at %v and was seen at %v, by a poll at %v", n.StartedAt, n.SeenAt, tt.seen.At)
			}
		})
	}
}
