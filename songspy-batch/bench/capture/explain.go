package main

import (
	"fmt"
	"os"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// explainWindow is the time around a play for which explainPlay prints plays and calls. It prints
// history fetches for coolDown longer.
const explainWindow = 30 * time.Minute

// apiCall is one call to Spotify.
type apiCall struct {
	at      time.Time
	history bool
	status  int
}

// explainPlay prints, with -explain, the real plays, the stored plays and the calls around a
// play with an error, so that a test can reproduce the case. Times are in seconds from one
// hour before the measured time.
func (v userVerdict) explainPlay(problem, uri string, start, end time.Time) {
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
	fmt.Fprintf(to, "\n%s: person %d, %s %.3f–%.3f\n", problem, v.person, uri, since(start), since(end))
	for _, t := range v.truth {
		if t.End.After(from) && t.Start.Before(until) {
			fmt.Fprintf(to, "  played %.3f–%.3f %s of %.3f s, listened %.3f%s; played_at %.3f, listed from %.3f on\n", since(t.Start), since(t.End),
				t.Track.URI, t.Track.Duration.Seconds(), t.Listened.Seconds(), describeOddities(t), since(t.PlayedAt), since(t.ListedAt))
		}
	}
	for _, s := range v.plays {
		if s.end.After(from) && s.start.Before(until) {
			fmt.Fprintf(to, "  stored %.3f–%.3f %s, listened %.3f, %s; played_at %.3f\n", since(s.start), since(s.end), s.uri, s.listened.Seconds(), s.source, since(s.playedAt))
		}
	}
	for _, a := range v.recorded.calls {
		if a.at.After(from) && a.at.Before(until.Add(coolDown)) && (a.history || a.at.Before(until)) {
			fmt.Fprintf(to, "  called %.3f history %t: %d\n", since(a.at), a.history, a.status)
		}
	}
}

// describeOddities lists the unusual properties of a play.
func describeOddities(t sim.Play) (text string) {
	if t.From > 0 {
		text += fmt.Sprintf(", from %.3f", t.From.Seconds())
	}
	if t.PauseFor > 0 || t.Jump != 0 {
		text += fmt.Sprintf(", paused after %.3f for %.3f and jumped %.3f", t.PauseAfter.Seconds(), t.PauseFor.Seconds(), t.Jump.Seconds())
	}
	if t.Linger > 0 {
		text += fmt.Sprintf(", shown %.3f after its end", t.Linger.Seconds())
	}
	for oddity, present := range map[string]bool{", private": t.Private, ", offline": t.Offline, ", without progress": t.NoProgress, ", relinked": t.Track.HistoryURI != t.Track.URI} {
		if present {
			text += oddity
		}
	}
	return text
}
