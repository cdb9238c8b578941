package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// makeWay ends the open play because something else is in sight, and gives
// what bounds the start of that: the end of the play, and the last time that
// anything else was seen.
func (s *step) endForNext(obs songspy.Observation) (bound time.Time) {
	n := s.State
	seen := s.nextStartMin(obs)
	implied := obs.At.Add(-obs.Progress)
	if obs.Progress < 0 || implied.Before(seen.Add(-jitter)) {
		// Nobody knows when it began: it keeps its progress to itself, or came
		// in somewhere in the middle, as episodes do that are resumed.
		return later(seen, s.endPlay(s.endNoLaterThan(obs.At), false))
	}
	began := later(implied, seen)
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && implied.Sub(*n.EndsAt).Abs() <= gaplessMax && !left(n) {
		return later(seen, s.endPlay(earlier(*n.EndsAt, began), true))
	}
	if obs.Kind == songspy.ObservedPlaying && s.endProbable(began) {
		return later(seen, began)
	}
	return later(seen, s.endPlay(s.endNoLaterThan(began), false))
}

// probable ends the open play as a probable one where the next track began
// before the predicted end, and what sounded until then would count if nothing
// was played in between. It reports false if this is not such a play.
func (s *step) endProbable(began time.Time) bool {
	n := s.State
	unseen := began.Sub(n.SeenAt)
	if n.State != songspy.PlayerPlaying || n.IdleSince != nil || n.EndsAt == nil || began.After(*n.EndsAt) ||
		unseen <= 0 || unseen > unpolledMax || songspy.IsCounted(n.ListenedMS, n.DurationMS) {
		return false
	}
	n.ListenedMS += toMillis(unseen)
	p, counted := n.FinishedPlay(began, true)
	if !counted || p.ListenedMS < toMillis(listedPlayMin) {
		return false
	}
	p.InferredMS, p.Probable = min(toMillis(unseen), p.ListenedMS), true
	s.Plays = append(s.Plays, p)
	return true
}

// lastElsewhere is when the open play was last seen, its player silent, or a third
// track in sight: what comes into sight now cannot have begun before.
func (s *step) nextStartMin(obs songspy.Observation) time.Time {
	n := s.State
	seen := n.SeenAt
	if n.IdleSince != nil {
		seen = later(seen, *n.IdleSince)
	}
	if doubtsAnother(n, obs.Track.URI) {
		seen = later(seen, *n.DoubtedAt)
	}
	return seen
}

// endBy is when the open play ended, if it did by that time and nothing more
// is known: at its predicted end, or when the player fell silent.
func (s *step) endNoLaterThan(at time.Time) time.Time {
	if s.State.EndsAt != nil {
		at = earlier(at, *s.State.EndsAt)
	}
	if s.State.IdleSince != nil {
		at = earlier(at, *s.State.IdleSince)
	}
	if s.State.DoubtedAt != nil {
		at = earlier(at, *s.State.DoubtedAt)
	}
	return at
}

// open opens a play of the observed track. It cannot have begun before the
// last observation of anything else (zero: there was none, and what the track
// did before is anyone's guess).
func (s *step) openPlay(obs songspy.Observation, otherSeenAt time.Time) {
	started, listened := obs.At, time.Duration(0)
	guess := true
	if obs.Progress >= 0 {
		started = obs.At.Add(-obs.Progress)
		if !otherSeenAt.IsZero() {
			listened, guess = obs.Progress, false
		}
	}
	if gap := otherSeenAt.Sub(started); !otherSeenAt.IsZero() && gap > 0 {
		started, listened = otherSeenAt, obs.At.Sub(otherSeenAt)
		if gap > jitter { // resumed or sought forward: how much of it sounded is not known
			listened, guess = 0, true
		}
	}
	former := s.State
	if obs.Progress >= distinctProgressMin && doubtsAnother(former, obs.Track.URI) { // it may be the progress of that one
		listened, guess = 0, true
	}
	s.State = songspy.NowPlaying{
		UserID: former.UserID, Generation: former.Generation,
		State: songspy.PlayerPlaying, TrackURI: obs.Track.URI, DurationMS: reportedLength(obs),
		StartedAt: started, SeenAt: obs.At, ProgressMS: toMillis(obs.Progress), ListenedMS: toMillis(listened),
		OtherSeenAt: otherSeenAt, Provisional: guess, OpenedAt: obs.At, Polls: 1, HidesProgress: former.HidesProgress,
	}
	if obs.Progress < 0 {
		s.State.ProgressMS = -1
	}
	if former.DoubtedAt != nil { // it has cost its polls already
		s.State.Polls += doubtPollsMax
	}
	s.State.EndsAt = predictedEnd(s.State)
	if former.TrackURI == obs.Track.URI {
		s.State.TrackID = former.TrackID
	}
	s.Visible, s.MustSave = true, true
}

// anew ends the open play by then and opens another one of its track, whose
// start is bounded by that, which may be a guess.
func (s *step) restartPlay(obs songspy.Observation, by time.Time) {
	seen := s.nextStartMin(obs)
	s.openPlay(obs, later(seen, s.endPlay(s.endNoLaterThan(by), false)))
	s.State.OtherSeenAt = seen
}

// idle leaves the listener without an open play.
func (s *step) becomeIdle(at time.Time) {
	s.State = songspy.NowPlaying{
		UserID: s.State.UserID, Generation: s.State.Generation,
		State: songspy.PlayerIdle, OtherSeenAt: at, OpenedAt: s.State.OpenedAt, Polls: s.State.Polls,
	}
	s.Visible, s.MustSave = true, true
}

// end finishes the open play at the given time, or when it was last seen if
// that is later, and gives that time. If the play was heard out, the time from
// its last sighting to then is proven too.
func (s *step) endPlay(at time.Time, playedToEnd bool) time.Time {
	n := s.State
	if n.State == songspy.PlayerPlaying && at.Before(n.SeenAt) {
		at = n.SeenAt // it was seen then
	}
	if most := n.StartedAt.Add(fromMillis(n.DurationMS + n.PausedMS)); n.ProgressMS < 0 && n.DurationMS > 0 && !isSpeech(n.TrackURI) {
		at = earlier(at, most) // of secret progress, it may have been seen for hours
	}
	var inferred time.Duration
	if playedToEnd {
		inferred = max(0, at.Sub(n.SeenAt))
	}
	s.addPlay(at, inferred, !playedToEnd && n.State == songspy.PlayerPlaying)
	return at
}

// finish adds the open play, over at that time, to those that ended, if it
// counts. inferred is what of it sounded that nobody saw.
func (s *step) addPlay(at time.Time, inferred time.Duration, provisional bool) {
	n := s.State
	n.ListenedMS += toMillis(inferred)
	if p, counted := n.FinishedPlay(at, provisional); counted {
		p.InferredMS = min(toMillis(inferred), p.ListenedMS)
		s.Plays = append(s.Plays, p)
	}
}

// sound is the state as the rules rely on it, whatever a database or an older
// release made of it: its times in order, none of them after now, and what
// follows from the rest derived anew.
func normalize(n songspy.NowPlaying, now time.Time) songspy.NowPlaying {
	if !n.IsOpen() {
		n.OtherSeenAt = earlier(n.OtherSeenAt, now)
		n.OpenedAt, n.Polls = earlier(n.OpenedAt, now), max(n.Polls, 0)
		return n
	}
	n.SeenAt = earlier(n.SeenAt, now)
	n.StartedAt = earlier(n.StartedAt, n.SeenAt)
	n.OtherSeenAt = earlier(n.OtherSeenAt, n.StartedAt)
	n.ProgressMS, n.DurationMS = max(n.ProgressMS, -1), max(n.DurationMS, 0)
	n.ListenedMS, n.PausedMS = max(n.ListenedMS, 0), max(n.PausedMS, 0)
	if n.DoubtedAt != nil {
		since := clamp(*n.DoubtedAt, n.SeenAt, now)
		n.DoubtedAt = &since
	}
	if n.DoubtedAt == nil || n.DoubtedURI == n.TrackURI {
		n.DoubtedURI = ""
	}
	n.Stalled = n.Stalled && (n.State == songspy.PlayerPaused || n.DoubtedAt != nil)
	if n.IdleSince != nil {
		before := now
		if roundPending(n) {
			before = *n.DoubtedAt // its track was seen then
		}
		since := clamp(*n.IdleSince, n.SeenAt, before)
		n.IdleSince = &since
	}
	n.OpenedAt, n.Polls = clamp(n.OpenedAt, n.StartedAt, n.SeenAt), max(n.Polls, 1)
	if n.Speed != 0 && !isSpeech(n.TrackURI) || n.Speed < minSpeed-minSpeed/speedToleranceDivisor || n.Speed > maxSpeed+maxSpeed/speedToleranceDivisor {
		n.Speed = 0
	}
	if n.LastSpeed < 0 || n.LastSpeed > maxSpeed+maxSpeed/speedToleranceDivisor {
		n.LastSpeed = 0
	}
	if n.State == songspy.PlayerPlaying {
		n.PausedSince, n.EndsAt = nil, predictedEnd(n)
		return n
	}
	since := n.SeenAt
	if n.PausedSince != nil {
		since = clamp(*n.PausedSince, n.StartedAt, n.SeenAt)
	}
	n.PausedSince, n.EndsAt = &since, &since
	return n
}

// predictedEnd is when a play that sounds will be over; nil if unknown.
func predictedEnd(n songspy.NowPlaying) *time.Time {
	if n.ProgressMS < 0 || n.DurationMS <= 0 {
		return nil
	}
	end := n.SeenAt.Add(clockTime(n, max(0, fromMillis(n.DurationMS-n.ProgressMS))))
	return &end
}

// lengthTold is how long an observation says that its track is, in
// milliseconds; 0 if it does not, or speech is further in than that:
// advertisements lengthen it beyond what its page says.
func reportedLength(obs songspy.Observation) int64 {
	reported := max(obs.Track.DurationMS, 0)
	if isSpeech(obs.Track.URI) && obs.Progress > fromMillis(reported)+jitter {
		return 0
	}
	return reported
}

// learnLength takes over the length of the open play's track as it is told
// now, and that it is unknown if the play has outlived it.
func (s *step) updateLength(obs songspy.Observation) {
	n := &s.State
	if obs.Track.DurationMS <= 0 {
		obs.Track.DurationMS = n.DurationMS
	}
	n.DurationMS = reportedLength(obs)
	if n.State == songspy.PlayerPlaying {
		n.EndsAt = predictedEnd(*n)
	}
}
