package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// report is all that was measured.
type report struct {
	Bench           string               `json:"bench"`
	People          int                  `json:"people"`
	Workers         int                  `json:"workers"`
	IntervalSeconds float64              `json:"intervalSeconds"`
	Ratio           float64              `json:"ratio"`  // the median of Ratios
	Ratios          []float64            `json:"ratios"` // of each sweep to the bare runs before and after it
	Rounds          []pollRound          `json:"sweeps"`
	BareRuns        []bareRun            `json:"bare"`              // one more than sweeps, in turn with them
	BatchMicros     float64              `json:"batchCpuMicros"`    // by look
	SimMicros       float64              `json:"simCpuMicros"`      // by look
	PostgresMicros  float64              `json:"postgresCpuMicros"` // by look; 0: it could not be seen
	PeakRSSBytes    uint64               `json:"batchPeakRssBytes"`
	Rows            map[string]tableRows `json:"rows"`
	Writes          writeAudit           `json:"listeners"`
	Missed          []string             `json:"missedBounds"` // nil: not judged
}

// bounds are what a sweep has to keep.
type bounds struct {
	ratio    float64 // 0: any
	rssBytes uint64
	seconds  float64 // 0: any
}

// boundsFor are those of the two sizes. Fewer listeners are there to be
// compared: their sweep is over within a few samples, too soon to tell its rate.
func boundsFor(people int) bounds {
	switch {
	case people < 100_000:
		return bounds{rssBytes: 512 << 20}
	case people == 100_000:
		return bounds{ratio: 0.5, rssBytes: 512 << 20}
	default:
		return bounds{ratio: 0.7, rssBytes: 1 << 30, seconds: 90}
	}
}

// sum works out what follows from the rest.
func (r *report) finish() {
	r.Bench = "sweep"
	for i, s := range r.Rounds {
		r.Ratios = append(r.Ratios, s.Rate/((r.BareRuns[i].Rate+r.BareRuns[i+1].Rate)/2))
	}
	r.Ratio = median(r.Ratios)
}

// last is the sweep whose cost and rows are told.
func (r *report) lastRound() pollRound { return r.Rounds[len(r.Rounds)-1] }

// median is the middle one, or the mean of the middle two.
func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// judge lists the bounds that were missed.
func (r *report) checkBounds(b bounds) []string {
	r.Missed = []string{}
	miss := func(missed bool, format string, args ...any) {
		if missed {
			r.Missed = append(r.Missed, fmt.Sprintf(format, args...))
		}
	}
	miss(!(r.Ratio >= b.ratio), "the sweep runs at %.2f of the bare loop's rate; at least %.2f is wanted", r.Ratio, b.ratio)
	miss(r.PeakRSSBytes >= b.rssBytes, "the batch took %d MiB; less than %d is wanted", r.PeakRSSBytes>>20, b.rssBytes>>20)
	for _, s := range r.Rounds {
		miss(b.seconds > 0 && s.Seconds >= b.seconds, "a sweep took %.1f s; less than %.0f is wanted", s.Seconds, b.seconds)
		miss(s.Polls != r.People, "%d looks were made at %d people", s.Polls, r.People)
		miss(s.Failed > 0, "%d looks failed", s.Failed)
	}
	miss(r.Writes.Unchanged > 0, "rows were written for %d listeners for whom nothing had changed", r.Writes.Unchanged)
	miss(r.Writes.Missed > 0, "nothing was written for %d listeners who hear another song", r.Writes.Missed)
	return r.Missed
}

// write prints a table for people and, last, one line of JSON.
func (r *report) write(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("listeners", "%d, looked at every %.0f s, %d at a time", r.People, r.IntervalSeconds, r.Workers)
	for i, b := range r.BareRuns {
		line("bare loop", "%d calls in %.1f s: %.0f/s", b.Calls, b.Seconds, b.Rate)
		if i < len(r.Rounds) {
			s := r.Rounds[i]
			line(fmt.Sprintf("sweep %d", warmUpRounds+i+1), "%d looks in %.1f s: %.0f/s, ratio %.2f", s.Polls, s.Seconds, s.Rate, r.Ratios[i])
		}
	}
	line("ratio", "%.2f, the median", r.Ratio)
	line("processor time a look", "batch %.0f µs, simulator %.0f µs, Postgres %.0f µs", r.BatchMicros, r.SimMicros, r.PostgresMicros)
	line("processor time a bare call", "loop %.0f µs, simulator %.0f µs", r.BareRuns[len(r.BareRuns)-1].OwnMicros, r.BareRuns[len(r.BareRuns)-1].SimMicros)
	line("batch's peak RSS", "%d MiB", r.PeakRSSBytes>>20)
	for _, name := range slices.Sorted(maps.Keys(r.Rows)) {
		rows := r.Rows[name]
		line("rows of "+name, "%d inserted, %d updated (%d within their page), %d deleted", rows.Inserted, rows.Updated, rows.InPage, rows.Deleted)
	}
	l := r.Writes
	line("something had happened to", "%d listeners", l.Eligible)
	line("rows were written for", "%d listeners", l.Written)
	line("  changed since the former look", "%d", l.Changed)
	line("  proven by this look", "%d", l.Proven)
	line("  their player tells no progress", "%d", l.NoProgress)
	line("  nothing had happened", "%d", l.Unchanged)
	for _, example := range l.Examples {
		line("    such as", "%s", example)
	}
	line("another song, nothing written", "%d", l.Missed)
	line("bounds", "%s", boundsText(r.Missed))
	if err := t.Flush(); err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(r)
}

func boundsText(missed []string) string {
	if missed == nil {
		return "not judged"
	}
	if len(missed) == 0 {
		return "all kept"
	}
	return "MISSED: " + strings.Join(missed, "; ")
}
