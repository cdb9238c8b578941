package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *step) observePaused(obs songspy.Observation) {
	s.hideZeroProgress(&obs)
	if !s.State.IsOpen() {
		// A player that wakes up shows what it last played, days ago perhaps.
		s.openPaused(obs, s.State.OtherSeenAt)
		s.State.ListenedMS = 0
		return
	}
	if s.State.TrackURI == obs.Track.URI {
		s.updateLength(obs)
		if s.pausePlay(obs) {
			return
		}
	}
	seen := s.nextStartMin()
	s.openPaused(obs, s.endForNext(obs))
	s.State.OtherSeenAt = seen
}

// pausedSame handles the open play standing still. It reports false if this
// must be another play of the same track.
func (s *step) pausePlay(obs songspy.Observation) bool {
	n := &s.State
	since := obs.At
	known := obs.Progress >= 0 && n.ProgressMS >= 0
	moved, wasPaused := s.progressDelta(obs), n.State == songspy.PlayerPaused
	switch {
	case wasPaused && (!known || moved.Abs() <= jitter):
		since = *n.PausedSince // as far as is known it never moved
	case !known || clockTime(*n, moved) > obs.At.Sub(n.SeenAt)+jitter: // somebody sought forward
	case wasPaused: // on and off again meanwhile
		n.ListenedMS += toMillis(s.playedSince(obs))
	case moved >= 0:
		since = n.SeenAt.Add(s.playedSince(obs))
		n.ListenedMS += toMillis(s.playedSince(obs))
	case n.EndsAt != nil && obs.At.After(*n.EndsAt):
		return false
	}
	n.PausedMS += toMillis(obs.At.Sub(later(since, n.SeenAt)))
	n.State, n.SeenAt, n.IdleSince, n.DoubtedAt, n.Stalled = songspy.PlayerPaused, obs.At, nil, nil, false
	if obs.Progress >= 0 {
		n.ProgressMS = toMillis(obs.Progress)
	}
	n.PausedSince, n.EndsAt = &since, &since
	s.markChanges()
	return true
}

// openPaused opens a play that is first seen standing still. What it played
// before lies between the last observation of anything else and now.
func (s *step) openPaused(obs songspy.Observation, otherSeenAt time.Time) {
	s.openPlay(obs, otherSeenAt)
	n := &s.State
	n.State, n.Provisional = songspy.PlayerPaused, true
	n.PausedSince, n.EndsAt = &obs.At, &obs.At
}

// resumed handles the open play's track, paused before and playing now.
func (s *step) resumePlay(obs songspy.Observation) {
	implied := obs.At.Add(-clockTime(s.State, obs.Progress))
	if s.progressDelta(obs) >= -jitter || implied.Before(s.State.SeenAt) { // on, or sought in the pause
		s.State.PausedMS += max(0, toMillis(implied.Sub(anchor(s.State))))
		s.continuePlay(obs, s.playedSince(obs))
		return
	}
	s.restartPlay(obs, implied)
	s.State.Provisional = true
}
