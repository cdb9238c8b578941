package playback

import (
	"math"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// How far sightings may stray and still tell the same story.
const (
	// jitter is what the network and the provider's clock add to an anchor.
	jitter = 3 * time.Second
	// crossfade is how much earlier or later than predicted a song's end may
	// come: players fade songs into each other for up to 12 seconds.
	crossfadeMax = 15 * time.Second
	// seamless is how close to the predicted end the next song must begin for
	// the former to have been heard to its end.
	gaplessMax = 5 * time.Second
	// doubted is for how long a player must be silent to be believed before the
	// end of what it played: longer than two looks are apart.
	idleConfirmAfter = 45 * time.Second
	// unwatched is how long a player may go without a look and still be
	// believed to have done the same all the while: looks are minutes apart,
	// and through an outage any coincidence is likely.
	unpolledMax = 10 * time.Minute
)

// Outcome is what one observation adds up to.
type StepResult struct {
	State songspy.NowPlaying
	// Plays are the plays that ended and count, in order.
	Plays []songspy.Play
	// Visible says that viewers see a difference.
	Visible bool
	// Worth says that the state holds something that the stored one must not
	// lack after a crash; what merely goes on as predicted is not worth a write.
	MustSave bool
}

// Step applies one observation to a listener's state. An observation that is
// not later than the state's is ignored: it comes from a former owner of the
// listener. A state that is minutes ahead of the observation was stored under a
// clock that has been set back since, and counts as NowPlaying.NotAhead says.
//
// The state's UserID, TrackID and Generation are the caller's; Step clears
// TrackID when another track opens. Times are kept as the store keeps them, so
// that a state read back means the same.
func Step(state songspy.NowPlaying, obs songspy.Observation) StepResult {
	obs.At = obs.At.Truncate(time.Microsecond)
	state = state.CorrectClock(obs.At)
	if !state.ObservedAt.IsZero() && !obs.At.After(state.ObservedAt) {
		return StepResult{State: state}
	}
	if isUnusable(obs) { // it proves nothing, and costs a poll all the same
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

// saysNothing reports whether an observation holds nothing usable.
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

// countPoll counts a poll since something was last opened.
func countPoll(n songspy.NowPlaying) songspy.NowPlaying {
	if (n.IsOpen() || n.Polls > 0) && n.Polls < math.MaxInt16 {
		n.Polls++
	}
	return n
}

// step is one application of Step under way.
type step struct {
	StepResult
	before songspy.NowPlaying // the state as it was given
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
	case s.startLoopCheck(obs): // until it is known, nothing changes
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

// same handles the open play's track, playing before and now, progress known.
func (s *step) stillPlaying(obs songspy.Observation) {
	s.updateSpeed(obs)
	implied := obs.At.Add(-clockTime(s.State, obs.Progress))
	shift := implied.Sub(anchor(s.State))
	length := clockTime(s.State, fromMillis(s.State.DurationMS))
	switch {
	case shift.Abs() <= jitter:
		s.continuePlay(obs, s.playedSince(obs))
	case s.keepsSpeed(obs):
		s.continuePlay(obs, obs.At.Sub(s.State.SeenAt))
	case length > 0 && shift >= length-cappedTolerance(length, crossfadeMax) && !s.mayHavePaused(obs):
		s.playedAgain(obs, implied, length)
	case shift > 0 && s.progressDelta(obs) >= 0:
		s.State.PausedMS += toMillis(shift)
		s.continuePlay(obs, s.untilLeft(obs, s.playedSince(obs)))
	default:
		s.continuePlay(obs, s.untilLeft(obs, s.playedDespiteJump(obs)))
	}
}

// again handles the open play's track begun anew: right at its end, or later.
// What a loop did in whole rounds that nobody looked at, history tells: a pause
// as long as they are would look the same.
func (s *step) playedAgain(obs songspy.Observation, implied time.Time, length time.Duration) {
	end := *s.State.EndsAt
	late := implied.Sub(end).Abs()
	if late > cappedTolerance(length, crossfadeMax) || left(s.State) {
		s.restartPlay(obs, end)
		s.State.Provisional = true
		return
	}
	s.openPlay(obs, s.endPlay(earlier(end, implied), late <= gaplessMax))
}

// mayHaveStood reports whether the open play may have stood still all the while,
// instead of having begun anew, and nobody will ever tell: it is further in its
// track than it was, and history does not list it.
func (s *step) mayHavePaused(obs songspy.Observation) bool {
	return isNeverListed(obs.Track.URI) && s.progressDelta(obs) >= -jitter
}

// goOn records another sighting of the open play, playing, of which so much
// more is proven to have sounded.
func (s *step) continuePlay(obs songspy.Observation, listened time.Duration) {
	n := &s.State
	n.State = songspy.PlayerPlaying
	n.ListenedMS += toMillis(listened)
	n.SeenAt, n.ProgressMS = obs.At, toMillis(obs.Progress)
	n.PausedSince, n.IdleSince, n.DoubtedAt, n.DoubtedURI = nil, nil, nil, ""
	n.Unmoved, n.Stalled = false, false
	n.EndsAt = predictedEnd(*n)
	s.markChanges()
}

// judge decides whether a play that goes on looks different to a viewer, or
// holds something new that a crash must not take.
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

// another handles another track than the open play's.
func (s *step) changeTrack(obs songspy.Observation) {
	former, seen := s.State, s.nextStartMin(obs)
	s.openPlay(obs, s.endForNext(obs))
	s.State.OtherSeenAt = seen // the end of the former may be a guess
	cut := former.EndsAt != nil && s.State.StartedAt.Before(former.EndsAt.Add(-crossfadeMax))
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
	if n.IdleSince == nil { // comes spuriously during playback
		since := s.at // a pointer to s.at would have every step outlive its look
		n.IdleSince = &since
		return
	}
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && s.at.Before(*n.EndsAt) && s.at.Sub(*n.IdleSince) < idleConfirmAfter {
		return // two come as well, and what they cut in two would be counted twice
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
	if !n.Advertisement { // the first of a break
		n.OpenedAt, n.Polls = obs.At, 1
	}
	n.Advertisement = true
}

// rest keeps the listener without an open play.
func (s *step) stayIdle() {
	n := &s.State
	n.State, n.OtherSeenAt, n.Advertisement = songspy.PlayerIdle, s.at, false
	if s.at.Sub(n.OpenedAt) > time.Hour { // of a million idle people little is kept
		n.OpenedAt, n.Polls = time.Time{}, 0
	}
}

// played is how much of the open play sounded since its last sighting, by its
// progress: nothing that is proven if somebody sought forward.
func (s *step) playedSince(obs songspy.Observation) time.Duration {
	moved, passed := clockTime(s.State, s.progressDelta(obs)), obs.At.Sub(s.State.SeenAt)
	if moved > passed+jitter {
		return 0
	}
	return max(0, min(moved, passed))
}

// jumped is how much of a play sounded whose progress and clock disagree, while
// it played at both sightings: all the time where progress ran up to 3.5 times
// the clock, by a fast podcast or a jump; else nothing that is proven.
func (s *step) playedDespiteJump(obs songspy.Observation) time.Duration {
	moved, passed := s.progressDelta(obs), obs.At.Sub(s.State.SeenAt)
	if moved >= passed && moved <= scaled(passed, maxSpeed, normalSpeed) {
		return passed
	}
	return 0
}

// untilLeft is what of that time sounded if another track that was in sight since
// the last sighting was no mistake.
func (s *step) untilLeft(obs songspy.Observation, listened time.Duration) time.Duration {
	if n := s.State; doubtsAnother(n, obs.Track.URI) {
		return min(listened, max(0, n.DoubtedAt.Sub(n.SeenAt)))
	}
	return listened
}

// moved is how much further in its track the open play is than it was.
func (s *step) progressDelta(obs songspy.Observation) time.Duration {
	return obs.Progress - fromMillis(s.State.ProgressMS)
}

// anchor is when the open play would have begun had it played through.
func anchor(n songspy.NowPlaying) time.Time {
	return n.SeenAt.Add(-clockTime(n, fromMillis(n.ProgressMS)))
}

// near is a tolerance, but never more than a quarter of a track: a very short
// one would tolerate anything.
func cappedTolerance(length, tolerance time.Duration) time.Duration { return min(tolerance, length/4) }

func toMillis(d time.Duration) int64 { return d.Milliseconds() }

func fromMillis(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func clamp(t, low, high time.Time) time.Time { return earlier(later(t, low), high) }

func (s *step) observePaused(obs songspy.Observation) {
	s.hideZeroProgress(&obs)
	if !s.State.IsOpen() {
		// A player that wakes up shows what it last played, days ago perhaps.
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

// pausedSame handles the open play standing still. It reports false if this
// must be another play of the same track.
func (s *step) pausePlay(obs songspy.Observation) bool {
	n := &s.State
	since := obs.At
	known := obs.Progress >= 0 && n.ProgressMS >= 0
	moved, wasPaused := s.progressDelta(obs), n.State == songspy.PlayerPaused
	switch {
	case wasPaused && (!known || moved.Abs() <= jitter):
		since = *n.PausedSince // as far as is known it never moved
	case !known || clockTime(*n, moved) > obs.At.Sub(n.SeenAt)+jitter: // somebody sought forward
	case wasPaused: // on and off again meanwhile
		n.ListenedMS += toMillis(s.playedSince(obs))
	case moved >= 0:
		since = n.SeenAt.Add(s.playedSince(obs))
		n.ListenedMS += toMillis(s.playedSince(obs))
	case n.EndsAt != nil && obs.At.After(*n.EndsAt):
		return false
	}
	n.PausedMS += toMillis(obs.At.Sub(later(since, n.SeenAt)))
	n.State, n.SeenAt, n.IdleSince, n.DoubtedAt, n.DoubtedURI, n.Stalled = songspy.PlayerPaused, obs.At, nil, nil, "", false
	if obs.Progress >= 0 {
		n.ProgressMS = toMillis(obs.Progress)
	}
	n.PausedSince, n.EndsAt = &since, &since
	s.markChanges()
	return true
}

// openPaused opens a play that is first seen standing still. What it played
// before lies between the last observation of anything else and now.
func (s *step) openPaused(obs songspy.Observation, otherSeenAt time.Time) {
	s.openPlay(obs, otherSeenAt)
	n := &s.State
	n.State, n.Provisional = songspy.PlayerPaused, true
	n.PausedSince, n.EndsAt = &obs.At, &obs.At
}

// resumed handles the open play's track, paused before and playing now.
func (s *step) resumePlay(obs songspy.Observation) {
	implied := obs.At.Add(-clockTime(s.State, obs.Progress))
	if s.progressDelta(obs) >= -jitter || implied.Before(s.State.SeenAt) { // on, or sought in the pause
		s.State.PausedMS += max(0, toMillis(implied.Sub(anchor(s.State))))
		s.continuePlay(obs, s.playedSince(obs))
		return
	}
	s.restartPlay(obs, implied)
	s.State.Provisional = true
}

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
	n.DoubtedAt, n.DoubtedURI, n.Unmoved, n.Stalled = nil, "", false, false
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
	n.State, n.Stalled, n.SeenAt, n.IdleSince, n.DoubtedAt, n.DoubtedURI = songspy.PlayerPaused, true, obs.At, nil, nil, ""
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
