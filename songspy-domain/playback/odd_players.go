package playback

import (
	"math"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Players and the provider mislead: progress that stands still or grows beyond
// the end while the player claims to play, that is always 0, or that is the
// former track's. The rules of this file say what such an answer proves.
const (
	// confirms is for how long another track's impossible progress is doubted.
	doubtConfirmAfter = 10 * time.Second
	// knownFrom is from where on a progress tells tracks apart: all of them begin
	// with small ones.
	distinctProgressMin = 10 * time.Second
	// zeroes is how far apart two sightings at exactly 0 must be to be no start.
	zeroProgressMin = 10 * time.Second
	// inserted is how much longer than its page says speech may become by advertisements.
	insertedAdsMax = 10 * time.Minute
)

// outlives reports whether a progress lies beyond the end of its track. Speech
// may grow by advertisements, other tracks may not.
func exceedsLength(uri string, length, progress time.Duration) bool {
	if length <= 0 || progress < 0 {
		return false
	}
	if isSpeech(uri) {
		length += max(insertedAdsMax, length/4)
	}
	return progress > length+jitter
}

// lengthSaid is the length of an observed track, as it is told or was.
func (s *step) knownLength(obs songspy.Observation) time.Duration {
	if obs.Track.DurationMS <= 0 && obs.Track.URI == s.State.TrackURI {
		return fromMillis(s.State.DurationMS)
	}
	return obs.Track.Duration()
}

// outlive ends the open play where its progress reached the end of its track:
// a player that goes on from there, for hours at times, plays nothing.
func (s *step) endAtLength(obs songspy.Observation, length time.Duration) {
	n := &s.State
	passed, moved := obs.At.Sub(n.SeenAt), s.progressDelta(obs)
	over := later(n.SeenAt, obs.At.Add(-clockTime(*n, obs.Progress-length)))
	if rest := length - fromMillis(n.ProgressMS); n.State == songspy.PlayerPlaying && n.ProgressMS >= 0 && rest > 0 && rest <= moved && clockTime(*n, moved) <= passed+jitter {
		s.addPlay(over, min(clockTime(*n, rest), over.Sub(n.SeenAt)), false)
	} else {
		s.endPlay(s.endNoLaterThan(over), false)
	}
	s.becomeIdle(obs.At)
}

// stoodStill reports whether a player that claims to play did not move between
// two sightings of one track. What is at the same place a whole length later may
// be a loop's next round.
func isFrozen(moved, passed, length time.Duration) bool {
	if passed <= jitter-time.Millisecond {
		return false
	}
	return moved == 0 && !isWholeLoops(passed, length) || moved.Abs() < time.Second && (length == 0 || passed < length/2)
}

// wholeRounds reports whether a loop may have brought its track to the same
// place again in that time.
func isWholeLoops(passed, length time.Duration) bool {
	if length <= 0 || passed < length/2 {
		return false
	}
	return ((passed+length/2)%length - length/2).Abs() <= cappedTolerance(length, crossfadeMax)
}

// stuck reports whether the open play stands still although its player claims
// to play.
func (s *step) isStalled(obs songspy.Observation) bool {
	n := s.State
	if obs.Progress < 0 || n.ProgressMS < 0 || n.State != songspy.PlayerPlaying && !n.Stalled {
		return false
	}
	moved, passed := s.progressDelta(obs), obs.At.Sub(n.SeenAt)
	if moved == 0 && (n.Stalled || passed > jitter && atEnd(n, obs.Progress)) {
		return true
	}
	return isFrozen(moved, passed, fromMillis(n.DurationMS))
}

// atEnd reports whether a progress is the open play's whole length. A player that
// is there twice stands still: a loop is at its start by then.
func atEnd(n songspy.NowPlaying, progress time.Duration) bool {
	return n.DurationMS > 0 && progress >= fromMillis(n.DurationMS)
}

// comesRound reports whether the open play is at the very same place again after
// whole rounds, which another poll shows to move, or to stand still.
func (s *step) startLoopCheck(obs songspy.Observation) bool {
	n := &s.State
	passed := obs.At.Sub(n.SeenAt)
	if n.State != songspy.PlayerPlaying || obs.Progress < 0 || s.progressDelta(obs) != 0 || passed <= jitter || !isWholeLoops(passed, fromMillis(n.DurationMS)) {
		return false
	}
	at := obs.At
	n.DoubtedAt, n.DoubtedURI, n.Stalled = &at, "", true
	s.MustSave = true
	return true
}

// roundPending reports whether it is open whether the open play came round: it
// was at the very same place again at DoubtedAt.
func roundPending(n songspy.NowPlaying) bool {
	return n.IsOpen() && n.State == songspy.PlayerPlaying && n.DoubtedAt != nil && n.Stalled
}

// roundOrNot decides that a track which was at the very same place again had
// come round, unless it is still there.
func (s *step) resolveLoopCheck(obs songspy.Observation) {
	n := &s.State
	if !roundPending(*n) {
		return
	}
	if obs.Track.URI == n.TrackURI && obs.Progress == fromMillis(n.ProgressMS) {
		return
	}
	track := songspy.Track{URI: n.TrackURI, DurationMS: n.DurationMS}
	at, progress := *n.DoubtedAt, fromMillis(n.ProgressMS)
	n.DoubtedAt, n.DoubtedURI, n.Stalled = nil, "", false
	if progress < 0 || !isWholeLoops(at.Sub(n.SeenAt), fromMillis(n.DurationMS)) {
		return
	}
	s.stillPlaying(songspy.Observation{Kind: songspy.ObservedPlaying, Track: track, Progress: progress, At: at})
}

// stall treats a player that stands still as paused since it was seen first
// where it is. What it shows when it comes out of silence it may have played
// days ago.
func (s *step) markStalled(obs songspy.Observation) {
	n := &s.State
	if n.Unmoved {
		n.ListenedMS = 0
	}
	obs.Progress = fromMillis(n.ProgressMS)
	s.pausePlay(obs)
	n.Stalled = true
}

// tellsNoProgress reports whether two sightings show a device that reports a
// progress of 0 whatever it plays: exactly 0 twice, while the track changed.
func reportsZeroProgress(n songspy.NowPlaying, obs songspy.Observation) bool {
	return n.IsOpen() && n.ProgressMS == 0 && obs.Progress == 0 && n.TrackURI != obs.Track.URI &&
		(n.State == songspy.PlayerPlaying || n.Stalled) && obs.At.Sub(n.OpenedAt) >= zeroProgressMin
}

// hideProgress takes the progress of a device that always reports 0 as unknown.
// What such a device showed so far sounded between its sightings.
func (s *step) hideZeroProgress(obs *songspy.Observation) {
	n := &s.State
	switch {
	case obs.Progress > 0:
		n.HidesProgress = false
	case obs.Progress == 0 && n.HidesProgress:
		obs.Progress = songspy.UnknownProgress
	case obs.Kind == songspy.ObservedPlaying && reportsZeroProgress(*n, *obs):
		n.HidesProgress = true
		n.State, n.Stalled, n.PausedSince, n.PausedMS = songspy.PlayerPlaying, false, nil, 0
		n.ProgressMS, n.EndsAt, n.ListenedMS = -1, nil, toMillis(n.SeenAt.Sub(n.OpenedAt))
		obs.Progress = songspy.UnknownProgress
	}
}

// doubtful reports whether another track than the open play's is shown with a
// progress that is not its own: the former track's, one beyond its end, or one
// that would have it play while the former was seen. Speech is resumed
// anywhere, so that only the former's own progress makes it doubtful.
func isDoubtful(n songspy.NowPlaying, obs songspy.Observation) bool {
	if obs.Kind != songspy.ObservedPlaying || obs.Progress < distinctProgressMin {
		return false
	}
	if n.ProgressMS >= 0 {
		former := fromMillis(n.ProgressMS)
		if n.State == songspy.PlayerPlaying {
			former += trackTime(n, obs.At.Sub(n.SeenAt))
		}
		if n.DurationMS > 0 {
			former = min(former, fromMillis(n.DurationMS))
		}
		if (obs.Progress - former).Abs() <= jitter {
			return true
		}
	}
	return exceedsLength(obs.Track.URI, obs.Track.Duration(), obs.Progress) ||
		!isSpeech(obs.Track.URI) && obs.At.Add(-obs.Progress).Before(n.SeenAt.Add(-jitter))
}

// doubt notes a doubtful answer, and reports false once it is to be believed.
// One answer overwrites no time that another track was seen in.
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

// left reports whether another track was in sight before the open play's end.
func left(n songspy.NowPlaying) bool {
	return n.DoubtedAt != nil && n.EndsAt != nil && n.DoubtedAt.Before(n.EndsAt.Add(-crossfadeMax))
}

// doubtsAnother reports whether another track than that one was shown with a
// progress that is not its own. It was in sight, and how far it got nobody knows.
func doubtsAnother(n songspy.NowPlaying, uri string) bool {
	return n.DoubtedAt != nil && n.DoubtedURI != "" && n.DoubtedURI != uri
}

// Speech, podcasts and audiobooks, is heard at other speeds than the clock's:
// its progress runs at that rate. Speeds are in thousandths of the clock's.
const (
	normalSpeed = 1000
	minSpeed    = 500
	maxSpeed    = 3500
	// speedOff is by which part of each other two speeds may differ and still
	// agree, and nearClock by how much one may differ from the clock's and be that.
	speedToleranceDivisor = 20
	nearNormalSpeed       = 25
	// tellsSpeed is the shortest interval that tells a speed.
	speedIntervalMin = 20 * time.Second
	// Players offer speeds in steps of a tenth, and slowOff is how far from one a
	// slow speed may be measured. Pauses make any other speed.
	tenth, slowOff = 100, 10
)

// speech reports whether a track is an episode or a chapter: these have a speed,
// may grow by advertisements, and are never listed by history.
func isSpeech(uri string) bool {
	return strings.HasPrefix(uri, "spotify:episode:") || strings.HasPrefix(uri, "spotify:chapter:")
}

// lasts is how long the open play takes for a part of its track.
func clockTime(n songspy.NowPlaying, part time.Duration) time.Duration {
	if n.Speed == 0 {
		return part
	}
	return scaled(part, normalSpeed, int64(n.Speed)).Truncate(time.Microsecond) // as exactly as the store keeps times
}

// covers is how far the open play gets in a time.
func trackTime(n songspy.NowPlaying, elapsed time.Duration) time.Duration {
	if n.Speed == 0 {
		return elapsed
	}
	return scaled(elapsed, int64(n.Speed), normalSpeed).Truncate(time.Microsecond)
}

// scaled is d*by/to, and the longest duration where that is longer than any.
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

// speedsAgree reports whether two speeds are one, as far as polls can tell.
func speedsAgree(a, b int32) bool { return max(a-b, b-a)*speedToleranceDivisor <= max(a, b) }

// speedOf is how fast progress ran in an interval; 0 if that tells no speed:
// the interval is short, or there was a pause or a jump in it.
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

// confirmSpeed is the speed that is known after an interval, given what was
// known before: a new one needs two intervals in a row that agree, for a pause
// or a jump makes a speed of its own. Two pauses may agree by chance, so that a
// slow speed must also be one that players offer.
func confirmSpeed(known, last, now int32) int32 {
	if now == 0 || last == 0 || !speedsAgree(last, now) {
		return known
	}
	if mean := last/2 + now/2; max(mean-normalSpeed, normalSpeed-mean) > nearNormalSpeed {
		if known != 0 && speedsAgree(known, mean) {
			return known
		}
		if mean < normalSpeed && !offered(last, now) {
			return known
		}
		return mean
	}
	return 0
}

// offered reports whether two measured speeds are the same tenth.
func offered(a, b int32) bool {
	nearest := (a + tenth/2) / tenth * tenth
	return max(a-nearest, nearest-a) <= slowOff && max(b-nearest, nearest-b) <= slowOff
}

// learnSpeed takes in how fast the open play's progress ran since its last sighting.
func (s *step) updateSpeed(obs songspy.Observation) {
	n := &s.State
	if !isSpeech(n.TrackURI) {
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
		// Where it was when it was first seen it had come faster than the clock.
		sooner := lead - clockTime(*n, lead)
		n.StartedAt = n.StartedAt.Add(sooner)
		n.ListenedMS = max(0, n.ListenedMS-toMillis(sooner))
		s.Visible = true
	}
}

// atItsSpeed reports whether the open play went on at its confirmed speed.
func (s *step) keepsSpeed(obs songspy.Observation) bool {
	now := measureSpeed(s.progressDelta(obs), obs.At.Sub(s.State.SeenAt))
	return s.State.Speed != 0 && now != 0 && speedsAgree(now, s.State.Speed)
}
