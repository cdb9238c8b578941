package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/store"
)

// statusReport is what "songspy-batch status" shows: the state of the service, with the
// settings that explain it.
type statusReport struct {
	store.Status
	DailyCalls int64 `json:"dailyCalls,omitempty"` // how many calls a developer account may make in 24 hours; 0 if the operator has set no limit, so that only Spotify's quota applies
}

// writeStatus writes the report as a table or as JSON.
func writeStatus(r statusReport, asJSON bool, out io.Writer) error {
	if asJSON {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		return enc.Encode(r)
	}
	t := &table{}
	fmt.Fprintf(t, "Songspy at %s, schema version %d\n", formatTime(r.At), r.SchemaVersion)
	r.writeLinks(t)
	t.heading("PLAYBACK")
	t.numberRow("playing", r.Playing, "users who are playing a track now")
	if w := r.Watches; w.Viewers > 0 {
		t.numberRow("watched", w.Users, fmt.Sprintf("users that viewers watch now (viewers: %d, signed in: %d)", w.Viewers, w.SignedIn))
	}
	t.row("plays in 24 hours", "%s", formatCounts(r.Plays))
	t.row("open gaps", "%s", formatCounts(r.OpenGaps))
	r.writeBatches(t)
	r.writeApps(t)
	_, err := t.WriteTo(out)
	return err
}

// writeLinks writes how many users' links to Spotify are in each state, and
// what has to be done about that state.
func (r statusReport) writeLinks(t *table) {
	remedies := map[songspy.LinkState]string{
		songspy.LinkActive:         "polled",
		songspy.LinkSuspect:        "rejected recently; retried for six hours",
		songspy.LinkReauthRequired: "their users have to link Spotify again",
		songspy.LinkNotRegistered:  "to be registered by you in their app's dashboard: songspy-api seats",
	}
	t.heading("LINKS")
	for _, state := range songspy.LinkStates() {
		if n := r.Links[state]; n > 0 || state == songspy.LinkActive {
			t.numberRow(readableName(string(state)), n, remedies[state])
		}
	}
	for _, c := range r.ConsentLeft {
		t.numberRow(fmt.Sprintf("consent ends in %d days", c.Days), c.Links, map[int]string{
			7: "or earlier, unless their users link again", 30: "their users are asked to link again, from a month before the end",
		}[c.Days])
	}
}

// writeBatches writes which replicas are running, and how late their polls are.
func (r statusReport) writeBatches(t *table) {
	t.heading("BATCH")
	switch state := r.BatchState(); {
	case len(r.Replicas) > 0:
		t.row("running", "%d, polls at most %.1f s overdue", len(r.Replicas), r.OverdueSeconds)
		for _, replica := range r.Replicas {
			t.row("  "+replica.Name, "%d of %d shards", replica.Shards, songspy.ShardCount)
		}
		if free := songspy.ShardCount - r.Shards; free > 0 {
			t.row("unassigned", "%d of %d shards; a replica acquires them within half a minute", free, songspy.ShardCount)
		}
	case state == store.BatchNeverStarted:
		t.row("not started", "no poll has ever been made: start songspy-batch")
	case state == store.BatchIdle:
		t.row("idle", "no user is to be polled yet")
	case state == store.BatchSilent:
		t.row("silent", "no heartbeat for %s: run songspy-batch health", formatDuration(r.At.Sub(*r.LastPollAt)))
	default:
		t.row("running", "last heartbeat %s ago or less", formatDuration(r.At.Sub(*r.LastPollAt)))
	}
	t.row("polls in 24 hours", "%s", formatCounts(r.Polls))
}

// writeApps writes the state of the circuit breakers and the quota of calls for
// every Spotify app of the operator, and how many user-supplied apps are blocked.
func (r statusReport) writeApps(t *table) {
	t.heading("SPOTIFY")
	names := r.Apps()
	for _, app := range names {
		t.row("app "+app, "")
		t.row("  tokens", "%s", breakerText(r.Breakers[app].Accounts, r.At))
		t.row("  data", "%s", breakerText(r.Breakers[app].API, r.At))
		r.writeQuota(t, r.Quotas[app])
	}
	if len(names) == 0 {
		t.row("calls in 24 hours", "none")
	}
	if r.UserAppsBlocked > 0 {
		t.numberRow("user-supplied apps", r.UserAppsBlocked, "blocked; only their users are not polled")
	}
}

// writeQuota writes how many calls a developer account has made, how many are
// planned, and when Spotify last refused one because of the quota.
func (r statusReport) writeQuota(t *table, q store.QuotaStatus) {
	made := fmt.Sprintf("%d to the Web API (%s)", q.Calls.Sum(), formatCounts(q.Calls))
	if limit, bounded := q.Planned(r.At, r.DailyCalls); bounded {
		t.row("  calls in 24 hours", "%s; at most %d are planned", made, limit)
	} else {
		t.row("  calls in 24 hours", "%s; no limit is known yet", made)
	}
	if last := q.LastRefusal; last != nil {
		wait := "without Retry-After"
		if last.RetryAfterMS > 0 {
			wait = "Retry-After " + formatDuration(time.Duration(last.RetryAfterMS)*time.Millisecond)
		}
		t.row("  quota exceeded", "at %s by %s after %d calls in 24 hours (%s), %s; refused %d times in 7 days",
			formatTime(last.At), last.Endpoint, last.Calls.Sum(), formatCounts(last.Calls), wait, q.Refusals)
	}
}

// table is text in aligned columns.
type table struct{ bytes.Buffer }

func (t *table) heading(title string) { fmt.Fprintf(t, "\n%s\n", title) }

func (t *table) row(name, format string, args ...any) {
	line := fmt.Sprintf("  %-24s  %s", name, fmt.Sprintf(format, args...))
	fmt.Fprintln(t, strings.TrimRight(line, " "))
}

// numberRow writes a row with a number and its meaning.
func (t *table) numberRow(name string, n int64, meaning string) { t.row(name, "%-8d  %s", n, meaning) }

// formatCounts lists the counts, ordered by name, such as "4 interval, 2 track end".
func formatCounts[K ~string](counts map[K]int64) string {
	if len(counts) == 0 {
		return "none"
	}
	list := make([]string, 0, len(counts))
	for _, name := range slices.Sorted(maps.Keys(counts)) {
		list = append(list, fmt.Sprintf("%d %s", counts[name], readableName(string(name))))
	}
	return strings.Join(list, ", ")
}

func readableName(name string) string { return strings.ReplaceAll(name, "_", " ") }

// breakerText describes the state of a circuit breaker.
func breakerText(b breaker.SharedBreaker, now time.Time) string {
	switch {
	case b.Cause == "":
		return "closed: calls pass"
	case b.IsOpen(now):
		return fmt.Sprintf("open for another %s, until %s (%s): calls are blocked", formatDuration(b.OpenUntil.Sub(now)), formatTime(b.OpenUntil), b.Cause.Description())
	default:
		return fmt.Sprintf("half open: one call tests it (%s)", b.Cause.Description())
	}
}

func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// formatDuration writes a duration in at most two units.
func formatDuration(d time.Duration) string {
	switch {
	case d >= 48*time.Hour:
		return fmt.Sprintf("%d days", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	default:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	}
}
