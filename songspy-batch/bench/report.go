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
	Ratio           float64              `json:"ratio"`
	BareRate        float64              `json:"bareCallsPerSecond"` // the mean of the runs
	Sweep           sweepRun             `json:"sweep"`
	Bare            []bareRun            `json:"bare"`
	BatchMicros     float64              `json:"batchCpuMicros"`    // by look
	SimMicros       float64              `json:"simCpuMicros"`      // by look
	PostgresMicros  float64              `json:"postgresCpuMicros"` // by look; 0: it could not be seen
	PeakRSSBytes    uint64               `json:"batchPeakRssBytes"`
	Rows            map[string]tableRows `json:"rows"`
	Listeners       listeners            `json:"listeners"`
	Missed          []string             `json:"missedBounds"`
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
func (r *report) sum() {
	r.Bench = "sweep"
	for _, b := range r.Bare {
		r.BareRate += b.Rate / float64(len(r.Bare))
	}
	r.Ratio = r.Sweep.Rate / r.BareRate
}

// judge lists the bounds that were missed.
func (r *report) judge(b bounds) []string {
	r.Missed = []string{}
	miss := func(missed bool, format string, args ...any) {
		if missed {
			r.Missed = append(r.Missed, fmt.Sprintf(format, args...))
		}
	}
	miss(r.Ratio < b.ratio, "the sweep runs at %.2f of the bare loop's rate; at least %.2f is wanted", r.Ratio, b.ratio)
	miss(r.PeakRSSBytes >= b.rssBytes, "the batch took %d MiB; less than %d is wanted", r.PeakRSSBytes>>20, b.rssBytes>>20)
	miss(b.seconds > 0 && r.Sweep.Seconds >= b.seconds, "the sweep took %.1f s; less than %.0f is wanted", r.Sweep.Seconds, b.seconds)
	miss(r.Sweep.Looks != r.People, "%d looks were made at %d people", r.Sweep.Looks, r.People)
	miss(r.Sweep.Failed > 0, "%d looks failed", r.Sweep.Failed)
	miss(r.Listeners.Unchanged > 0, "rows were written for %d listeners for whom nothing had changed", r.Listeners.Unchanged)
	miss(r.Listeners.Missed > 0, "nothing was written for %d listeners who hear another song", r.Listeners.Missed)
	return r.Missed
}

// write prints a table for people and, last, one line of JSON.
func (r *report) write(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("listeners", "%d, looked at every %.0f s, %d at a time", r.People, r.IntervalSeconds, r.Workers)
	line("third sweep", "%d looks in %.1f s: %.0f/s", r.Sweep.Looks, r.Sweep.Seconds, r.Sweep.Rate)
	for i, b := range r.Bare {
		line("bare loop, "+[]string{"before", "after"}[i], "%d calls in %.1f s: %.0f/s", b.Calls, b.Seconds, b.Rate)
	}
	line("ratio", "%.2f", r.Ratio)
	line("processor time a look", "batch %.0f µs, simulator %.0f µs, Postgres %.0f µs", r.BatchMicros, r.SimMicros, r.PostgresMicros)
	line("processor time a bare call", "loop %.0f µs, simulator %.0f µs", r.Bare[1].OwnMicros, r.Bare[1].SimMicros)
	line("batch's peak RSS", "%d MiB", r.PeakRSSBytes>>20)
	for _, name := range slices.Sorted(maps.Keys(r.Rows)) {
		rows := r.Rows[name]
		line("rows of "+name, "%d inserted, %d updated (%d within their page), %d deleted", rows.Inserted, rows.Updated, rows.InPage, rows.Deleted)
	}
	l := r.Listeners
	line("something had happened to", "%d listeners", l.MayWrite)
	line("rows were written for", "%d listeners", l.Written)
	line("  changed since the former look", "%d", l.Changed)
	line("  proven by this look", "%d", l.Proven)
	line("  their player tells no progress", "%d", l.Untold)
	line("  nothing had happened", "%d", l.Unchanged)
	for _, story := range l.Examples {
		line("    such as", "%s", story)
	}
	line("another song, nothing written", "%d", l.Missed)
	line("bounds", "%s", verdict(r.Missed))
	if err := t.Flush(); err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(r)
}

func verdict(missed []string) string {
	if len(missed) == 0 {
		return "all kept"
	}
	return "MISSED: " + strings.Join(missed, "; ")
}
