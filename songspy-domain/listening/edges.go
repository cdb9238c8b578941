package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// closeBy ends the open play because something else began at the given time.
func (s *step) closeBy(began time.Time) {
	n := s.State
	if n.EndsAt == nil {
		s.end(began, false)
		return
	}
	end := *n.EndsAt
	heardOut := n.State == songspy.PlayerPlaying && began.Sub(end).Abs() <= seamless
	if !heardOut && n.NothingSince != nil {
		end = earlier(end, *n.NothingSince)
	}
	s.end(earlier(end, began), heardOut)
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

// end finishes the open play at the given time. If it was heard out, the time
// from its last sighting to then is proven too.
func (s *step) end(at time.Time, heardOut bool) {
	n := s.State
	if n.State == songspy.PlayerPlaying && at.Before(n.SeenAt) {
		at = n.SeenAt // it was seen then
	}
	if heardOut {
		n.ListenedMS += ms(at.Sub(n.SeenAt))
	}
	s.finish(n, at, !heardOut && n.State == songspy.PlayerPlaying)
}

// finish adds a play if it counts.
func (s *step) finish(n songspy.NowPlaying, end time.Time, provisional bool) {
	length := ms(end.Sub(n.StartedAt))
	listened := min(n.ListenedMS, length)
	if !songspy.Counts(listened, n.DurationMS) {
		return
	}
	s.Plays = append(s.Plays, songspy.Play{
		UserID: n.UserID, TrackID: n.TrackID, TrackURI: n.TrackURI,
		StartedAt: n.StartedAt, EndedAt: end, ListenedMS: listened,
		Source: songspy.SourceLive, Provisional: provisional || n.Provisional,
	})
}
