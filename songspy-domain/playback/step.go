package playback

import (
	"math"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// These limits decide what observations prove about a play and its end.
const (
	// jitter is the largest error of a track's start that is computed from one
	// observation. The network and Spotify's clock cause such errors.
	jitter = 3 * time.Second
	// endTolerance is how much earlier or later than predicted a track may end
	// and still count as neither skipped nor paused. Players fade tracks into each
	// other for up to 12 seconds.
	endTolerance = 15 * time.Second
	// gaplessMax is the longest time between the predicted end of a track and the
	// start of the next one for which the track counts as played to its end,
	// although no poll saw that.
	gaplessMax = 5 * time.Second
	// fadeMax is the most by which a song that fades into the next one ends before its
	// predicted end.
	fadeMax = 12*time.Second + 500*time.Millisecond
	// idleConfirmAfter is how long answers must say that nothing plays before they
	// are believed, because such answers of Spotify are sometimes wrong. It applies
	// before the predicted end of a play, or if that end is unknown. It is longer than
	// recheckAfter, after which a poll checks such an answer.
	idleConfirmAfter = 45 * time.Second
	// unpolledMax is how long a player may go without a poll and still count as
	// having played on. After a longer time, such as an outage, the progress
	// may fit by chance.
	unpolledMax = 10 * time.Minute
)

// StepResult is the result of one observation.
type StepResult struct {
	State songspy.NowPlaying
	// Plays are the plays that this observation ended and that are long enough
	// to count, or probable (songspy.Play.Probable), in order.
	Plays []songspy.Play
	// Visible reports that viewers see a difference.
	Visible bool
	// MustSave reports that the state holds something that must survive a
	// crash. A play that only goes on as predicted need not be written.
	MustSave bool
}

// Step applies one observation to a user's state. It ignores an observation that is
// not later than the state's ObservedAt, because the state already contains a newer
// one. But if the state is more than songspy.ClockSkewMax ahead of the observation, it
// was stored before the clock was set back, and NowPlaying.CorrectClock corrects it
// first.
//
// The caller sets the state's UserID, TrackID and Generation; Step clears
// TrackID when a play of another track begins. Times are in microseconds, as
// the store keeps them, so that a stored state gives the same results as one in
// memory.
func Step(state songspy.NowPlaying, obs songspy.Observation) StepResult {
	obs.At = obs.At.Truncate(time.Microsecond)
	state = state.CorrectClock(obs.At)
	if !state.ObservedAt.IsZero() && !obs.At.After(state.ObservedAt) {
		return StepResult{State: state}
	}
	if isUnusable(obs) { // it proves nothing, but counts as a poll
		return StepResult{State: countPoll(state)}
	}
	s := step{StepResult: StepResult{State: countPoll(normalize(state, obs.At))}, before: state, at: obs.At}
	s.resolveLoopCheck(obs)
	switch obs.Kind {
	case songspy.ObservedPlaying:
		s.observePlaying(obs)
	case songspy.ObservedPaused:
		s.observePaused(obs)
	case songspy.ObservedAdvertisement:
		s.observeAdvertisement(obs)
	default:
		s.observeIdle()
	}
	s.State.ObservedAt = obs.At
	return s.StepResult
}

// isUnusable reports whether an observation shows nothing usable.
func isUnusable(obs songspy.Observation) bool {
	switch obs.Kind {
	case songspy.ObservedPlaying, songspy.ObservedPaused:
		return obs.Track.URI == ""
	case songspy.ObservedIdle, songspy.ObservedAdvertisement:
		return false
	default:
		return true
	}
}

// countPoll adds one to the polls that the current play or advertisement break
// has cost.
func countPoll(n songspy.NowPlaying) songspy.NowPlaying {
	if (n.IsOpen() || n.Polls > 0) && n.Polls < math.MaxInt16 {
		n.Polls++
	}
	return n
}

// step holds what one call of Step works on.
type step struct {
	StepResult
	before songspy.NowPlaying // the state before the observation
	at     time.Time
}

func (s *step) observePlaying(obs songspy.Observation) {
	s.hideZeroProgress(&obs)
	open, same := s.State.IsOpen(), s.State.TrackURI == obs.Track.URI
	length := s.knownLength(obs)
	switch over := exceedsLength(obs.Track.URI, length, obs.Progress); {
	case over && !open:
		s.stayIdle()
		return
	case over && same:
		s.endAtLength(obs, length)
		return
	case !open:
		s.openPlay(obs, s.State.OtherSeenAt)
		s.State.Unmoved = obs.Progress >= 0
		return
	case !same && s.deferDoubtful(obs):
		return
	case !same && over:
		s.endPlay(s.endNoLaterThan(obs.At), false)
		s.becomeIdle(obs.At)
		return
	case !same:
		s.changeTrack(obs)
		return
	}
	s.updateLength(obs)
	switch {
	case s.isStalled(obs):
		s.markStalled(obs)
	case s.startLoopCheck(obs): // the play is unchanged: the next poll decides whether the track was repeated
	case obs.Progress < 0:
		s.continueHidden(obs)
	case s.State.ProgressMS < 0:
		s.continueRevealed(obs)
	case s.State.State == songspy.PlayerPaused:
		s.resumePlay(obs)
	default:
		s.stillPlaying(obs)
	}
}

// stillPlaying handles an observation of the open (unfinished) play's track
// that is playing and was playing before, with known progress.
func (s *step) stillPlaying(obs songspy.Observation) {
	s.updateSpeed(obs)
	implied := obs.At.Add(-clockTime(s.State, obs.Progress))
	shift := implied.Sub(anchor(s.State))
	length := clockTime(s.State, instant.Milliseconds(s.State.DurationMS))
	switch {
	case shift.Abs() <= jitter:
		s.continuePlay(obs, s.playedSince(obs))
	case s.keepsSpeed(obs):
		s.continuePlay(obs, obs.At.Sub(s.State.SeenAt))
	case length > 0 && shift >= length-cappedTolerance(length, endTolerance) && !s.mayHavePaused(obs):
		s.playedAgain(obs, implied, length)
	case shift > 0 && s.progressDelta(obs) >= 0:
		s.State.PausedMS += shift.Milliseconds()
		s.continuePlay(obs, s.listenedBeforeDoubt(obs, s.playedSince(obs)))
	default:
		s.continuePlay(obs, s.listenedBeforeDoubt(obs, s.playedDespiteJump(obs)))
	}
}

// playedAgain handles an observation that shows that the track of the open
// (unfinished) play was started again at its end or later. implied is the start that
// the observation's progress implies, and length is the time that the whole track takes.
// playedAgain does not assume that the track was repeated more than once between two
// polls, because a long pause looks the same. Spotify's history adds the plays that are
// missed in this way.
func (s *step) playedAgain(obs songspy.Observation, implied time.Time, length time.Duration) {
	end := *s.State.EndsAt
	late := implied.Sub(end).Abs()
	if late > cappedTolerance(length, endTolerance) || leftBeforeEnd(s.State) {
		s.restartPlay(obs, end)
		s.State.Provisional = true
		return
	}
	s.openPlay(obs, s.endPlay(instant.Earlier(end, implied), late <= gaplessMax))
}

// mayHavePaused reports whether the open (unfinished) play counts as only paused,
// although it may have been started again. That is so if the progress has not moved
// back and Spotify's history never lists the track, so that history cannot decide
// later.
func (s *step) mayHavePaused(obs songspy.Observation) bool {
	return songspy.IsNeverListed(obs.Track.URI) && s.progressDelta(obs) >= -jitter
}

// continuePlay records an observation that shows the open play still playing. It adds
// listened, the time that this observation proves, to the play's listening time.
func (s *step) continuePlay(obs songspy.Observation, listened time.Duration) {
	n := &s.State
	n.State = songspy.PlayerPlaying
	n.ListenedMS += listened.Milliseconds()
	n.SeenAt, n.ProgressMS = obs.At, obs.Progress.Milliseconds()
	n.PausedSince, n.IdleSince, n.DoubtedAt, n.DoubtedURI = nil, nil, nil, ""
	n.Unmoved, n.Stalled = false, false
	n.EndsAt = predictedEnd(*n)
	s.markChanges()
}

// markChanges compares the state of a play that goes on with the state before the
// observation. It sets Visible if viewers see a difference, and MustSave if the change
// must survive a crash.
func (s *step) markChanges() {
	n, before := s.State, s.before
	moved := (n.EndsAt == nil) != (before.EndsAt == nil) ||
		n.EndsAt != nil && n.EndsAt.Sub(*before.EndsAt).Abs() > jitter
	if n.State != before.State || moved || n.EndsAt == nil {
		s.Visible, s.MustSave = true, true
	}
	if songspy.IsCounted(n.ListenedMS, n.DurationMS) && !songspy.IsCounted(before.ListenedMS, before.DurationMS) {
		s.MustSave = true
	}
	if before.IdleSince != nil || before.DoubtedAt != nil {
		s.MustSave = true
	}
}

// changeTrack handles an observation that shows another track than that of the
// open (unfinished) play.
func (s *step) changeTrack(obs songspy.Observation) {
	former, seen := s.State, s.nextStartMin(obs)
	s.openPlay(obs, s.endForNext(obs))
	s.State.OtherSeenAt = seen // not the end of the previous play, which may be a guess
	cut := former.EndsAt != nil && s.State.StartedAt.Before(former.EndsAt.Add(-endTolerance))
	if cut && former.State == songspy.PlayerPlaying {
		s.State.Skips = min(former.Skips+1, 99)
	}
}

func (s *step) observeIdle() {
	n := &s.State
	if !n.IsOpen() {
		s.stayIdle()
		return
	}
	if n.IdleSince == nil { // a single idle answer is often false
		since := s.at // a pointer to s.at would keep the whole step in memory
		n.IdleSince = &since
		return
	}
	mayPlayOn := n.State == songspy.PlayerPlaying && (n.EndsAt == nil || s.at.Before(*n.EndsAt))
	if mayPlayOn && s.at.Sub(*n.IdleSince) < idleConfirmAfter {
		return // two false answers in a row occur; if the play ended here and went on later, it would count twice
	}
	s.endPlay(s.endNoLaterThan(s.at), false)
	s.becomeIdle(s.at)
}

func (s *step) observeAdvertisement(obs songspy.Observation) {
	n := &s.State
	if n.IsOpen() {
		s.endForNext(obs)
		s.becomeIdle(obs.At)
	} else {
		n.State, n.OtherSeenAt = songspy.PlayerIdle, s.at
	}
	if !n.Advertisement { // the first of an advertisement break
		n.OpenedAt, n.Polls = obs.At, 1
	}
	n.Advertisement = true
}

// stayIdle keeps the user idle.
func (s *step) stayIdle() {
	n := &s.State
	n.State, n.OtherSeenAt, n.Advertisement = songspy.PlayerIdle, s.at, false
	if s.at.Sub(n.OpenedAt) > time.Hour { // without these fields, the poller needs less memory for an idle user
		n.OpenedAt, n.Polls = time.Time{}, 0
	}
}

// playedSince returns how long the open (unfinished) play has played since its
// last observation, as far as its progress proves. Progress that the user
// gained by seeking forward does not count.
func (s *step) playedSince(obs songspy.Observation) time.Duration {
	moved, passed := clockTime(s.State, s.progressDelta(obs)), obs.At.Sub(s.State.SeenAt)
	if moved > passed+jitter {
		return 0
	}
	return max(0, min(moved, passed))
}

// playedDespiteJump returns how much of the open play was played since its last
// observation if its progress and the clock disagree. If the progress ran 1 to
// 3.5 times as fast as the clock (a fast podcast, or a jump), all of that time
// counts as played; otherwise none does.
func (s *step) playedDespiteJump(obs songspy.Observation) time.Duration {
	moved, passed := s.progressDelta(obs), obs.At.Sub(s.State.SeenAt)
	if moved >= passed && moved <= scaled(passed, maxSpeed, normalSpeed) {
		return passed
	}
	return 0
}

// listenedBeforeDoubt returns how much of the duration listened counts. If an
// answer since the last observation has shown another track with an impossible
// progress, only the time before that answer counts.
func (s *step) listenedBeforeDoubt(obs songspy.Observation, listened time.Duration) time.Duration {
	if n := s.State; doubtsOtherTrack(n, obs.Track.URI) {
		return min(listened, max(0, n.DoubtedAt.Sub(n.SeenAt)))
	}
	return listened
}

// progressDelta returns how far the progress has moved since the last
// observation of the open play.
func (s *step) progressDelta(obs songspy.Observation) time.Duration {
	return obs.Progress - instant.Milliseconds(s.State.ProgressMS)
}

// anchor returns when the open (unfinished) play began, if it played without
// pauses and jumps.
func anchor(n songspy.NowPlaying) time.Time {
	return n.SeenAt.Add(-clockTime(n, instant.Milliseconds(n.ProgressMS)))
}

// cappedTolerance limits a tolerance to a quarter of the track's length. A
// larger one would accept any time for a very short track.
func cappedTolerance(length, tolerance time.Duration) time.Duration { return min(tolerance, length/4) }

func (s *step) observePaused(obs songspy.Observation) {
	s.hideZeroProgress(&obs)
	if !s.State.IsOpen() {
		// A player that becomes active shows the track that it played last,
		// perhaps days ago, so no listening time counts.
		s.openPaused(obs, s.State.OtherSeenAt)
		s.State.ListenedMS = 0
		return
	}
	if s.State.TrackURI == obs.Track.URI {
		s.updateLength(obs)
		if s.pausePlay(obs) {
			return
		}
	}
	seen := s.nextStartMin(obs)
	s.openPaused(obs, s.endForNext(obs))
	s.State.OtherSeenAt = seen
}

// pausePlay handles an observation that shows the open play's track paused. It
// returns false if the observation must belong to another play of the same
// track.
func (s *step) pausePlay(obs songspy.Observation) bool {
	n := &s.State
	since := obs.At
	known := obs.Progress >= 0 && n.ProgressMS >= 0
	moved, wasPaused := s.progressDelta(obs), n.State == songspy.PlayerPaused
	switch {
	case wasPaused && (!known || moved.Abs() <= jitter):
		since = *n.PausedSince // the same pause goes on
	case !known || clockTime(*n, moved) > obs.At.Sub(n.SeenAt)+jitter: // unknown, or the user sought forward: no listening time is proven
	case wasPaused: // it was resumed and paused again
		n.ListenedMS += s.playedSince(obs).Milliseconds()
	case moved >= 0:
		since = n.SeenAt.Add(s.playedSince(obs))
		n.ListenedMS += s.playedSince(obs).Milliseconds()
	case n.EndsAt != nil && obs.At.After(*n.EndsAt):
		return false
	}
	n.PausedMS += obs.At.Sub(instant.Later(since, n.SeenAt)).Milliseconds()
	n.State, n.SeenAt, n.IdleSince, n.DoubtedAt, n.DoubtedURI, n.Stalled = songspy.PlayerPaused, obs.At, nil, nil, "", false
	if obs.Progress >= 0 {
		n.ProgressMS = obs.Progress.Milliseconds()
	}
	n.PausedSince, n.EndsAt = &since, &since
	s.markChanges()
	return true
}

// openPaused opens a play whose first observation shows it paused. The track was
// played at some time since otherSeenAt (see openPlay).
func (s *step) openPaused(obs songspy.Observation, otherSeenAt time.Time) {
	s.openPlay(obs, otherSeenAt)
	n := &s.State
	n.State, n.Provisional = songspy.PlayerPaused, true
	n.PausedSince, n.EndsAt = &obs.At, &obs.At
}

// resumePlay handles an observation of the open (unfinished) play's track that
// was paused before and is playing now.
func (s *step) resumePlay(obs songspy.Observation) {
	implied := obs.At.Add(-clockTime(s.State, obs.Progress))
	if s.progressDelta(obs) >= -jitter || implied.Before(s.State.SeenAt) { // resumed, or sought while paused
		s.State.PausedMS += max(0, implied.Sub(anchor(s.State)).Milliseconds())
		s.continuePlay(obs, s.playedSince(obs))
		return
	}
	s.restartPlay(obs, implied)
	s.State.Provisional = true
}

// continueHidden handles an observation of the open play's track without
// progress: it proves that the track plays, but not when it began.
func (s *step) continueHidden(obs songspy.Observation) {
	n := &s.State
	if n.EndsAt != nil && n.State == songspy.PlayerPlaying && !obs.At.Before(*n.EndsAt) {
		if !n.HidesProgress {
			s.restartPlay(obs, *n.EndsAt)
			return
		}
		// The player stopped reporting its progress before the predicted end of the track, and
		// still shows the track after that end. So the track may have been repeated, but without
		// progress a second play cannot be recognized: everything counts as one play.
		n.ProgressMS, n.HidesProgress, n.OtherSeenAt = -1, false, n.StartedAt
	}
	if most := instant.Milliseconds(n.DurationMS + n.PausedMS); n.ProgressMS < 0 && n.DurationMS > 0 && !songspy.IsSpeech(n.TrackURI) && obs.At.Sub(n.StartedAt) > most+jitter {
		s.pausePastLength(obs, n.StartedAt.Add(most))
		return
	}
	passed := obs.At.Sub(n.SeenAt)
	switch {
	case n.State == songspy.PlayerPaused: // resumed at an unknown time: it plays from here on
		n.PausedMS += passed.Milliseconds()
	case passed > unpolledMax: // it is unknown how much of that time was played
		n.ProgressMS, n.OtherSeenAt = -1, n.StartedAt // OtherSeenAt keeps the start as the lower bound of SettledUntil
	default:
		n.ListenedMS += passed.Milliseconds()
		if n.ProgressMS >= 0 {
			n.ProgressMS, n.HidesProgress = n.ProgressMS+trackTime(*n, passed).Milliseconds(), true
		}
	}
	n.State, n.PausedSince, n.IdleSince, n.SeenAt = songspy.PlayerPlaying, nil, nil, obs.At
	n.DoubtedAt, n.DoubtedURI, n.Unmoved, n.Stalled = nil, "", false, false
	n.EndsAt = predictedEnd(*n)
	// The board (live list) shows a play with an unknown end for some time after its last
	// observation, so every observation changes what viewers see.
	s.Visible, s.MustSave = true, true
}

// pausePastLength handles a track whose progress is unknown and that plays for
// longer than its length: it is repeated, or nobody listens. It counts as one whole
// play. The argument over is when the length was reached. From then on, the player is
// treated as paused.
func (s *step) pausePastLength(obs songspy.Observation, over time.Time) {
	n := &s.State
	if n.State == songspy.PlayerPlaying {
		n.ListenedMS += max(0, over.Sub(n.SeenAt)).Milliseconds()
		s.Visible, s.MustSave = true, true
	}
	over = instant.Later(over, n.StartedAt)
	n.State, n.Stalled, n.SeenAt, n.IdleSince, n.DoubtedAt, n.DoubtedURI = songspy.PlayerPaused, true, obs.At, nil, nil, ""
	n.PausedSince, n.EndsAt = &over, &over
}

// continueRevealed handles an observation of the open (unfinished) play's track
// that reports its progress, after an observation that did not.
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
