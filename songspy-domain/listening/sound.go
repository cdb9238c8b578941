package listening

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// sound is the state as the rules rely on it, whatever a database or an older
// release made of it: its times in order, none of them after now, and what
// follows from the rest derived anew.
func sound(n songspy.NowPlaying, now time.Time) songspy.NowPlaying {
	if !n.Open() {
		n.ElsewhereAt = earlier(n.ElsewhereAt, now)
		n.OpenedAt, n.Polls = earlier(n.OpenedAt, now), max(n.Polls, 0)
		return n
	}
	n.SeenAt = earlier(n.SeenAt, now)
	n.StartedAt = earlier(n.StartedAt, n.SeenAt)
	n.ElsewhereAt = earlier(n.ElsewhereAt, n.StartedAt)
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
	if n.NothingSince != nil {
		before := now
		if roundPending(n) {
			before = *n.DoubtedAt // its track was seen then
		}
		since := clamp(*n.NothingSince, n.SeenAt, before)
		n.NothingSince = &since
	}
	n.OpenedAt, n.Polls = clamp(n.OpenedAt, n.StartedAt, n.SeenAt), max(n.Polls, 1)
	if n.Speed != 0 && !speech(n.TrackURI) || n.Speed < slowestSpeed-slowestSpeed/speedOff || n.Speed > fastestSpeed+fastestSpeed/speedOff {
		n.Speed = 0
	}
	if n.LastSpeed < 0 || n.LastSpeed > fastestSpeed+fastestSpeed/speedOff {
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
	end := n.SeenAt.Add(lasts(n, max(0, milliseconds(n.DurationMS-n.ProgressMS))))
	return &end
}

// lengthTold is how long an observation says that its track is, in
// milliseconds; 0 if it does not, or speech is further in than that:
// advertisements lengthen it beyond what its page says.
func lengthTold(obs songspy.Observation) int64 {
	told := max(obs.Track.DurationMS, 0)
	if speech(obs.Track.URI) && obs.Progress > milliseconds(told)+jitter {
		return 0
	}
	return told
}

// learnLength takes over the length of the open play's track as it is told
// now, and that it is unknown if the play has outlived it.
func (s *step) learnLength(obs songspy.Observation) {
	n := &s.State
	if obs.Track.DurationMS <= 0 {
		obs.Track.DurationMS = n.DurationMS
	}
	n.DurationMS = lengthTold(obs)
	if n.State == songspy.PlayerPlaying {
		n.EndsAt = predictedEnd(*n)
	}
}
