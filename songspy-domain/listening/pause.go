package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func (s *step) paused(obs songspy.Observation) {
	switch {
	case s.State.Open() && s.State.TrackURI == obs.Track.URI && s.pausedSame(obs):
	case s.State.Open():
		s.openPaused(obs, s.makeWay(obs))
	default:
		s.openPaused(obs, s.lastElsewhere())
	}
}

// pausedSame handles the open play standing still. It reports false if this
// must be another play of the same track.
func (s *step) pausedSame(obs songspy.Observation) bool {
	n := &s.State
	before := *n
	since := obs.At
	known := obs.Progress >= 0 && n.ProgressMS >= 0
	switch {
	case known && n.State == songspy.PlayerPlaying && n.EndsAt != nil && ms(obs.Progress) < n.ProgressMS && obs.At.After(*n.EndsAt):
		return false
	case known && n.State == songspy.PlayerPlaying && ms(obs.Progress) >= n.ProgressMS:
		since = clamp(anchor(*n).Add(obs.Progress), n.SeenAt, obs.At)
		n.ListenedMS += ms(since.Sub(n.SeenAt))
	case known && n.State == songspy.PlayerPaused && (time.Duration(ms(obs.Progress)-n.ProgressMS)*time.Millisecond).Abs() <= jitter:
		since = *n.PausedSince // it never moved
	case known && ms(obs.Progress) > n.ProgressMS: // on and off again meanwhile
		n.ListenedMS += ms(min(obs.Progress-time.Duration(n.ProgressMS)*time.Millisecond, obs.At.Sub(n.SeenAt)))
	}
	n.PausedMS += ms(obs.At.Sub(later(since, n.SeenAt)))
	n.State, n.SeenAt, n.NothingSince = songspy.PlayerPaused, obs.At, nil
	if obs.Progress >= 0 {
		n.ProgressMS = ms(obs.Progress)
	}
	n.PausedSince, n.EndsAt = &since, &since
	s.judge(before)
	return true
}

// openPaused opens a play that is first seen standing still. What it played
// before lies between the last observation of anything else and now.
func (s *step) openPaused(obs songspy.Observation, elsewhere time.Time) {
	s.open(obs, elsewhere)
	n := &s.State
	n.State, n.Provisional = songspy.PlayerPaused, true
	n.PausedSince, n.EndsAt = &obs.At, &obs.At
	if elsewhere.IsZero() || obs.Progress < 0 || obs.Progress > obs.At.Sub(elsewhere) {
		n.ListenedMS = 0 // it may have stood still for hours
	}
}

// resumed handles the open play's track, paused before and playing now.
func (s *step) resumed(obs songspy.Observation) {
	if ms(obs.Progress) >= s.State.ProgressMS-ms(jitter) {
		if shift := obs.At.Add(-obs.Progress).Sub(anchor(s.State)); shift > 0 {
			s.State.PausedMS += ms(shift)
		}
		s.goOn(obs, s.played(obs))
		return
	}
	trackID := s.State.TrackID
	s.end(*s.State.EndsAt, false)
	s.open(obs, s.State.SeenAt)
	s.State.TrackID, s.State.Provisional = trackID, true
}
