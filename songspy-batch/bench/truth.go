package main

import (
	"fmt"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// listeners says for whom the last sweep wrote, by what really happened.
type listeners struct {
	// Written is for how many anything was written.
	Written int `json:"writtenFor"`
	// Changed: since their former look something happened to what they hear.
	Changed int `json:"ofThemChanged"`
	// Proven: it happened before that look, and this one proved it. One
	// silence closes nothing, and a play counts once enough of it was heard.
	Proven int `json:"ofThemProven"`
	// Untold: their player keeps its progress to itself, so how long they stay
	// on the board depends on each sighting.
	Untold int `json:"ofThemUntold"`
	// Unchanged: nothing happened. There must be none.
	Unchanged int `json:"ofThemUnchanged"`
	// Examples tells of a few of them.
	Examples []string `json:"examples,omitempty"`
	// MayWrite is for how many there was something to write at all.
	MayWrite int `json:"somethingHappenedTo"`
	// Missed: they went over to another song well before they were looked at,
	// and nothing was written. There must be none.
	Missed int `json:"missed"`
}

// span is a stretch of time, ends included.
type span struct{ from, to time.Time }

func (s span) holds(t time.Time) bool { return !t.Before(s.from) && !t.After(s.to) }

// longestLinger is longer than any stopped player shows its last track.
const longestLinger = 10 * time.Minute

// judge compares whose rows the last of three sweeps wrote with what the
// simulator knows. When exactly within a sweep somebody was looked at is not
// known, so that what happened anywhere between the former sweep's begin and
// this one's end may have been news.
func judge(world *sim.Sim, sweeps [3]sweepRun, written map[songspy.UserID]bool) (l listeners) {
	former := span{sweeps[1].Begin, sweeps[1].End}
	this := span{sweeps[2].Begin, sweeps[2].End}
	for person := range world.People() {
		plays := world.Truth(person, sweeps[0].Begin.Add(-longestLinger), this.to)
		wrote := written[userOf(person)]
		if wrote {
			l.Written++
		}
		changed := happened(plays, span{former.from, this.to})
		proven := happened(plays, span{sweeps[0].Begin, former.from})
		if changed || proven {
			l.MayWrite++
		}
		switch {
		case wrote && changed:
			l.Changed++
		case wrote && proven:
			l.Proven++
		case wrote && untold(plays, this):
			l.Untold++
		case wrote:
			l.Unchanged++
			if len(l.Examples) < 3 {
				l.Examples = append(l.Examples, story(userOf(person), plays))
			}
		case !happened(plays, former) && !happened(plays, this) && another(world.Now(person, former.from), world.Now(person, this.from)):
			l.Missed++
		}
	}
	return l
}

// story tells what somebody heard, for whoever has to explain a row.
func story(id songspy.UserID, plays []sim.Play) string {
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
func happened(plays []sim.Play, within span) bool {
	for _, p := range plays {
		at := []time.Time{p.Start, p.End, p.End.Add(p.Linger)}
		if p.PauseFor > 0 || p.Jump != 0 {
			at = append(at, p.Start.Add(p.PauseAfter), p.Start.Add(p.PauseAfter+p.PauseFor))
		}
		for _, t := range at {
			if within.holds(t) {
				return true
			}
		}
	}
	return false
}

// untold reports whether a player that tells no progress played at the time.
func untold(plays []sim.Play, at span) bool {
	for _, p := range plays {
		if p.NoProgress && p.Start.Before(at.to) && p.End.After(at.from) {
			return true
		}
	}
	return false
}

// another reports whether it is beyond doubt that another song came into sight.
func another(before, now sim.Playing) bool {
	seen := now.Visible && now.State == sim.StatePlaying &&
		now.Play.Track.Kind != sim.KindAd && now.Play.Track.Kind != sim.KindUnknown
	return seen && now.Play.Track.URI != before.Play.Track.URI
}
