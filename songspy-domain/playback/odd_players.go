package playback

import (
	"math"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/instant"
)

// Some players report wrong values, and some answers of Spotify are wrong. A
// player may claim to play while its progress stays the same (it is stalled) or
// grows beyond the track's end. The reported progress may always be 0, or may be
// that of the previous track. The functions of this file decide how much such
// answers prove about what was played.
const (
	// doubtConfirmAfter is how long answers must show a progress that the track
	// cannot have before they are believed.
	doubtConfirmAfter = 10 * time.Second
	// distinctProgressMin is the smallest progress that distinguishes two tracks.
	// Any track may have a smaller one, because every track begins at 0.
	distinctProgressMin = 10 * time.Second
	// zeroProgressMin is how long a track must have been shown before a change from its
	// progress of exactly 0 to another track's progress of exactly 0 means that the
	// device reports no progress.
	zeroProgressMin = 10 * time.Second
	// insertedAdsMax is how much longer an episode of up to 40 minutes may become by
	// advertisements that the podcast inserts. For longer ones see exceedsLength.
	insertedAdsMax = 10 * time.Minute
)

// exceedsLength reports whether a progress lies impossibly far beyond the end
// of its track. Inserted advertisements may lengthen episodes and chapters, by
// insertedAdsMax or a quarter of the length, whichever is longer. Other tracks
// may exceed their length only by jitter.
func exceedsLength(uri string, length, progress time.Duration) bool {
	if length <= 0 || progress < 0 {
		return false
	}
	if songspy.IsSpeech(uri) {
		length += max(insertedAdsMax, length/4)
	}
	return progress > length+jitter
}

// knownLength returns the length of the observed track. If this observation
// does not report it, it uses the length that an earlier one reported.
func (s *step) knownLength(obs songspy.Observation) time.Duration {
	if obs.Track.DurationMS <= 0 && obs.Track.URI == s.State.TrackURI {
		return instant.Milliseconds(s.State.DurationMS)
	}
	return obs.Track.Duration()
}

// endAtLength ends the open play where its progress reached the track's length.
// Some players then report further progress, sometimes for hours, although they
// play nothing.
func (s *step) endAtLength(obs songspy.Observation, length time.Duration) {
	n := &s.State
	passed, moved := obs.At.Sub(n.SeenAt), s.progressDelta(obs)
	over := instant.Later(n.SeenAt, obs.At.Add(-clockTime(*n, obs.Progress-length)))
	if rest := length - instant.Milliseconds(n.ProgressMS); n.State == songspy.PlayerPlaying && n.ProgressMS >= 0 && rest > 0 && rest <= moved && clockTime(*n, moved) <= passed+jitter {
		s.addPlay(over, min(clockTime(*n, rest), over.Sub(n.SeenAt)), false)
	} else {
		s.endPlay(s.endNoLaterThan(over), false)
	}
	s.becomeIdle(obs.At)
}

// stalledBetween reports whether a player that claims to play was stalled between two
// observations of one track. The argument passed is the time between them, and moved is
// how far the progress advanced. The player was stalled if the progress advanced by
// less than a second. But if passed is at least half of the track's length, the track
// may have been repeated. Then the progress must be exactly the same, and passed must
// not be about a multiple of the length (isWholeLoops). If passed is shorter than about
// jitter, the observations prove nothing, and the result is false.
func stalledBetween(moved, passed, length time.Duration) bool {
	if passed <= jitter-time.Millisecond {
		return false
	}
	return moved == 0 && !isWholeLoops(passed, length) || moved.Abs() < time.Second && (length == 0 || passed < length/2)
}

// isWholeLoops reports whether a repeated track can be back at the same progress
// when the duration passed has elapsed: whether that duration is about a multiple of
// the track's length.
func isWholeLoops(passed, length time.Duration) bool {
	if length <= 0 || passed < length/2 {
		return false
	}
	return ((passed+length/2)%length - length/2).Abs() <= cappedTolerance(length, endTolerance)
}

// isStalled reports whether the player of the open play is stalled.
func (s *step) isStalled(obs songspy.Observation) bool {
	n := s.State
	if obs.Progress < 0 || n.ProgressMS < 0 || n.State != songspy.PlayerPlaying && !n.Stalled {
		return false
	}
	moved, passed := s.progressDelta(obs), obs.At.Sub(n.SeenAt)
	if moved == 0 && (n.Stalled || passed > jitter && atEnd(n, obs.Progress)) {
		return true
	}
	return stalledBetween(moved, passed, instant.Milliseconds(n.DurationMS))
}

// atEnd reports whether a progress is the end of the open (unfinished) play's
// track. A player that reports this twice is stalled: a repeated track would be
// back at its start.
func atEnd(n songspy.NowPlaying, progress time.Duration) bool {
	return n.DurationMS > 0 && progress >= instant.Milliseconds(n.DurationMS)
}

// startLoopCheck handles an observation that shows the open (unfinished) play with
// the same progress as before, after about a multiple of the track's length: either
// the track was repeated, or the player is stalled. For such an observation it
// returns true and records that the next poll must decide; otherwise it returns
// false.
func (s *step) startLoopCheck(obs songspy.Observation) bool {
	n := &s.State
	passed := obs.At.Sub(n.SeenAt)
	if n.State != songspy.PlayerPlaying || obs.Progress < 0 || s.progressDelta(obs) != 0 || passed <= jitter || !isWholeLoops(passed, instant.Milliseconds(n.DurationMS)) {
		return false
	}
	at := obs.At
	n.DoubtedAt, n.DoubtedURI, n.Stalled = &at, "", true
	s.MustSave = true
	return true
}

// loopCheckPending reports whether the next poll must decide between a repeated
// track and a stalled player: at DoubtedAt the open (unfinished) play had the
// same progress as before.
func loopCheckPending(n songspy.NowPlaying) bool {
	return n.IsOpen() && n.State == songspy.PlayerPlaying && n.DoubtedAt != nil && n.Stalled
}

// resolveLoopCheck decides, after startLoopCheck, whether the track was repeated or the
// player is stalled. The player is stalled if this observation shows the same progress
// once more. Otherwise the track was repeated, and the observation at DoubtedAt is applied
// now.
func (s *step) resolveLoopCheck(obs songspy.Observation) {
	n := &s.State
	if !loopCheckPending(*n) {
		return
	}
	if obs.Track.URI == n.TrackURI && obs.Progress == instant.Milliseconds(n.ProgressMS) {
		return
	}
	track := songspy.Track{URI: n.TrackURI, DurationMS: n.DurationMS}
	at, progress := *n.DoubtedAt, instant.Milliseconds(n.ProgressMS)
	n.DoubtedAt, n.DoubtedURI, n.Stalled = nil, "", false
	if progress < 0 || !isWholeLoops(at.Sub(n.SeenAt), instant.Milliseconds(n.DurationMS)) {
		return
	}
	s.stillPlaying(songspy.Observation{Kind: songspy.ObservedPlaying, Track: track, Progress: progress, At: at})
}

// markStalled treats a stalled player as paused since a poll first showed that
// progress. If the player was idle before it showed the track, the track may
// have been played days ago, so its listening time is set to 0.
func (s *step) markStalled(obs songspy.Observation) {
	n := &s.State
	if n.Unmoved {
		n.ListenedMS = 0
	}
	obs.Progress = instant.Milliseconds(n.ProgressMS)
	s.pausePlay(obs)
	n.Stalled = true
}

// reportsZeroProgress reports whether the device seems to report a progress of
// 0 always: the last two observations both have exactly 0, although they show
// different tracks and the first track was first shown at least zeroProgressMin
// before.
func reportsZeroProgress(n songspy.NowPlaying, obs songspy.Observation) bool {
	return n.IsOpen() && n.ProgressMS == 0 && obs.Progress == 0 && n.TrackURI != obs.Track.URI &&
		(n.State == songspy.PlayerPlaying || n.Stalled) && obs.At.Sub(n.OpenedAt) >= zeroProgressMin
}

// alwaysZero reports whether the player always reports progress 0. It returns
// false while the progress of the open play is known: then the player has only
// stopped reporting progress.
func alwaysZero(n songspy.NowPlaying) bool { return n.HidesProgress && n.ProgressMS < 0 }

// hideZeroProgress treats the progress of a device that always reports 0 as
// unknown. Its plays then count as listened between their observations only.
func (s *step) hideZeroProgress(obs *songspy.Observation) {
	n := &s.State
	switch {
	case obs.Progress > 0:
		n.HidesProgress = false
	case obs.Progress == 0 && alwaysZero(*n):
		obs.Progress = songspy.UnknownProgress
	case obs.Kind == songspy.ObservedPlaying && reportsZeroProgress(*n, *obs):
		n.HidesProgress = true
		n.State, n.Stalled, n.PausedSince, n.PausedMS = songspy.PlayerPlaying, false, nil, 0
		n.ProgressMS, n.EndsAt, n.ListenedMS = -1, nil, n.SeenAt.Sub(n.OpenedAt).Milliseconds()
		obs.Progress = songspy.UnknownProgress
	}
}

// isDoubtful reports whether an answer shows another track with a progress that
// cannot be its own: it equals the previous track's progress, lies beyond the
// track's end, or means that the track began while the previous one was still
// observed. The last rule does not apply to episodes and chapters, because they may
// be resumed anywhere. A progress below distinctProgressMin is never doubtful.
func isDoubtful(n songspy.NowPlaying, obs songspy.Observation) bool {
	if obs.Kind != songspy.ObservedPlaying || obs.Progress < distinctProgressMin {
		return false
	}
	if n.ProgressMS >= 0 {
		former := instant.Milliseconds(n.ProgressMS)
		if n.State == songspy.PlayerPlaying {
			former += trackTime(n, obs.At.Sub(n.SeenAt))
		}
		if n.DurationMS > 0 {
			former = min(former, instant.Milliseconds(n.DurationMS))
		}
		if (obs.Progress - former).Abs() <= jitter {
			return true
		}
	}
	return exceedsLength(obs.Track.URI, obs.Track.Duration(), obs.Progress) ||
		!songspy.IsSpeech(obs.Track.URI) && obs.At.Add(-obs.Progress).Before(n.SeenAt.Add(-jitter))
}

// deferDoubtful records a doubtful answer and returns true: the answer must not
// change the state yet. It returns false for other answers, and once doubtful answers
// have come for doubtConfirmAfter, so that they are believed. So a single doubtful answer
// never ends the play that polls have observed.
func (s *step) deferDoubtful(obs songspy.Observation) bool {
	n := &s.State
	if !isDoubtful(*n, obs) || n.DoubtedAt != nil && obs.At.Sub(*n.DoubtedAt) >= doubtConfirmAfter {
		return false
	}
	if n.DoubtedAt == nil {
		at := obs.At
		n.DoubtedAt, n.DoubtedURI = &at, obs.Track.URI
		s.MustSave = true
	}
	return true
}

// leftBeforeEnd reports whether a doubtful answer showed another track more than
// endTolerance before the predicted end of the open (unfinished) play.
func leftBeforeEnd(n songspy.NowPlaying) bool {
	return n.DoubtedAt != nil && n.EndsAt != nil && n.DoubtedAt.Before(n.EndsAt.Add(-endTolerance))
}

// doubtsOtherTrack reports whether the recorded doubtful answer showed another
// track than the given one.
func doubtsOtherTrack(n songspy.NowPlaying, uri string) bool {
	return n.DoubtedAt != nil && n.DoubtedURI != "" && n.DoubtedURI != uri
}

// Users may play episodes and chapters faster or slower, and the progress
// advances at that speed. Speeds are in thousandths of the normal one.
const (
	normalSpeed = 1000
	minSpeed    = 500
	maxSpeed    = 3500
	// speedToleranceDivisor limits how far two measured speeds may differ and still
	// count as equal: by at most the larger speed divided by this number.
	speedToleranceDivisor = 20
	// nearNormalSpeed is by how much a measured speed may differ from normalSpeed, at
	// most, and still count as normal.
	nearNormalSpeed = 25
	// speedIntervalMin is the shortest time between two polls from which a
	// speed can be measured.
	speedIntervalMin = 20 * time.Second
	// speedStep is a tenth of the normal speed: players offer speeds in these
	// steps. A measured slow speed must be at most slowSpeedTolerance away from a
	// multiple of speedStep, because a pause, too, looks like a slow speed.
	speedStep, slowSpeedTolerance = 100, 10
)

// clockTime returns how long it takes by the clock to play a part of the open
// (unfinished) play's track. The argument part is the length of that part at normal
// speed. The result differs from it if the play has another speed.
func clockTime(n songspy.NowPlaying, part time.Duration) time.Duration {
	if n.Speed == 0 {
		return part
	}
	return scaled(part, normalSpeed, int64(n.Speed)).Truncate(time.Microsecond) // the store keeps whole microseconds
}

// trackTime returns how much of its track the open (unfinished) play covers at the
// play's speed while the given time elapses. It is the inverse of clockTime.
func trackTime(n songspy.NowPlaying, elapsed time.Duration) time.Duration {
	if n.Speed == 0 {
		return elapsed
	}
	return scaled(elapsed, int64(n.Speed), normalSpeed).Truncate(time.Microsecond)
}

// scaled returns d*by/to. If that overflows, it returns the longest possible
// duration with the sign of d.
func scaled(d time.Duration, by, to int64) time.Duration {
	whole, rest := int64(d)/to, int64(d)%to
	if most := math.MaxInt64/by - 1; whole > most || whole < -most {
		if d < 0 {
			return -math.MaxInt64
		}
		return math.MaxInt64
	}
	return time.Duration(whole*by + rest*by/to)
}

// speedsAgree reports whether two measured speeds count as the same. Times of
// polls are not exact, so small differences do not matter.
func speedsAgree(a, b int32) bool { return max(a-b, b-a)*speedToleranceDivisor <= max(a, b) }

// measureSpeed returns the speed of playback between two polls, in thousandths of the
// normal speed. The argument moved is how far the progress has advanced, and passed is
// the time between the polls. It returns 0 if passed is shorter than speedIntervalMin, or
// if the speed is so unusual that there was surely a pause or a jump.
func measureSpeed(moved, passed time.Duration) int32 {
	if passed < speedIntervalMin || moved <= 0 || moved/4 > passed {
		return 0
	}
	speed := int32(moved.Milliseconds() * normalSpeed / passed.Milliseconds())
	if speed < minSpeed-minSpeed/speedToleranceDivisor || speed > maxSpeed+maxSpeed/speedToleranceDivisor {
		return 0
	}
	return speed
}

// confirmSpeed returns the speed that counts as known after another measurement; 0 is
// the normal speed. The argument known is the speed that was known before. The arguments
// last and now are the previous and the new measurement; 0 means none. A speed becomes
// known when two measurements in a row agree, because a single pause or jump looks like
// another speed. Two pauses may agree by chance, so a slow speed must also be one that
// players offer.
func confirmSpeed(known, last, now int32) int32 {
	if now == 0 || last == 0 || !speedsAgree(last, now) {
		return known
	}
	if mean := last/2 + now/2; max(mean-normalSpeed, normalSpeed-mean) > nearNormalSpeed {
		if known != 0 && speedsAgree(known, mean) {
			return known
		}
		if mean < normalSpeed && !isOfferedSpeed(last, now) {
			return known
		}
		return mean
	}
	return 0
}

// isOfferedSpeed reports whether both measured speeds are close to the same
// speed that players offer (a multiple of speedStep).
func isOfferedSpeed(a, b int32) bool {
	nearest := (a + speedStep/2) / speedStep * speedStep
	return max(a-nearest, nearest-a) <= slowSpeedTolerance && max(b-nearest, nearest-b) <= slowSpeedTolerance
}

// updateSpeed measures the speed of the open play, if it is an episode or a chapter, and
// updates Speed and LastSpeed. When a fast speed first becomes known, the start of the
// play may move to a later time.
func (s *step) updateSpeed(obs songspy.Observation) {
	n := &s.State
	if !songspy.IsSpeech(n.TrackURI) {
		return
	}
	now := measureSpeed(s.progressDelta(obs), obs.At.Sub(n.SeenAt))
	speed := confirmSpeed(n.Speed, n.LastSpeed, now)
	if now != 0 {
		n.LastSpeed = now
	}
	if speed == n.Speed {
		return
	}
	first := n.Speed == 0
	n.Speed = speed
	s.MustSave = true
	if lead := n.OpenedAt.Sub(n.StartedAt); first && speed > normalSpeed && lead > 0 && !n.Provisional {
		// The track also ran at this speed before it was first observed, so it
		// began later than assumed.
		sooner := lead - clockTime(*n, lead)
		n.StartedAt = n.StartedAt.Add(sooner)
		n.ListenedMS = max(0, n.ListenedMS-sooner.Milliseconds())
		s.Visible = true
	}
}

// keepsSpeed reports whether the open (unfinished) play went on at the speed
// that is already known.
func (s *step) keepsSpeed(obs songspy.Observation) bool {
	now := measureSpeed(s.progressDelta(obs), obs.At.Sub(s.State.SeenAt))
	return s.State.Speed != 0 && now != 0 && speedsAgree(now, s.State.Speed)
}
