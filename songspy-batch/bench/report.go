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

// report holds all figures of one number of users.
type report struct {
	Bench           string               `json:"bench"`
	People          int                  `json:"users"`
	Workers         int                  `json:"workers"`
	IntervalSeconds float64              `json:"intervalSeconds"`
	Ratio           float64              `json:"ratio"`  // the median of Ratios
	Ratios          []float64            `json:"ratios"` // each round's rate, divided by the mean rate of the bare loops before and after it
	Rounds          []pollRound          `json:"rounds"`
	BareRuns        []bareRun            `json:"bare"`              // one before each round and one after the last
	BatchMicros     float64              `json:"batchCpuMicros"`    // processor time of one poll
	SimMicros       float64              `json:"simCpuMicros"`      // processor time of one poll
	PostgresMicros  float64              `json:"postgresCpuMicros"` // processor time of one poll; 0 if the bench does not see the processes of Postgres
	PeakRSSBytes    uint64               `json:"batchPeakRssBytes"`
	Rows            map[string]tableRows `json:"rows"`
	Writes          writeAudit           `json:"writes"`
	Missed          []string             `json:"missedBounds"` // nil if the bounds were not checked
}

// bounds are the limits that a measurement has to keep.
type bounds struct {
	ratio    float64 // the least report.Ratio; 0 means no bound
	rssBytes uint64  // the batch's peak memory must be less, in bytes
	seconds  float64 // each round must take less; 0 means no bound
}

// boundsFor returns the bounds for a number of users. Below 100,000 there is no bound on the
// rate: such a round ends within a few readings of the metrics, too soon to measure it.
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

// finish computes the ratios from the rounds and the bare loops.
func (r *report) finish() {
	r.Bench = "polls"
	for i, s := range r.Rounds {
		r.Ratios = append(r.Ratios, s.Rate/((r.BareRuns[i].Rate+r.BareRuns[i+1].Rate)/2))
	}
	r.Ratio = median(r.Ratios)
}

// lastRound returns the last round, the one whose processor time and written
// rows are reported.
func (r *report) lastRound() pollRound { return r.Rounds[len(r.Rounds)-1] }

// median returns the middle value, or the mean of the two middle values.
func median(of []float64) float64 {
	sorted := slices.Sorted(slices.Values(of))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// checkBounds compares the figures with the bounds. It stores in the report,
// and returns, the bounds that were missed.
func (r *report) checkBounds(b bounds) []string {
	r.Missed = []string{}
	miss := func(missed bool, format string, args ...any) {
		if missed {
			r.Missed = append(r.Missed, fmt.Sprintf(format, args...))
		}
	}
	miss(!(r.Ratio >= b.ratio), "polls run at %.2f of the bare loop's rate; the bound is at least %.2f", r.Ratio, b.ratio)
	miss(r.PeakRSSBytes >= b.rssBytes, "the batch used %d MiB; the bound is less than %d", r.PeakRSSBytes>>20, b.rssBytes>>20)
	for _, s := range r.Rounds {
		miss(b.seconds > 0 && s.Seconds >= b.seconds, "a round took %.1f s; the bound is less than %.0f", s.Seconds, b.seconds)
		miss(s.Polls != r.People, "a round made %d polls of %d users", s.Polls, r.People)
		miss(s.Failed > 0, "%d polls failed", s.Failed)
	}
	miss(r.Writes.Unchanged > 0, "rows were written for %d users without a change", r.Writes.Unchanged)
	miss(r.Writes.Missed > 0, "nothing was written for %d users whose track had changed", r.Writes.Missed)
	return r.Missed
}

// write prints a table and, last, one line of JSON.
func (r *report) write(to io.Writer) error {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	line := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	line("users", "%d, polled every %.0f s, %d at a time", r.People, r.IntervalSeconds, r.Workers)
	for i, b := range r.BareRuns {
		line("bare loop", "%d calls in %.1f s: %.0f/s", b.Calls, b.Seconds, b.Rate)
		if i < len(r.Rounds) {
			s := r.Rounds[i]
			line(fmt.Sprintf("round %d", warmUpRounds+i+1), "%d polls in %.1f s: %.0f/s, ratio %.2f", s.Polls, s.Seconds, s.Rate, r.Ratios[i])
		}
	}
	line("ratio", "%.2f, the median", r.Ratio)
	line("processor time of a poll", "batch %.0f µs, simulator %.0f µs, Postgres %.0f µs", r.BatchMicros, r.SimMicros, r.PostgresMicros)
	line("processor time of a bare call", "loop %.0f µs, simulator %.0f µs", r.BareRuns[len(r.BareRuns)-1].OwnMicros, r.BareRuns[len(r.BareRuns)-1].SimMicros)
	line("batch's peak RSS", "%d MiB", r.PeakRSSBytes>>20)
	for _, name := range slices.Sorted(maps.Keys(r.Rows)) {
		rows := r.Rows[name]
		line("rows of "+name, "%d inserted, %d updated (%d within their page), %d deleted", rows.Inserted, rows.Updated, rows.InPage, rows.Deleted)
	}
	w := r.Writes
	line("users with a possible change", "%d", w.Eligible)
	line("users with rows written", "%d", w.Written)
	line("  changed since the previous round", "%d", w.Changed)
	line("  confirmed by this round", "%d", w.Proven)
	line("  player without progress", "%d", w.NoProgress)
	line("  no change", "%d", w.Unchanged)
	for _, example := range w.Examples {
		line("    example", "%s", example)
	}
	line("track changed, no row written", "%d", w.Missed)
	line("bounds", "%s", boundsText(r.Missed))
	if err := t.Flush(); err != nil {
		return err
	}
	return json.NewEncoder(to).Encode(r)
}

func boundsText(missed []string) string {
	if missed == nil {
		return "not checked"
	}
	if len(missed) == 0 {
		return "all kept"
	}
	return "MISSED: " + strings.Join(missed, "; ")
}
