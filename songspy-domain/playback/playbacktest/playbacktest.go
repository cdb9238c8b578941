// Package playbacktest describes what simulated players do and builds the answers of
// Spotify to polls of such players, for the tests of playback and reconcile.
package playbacktest

import (
	"flag"
	"fmt"
	"strings"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Base is the time from which the tests count seconds. SongA, SongB and Short
// are the tracks that most tests use.
var (
	Base  = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	SongA = songspy.Track{URI: "spotify:track:a", Kind: songspy.KindTrack, Title: "A", DurationMS: 200_000}
	SongB = songspy.Track{URI: "spotify:track:b", Kind: songspy.KindTrack, Title: "B", DurationMS: 180_000}
	Short = songspy.Track{URI: "spotify:track:s", Kind: songspy.KindTrack, Title: "S", DurationMS: 40_000}
)

// At returns the time that is the given number of seconds after Base.
func At(seconds float64) time.Time {
	return Base.Add(time.Duration(seconds * float64(time.Second)))
}

// SecondsIn returns how many seconds after Base the given time is.
func SecondsIn(at time.Time) float64 { return at.Sub(Base).Seconds() }

// Playing returns an answer of Spotify that shows a track playing. progress and
// when (after Base) are in seconds.
func Playing(t songspy.Track, progress, when float64) songspy.Observation {
	return songspy.Observation{Kind: songspy.ObservedPlaying, Track: t, Progress: time.Duration(progress * float64(time.Second)), At: At(when)}
}

// Paused returns an answer of Spotify that shows a paused track. progress and
// when (after Base) are in seconds.
func Paused(t songspy.Track, progress, when float64) songspy.Observation {
	o := Playing(t, progress, when)
	o.Kind = songspy.ObservedPaused
	return o
}

// HiddenProgress returns an answer of Spotify that shows a track playing but
// not its progress. when is in seconds after Base.
func HiddenProgress(t songspy.Track, when float64) songspy.Observation {
	o := Playing(t, 0, when)
	o.Progress = songspy.UnknownProgress
	return o
}

// IdleAt returns an answer of Spotify that shows no active player. when is in
// seconds after Base.
func IdleAt(when float64) songspy.Observation {
	return songspy.Observation{Kind: songspy.ObservedIdle, At: At(when)}
}

// Advertisement returns an answer of Spotify that shows an advertisement.
// progress and when (after Base) are in seconds.
func Advertisement(progress, when float64) songspy.Observation {
	return songspy.Observation{Kind: songspy.ObservedAdvertisement, Progress: time.Duration(progress * float64(time.Second)), At: At(when)}
}

// Unreadable returns an answer of Spotify that contains nothing usable. when is in
// seconds after Base.
func Unreadable(when float64) songspy.Observation {
	return songspy.Observation{Kind: songspy.ObservedUnreadable, At: At(when)}
}

// Timeline is what a simulated player really did, as spans in the order of time
// that do not overlap.
type Timeline []Span

// Span is one thing that a player did: it played a track with at most one
// pause, an advertisement, or nothing (no track and no advertisement).
type Span struct {
	Track         songspy.Track
	Ad            bool
	Start, End    time.Time
	PauseAt       time.Time // when the pause begins; used only if Pause is not 0
	Pause         time.Duration
	PausedAfter   time.Duration // how long the player shows the paused track afterwards
	LeftEarly     bool          // the user ended the track before its end, for example by a skip
	Offline       bool          // on a phone without a network: polls show nothing
	Unlisted      bool          // in a session that history never lists, such as a Jam
	HidesProgress bool          // on a device that reports no progress
	Speed         float64       // how many times as fast as the clock the progress advances; 0 means 1
	Stalled       bool          // the player claims to play during the pause and PausedAfter
	RunsOn        bool          // the player claims to play during PausedAfter, and its progress grows
	MixedFor      time.Duration // for how long, from Start on, answers show the previous track's progress
}

// ProgressAt returns the progress in the span's track at a time, in whole
// milliseconds, as Spotify reports it.
func (s Span) ProgressAt(at time.Time) time.Duration {
	p := at.Sub(s.Start)
	if s.Pause > 0 && at.After(s.PauseAt) {
		p -= min(s.Pause, at.Sub(s.PauseAt))
	}
	if s.Speed != 0 {
		p = time.Duration(float64(p) * s.Speed)
	}
	return p.Truncate(time.Millisecond)
}

// ReportedProgress returns the progress that Spotify reports at a time within the span:
// UnknownProgress if HidesProgress is set, otherwise ProgressAt.
func (s Span) ReportedProgress(at time.Time) time.Duration {
	if s.HidesProgress {
		return songspy.UnknownProgress
	}
	return s.ProgressAt(at)
}

// IsPausedAt reports whether the player was paused at a time within the span.
func (s Span) IsPausedAt(at time.Time) bool {
	return s.Pause > 0 && !at.Before(s.PauseAt) && at.Before(s.PauseAt.Add(s.Pause))
}

// IsMixedAt reports whether an answer at a time would combine the track of span i with
// the progress of the track of span i-1.
func (tr Timeline) IsMixedAt(i int, at time.Time) bool {
	s := tr[i]
	return at.Before(s.Start.Add(s.MixedFor)) && tr[i-1].Track.URI != "" && tr[i-1].Track.URI != s.Track.URI
}

// Poll returns what Spotify answers to a poll at a time, if the player did what
// the timeline says.
func (tr Timeline) Poll(at time.Time) songspy.Observation {
	for i, s := range tr {
		if at.Before(s.Start) || !at.Before(s.End.Add(s.PausedAfter)) || s.Offline {
			continue
		}
		o := songspy.Observation{Kind: songspy.ObservedPlaying, Track: s.Track, Progress: s.ReportedProgress(at), At: at}
		switch {
		case s.Ad:
			return songspy.Observation{Kind: songspy.ObservedAdvertisement, Progress: at.Sub(s.Start), At: at}
		case s.Track.URI == "":
			return songspy.Observation{Kind: songspy.ObservedIdle, At: at}
		case !at.Before(s.End) && s.RunsOn:
		case !at.Before(s.End):
			o.Progress = s.ReportedProgress(s.End)
			if !s.Stalled {
				o.Kind = songspy.ObservedPaused
			}
		case s.IsPausedAt(at) && !s.Stalled:
			o.Kind = songspy.ObservedPaused
		case tr.IsMixedAt(i, at) && tr[i-1].RunsOn:
			o.Progress = tr[i-1].ReportedProgress(s.Start)
		case tr.IsMixedAt(i, at):
			o.Progress = tr[i-1].ReportedProgress(tr[i-1].End)
		}
		return o
	}
	return songspy.Observation{Kind: songspy.ObservedIdle, At: at}
}

// DrawSeconds draws a duration between two numbers of seconds, to the millisecond.
func DrawSeconds(t *rapid.T, low, high int) time.Duration {
	return time.Duration(rapid.IntRange(low*1000, high*1000).Draw(t, "ms")) * time.Millisecond
}

// Describe prints a timeline, the answers and the resulting plays, in seconds
// after Base, for the message of a failed test.
func Describe(tr Timeline, seen []songspy.Observation, plays []songspy.Play) string {
	var b strings.Builder
	for _, s := range tr {
		fmt.Fprintf(&b, "truth %s ad=%t %.0f-%.0f pause %.0f+%.0f of %d\n", s.Track.URI, s.Ad, s.Start.Sub(Base).Seconds(), s.End.Sub(Base).Seconds(), s.PauseAt.Sub(Base).Seconds(), s.Pause.Seconds(), s.Track.DurationMS/1000)
	}
	for _, o := range seen {
		fmt.Fprintf(&b, "seen %.0f %s %s at %.0f\n", o.At.Sub(Base).Seconds(), o.Kind, o.Track.URI, o.Progress.Seconds())
	}
	for _, p := range plays {
		fmt.Fprintf(&b, "play %s %.0f-%.0f listened %d provisional %t\n", p.TrackURI, p.StartedAt.Sub(Base).Seconds(), p.EndedAt.Sub(Base).Seconds(), p.ListenedMS/1000, p.Provisional)
	}
	return b.String()
}

// StoreRoundTrip returns the state that the store would return after writing n and
// reading it again: with times in UTC and whole microseconds.
func StoreRoundTrip(n songspy.NowPlaying) songspy.NowPlaying {
	for _, at := range []*time.Time{&n.StartedAt, &n.ObservedAt, &n.SeenAt, &n.OtherSeenAt, &n.OpenedAt} {
		*at = at.UTC().Truncate(time.Microsecond)
	}
	for _, at := range []**time.Time{&n.PausedSince, &n.IdleSince, &n.EndsAt, &n.DoubtedAt} {
		if *at != nil {
			when := (*at).UTC().Truncate(time.Microsecond)
			*at = &when
		}
	}
	return n
}

// SetChecks makes each rapid test draw 20,000 cases instead of 100, because rare cases
// matter and one case takes microseconds. The seed is fixed, so that only a change of
// the code can make a test fail. To test other cases, run the tests with
// -rapid.seed=0 (a random seed) -rapid.checks=1000000. Call SetChecks from TestMain.
func SetChecks() {
	flag.Parse()
	chosen := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { chosen[f.Name] = true })
	for name, value := range map[string]string{"rapid.checks": "20000", "rapid.seed": "20261123"} {
		if chosen[name] {
			continue
		}
		if err := flag.Set(name, value); err != nil {
			panic(err)
		}
	}
}
