package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// endForNext ends the open (unfinished) play because a poll shows another track
// or an advertisement. It returns the earliest time at which the other track or the
// advertisement can have begun: when the play ended, or nextStartMin, whichever is
// later.
func (s *step) endForNext(obs songspy.Observation) (bound time.Time) {
	n := s.State
	seen := s.nextStartMin(obs)
	implied := obs.At.Add(-obs.Progress)
	if obs.Progress < 0 || implied.Before(seen.Add(-jitter)) {
		// The start of the next track cannot be computed: the device reports no
		// progress, or the track began in the middle, as resumed episodes do.
		return instant.Later(seen, s.endPlay(s.endNoLaterThan(obs.At), false))
	}
	began := instant.Later(implied, seen)
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && mayEndAt(n, implied) && !leftBeforeEnd(n) {
		return instant.Later(seen, s.endPlay(instant.Earlier(*n.EndsAt, began), true))
	}
	if obs.Kind == songspy.ObservedPlaying && s.endProbable(began) {
		return instant.Later(seen, began)
	}
	return instant.Later(seen, s.endPlay(s.endNoLaterThan(began), false))
}

// mayEndAt reports whether the next track began so close to the predicted end
// that the open play was played to its end. The argument began is the start of the
// next track. It may lie at most gaplessMax before or after the predicted end. For a
// track of more than a minute it may lie up to fadeMax before the predicted end, because
// players fade such tracks into each other.
func mayEndAt(n songspy.NowPlaying, began time.Time) bool {
	early := gaplessMax
	if n.DurationMS > time.Minute.Milliseconds() {
		early = fadeMax
	}
	after := began.Sub(*n.EndsAt)
	return after >= -early && after <= gaplessMax
}

// probablePlayMin is the shortest probable play (songspy.Play.Probable). Plays that seem
// shorter are not stored as probable, because about half of them really ended earlier than
// assumed.
const probablePlayMin = 45 * time.Second

// endProbable ends the open (unfinished) play as a probable play and returns true, if polls
// prove too little of the play to count, but the play is at least probablePlayMin long if it
// went on until the next track began. The argument began is the start of the next track.
// Otherwise endProbable changes nothing and returns false. It also returns false if began is
// after the predicted end or more than unpolledMax after the last observation of the play, if
// the play was paused, or if an idle or a doubtful answer came in between.
func (s *step) endProbable(began time.Time) bool {
	n := s.State
	unseen := began.Sub(n.SeenAt)
	if n.State != songspy.PlayerPlaying || n.IdleSince != nil || n.DoubtedAt != nil || n.EndsAt == nil || began.After(*n.EndsAt) ||
		unseen <= 0 || unseen > unpolledMax || songspy.IsCounted(n.ListenedMS, n.DurationMS) {
		return false
	}
	n.ListenedMS += unseen.Milliseconds()
	p, counted := n.FinishedPlay(began, true)
	if !counted || p.ListenedMS < probablePlayMin.Milliseconds() {
		return false
	}
	p.InferredMS, p.Probable = min(unseen.Milliseconds(), p.ListenedMS), true
	s.Plays = append(s.Plays, p)
	return true
}

// nextStartMin returns the earliest possible start of the next track, which obs shows: the
// last observation of the open play, the first idle answer after it, or the first doubtful
// answer after it with a third track, whichever is latest.
func (s *step) nextStartMin(obs songspy.Observation) time.Time {
	n := s.State
	seen := n.SeenAt
	if n.IdleSince != nil {
		seen = instant.Later(seen, *n.IdleSince)
	}
	if doubtsOtherTrack(n, obs.Track.URI) {
		seen = instant.Later(seen, *n.DoubtedAt)
	}
	return seen
}

// endNoLaterThan returns when the open (unfinished) play ended if it had ended
// by the given time: at that time, at its predicted end, or when the player
// first showed something else, whichever is earliest.
func (s *step) endNoLaterThan(at time.Time) time.Time {
	if s.State.EndsAt != nil {
		at = instant.Earlier(at, *s.State.EndsAt)
	}
	if s.State.IdleSince != nil {
		at = instant.Earlier(at, *s.State.IdleSince)
	}
	if s.State.DoubtedAt != nil {
		at = instant.Earlier(at, *s.State.DoubtedAt)
	}
	return at
}

// openPlay begins a play of the observed track. The play cannot have begun
// before otherSeenAt: when a poll last showed something else, or when the previous
// play ended. If otherSeenAt is zero, no poll has shown anything else, and the start
// is a guess.
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
		if gap > jitter { // resumed or sought forward: how much was played is unknown
			listened, guess = 0, true
		}
	}
	former := s.State
	if obs.Progress >= distinctProgressMin && doubtsOtherTrack(former, obs.Track.URI) { // the progress may be that of the doubted track
		listened, guess = 0, true
	}
	s.State = songspy.NowPlaying{
		UserID: former.UserID, Generation: former.Generation,
		State: songspy.PlayerPlaying, TrackURI: obs.Track.URI, DurationMS: reportedLength(obs),
		StartedAt: started, SeenAt: obs.At, ProgressMS: obs.Progress.Milliseconds(), ListenedMS: listened.Milliseconds(),
		OtherSeenAt: otherSeenAt, Provisional: guess, OpenedAt: obs.At, Polls: 1, HidesProgress: alwaysZero(former),
	}
	if obs.Progress < 0 {
		s.State.ProgressMS = -1
	}
	if former.DoubtedAt != nil { // the polls that checked the doubtful answer count too
		s.State.Polls += doubtPollsMax
	}
	s.State.EndsAt = predictedEnd(s.State)
	if former.TrackURI == obs.Track.URI {
		s.State.TrackID = former.TrackID
	}
	s.Visible, s.MustSave = true, true
}

// restartPlay ends the open (unfinished) play, and begins another play of the same
// track. The argument by is the latest possible end of the open play (see
// endNoLaterThan).
func (s *step) restartPlay(obs songspy.Observation, by time.Time) {
	seen := s.nextStartMin(obs)
	s.openPlay(obs, instant.Later(seen, s.endPlay(s.endNoLaterThan(by), false)))
	s.State.OtherSeenAt = seen
}

// becomeIdle sets the state of a player that plays nothing, without an open
// play.
func (s *step) becomeIdle(at time.Time) {
	s.State = songspy.NowPlaying{
		UserID: s.State.UserID, Generation: s.State.Generation,
		State: songspy.PlayerIdle, OtherSeenAt: at, OpenedAt: s.State.OpenedAt, Polls: s.State.Polls,
	}
	s.Visible, s.MustSave = true, true
}

// endPlay ends the open (unfinished) play at the given time. A play that is not paused
// ends when it was last observed, if that is later. A song without progress ends at its
// length at the latest. endPlay returns the end. If playedToEnd is true,
// the time since the last observation counts as listened too. Otherwise the end is
// provisional, unless the play was paused.
func (s *step) endPlay(at time.Time, playedToEnd bool) time.Time {
	n := s.State
	if n.State == songspy.PlayerPlaying && at.Before(n.SeenAt) {
		at = n.SeenAt // the play was still observed then
	}
	if most := n.StartedAt.Add(instant.Milliseconds(n.DurationMS + n.PausedMS)); n.ProgressMS < 0 && n.DurationMS > 0 && !songspy.IsSpeech(n.TrackURI) {
		at = instant.Earlier(at, most) // a track without progress may be shown for hours
	}
	var inferred time.Duration
	if playedToEnd {
		inferred = max(0, at.Sub(n.SeenAt))
	}
	s.addPlay(at, inferred, !playedToEnd && n.State == songspy.PlayerPlaying)
	return at
}

// addPlay adds the open play, ended at the given time, to the finished plays if
// it was long enough to count. inferred is the part of its listening time that
// no poll observed.
func (s *step) addPlay(at time.Time, inferred time.Duration, provisional bool) {
	n := s.State
	n.ListenedMS += inferred.Milliseconds()
	if p, counted := n.FinishedPlay(at, provisional); counted {
		p.InferredMS = min(inferred.Milliseconds(), p.ListenedMS)
		s.Plays = append(s.Plays, p)
	}
}

// normalize repairs a stored state that another release or a faulty database
// may have written. It puts the times in order, moves times after now to now or
// earlier, replaces invalid numbers, and computes derived fields again. The other
// functions of Step rely on such a state.
func normalize(n songspy.NowPlaying, now time.Time) songspy.NowPlaying {
	if !n.IsOpen() {
		n.OtherSeenAt = instant.Earlier(n.OtherSeenAt, now)
		n.OpenedAt, n.Polls = instant.Earlier(n.OpenedAt, now), max(n.Polls, 0)
		return n
	}
	n.SeenAt = instant.Earlier(n.SeenAt, now)
	n.StartedAt = instant.Earlier(n.StartedAt, n.SeenAt)
	n.OtherSeenAt = instant.Earlier(n.OtherSeenAt, n.StartedAt)
	n.ProgressMS, n.DurationMS = max(n.ProgressMS, -1), max(n.DurationMS, 0)
	n.ListenedMS, n.PausedMS = max(n.ListenedMS, 0), max(n.PausedMS, 0)
	if n.DoubtedAt != nil {
		since := instant.Clamp(*n.DoubtedAt, n.SeenAt, now)
		n.DoubtedAt = &since
	}
	if n.DoubtedAt == nil || n.DoubtedURI == n.TrackURI {
		n.DoubtedURI = ""
	}
	n.Stalled = n.Stalled && (n.State == songspy.PlayerPaused || n.DoubtedAt != nil)
	if n.IdleSince != nil {
		before := now
		if loopCheckPending(n) {
			before = *n.DoubtedAt // the play's track was observed then
		}
		since := instant.Clamp(*n.IdleSince, n.SeenAt, before)
		n.IdleSince = &since
	}
	n.OpenedAt, n.Polls = instant.Clamp(n.OpenedAt, n.StartedAt, n.SeenAt), max(n.Polls, 1)
	if n.Speed != 0 && !songspy.IsSpeech(n.TrackURI) || n.Speed < minSpeed-minSpeed/speedToleranceDivisor || n.Speed > maxSpeed+maxSpeed/speedToleranceDivisor {
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
		since = instant.Clamp(*n.PausedSince, n.StartedAt, n.SeenAt)
	}
	n.PausedSince, n.EndsAt = &since, &since
	return n
}

// predictedEnd returns when the current play will end if it goes on without a
// pause or skip, or nil if that is unknown.
func predictedEnd(n songspy.NowPlaying) *time.Time {
	if n.ProgressMS < 0 || n.DurationMS <= 0 {
		return nil
	}
	end := n.SeenAt.Add(clockTime(n, max(0, instant.Milliseconds(n.DurationMS-n.ProgressMS))))
	return &end
}

// reportedLength returns the length of the observed track in milliseconds. It
// is 0 if it is unknown. It is also 0 if the progress of an episode or a chapter is
// beyond the reported length, because inserted advertisements have made it longer.
func reportedLength(obs songspy.Observation) int64 {
	reported := max(obs.Track.DurationMS, 0)
	if songspy.IsSpeech(obs.Track.URI) && obs.Progress > instant.Milliseconds(reported)+jitter {
		return 0
	}
	return reported
}

// updateLength sets the length of the open play's track to the reported one, if the
// observation reports any, and computes the predicted end again.
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
