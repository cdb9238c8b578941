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
	seen := s.lastElsewhere(obs)
	implied := obs.At.Add(-obs.Progress)
	if obs.Progress < 0 || implied.Before(seen.Add(-jitter)) {
		// Nobody knows when it began: it keeps its progress to itself, or came
		// in somewhere in the middle, as episodes do that are resumed.
		return later(seen, s.end(s.endBy(obs.At), false))
	}
	began := later(implied, seen)
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && implied.Sub(*n.EndsAt).Abs() <= seamless && !left(n) {
		return later(seen, s.end(earlier(*n.EndsAt, began), true))
	}
	if obs.Sighting == songspy.SightingPlaying && s.probable(began) {
		return later(seen, began)
	}
	return later(seen, s.end(s.endBy(began), false))
}

// likely is the least that a probable play may have sounded: of shorter ones
// that the next track leaves room for, about half were left sooner.
const likely = 45 * time.Second

// probable ends the open play as a probable one where the next track began
// before the predicted end, and what sounded until then would count if nothing
// was played in between. It reports false if this is not such a play.
func (s *step) probable(began time.Time) bool {
	n := s.State
	unseen := began.Sub(n.SeenAt)
	if n.State != songspy.PlayerPlaying || n.NothingSince != nil || n.EndsAt == nil || began.After(*n.EndsAt) ||
		unseen <= 0 || unseen > unwatched || songspy.Counts(n.ListenedMS, n.DurationMS) {
		return false
	}
	n.ListenedMS += ms(unseen)
	p, counts := n.Ended(began, true)
	if !counts || p.ListenedMS < ms(likely) {
		return false
	}
	p.InferredMS, p.Probable = min(ms(unseen), p.ListenedMS), true
	s.Plays = append(s.Plays, p)
	return true
}

// lastElsewhere is when the open play was last seen, its player silent, or a third
// track in sight: what comes into sight now cannot have begun before.
func (s *step) lastElsewhere(obs songspy.Observation) time.Time {
	n := s.State
	seen := n.SeenAt
	if n.NothingSince != nil {
		seen = later(seen, *n.NothingSince)
	}
	if doubtsAnother(n, obs.Track.URI) {
		seen = later(seen, *n.DoubtedAt)
	}
	return seen
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
	if s.State.DoubtedAt != nil {
		at = earlier(at, *s.State.DoubtedAt)
	}
	return at
}

// open opens a play of the observed track. It cannot have begun before the
// last observation of anything else (zero: there was none, and what the track
// did before is anyone's guess).
func (s *step) open(obs songspy.Observation, elsewhere time.Time) {
	started, listened := obs.At, time.Duration(0)
	guess := true
	if obs.Progress >= 0 {
		started = obs.At.Add(-obs.Progress)
		if !elsewhere.IsZero() {
			listened, guess = obs.Progress, false
		}
	}
	if gap := elsewhere.Sub(started); !elsewhere.IsZero() && gap > 0 {
		started, listened = elsewhere, obs.At.Sub(elsewhere)
		if gap > jitter { // resumed or sought forward: how much of it sounded is not known
			listened, guess = 0, true
		}
	}
	former := s.State
	if obs.Progress >= knownFrom && doubtsAnother(former, obs.Track.URI) { // it may be the progress of that one
		listened, guess = 0, true
	}
	s.State = songspy.NowPlaying{
		UserID: former.UserID, Generation: former.Generation,
		State: songspy.PlayerPlaying, TrackURI: obs.Track.URI, DurationMS: lengthTold(obs),
		StartedAt: started, SeenAt: obs.At, ProgressMS: ms(obs.Progress), ListenedMS: ms(listened),
		ElsewhereAt: elsewhere, Provisional: guess, OpenedAt: obs.At, Polls: 1, HidesProgress: former.HidesProgress,
	}
	if obs.Progress < 0 {
		s.State.ProgressMS = -1
	}
	if former.DoubtedAt != nil { // it has cost its polls already
		s.State.Polls += mostDoubts
	}
	s.State.EndsAt = predictedEnd(s.State)
	if former.TrackURI == obs.Track.URI {
		s.State.TrackID = former.TrackID
	}
	s.Visible, s.Worth = true, true
}

// anew ends the open play by then and opens another one of its track, whose
// start is bounded by that, which may be a guess.
func (s *step) anew(obs songspy.Observation, by time.Time) {
	seen := s.lastElsewhere(obs)
	s.open(obs, later(seen, s.end(s.endBy(by), false)))
	s.State.ElsewhereAt = seen
}

// idle leaves the listener without an open play.
func (s *step) idle(at time.Time) {
	s.State = songspy.NowPlaying{
		UserID: s.State.UserID, Generation: s.State.Generation,
		State: songspy.PlayerIdle, ElsewhereAt: at, OpenedAt: s.State.OpenedAt, Polls: s.State.Polls,
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
	if most := n.StartedAt.Add(milliseconds(n.DurationMS + n.PausedMS)); n.ProgressMS < 0 && n.DurationMS > 0 && !speech(n.TrackURI) {
		at = earlier(at, most) // of secret progress, it may have been seen for hours
	}
	var inferred time.Duration
	if heardOut {
		inferred = max(0, at.Sub(n.SeenAt))
	}
	s.finish(at, inferred, !heardOut && n.State == songspy.PlayerPlaying)
	return at
}

// finish adds the open play, over at that time, to those that ended, if it
// counts. inferred is what of it sounded that nobody saw.
func (s *step) finish(at time.Time, inferred time.Duration, provisional bool) {
	n := s.State
	n.ListenedMS += ms(inferred)
	if p, counts := n.Ended(at, provisional); counts {
		p.InferredMS = min(ms(inferred), p.ListenedMS)
		s.Plays = append(s.Plays, p)
	}
}
