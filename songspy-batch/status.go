package main

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/songspy/songspy/songspy-domain/gate"
	"github.com/songspy/songspy/songspy-domain/store"
)

// writeStatus prints how the service fares: a table, or JSON.
func writeStatus(st store.Status, asJSON bool, to io.Writer) error {
	if asJSON {
		enc := json.NewEncoder(to)
		enc.SetIndent("", "  ")
		return enc.Encode(st)
	}
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) { fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...)) }
	row("at", "%s", st.At.Format(time.RFC3339))
	row("schema", "version %d", st.SchemaVersion)
	row("links", "%s", counts(st.Links))
	row("", "%d of the active ones within a month of their consent's end", st.ConsentEnding)
	row("on the board", "%d", st.Playing)
	row("plays of 24 hours", "%s", counts(st.Plays))
	row("gaps that go on", "%s", counts(st.OpenGaps))
	switch {
	case len(st.Replicas) > 0:
		row("batches", "%d, holding %d of 64 shards, %.1f s behind at most", len(st.Replicas), st.Shards, st.BehindSeconds)
		for _, r := range st.Replicas {
			row("", "%s holds %d", r.Name, r.Shards)
		}
	case st.LastLook != nil:
		row("batch", "last looked %s ago or less", st.At.Sub(*st.LastLook).Round(time.Second))
	default:
		row("batch", "none has looked yet")
	}
	for _, app := range slices.Sorted(maps.Keys(st.Doors)) {
		row("app "+app, "tokens: %s; data: %s", doorWords(st.Doors[app].Accounts, st.At), doorWords(st.Doors[app].API, st.At))
	}
	for _, app := range slices.Sorted(maps.Keys(st.Spent)) {
		row("app "+app, "%d calls to the Web API today (UTC)", st.Spent[app])
	}
	return t.Flush()
}

// counts lists what is counted, the names in order.
func counts[K ~string](of map[K]int64) string {
	if len(of) == 0 {
		return "none"
	}
	words := make([]string, 0, len(of))
	for _, name := range slices.Sorted(maps.Keys(of)) {
		words = append(words, fmt.Sprintf("%d %s", of[name], strings.ReplaceAll(string(name), "_", " ")))
	}
	return strings.Join(words, ", ")
}

func doorWords(d gate.SharedDoor, now time.Time) string {
	switch {
	case d.Why == "":
		return "open"
	case now.Before(d.ClosedUntil):
		return fmt.Sprintf("closed until %s (%s)", d.ClosedUntil.Format(time.RFC3339), d.Why)
	default:
		return fmt.Sprintf("due for a probe (%s)", d.Why)
	}
}
