package main

import (
	"fmt"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// listeners says for whom the last sweep wrote, by what really happened.
type writeAudit struct {
	// Written is for how many anything was written.
	Written int `json:"writtenFor"`
	// Changed: since their former look something happened to what they hear.
	Changed int `json:"ofThemChanged"`
	// Proven: it happened before that look, and this one proved it. One
	// silence closes nothing, and a play counts once enough of it was heard.
	Proven int `json:"ofThemProven"`
	// Untold: their player keeps its progress to itself, so how long they stay
	// on the board depends on each sighting.
	NoProgress int `json:"ofThemUntold"`
	// Unchanged: nothing happened. There must be none.
	Unchanged int `json:"ofThemUnchanged"`
	// Examples tells of a few of them.
	Examples []string `json:"examples,omitempty"`
	// MayWrite is for how many there was something to write at all.
	Eligible int `json:"somethingHappenedTo"`
	// Missed: they went over to another song well before they were looked at,
	// and nothing was written. There must be none.
	Missed int `json:"missed"`
}

// span is a stretch of time, ends included.
type timeSpan struct{ from, to time.Time }

func (s timeSpan) contains(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// longestLinger is longer than any stopped player shows its last track.
const maxLinger = 10 * time.Minute

// judge compares whose rows the last of three sweeps wrote with what the
// simulator knows. When exactly within a sweep somebody was looked at is not
// known, so that what happened anywhere between the former sweep's begin and
// this one's end may have been news.
func auditWrites(world *sim.Sim, rounds [3]pollRound, written map[songspy.UserID]bool) (l writeAudit) {
	former := timeSpan{rounds[1].Begin, rounds[1].End}
	this := timeSpan{rounds[2].Begin, rounds[2].End}
	for person := range world.People() {
		plays := world.Truth(person, rounds[0].Begin.Add(-maxLinger), this.to)
		wrote := written[userOf(person)]
		if wrote {
			l.Written++
		}
		changed := anyEvent(plays, timeSpan{former.from, this.to})
		proven := anyEvent(plays, timeSpan{rounds[0].Begin, former.from})
		if changed || proven {
			l.Eligible++
		}
		switch {
		case wrote && changed:
			l.Changed++
		case wrote && proven:
			l.Proven++
		case wrote && playsWithoutProgress(plays, this):
			l.NoProgress++
		case wrote:
			l.Unchanged++
			if len(l.Examples) < 3 {
				l.Examples = append(l.Examples, describePlays(userOf(person), plays))
			}
		case !anyEvent(plays, former) && !anyEvent(plays, this) && switchedTrack(world.PlaybackAt(person, former.from), world.PlaybackAt(person, this.from)):
			l.Missed++
		}
	}
	return l
}

// story tells what somebody heard, for whoever has to explain a row.
func describePlays(id songspy.UserID, plays []sim.Play) string {
	s := fmt.Sprintf("user %d:", id)
	for _, p := range plays {
		s += fmt.Sprintf(" %s %s to %s, from %s of %s, lingering %s, paused after %s for %s, jump %s, progress %t;",
			p.Track.Kind, p.Start.Format(time.TimeOnly), p.End.Format(time.TimeOnly), p.From, p.Track.Duration,
			p.Linger, p.PauseAfter, p.PauseFor, p.Jump, !p.NoProgress)
	}
	return s
}

// happened reports whether within the span a play began, stood still, went on,
// was sought in, ended, or left a player that had shown it as paused.
func anyEvent(plays []sim.Play, within timeSpan) bool {
	for _, p := range plays {
		at := []time.Time{p.Start, p.End, p.End.Add(p.Linger)}
		if p.PauseFor > 0 || p.Jump != 0 {
			at = append(at, p.Start.Add(p.PauseAfter), p.Start.Add(p.PauseAfter+p.PauseFor))
		}
		for _, t := range at {
			if within.contains(t) {
				return true
			}
		}
	}
	return false
}

// untold reports whether a player that tells no progress played at the time.
func playsWithoutProgress(plays []sim.Play, at timeSpan) bool {
	for _, p := range plays {
		if p.NoProgress && p.Start.Before(at.to) && p.End.After(at.from) {
			return true
		}
	}
	return false
}

// another reports whether it is beyond doubt that another song came into sight.
func switchedTrack(before, now sim.Playback) bool {
	seen := now.Visible && now.State == sim.StatePlaying &&
		now.Play.Track.Kind != sim.KindAd && now.Play.Track.Kind != sim.KindUnknown
	return seen && now.Play.Track.URI != before.Play.Track.URI
}
