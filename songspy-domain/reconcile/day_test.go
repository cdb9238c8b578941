package reconcile

import (
	"fmt"
	"slices"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// day holds what one user played, and the history that Spotify lists of it.
type day struct {
	timeline       timeline
	historyLines   []historyLine
	playedAtIsEnd  bool // the PlayedAt of the history items is the end of the play, not the start
	edgeIsKnown    bool // the day begins with plays that show whether PlayedAt is the start or the end
	wholePlaysOnly bool // history lists only plays that reached the end of their track
	oddPlayers     bool // some plays are of players that report wrong values
}

// historyLine is one item of history.
type historyLine struct {
	songspy.HistoryItem
	listedFrom, spanStart time.Time // when history begins to list the item, and the start of its span
}

// dayTracks are the tracks of a day: songs (one of them shorter than a minute), a
// local file and an episode.
var dayTracks = func() (tracks []songspy.Track) {
	for i, length := range []time.Duration{110 * time.Second, 154 * time.Second, 201 * time.Second, 248 * time.Second, 41 * time.Second} {
		name := fmt.Sprint(i)
		tracks = append(tracks, songspy.Track{URI: "spotify:track:" + name, Title: name, ISRC: "KRA38210000" + name, DurationMS: length.Milliseconds()})
	}
	return append(tracks, songspy.Track{URI: "spotify:local:x", Title: "X", DurationMS: 170_000},
		songspy.Track{URI: "spotify:episode:e", Title: "E", DurationMS: 1_500_000})
}()

// genDay draws what one user played, in up to 14 random spans, and the history that lists it.
func genDay(t *rapid.T, oddPlayers bool) day {
	d := day{oddPlayers: oddPlayers}
	d.playedAtIsEnd, d.edgeIsKnown = rapid.Bool().Draw(t, "history tells ends"), rapid.Bool().Draw(t, "that is known")
	d.wholePlaysOnly = rapid.IntRange(0, 2).Draw(t, "history lists whole plays only") == 0
	fade := time.Duration(rapid.SampledFrom([]int{0, 0, 0, 5, 11}).Draw(t, "fade")) * time.Second
	now, last, unlisted, again := base, 0, false, 0
	if d.edgeIsKnown {
		for _, i := range []int{3, 0} {
			end := now.Add(dayTracks[i].Duration())
			d.timeline = append(d.timeline, span{Track: dayTracks[i], Start: now, End: end})
			now = end
		}
		d.timeline = append(d.timeline, span{Start: now, End: now.Add(5 * time.Minute)})
		now = now.Add(5 * time.Minute)
	}
	for range rapid.IntRange(1, 14).Draw(t, "spans") {
		s := span{Start: now}
		kind := 15
		if again--; again < 0 {
			kind = rapid.IntRange(0, 20).Draw(t, "kind")
		}
		switch kind {
		case 0, 1:
			s.End = now.Add(seconds(t, 20, 2500))
			unlisted = rapid.IntRange(0, 3).Draw(t, "unlisted") == 0
		case 2:
			s.Ad, s.End = true, now.Add(seconds(t, 15, 30))
		default:
			if kind == 20 { // a loop
				again = rapid.IntRange(2, 5).Draw(t, "repetitions")
			}
			if kind < 15 || kind == 20 { // kinds 15 to 19 repeat the last track
				last = rapid.SampledFrom([]int{0, 1, 2, 3, 0, 1, 2, 3, 4, 5, 6}).Draw(t, "track")
			}
			s.Track, s.Unlisted = dayTracks[last], unlisted
			d.play(t, &s, fade)
			if oddPlayers {
				playOddly(t, &s, len(d.timeline) > 0)
			}
		}
		d.timeline = append(d.timeline, s)
		now = s.End.Add(s.PausedAfter)
		if s.Track.URI != "" && rapid.Bool().Draw(t, "loads") {
			now = now.Add(time.Duration(rapid.IntRange(0, 1500).Draw(t, "ms")) * time.Millisecond)
		}
	}
	for _, s := range d.timeline {
		if listenedIn(s) >= 30*time.Second && s.Track.ISRC != "" && !s.Unlisted && (!d.wholePlaysOnly || !s.LeftEarly) {
			l := historyLine{songspy.HistoryItem{Track: s.Track, PlayedAt: s.Start}, s.End.Add(seconds(t, 10, 120)), s.Start}
			if d.playedAtIsEnd {
				l.PlayedAt = s.End
			}
			if s.Offline {
				l.listedFrom = l.listedFrom.Add(seconds(t, 0, 3600))
			}
			if rapid.IntRange(0, 4).Draw(t, "relinked") == 0 {
				l.Track.URI += "-relinked"
			}
			d.historyLines = append(d.historyLines, l)
		}
	}
	return d
}

// play draws how a track is played, and sets the fields of its span: played to its end, skipped,
// paused, offline, or without progress. fade is how much earlier than its length a song of more
// than a minute ends, because the player fades it into the next.
func (d *day) play(t *rapid.T, s *span, fade time.Duration) {
	length := s.Track.Duration()
	s.End = s.Start.Add(length)
	if s.Track.ISRC != "" && length > time.Minute {
		s.End = s.End.Add(-fade)
	}
	whole := s.End
	switch rapid.IntRange(0, 19).Draw(t, "way") {
	case 0, 1, 2:
		s.End = instant.Earlier(s.End, s.Start.Add(seconds(t, 2, 50))) // skipped
	case 3:
		s.End = instant.Earlier(s.End, s.Start.Add(seconds(t, 30, 100))) // skipped late
	case 4:
		s.PauseAt, s.Pause = s.Start.Add(seconds(t, 2, 40)), seconds(t, 5, 85)
	case 5:
		s.PauseAt, s.Pause = instant.Earlier(s.Start.Add(seconds(t, 2, 200)), s.End.Add(-time.Second)), seconds(t, 85, 2300)
	case 6:
		s.PausedAfter = seconds(t, 5, 360)
	case 7:
		s.End, s.PausedAfter = instant.Earlier(s.End, s.Start.Add(seconds(t, 2, 40))), seconds(t, 5, 360)
	case 8:
		s.Offline = true
	case 9:
		s.HidesProgress = true
	}
	s.LeftEarly = s.End.Before(whole)
	s.End = s.End.Add(s.Pause)
}

// playOddly draws what the player reports wrongly during a play, and the speed of speech.
func playOddly(t *rapid.T, s *span, hasPrevious bool) {
	switch rapid.IntRange(0, 9).Draw(t, "oddity") {
	case 0:
		s.Stalled, s.PausedAfter = true, seconds(t, 60, 3000)
	case 1:
		if !s.LeftEarly { // if a track that was left ran on, polls could not distinguish it from one that plays on
			s.RunsOn, s.PausedAfter = true, seconds(t, 60, 3000)
		}
	case 2:
		if hasPrevious {
			s.MixedFor = seconds(t, 1, 6)
		}
	}
	if songspy.IsSpeech(s.Track.URI) {
		s.Speed = rapid.SampledFrom([]float64{0.5, 0.8, 1, 1.2, 1.5, 2, 3}).Draw(t, "speed")
		if !s.LeftEarly {
			s.End = s.Start.Add(time.Duration(float64(s.End.Sub(s.Start)-s.Pause)/s.Speed) + s.Pause)
			s.PauseAt = instant.Earlier(s.PauseAt, s.End.Add(-s.Pause))
		}
	}
}

// listenedIn returns how long the track of the span played, without the pause.
func listenedIn(s span) time.Duration {
	if s.Track.URI == "" {
		return 0
	}
	return s.End.Sub(s.Start) - s.Pause
}

// history returns the answer of recently-played to a request that is made at the time at: the
// items that are later than the time after, oldest first. As at Spotify, only the last
// HistoryItemsMax items of the user are available.
func (d day) history(at, after time.Time) (items []songspy.HistoryItem) {
	for _, l := range d.historyLines {
		if !l.listedFrom.After(at) {
			items = append(items, l.HistoryItem)
		}
	}
	slices.SortFunc(items, func(a, b songspy.HistoryItem) int { return a.PlayedAt.Compare(b.PlayedAt) })
	items = items[max(0, len(items)-songspy.HistoryItemsMax):]
	return slices.DeleteFunc(items, func(i songspy.HistoryItem) bool { return !i.PlayedAt.After(after) })
}
