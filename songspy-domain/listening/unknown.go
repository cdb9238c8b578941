package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// sameUnknown handles the open play's track with its progress kept secret: it
// proves that the track plays, and nothing about when it began.
func (s *step) sameUnknown(obs songspy.Observation) {
	n := &s.State
	if n.EndsAt != nil && n.State == songspy.PlayerPlaying && !obs.At.Before(*n.EndsAt) {
		s.anew(obs, *n.EndsAt)
		return
	}
	if most := milliseconds(n.DurationMS + n.PausedMS); n.ProgressMS < 0 && n.DurationMS > 0 && !speech(n.TrackURI) && obs.At.Sub(n.StartedAt) > most+jitter {
		s.outlastSecretly(obs, n.StartedAt.Add(most))
		return
	}
	passed := obs.At.Sub(n.SeenAt)
	switch {
	case n.State == songspy.PlayerPaused: // resumed, nobody knows when: from here on it plays
		n.PausedMS += ms(passed)
	case passed > unwatched: // nobody knows what it did
		n.ProgressMS, n.ElsewhereAt = -1, n.StartedAt // the start stays as it was known
	default:
		n.ListenedMS += ms(passed)
		if n.ProgressMS >= 0 {
			n.ProgressMS += ms(covers(*n, passed))
		}
	}
	n.State, n.PausedSince, n.NothingSince, n.SeenAt = songspy.PlayerPlaying, nil, nil, obs.At
	n.DoubtedAt, n.DoubtedURI, n.Unmoved, n.Stalled = nil, "", false, false
	n.EndsAt = predictedEnd(*n)
	// What has no end is shown by its last sighting, so every sighting tells.
	s.Visible, s.Worth = true, true
}

// outlastSecretly handles a track of secret progress that is shown for longer than it
// lasts: it may be a loop, or a player that nobody listens to. It counts once,
// and is shown as paused from then on.
func (s *step) outlastSecretly(obs songspy.Observation, over time.Time) {
	n := &s.State
	if n.State == songspy.PlayerPlaying {
		n.ListenedMS += ms(max(0, over.Sub(n.SeenAt)))
		s.Visible, s.Worth = true, true
	}
	over = later(over, n.StartedAt)
	n.State, n.Stalled, n.SeenAt, n.NothingSince, n.DoubtedAt, n.DoubtedURI = songspy.PlayerPaused, true, obs.At, nil, nil, ""
	n.PausedSince, n.EndsAt = &over, &over
}

// sameNowKnown handles the open play's track once its progress is told at last.
func (s *step) sameNowKnown(obs songspy.Observation) {
	n := &s.State
	implied := obs.At.Add(-lasts(*n, obs.Progress))
	if implied.After(n.SeenAt) {
		s.anew(obs, implied)
		return
	}
	var listened time.Duration
	if n.State == songspy.PlayerPlaying {
		listened = max(0, min(obs.At.Sub(n.SeenAt), obs.Progress))
	}
	s.goOn(obs, listened)
	s.Visible, s.Worth = true, true
}
