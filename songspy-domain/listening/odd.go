package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Players and the provider mislead: progress that stands still or grows beyond
// the end while the player claims to play, that is always 0, or that is the
// former track's. The rules of this file say what such an answer proves.
const (
	// confirms is for how long another track's impossible progress is doubted.
	confirms = 10 * time.Second
	// knownFrom is from where on a progress tells tracks apart: all of them begin
	// with small ones.
	knownFrom = 10 * time.Second
	// zeroes is how far apart two sightings at exactly 0 must be to be no start.
	zeroes = 10 * time.Second
	// inserted is how much longer than its page says speech may become by advertisements.
	inserted = 10 * time.Minute
)

// outlives reports whether a progress lies beyond the end of its track. Speech
// may grow by advertisements, other tracks may not.
func outlives(uri string, length, progress time.Duration) bool {
	if length <= 0 || progress < 0 {
		return false
	}
	if speech(uri) {
		length += max(inserted, length/4)
	}
	return progress > length+jitter
}

// lengthSaid is the length of an observed track, as it is told or was.
func (s *step) lengthSaid(obs songspy.Observation) time.Duration {
	if obs.Track.DurationMS <= 0 && obs.Track.URI == s.State.TrackURI {
		return milliseconds(s.State.DurationMS)
	}
	return obs.Track.Duration()
}

// outlive ends the open play where its progress reached the end of its track:
// a player that goes on from there, for hours at times, plays nothing.
func (s *step) outlive(obs songspy.Observation, length time.Duration) {
	n := &s.State
	passed, moved := obs.At.Sub(n.SeenAt), s.moved(obs)
	over := later(n.SeenAt, obs.At.Add(-lasts(*n, obs.Progress-length)))
	if rest := length - milliseconds(n.ProgressMS); n.State == songspy.PlayerPlaying && n.ProgressMS >= 0 && rest > 0 && rest <= moved && lasts(*n, moved) <= passed+jitter {
		s.finish(over, min(lasts(*n, rest), over.Sub(n.SeenAt)), false)
	} else {
		s.end(s.endBy(over), false)
	}
	s.idle(obs.At)
}

// stoodStill reports whether a player that claims to play did not move between
// two sightings of one track. What is at the same place a whole length later may
// be a loop's next round.
func stoodStill(moved, passed, length time.Duration) bool {
	if passed <= jitter-time.Millisecond {
		return false
	}
	return moved == 0 && !wholeRounds(passed, length) || moved.Abs() < time.Second && (length == 0 || passed < length/2)
}

// wholeRounds reports whether a loop may have brought its track to the same
// place again in that time.
func wholeRounds(passed, length time.Duration) bool {
	if length <= 0 || passed < length/2 {
		return false
	}
	return ((passed+length/2)%length - length/2).Abs() <= near(length, crossfade)
}

// stuck reports whether the open play stands still although its player claims
// to play.
func (s *step) stuck(obs songspy.Observation) bool {
	n := s.State
	if obs.Progress < 0 || n.ProgressMS < 0 || n.State != songspy.PlayerPlaying && !n.Stalled {
		return false
	}
	moved, passed := s.moved(obs), obs.At.Sub(n.SeenAt)
	if moved == 0 && (n.Stalled || passed > jitter && atEnd(n, obs.Progress)) {
		return true
	}
	return stoodStill(moved, passed, milliseconds(n.DurationMS))
}

// atEnd reports whether a progress is the open play's whole length. A player that
// is there twice stands still: a loop is at its start by then.
func atEnd(n songspy.NowPlaying, progress time.Duration) bool {
	return n.DurationMS > 0 && progress >= milliseconds(n.DurationMS)
}

// comesRound reports whether the open play is at the very same place again after
// whole rounds, which another poll shows to move, or to stand still.
func (s *step) comesRound(obs songspy.Observation) bool {
	n := &s.State
	passed := obs.At.Sub(n.SeenAt)
	if n.State != songspy.PlayerPlaying || obs.Progress < 0 || s.moved(obs) != 0 || passed <= jitter || !wholeRounds(passed, milliseconds(n.DurationMS)) {
		return false
	}
	at := obs.At
	n.DoubtedAt, n.DoubtedURI, n.Stalled = &at, "", true
	s.Worth = true
	return true
}

// roundPending reports whether it is open whether the open play came round: it
// was at the very same place again at DoubtedAt.
func roundPending(n songspy.NowPlaying) bool {
	return n.Open() && n.State == songspy.PlayerPlaying && n.DoubtedAt != nil && n.Stalled
}

// roundOrNot decides that a track which was at the very same place again had
// come round, unless it is still there.
func (s *step) roundOrNot(obs songspy.Observation) {
	n := &s.State
	if !roundPending(*n) {
		return
	}
	if obs.Track.URI == n.TrackURI && obs.Progress == milliseconds(n.ProgressMS) {
		return
	}
	track := songspy.Track{URI: n.TrackURI, DurationMS: n.DurationMS}
	at, progress := *n.DoubtedAt, milliseconds(n.ProgressMS)
	n.DoubtedAt, n.DoubtedURI, n.Stalled = nil, "", false
	if progress < 0 || !wholeRounds(at.Sub(n.SeenAt), milliseconds(n.DurationMS)) {
		return
	}
	s.same(songspy.Observation{Sighting: songspy.SightingPlaying, Track: track, Progress: progress, At: at})
}

// stall treats a player that stands still as paused since it was seen first
// where it is. What it shows when it comes out of silence it may have played
// days ago.
func (s *step) stall(obs songspy.Observation) {
	n := &s.State
	if n.Unmoved {
		n.ListenedMS = 0
	}
	obs.Progress = milliseconds(n.ProgressMS)
	s.pausedSame(obs)
	n.Stalled = true
}

// tellsNoProgress reports whether two sightings show a device that reports a
// progress of 0 whatever it plays: exactly 0 twice, while the track changed.
func tellsNoProgress(n songspy.NowPlaying, obs songspy.Observation) bool {
	return n.Open() && n.ProgressMS == 0 && obs.Progress == 0 && n.TrackURI != obs.Track.URI &&
		(n.State == songspy.PlayerPlaying || n.Stalled) && obs.At.Sub(n.OpenedAt) >= zeroes
}

// hideProgress takes the progress of a device that always reports 0 as unknown.
// What such a device showed so far sounded between its sightings.
func (s *step) hideProgress(obs *songspy.Observation) {
	n := &s.State
	switch {
	case obs.Progress > 0:
		n.HidesProgress = false
	case obs.Progress == 0 && n.HidesProgress:
		obs.Progress = songspy.UnknownProgress
	case obs.Sighting == songspy.SightingPlaying && tellsNoProgress(*n, *obs):
		n.HidesProgress = true
		n.State, n.Stalled, n.PausedSince, n.PausedMS = songspy.PlayerPlaying, false, nil, 0
		n.ProgressMS, n.EndsAt, n.ListenedMS = -1, nil, ms(n.SeenAt.Sub(n.OpenedAt))
		obs.Progress = songspy.UnknownProgress
	}
}

// doubtful reports whether another track than the open play's is shown with a
// progress that is not its own: the former track's, one beyond its end, or one
// that would have it play while the former was seen. Speech is resumed
// anywhere, so that only the former's own progress makes it doubtful.
func doubtful(n songspy.NowPlaying, obs songspy.Observation) bool {
	if obs.Sighting != songspy.SightingPlaying || obs.Progress < knownFrom {
		return false
	}
	if n.ProgressMS >= 0 {
		former := milliseconds(n.ProgressMS)
		if n.State == songspy.PlayerPlaying {
			former += covers(n, obs.At.Sub(n.SeenAt))
		}
		if n.DurationMS > 0 {
			former = min(former, milliseconds(n.DurationMS))
		}
		if (obs.Progress - former).Abs() <= jitter {
			return true
		}
	}
	return outlives(obs.Track.URI, obs.Track.Duration(), obs.Progress) ||
		!speech(obs.Track.URI) && obs.At.Add(-obs.Progress).Before(n.SeenAt.Add(-jitter))
}

// doubt notes a doubtful answer, and reports false once it is to be believed.
// One answer overwrites no time that another track was seen in.
func (s *step) doubt(obs songspy.Observation) bool {
	n := &s.State
	if !doubtful(*n, obs) || n.DoubtedAt != nil && obs.At.Sub(*n.DoubtedAt) >= confirms {
		return false
	}
	if n.DoubtedAt == nil {
		at := obs.At
		n.DoubtedAt, n.DoubtedURI = &at, obs.Track.URI
		s.Worth = true
	}
	return true
}

// left reports whether another track was in sight before the open play's end.
func left(n songspy.NowPlaying) bool {
	return n.DoubtedAt != nil && n.EndsAt != nil && n.DoubtedAt.Before(n.EndsAt.Add(-crossfade))
}

// doubtsAnother reports whether another track than that one was shown with a
// progress that is not its own. It was in sight, and how far it got nobody knows.
func doubtsAnother(n songspy.NowPlaying, uri string) bool {
	return n.DoubtedAt != nil && n.DoubtedURI != "" && n.DoubtedURI != uri
}
