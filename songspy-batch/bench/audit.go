package main

import (
	"fmt"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// writeAudit compares the users whose rows the batch wrote in the last round with what
// the simulator knows about their playback. A round is one poll of every user. The audit
// looks at the last three rounds, here called the first, the second and the last.
type writeAudit struct {
	// Written counts all users whose row was written in the last round.
	Written int `json:"written"`
	// Changed counts users of Written whose playback changed after the start of the second round.
	// Each user of Written is counted in one of the fields Changed, Proven, NoProgress and Unchanged.
	Changed int `json:"changed"`
	// Proven counts users whose playback changed between the start of the first and the start of
	// the second round. The last round may still write such a change, because a change may need
	// two polls: a play ends after two idle polls, and it counts after enough listening time. A
	// new item needs one poll more if the first answer was not believed (see mayBeDoubted). So
	// Proven also counts users with such an item that began up to one round before the first.
	Proven int `json:"proven"`
	// NoProgress counts users whose player reports no progress. Each poll extends the time for
	// which the board shows such a user, so each poll writes the row.
	NoProgress int `json:"noProgress"`
	// Unchanged counts users whose row was written although nothing changed. It must be 0.
	Unchanged int `json:"unchanged"`
	// Examples describes some of the unchanged users.
	Examples []string `json:"examples,omitempty"`
	// Eligible counts all users with a change that Changed or Proven counts, with or without
	// a written row.
	Eligible int `json:"eligible"`
	// Missed counts the users whose track changed between the second and the last round,
	// but whose row was not written. It must be 0.
	Missed int `json:"missed"`
}

// timeSpan is an interval that includes both ends.
type timeSpan struct{ from, to time.Time }

func (s timeSpan) contains(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// maxLinger exceeds the time for which a stopped player of the simulator still shows
// its last track.
const maxLinger = 10 * time.Minute

// auditWrites compares the users with rows written in the last of three rounds with the
// simulator's plays. The exact time of a user's poll within a round is not known. So any
// event from the start of the previous round to the end of the last round counts as a
// possible change.
func auditWrites(world *sim.Sim, rounds [3]pollRound, written map[songspy.UserID]bool) (a writeAudit) {
	previous := timeSpan{rounds[1].Begin, rounds[1].End}
	current := timeSpan{rounds[2].Begin, rounds[2].End}
	earlier := rounds[0].Begin.Add(-rounds[1].Begin.Sub(rounds[0].Begin)) // the start of the round before the first
	for person := range world.People() {
		plays := world.Truth(person, rounds[0].Begin.Add(-maxLinger), current.to)
		wrote := written[userOf(person)]
		if wrote {
			a.Written++
		}
		changed := anyEvent(plays, timeSpan{previous.from, current.to})
		proven := anyEvent(plays, timeSpan{rounds[0].Begin, previous.from}) || mayBeDoubted(plays, earlier, timeSpan{rounds[0].Begin, rounds[0].End})
		if changed || proven {
			a.Eligible++
		}
		switch {
		case wrote && changed:
			a.Changed++
		case wrote && proven:
			a.Proven++
		case wrote && playsWithoutProgress(plays, current):
			a.NoProgress++
		case wrote:
			a.Unchanged++
			if len(a.Examples) < 3 {
				a.Examples = append(a.Examples, describePlays(userOf(person), plays))
			}
		case !anyEvent(plays, previous) && !anyEvent(plays, current) && switchedTrack(world.PlaybackAt(person, previous.from), world.PlaybackAt(person, current.from)):
			a.Missed++
		}
	}
	return a
}

// describePlays lists a user's plays, to explain a row that was written without a change.
func describePlays(id songspy.UserID, plays []sim.Play) string {
	s := fmt.Sprintf("user %d:", id)
	for _, p := range plays {
		s += fmt.Sprintf(" %s %s to %s, from position %s of %s, shown %s after its end, paused after %s for %s, jump %s, progress %t;",
			p.Track.Kind, p.Start.Format(time.TimeOnly), p.End.Format(time.TimeOnly), p.From, p.Track.Duration,
			p.Linger, p.PauseAfter, p.PauseFor, p.Jump, !p.NoProgress)
	}
	return s
}

// anyEvent reports whether a play started, paused, resumed, jumped or ended within the
// span, or its stopped player stopped showing it.
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

// mayBeDoubted reports whether a poll within the span may have shown a new item with about the
// progress that an earlier item would have had then. The new item began at since or later, and the
// earlier item still played at since. Package playback does not believe such an answer until the
// next poll confirms it, because Spotify sometimes answers with the new item and the progress of
// the old one.
func mayBeDoubted(plays []sim.Play, since time.Time, within timeSpan) bool {
	const tolerance = 5 * time.Second // a little more than in package playback
	for i, item := range plays {
		if item.Start.Before(since) || item.Start.After(within.to) {
			continue
		}
		least, most := item.From+within.from.Sub(item.Start), item.From+within.to.Sub(item.Start)
		for _, before := range plays[:i] {
			length := before.Track.Duration // the progress that an earlier item is assumed to have grows up to its length
			ahead := item.From - before.From - item.Start.Sub(before.Start)
			if before.End.After(since) && (ahead.Abs() <= tolerance || least <= length+tolerance && most >= length-tolerance) {
				return true
			}
		}
	}
	return false
}

// playsWithoutProgress reports whether a player that reports no progress played within the
// span.
func playsWithoutProgress(plays []sim.Play, at timeSpan) bool {
	for _, p := range plays {
		if p.NoProgress && p.Start.Before(at.to) && p.End.After(at.from) {
			return true
		}
	}
	return false
}

// switchedTrack reports whether a person's player plays another track now than it
// showed before. It returns false if the player does not play now, or plays an
// advertisement or an item of unknown type.
func switchedTrack(before, now sim.Playback) bool {
	shown := now.Visible && now.State == sim.StatePlaying &&
		now.Play.Track.Kind != sim.KindAd && now.Play.Track.Kind != sim.KindUnknown
	return shown && now.Play.Track.URI != before.Play.Track.URI
}
