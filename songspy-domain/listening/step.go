package listening

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
	crossfade = 15 * time.Second
	// seamless is how close to the predicted end the next song must begin for
	// the former to have been heard to its end.
	seamless = 5 * time.Second
	// doubted is for how long a player must be silent to be believed before the
	// end of what it played: longer than two looks are apart.
	doubted = 45 * time.Second
	// unwatched is how long a player may go without a look and still be
	// believed to have done the same all the while: looks are minutes apart,
	// and through an outage any coincidence is likely.
	unwatched = 10 * time.Minute
)

// Outcome is what one observation adds up to.
type Outcome struct {
	State songspy.NowPlaying
	// Plays are the plays that ended and count, in order.
	Plays []songspy.Play
	// Visible says that viewers see a difference.
	Visible bool
	// Worth says that the state holds something that the stored one must not
	// lack after a crash; what merely goes on as predicted is not worth a write.
	Worth bool
}

// Step applies one observation to a listener's state. An observation that is
// not later than the state's is ignored: it comes from a former owner of the
// listener. A state that is minutes ahead of the observation was stored under a
// clock that has been set back since, and counts as NowPlaying.NotAhead says.
//
// The state's UserID, TrackID and Generation are the caller's; Step clears
// TrackID when another track opens. Times are kept as the store keeps them, so
// that a state read back means the same.
func Step(state songspy.NowPlaying, obs songspy.Observation) Outcome {
	obs.At = obs.At.Truncate(time.Microsecond)
	state = state.NotAhead(obs.At)
	if !state.ObservedAt.IsZero() && !obs.At.After(state.ObservedAt) {
		return Outcome{State: state}
	}
	if saysNothing(obs) { // it proves nothing, and costs a poll all the same
		return Outcome{State: countPoll(state)}
	}
	s := step{Outcome: Outcome{State: countPoll(sound(state, obs.At))}, before: state, at: obs.At}
	s.roundOrNot(obs)
	switch obs.Sighting {
	case songspy.SightingPlaying:
		s.playing(obs)
	case songspy.SightingPaused:
		s.paused(obs)
	case songspy.SightingAdvertisement:
		s.advertisement(obs)
	default:
		s.nothing()
	}
	s.State.ObservedAt = obs.At
	return s.Outcome
}

// saysNothing reports whether an observation holds nothing usable.
func saysNothing(obs songspy.Observation) bool {
	switch obs.Sighting {
	case songspy.SightingPlaying, songspy.SightingPaused:
		return obs.Track.URI == ""
	case songspy.SightingNothing, songspy.SightingAdvertisement:
		return false
	default:
		return true
	}
}

// countPoll counts a poll since something was last opened.
func countPoll(n songspy.NowPlaying) songspy.NowPlaying {
	if (n.Open() || n.Polls > 0) && n.Polls < math.MaxInt16 {
		n.Polls++
	}
	return n
}

// step is one application of Step under way.
type step struct {
	Outcome
	before songspy.NowPlaying // the state as it was given
	at     time.Time
}

func (s *step) playing(obs songspy.Observation) {
	s.hideProgress(&obs)
	open, same := s.State.Open(), s.State.TrackURI == obs.Track.URI
	length := s.lengthSaid(obs)
	switch over := outlives(obs.Track.URI, length, obs.Progress); {
	case over && !open:
		s.rest()
		return
	case over && same:
		s.outlive(obs, length)
		return
	case !open:
		s.open(obs, s.State.ElsewhereAt)
		s.State.Unmoved = obs.Progress >= 0
		return
	case !same && s.doubt(obs):
		return
	case !same && over:
		s.end(s.endBy(obs.At), false)
		s.idle(obs.At)
		return
	case !same:
		s.another(obs)
		return
	}
	s.learnLength(obs)
	switch {
	case s.stuck(obs):
		s.stall(obs)
	case s.comesRound(obs): // until it is known, nothing changes
	case obs.Progress < 0:
		s.sameUnknown(obs)
	case s.State.ProgressMS < 0:
		s.sameNowKnown(obs)
	case s.State.State == songspy.PlayerPaused:
		s.resumed(obs)
	default:
		s.same(obs)
	}
}

// same handles the open play's track, playing before and now, progress known.
func (s *step) same(obs songspy.Observation) {
	s.learnSpeed(obs)
	implied := obs.At.Add(-lasts(s.State, obs.Progress))
	shift := implied.Sub(anchor(s.State))
	length := lasts(s.State, milliseconds(s.State.DurationMS))
	switch {
	case shift.Abs() <= jitter:
		s.goOn(obs, s.played(obs))
	case s.atItsSpeed(obs):
		s.goOn(obs, obs.At.Sub(s.State.SeenAt))
	case length > 0 && shift >= length-near(length, crossfade) && !s.mayHaveStood(obs):
		s.again(obs, implied, length)
	case shift > 0 && s.moved(obs) >= 0:
		s.State.PausedMS += ms(shift)
		s.goOn(obs, s.untilLeft(obs, s.played(obs)))
	default:
		s.goOn(obs, s.untilLeft(obs, s.jumped(obs)))
	}
}

// again handles the open play's track begun anew: right at its end, or later.
// What a loop did in whole rounds that nobody looked at, history tells: a pause
// as long as they are would look the same.
func (s *step) again(obs songspy.Observation, implied time.Time, length time.Duration) {
	end := *s.State.EndsAt
	late := implied.Sub(end).Abs()
	if late > near(length, crossfade) || left(s.State) {
		s.anew(obs, end)
		s.State.Provisional = true
		return
	}
	s.open(obs, s.end(earlier(end, implied), late <= seamless))
}

// mayHaveStood reports whether the open play may have stood still all the while,
// instead of having begun anew, and nobody will ever tell: it is further in its
// track than it was, and history does not list it.
func (s *step) mayHaveStood(obs songspy.Observation) bool {
	return untellable(obs.Track.URI) && s.moved(obs) >= -jitter
}

// goOn records another sighting of the open play, playing, of which so much
// more is proven to have sounded.
func (s *step) goOn(obs songspy.Observation, listened time.Duration) {
	n := &s.State
	n.State = songspy.PlayerPlaying
	n.ListenedMS += ms(listened)
	n.SeenAt, n.ProgressMS = obs.At, ms(obs.Progress)
	n.PausedSince, n.NothingSince, n.DoubtedAt, n.DoubtedURI = nil, nil, nil, ""
	n.Unmoved, n.Stalled = false, false
	n.EndsAt = predictedEnd(*n)
	s.judge()
}

// judge decides whether a play that goes on looks different to a viewer, or
// holds something new that a crash must not take.
func (s *step) judge() {
	n, before := s.State, s.before
	moved := (n.EndsAt == nil) != (before.EndsAt == nil) ||
		n.EndsAt != nil && n.EndsAt.Sub(*before.EndsAt).Abs() > jitter
	if n.State != before.State || moved || n.EndsAt == nil {
		s.Visible, s.Worth = true, true
	}
	if songspy.Counts(n.ListenedMS, n.DurationMS) && !songspy.Counts(before.ListenedMS, before.DurationMS) {
		s.Worth = true
	}
	if before.NothingSince != nil || before.DoubtedAt != nil {
		s.Worth = true
	}
}

// another handles another track than the open play's.
func (s *step) another(obs songspy.Observation) {
	former, seen := s.State, s.lastElsewhere(obs)
	s.open(obs, s.makeWay(obs))
	s.State.ElsewhereAt = seen // the end of the former may be a guess
	cut := former.EndsAt != nil && s.State.StartedAt.Before(former.EndsAt.Add(-crossfade))
	if cut && former.State == songspy.PlayerPlaying {
		s.State.Skips = min(former.Skips+1, 99)
	}
}

func (s *step) nothing() {
	n := &s.State
	if !n.Open() {
		s.rest()
		return
	}
	if n.NothingSince == nil { // comes spuriously during playback
		since := s.at // a pointer to s.at would have every step outlive its look
		n.NothingSince = &since
		return
	}
	if n.State == songspy.PlayerPlaying && n.EndsAt != nil && s.at.Before(*n.EndsAt) && s.at.Sub(*n.NothingSince) < doubted {
		return // two come as well, and what they cut in two would be counted twice
	}
	s.end(s.endBy(s.at), false)
	s.idle(s.at)
}

func (s *step) advertisement(obs songspy.Observation) {
	n := &s.State
	if n.Open() {
		s.makeWay(obs)
		s.idle(obs.At)
	} else {
		n.State, n.ElsewhereAt = songspy.PlayerIdle, s.at
	}
	if !n.Advertisement { // the first of a break
		n.OpenedAt, n.Polls = obs.At, 1
	}
	n.Advertisement = true
}

// rest keeps the listener without an open play.
func (s *step) rest() {
	n := &s.State
	n.State, n.ElsewhereAt, n.Advertisement = songspy.PlayerIdle, s.at, false
	if s.at.Sub(n.OpenedAt) > time.Hour { // of a million idle people little is kept
		n.OpenedAt, n.Polls = time.Time{}, 0
	}
}

// played is how much of the open play sounded since its last sighting, by its
// progress: nothing that is proven if somebody sought forward.
func (s *step) played(obs songspy.Observation) time.Duration {
	moved, passed := lasts(s.State, s.moved(obs)), obs.At.Sub(s.State.SeenAt)
	if moved > passed+jitter {
		return 0
	}
	return max(0, min(moved, passed))
}

// jumped is how much of a play sounded whose progress and clock disagree, while
// it played at both sightings: all the time where progress ran up to 3.5 times
// the clock, by a fast podcast or a jump; else nothing that is proven.
func (s *step) jumped(obs songspy.Observation) time.Duration {
	moved, passed := s.moved(obs), obs.At.Sub(s.State.SeenAt)
	if moved >= passed && moved <= scaled(passed, fastestSpeed, clockSpeed) {
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
func (s *step) moved(obs songspy.Observation) time.Duration {
	return obs.Progress - milliseconds(s.State.ProgressMS)
}

// anchor is when the open play would have begun had it played through.
func anchor(n songspy.NowPlaying) time.Time {
	return n.SeenAt.Add(-lasts(n, milliseconds(n.ProgressMS)))
}

// near is a tolerance, but never more than a quarter of a track: a very short
// one would tolerate anything.
func near(length, tolerance time.Duration) time.Duration { return min(tolerance, length/4) }

func ms(d time.Duration) int64 { return d.Milliseconds() }

func milliseconds(n int64) time.Duration { return time.Duration(n) * time.Millisecond }

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
