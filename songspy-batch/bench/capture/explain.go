package main

import (
	"fmt"
	"os"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// around is how far from a doubled play its neighbours are told.
const explainWindow = 30 * time.Minute

// asking is one call that was answered.
type apiCall struct {
	at      time.Time
	history bool
	status  int
}

// tell tells, if that is wanted, what was played, stored and asked around a play
// that should be stored, or should not, so that the case can be made a test.
// Times are in seconds since an hour before what is measured.
func (v userVerdict) explainPlay(what, uri string, start, end time.Time) {
	if !v.explain {
		return
	}
	to := os.Stderr
	epoch := v.from.Add(-defaultWarmUp)
	since := func(t time.Time) float64 {
		if t.IsZero() {
			return -1
		}
		return t.Sub(epoch).Seconds()
	}
	from, until := start.Add(-explainWindow), end.Add(explainWindow)
	fmt.Fprintf(to, "\n%s: person %d, %s %.3f–%.3f\n", what, v.person, uri, since(start), since(end))
	for _, t := range v.truth {
		if t.End.After(from) && t.Start.Before(until) {
			fmt.Fprintf(to, "  played %.3f–%.3f %s of %.3f s, listened %.3f%s; history says %.3f, from %.3f on\n", since(t.Start), since(t.End),
				t.Track.URI, t.Track.Duration.Seconds(), t.Listened.Seconds(), describeOddities(t), since(t.PlayedAt), since(t.ListedAt))
		}
	}
	for _, s := range v.plays {
		if s.end.After(from) && s.start.Before(until) {
			fmt.Fprintf(to, "  stored %.3f–%.3f %s, listened %.3f, %s; history said %.3f\n", since(s.start), since(s.end), s.uri, s.listened.Seconds(), s.source, since(s.playedAt))
		}
	}
	for _, a := range v.seen.calls {
		if a.at.After(from) && a.at.Before(until.Add(coolDown)) && (a.history || a.at.Before(until)) {
			fmt.Fprintf(to, "  asked %.3f history %t: %d\n", since(a.at), a.history, a.status)
		}
	}
}

// oddities are what makes a play unlike others.
func describeOddities(t sim.Play) (words string) {
	if t.From > 0 {
		words += fmt.Sprintf(", from %.3f", t.From.Seconds())
	}
	if t.PauseFor > 0 || t.Jump != 0 {
		words += fmt.Sprintf(", paused after %.3f for %.3f and jumped %.3f", t.PauseAfter.Seconds(), t.PauseFor.Seconds(), t.Jump.Seconds())
	}
	if t.Linger > 0 {
		words += fmt.Sprintf(", lingering %.3f", t.Linger.Seconds())
	}
	for word, is := range map[string]bool{", private": t.Private, ", offline": t.Offline, ", without progress": t.NoProgress, ", relinked": t.Track.HistoryURI != t.Track.URI} {
		if is {
			words += word
		}
	}
	return words
}
