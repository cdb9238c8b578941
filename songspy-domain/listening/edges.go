package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// makeWay ends the open play because something else is in sight, and gives
// what bounds the start of that: the end of the play, and the last time that
// anything else was seen.
func (s *step) makeWay(obs songspy.Observation) (bound time.Time) {
	n := s.State
	seen := s.lastElsewhere()
	if obs.Progress < 0 { // nobody knows when it began
		return later(seen, s.end(s.endBy(obs.At), false))
	}
	implied := obs.At.Add(-obs.Progress)
	began := later(implied, seen)
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && implied.Sub(*n.EndsAt).Abs() <= seamless {
		return later(seen, s.end(earlier(*n.EndsAt, began), true))
	}
	return later(seen, s.end(s.endBy(began), false))
}

// endBy is when the open play ended, if it did by that time and nothing more
// is known: at its predicted end, or when the player fell silent.
func (s *step) endBy(at time.Time) time.Time {
	if s.State.EndsAt != nil {
		at = earlier(at, *s.State.EndsAt)
	}
	if s.State.NothingSince != nil {
		at = earlier(at, *s.State.NothingSince)
	}
	return at
}

// open opens a play of the observed track. It cannot have begun before the
// last observation of anything else (zero: there was none).
func (s *step) open(obs songspy.Observation, elsewhere time.Time) {
	started, listened := obs.At, time.Duration(0)
	guess := true
	if obs.Progress >= 0 {
		started = obs.At.Add(-obs.Progress)
		listened, guess = obs.Progress, elsewhere.IsZero()
	}
	if gap := elsewhere.Sub(started); !elsewhere.IsZero() && gap > 0 {
		started, listened = elsewhere, obs.At.Sub(elsewhere)
		if gap > jitter { // resumed or sought forward: how much of it sounded is not known
			listened, guess = 0, true
		}
	}
	s.State = songspy.NowPlaying{
		UserID: s.State.UserID, Generation: s.State.Generation,
		State: songspy.PlayerPlaying, TrackURI: obs.Track.URI, DurationMS: obs.Track.DurationMS,
		StartedAt: started, SeenAt: obs.At, ProgressMS: ms(obs.Progress), ListenedMS: ms(listened),
		ElsewhereAt: elsewhere, Provisional: guess,
		EndsAt: predictedEnd(obs.At, obs.Progress, obs.Track.DurationMS),
	}
	if obs.Progress < 0 {
		s.State.ProgressMS = -1
	}
	s.Visible, s.Worth = true, true
}

// idle leaves the listener without an open play.
func (s *step) idle(at time.Time) {
	s.State = songspy.NowPlaying{
		UserID: s.State.UserID, Generation: s.State.Generation,
		State: songspy.PlayerIdle, ElsewhereAt: at,
	}
	s.Visible, s.Worth = true, true
}

// end finishes the open play at the given time, or when it was last seen if
// that is later, and gives that time. If the play was heard out, the time from
// its last sighting to then is proven too.
func (s *step) end(at time.Time, heardOut bool) time.Time {
	n := s.State
	if n.State == songspy.PlayerPlaying && at.Before(n.SeenAt) {
		at = n.SeenAt // it was seen then
	}
	if heardOut {
		n.ListenedMS += ms(at.Sub(n.SeenAt))
	}
	s.finish(n, at, !heardOut && n.State == songspy.PlayerPlaying)
	return at
}

// finish adds a play if it counts.
func (s *step) finish(n songspy.NowPlaying, end time.Time, provisional bool) {
	length := ms(end.Sub(n.StartedAt))
	listened := min(n.ListenedMS, length)
	if n.DurationMS > 0 { // sightings that keep their progress secret may add up to more than one round
		listened = min(listened, n.DurationMS)
	}
	if !songspy.Counts(listened, n.DurationMS) {
		return
	}
	s.Plays = append(s.Plays, songspy.Play{
		UserID: n.UserID, TrackID: n.TrackID, TrackURI: n.TrackURI,
		StartedAt: n.StartedAt, EndedAt: end, ListenedMS: listened,
		Source: songspy.SourceLive, Provisional: provisional || n.Provisional,
	})
}
