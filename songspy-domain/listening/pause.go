package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *step) paused(obs songspy.Observation) {
	s.hideProgress(&obs)
	if !s.State.Open() {
		// A player that wakes up shows what it last played, days ago perhaps.
		s.openPaused(obs, s.State.ElsewhereAt)
		s.State.ListenedMS = 0
		return
	}
	if s.State.TrackURI == obs.Track.URI {
		s.learnLength(obs)
		if s.pausedSame(obs) {
			return
		}
	}
	seen := s.lastElsewhere(obs)
	s.openPaused(obs, s.makeWay(obs))
	s.State.ElsewhereAt = seen
}

// pausedSame handles the open play standing still. It reports false if this
// must be another play of the same track.
func (s *step) pausedSame(obs songspy.Observation) bool {
	n := &s.State
	since := obs.At
	known := obs.Progress >= 0 && n.ProgressMS >= 0
	moved, stood := s.moved(obs), n.State == songspy.PlayerPaused
	switch {
	case stood && (!known || moved.Abs() <= jitter):
		since = *n.PausedSince // as far as is known it never moved
	case !known || lasts(*n, moved) > obs.At.Sub(n.SeenAt)+jitter: // somebody sought forward
	case stood: // on and off again meanwhile
		n.ListenedMS += ms(s.played(obs))
	case moved >= 0:
		since = n.SeenAt.Add(s.played(obs))
		n.ListenedMS += ms(s.played(obs))
	case n.EndsAt != nil && obs.At.After(*n.EndsAt):
		return false
	}
	n.PausedMS += ms(obs.At.Sub(later(since, n.SeenAt)))
	n.State, n.SeenAt, n.NothingSince, n.DoubtedAt, n.DoubtedURI, n.Stalled = songspy.PlayerPaused, obs.At, nil, nil, "", false
	if obs.Progress >= 0 {
		n.ProgressMS = ms(obs.Progress)
	}
	n.PausedSince, n.EndsAt = &since, &since
	s.judge()
	return true
}

// openPaused opens a play that is first seen standing still. What it played
// before lies between the last observation of anything else and now.
func (s *step) openPaused(obs songspy.Observation, elsewhere time.Time) {
	s.open(obs, elsewhere)
	n := &s.State
	n.State, n.Provisional = songspy.PlayerPaused, true
	n.PausedSince, n.EndsAt = &obs.At, &obs.At
}

// resumed handles the open play's track, paused before and playing now.
func (s *step) resumed(obs songspy.Observation) {
	implied := obs.At.Add(-lasts(s.State, obs.Progress))
	if s.moved(obs) >= -jitter || implied.Before(s.State.SeenAt) { // on, or sought in the pause
		s.State.PausedMS += max(0, ms(implied.Sub(anchor(s.State))))
		s.goOn(obs, s.played(obs))
		return
	}
	s.anew(obs, implied)
	s.State.Provisional = true
}
