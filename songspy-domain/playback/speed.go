package playback

import (
	"math"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

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
