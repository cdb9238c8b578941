package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// sameUnknown handles the open play's track with its progress kept secret: it
// proves that the track plays, and nothing about when it began.
func (s *step) continueHidden(obs songspy.Observation) {
	n := &s.State
	if n.EndsAt != nil && n.State == songspy.PlayerPlaying && !obs.At.Before(*n.EndsAt) {
		s.restartPlay(obs, *n.EndsAt)
		return
	}
	if most := fromMillis(n.DurationMS + n.PausedMS); n.ProgressMS < 0 && n.DurationMS > 0 && !isSpeech(n.TrackURI) && obs.At.Sub(n.StartedAt) > most+jitter {
		s.pausePastLength(obs, n.StartedAt.Add(most))
		return
	}
	passed := obs.At.Sub(n.SeenAt)
	switch {
	case n.State == songspy.PlayerPaused: // resumed, nobody knows when: from here on it plays
		n.PausedMS += toMillis(passed)
	case passed > unpolledMax: // nobody knows what it did
		n.ProgressMS, n.OtherSeenAt = -1, n.StartedAt // the start stays as it was known
	default:
		n.ListenedMS += toMillis(passed)
		if n.ProgressMS >= 0 {
			n.ProgressMS += toMillis(trackTime(*n, passed))
		}
	}
	n.State, n.PausedSince, n.IdleSince, n.SeenAt = songspy.PlayerPlaying, nil, nil, obs.At
	n.DoubtedAt, n.Unmoved, n.Stalled = nil, false, false
	n.EndsAt = predictedEnd(*n)
	// What has no end is shown by its last sighting, so every sighting tells.
	s.Visible, s.MustSave = true, true
}

// outlastSecretly handles a track of secret progress that is shown for longer than it
// lasts: it may be a loop, or a player that nobody listens to. It counts once,
// and is shown as paused from then on.
func (s *step) pausePastLength(obs songspy.Observation, over time.Time) {
	n := &s.State
	if n.State == songspy.PlayerPlaying {
		n.ListenedMS += toMillis(max(0, over.Sub(n.SeenAt)))
		s.Visible, s.MustSave = true, true
	}
	over = later(over, n.StartedAt)
	n.State, n.Stalled, n.SeenAt, n.IdleSince, n.DoubtedAt = songspy.PlayerPaused, true, obs.At, nil, nil
	n.PausedSince, n.EndsAt = &over, &over
}

// sameNowKnown handles the open play's track once its progress is told at last.
func (s *step) continueRevealed(obs songspy.Observation) {
	n := &s.State
	implied := obs.At.Add(-clockTime(*n, obs.Progress))
	if implied.After(n.SeenAt) {
		s.restartPlay(obs, implied)
		return
	}
	var listened time.Duration
	if n.State == songspy.PlayerPlaying {
		listened = max(0, min(obs.At.Sub(n.SeenAt), obs.Progress))
	}
	s.continuePlay(obs, listened)
	s.Visible, s.MustSave = true, true
}
