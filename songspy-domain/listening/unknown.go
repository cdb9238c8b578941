package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// sameUnknown handles the open play's track with its progress kept secret: it
// proves that the track plays, and nothing about when it began.
func (s *step) sameUnknown(obs songspy.Observation) {
	n := &s.State
	if n.EndsAt != nil && n.State == songspy.PlayerPlaying && obs.At.After(n.EndsAt.Add(jitter)) {
		trackID, end := n.TrackID, *n.EndsAt
		s.end(end, false)
		s.open(obs, later(end, n.SeenAt))
		n.TrackID, n.Provisional = trackID, true
		return
	}
	if n.State == songspy.PlayerPlaying {
		n.ListenedMS += ms(obs.At.Sub(n.SeenAt))
		if n.ProgressMS >= 0 {
			n.ProgressMS += ms(obs.At.Sub(n.SeenAt))
		}
	} else { // resumed, nobody knows when: from here on it plays
		n.PausedMS += ms(obs.At.Sub(n.SeenAt))
		if n.EndsAt != nil && n.ProgressMS >= 0 && n.DurationMS > 0 {
			end := obs.At.Add(time.Duration(n.DurationMS-n.ProgressMS) * time.Millisecond)
			n.EndsAt = &end
		} else {
			n.EndsAt = nil
		}
	}
	n.State, n.PausedSince, n.NothingSince, n.SeenAt = songspy.PlayerPlaying, nil, nil, obs.At
	// What has no end is shown by its last sighting, so every sighting tells.
	s.Visible, s.Worth = true, true
}

// sameNowKnown handles the open play's track once its progress is told at last.
func (s *step) sameNowKnown(obs songspy.Observation) {
	implied := obs.At.Add(-obs.Progress)
	n := &s.State
	if implied.After(n.SeenAt) {
		trackID := n.TrackID
		s.end(implied, false)
		s.open(obs, n.SeenAt)
		n.TrackID = trackID
		return
	}
	if implied.Before(n.StartedAt) {
		n.StartedAt = later(implied, n.ElsewhereAt)
	}
	var listened time.Duration
	if n.State == songspy.PlayerPlaying {
		listened = max(0, min(obs.At.Sub(n.SeenAt), obs.Progress))
	}
	s.goOn(obs, listened)
	s.Visible, s.Worth = true, true
}
