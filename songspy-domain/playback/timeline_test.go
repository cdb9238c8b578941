package playback

import (
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// truth is what a player really did: spans in order, without overlap.
type timeline []span

// span is one thing that a player did: a track with at most one pause in it,
// an advertisement, or silence (no track and no advertisement).
type span struct {
	track         songspy.Track
	ad            bool
	start, end    time.Time
	pauseAt       time.Time // zero: none
	pause         time.Duration
	pausedAfter   time.Duration // how long the player shows it standing still afterwards
	leftEarly     bool          // before the track's end
	offline       bool          // on a phone without a network: looks show nothing
	unlisted      bool          // in a session that history never lists, as a Jam's
	hidesProgress bool          // on a device that tells no progress
}

func (s span) progress(at time.Time) time.Duration {
	p := at.Sub(s.start)
	if s.pause > 0 && at.After(s.pauseAt) {
		p -= min(s.pause, at.Sub(s.pauseAt))
	}
	return p
}

// told is what the provider says of the progress.
func (s span) reportedProgress(at time.Time) time.Duration {
	if s.hidesProgress {
		return songspy.UnknownProgress
	}
	return s.progress(at)
}

func (s span) isPausedAt(at time.Time) bool {
	return s.pause > 0 && !at.Before(s.pauseAt) && at.Before(s.pauseAt.Add(s.pause))
}

// look is what the provider answers at that time.
func (tr timeline) poll(at time.Time) songspy.Observation {
	for _, s := range tr {
		if at.Before(s.start) || !at.Before(s.end.Add(s.pausedAfter)) || s.offline {
			continue
		}
		switch {
		case !at.Before(s.end):
			return songspy.Observation{Kind: songspy.ObservedPaused, Track: s.track, Progress: s.reportedProgress(s.end), At: at}
		case s.ad:
			return songspy.Observation{Kind: songspy.ObservedAdvertisement, Progress: at.Sub(s.start), At: at}
		case s.track.URI == "":
			return songspy.Observation{Kind: songspy.ObservedIdle, At: at}
		case s.isPausedAt(at):
			return songspy.Observation{Kind: songspy.ObservedPaused, Track: s.track, Progress: s.reportedProgress(at), At: at}
		}
		return songspy.Observation{Kind: songspy.ObservedPlaying, Track: s.track, Progress: s.reportedProgress(at), At: at}
	}
	return songspy.Observation{Kind: songspy.ObservedIdle, At: at}
}
