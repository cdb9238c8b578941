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
	"github.com/songspy/songspy/songspy-domain/gate"
	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/store"
)

// quietFor is how long a batch that has people to look at may show no sign of it.
const quietFor = 5 * time.Minute

// figures are how the service fares, with what the database does not know.
type figures struct {
	store.Status
	DailyCalls int64 `json:"dailyCalls,omitempty"` // that an account may make in 24 hours; 0: as many as Spotify lets it
}

// writeStatus prints how the service fares: tables, or JSON.
func writeStatus(f figures, asJSON bool, to io.Writer) error {
	if asJSON {
		enc := json.NewEncoder(to)
		enc.SetIndent("", "  ")
		return enc.Encode(f)
	}
	t := &table{}
	fmt.Fprintf(t, "Songspy at %s, schema version %d\n", when(f.At), f.SchemaVersion)
	f.links(t)
	t.head("LISTENING")
	t.number("on the board", f.Playing, "who play something now")
	t.row("plays in 24 hours", "%s", counts(f.Plays))
	t.row("gaps that go on", "%s", counts(f.OpenGaps))
	f.batches(t)
	f.apps(t)
	_, err := t.WriteTo(to)
	return err
}

// links says how links fare, and what is to be done about those that do not.
func (f figures) links(t *table) {
	remedies := map[songspy.LinkState]string{
		songspy.LinkActive:         "asked what they hear",
		songspy.LinkSuspect:        "refused lately; tried again by itself for six hours before it is believed",
		songspy.LinkReauthRequired: "only their people can mend them, by linking Spotify again",
		songspy.LinkNotRegistered:  "to be entered by you in their app's dashboard: songspy-api seats",
	}
	t.head("LINKS")
	for _, state := range songspy.LinkStates() {
		if n := f.Links[state]; n > 0 || state == songspy.LinkActive {
			t.number(words(string(state)), n, remedies[state])
		}
	}
	for _, c := range f.ConsentLeft {
		t.number(fmt.Sprintf("consent ends in %d days", c.Days), c.Links, map[int]string{
			7: "or sooner, if their people do not link again", 30: "these people are asked to, from a month before the end",
		}[c.Days])
	}
}

// batches says who looks, and how well they keep up.
func (f figures) batches(t *table) {
	t.head("BATCH")
	waiting := f.Links[songspy.LinkActive] + f.Links[songspy.LinkSuspect]
	switch {
	case len(f.Replicas) > 0:
		t.row("at work", "%d, at most %.1f s behind with looks", len(f.Replicas), f.BehindSeconds)
		for _, r := range f.Replicas {
			t.row("  "+r.Name, "%d of %d shards", r.Shards, songspy.Shards)
		}
		if free := songspy.Shards - f.Shards; free > 0 {
			t.row("nobody's", "%d of %d shards; a batch takes them within half a minute", free, songspy.Shards)
		}
	case f.LastLook == nil && waiting > 0:
		t.row("at work", "none has ever looked: start songspy-batch")
	case f.LastLook == nil:
		t.row("at work", "nobody is to be looked at yet")
	case f.At.Sub(*f.LastLook) > quietFor && waiting > 0:
		t.row("silent", "no look has told anything for %s: ask songspy-batch health", ago(f.At.Sub(*f.LastLook)))
	default:
		t.row("at work", "a look told something %s ago or less", ago(f.At.Sub(*f.LastLook)))
	}
}

// apps says of every app what Spotify lets it do, and what it may still do.
func (f figures) apps(t *table) {
	t.head("SPOTIFY")
	names := slices.Concat(slices.Collect(maps.Keys(f.Doors)), slices.Collect(maps.Keys(f.Quotas)))
	slices.Sort(names)
	for _, app := range slices.Compact(names) {
		t.row("app "+app, "")
		t.row("  tokens", "%s", doorWords(f.Doors[app].Accounts, f.At))
		t.row("  data", "%s", doorWords(f.Doors[app].API, f.At))
		f.quota(t, f.Quotas[app])
	}
	if len(names) == 0 {
		t.row("calls in 24 hours", "none")
	}
	if f.BroughtClosed > 0 {
		t.number("brought apps refused", f.BroughtClosed, "only their people are not seen meanwhile")
	}
}

// quota says how many calls an account has made, how many are planned, and what
// Spotify has refused.
func (f figures) quota(t *table, q store.QuotaStatus) {
	account := quota.Account{Most: f.DailyCalls}
	if q.Last != nil {
		account.Learn(f.At, *q.Last)
	}
	made := fmt.Sprintf("%d to the Web API (%s)", q.Calls.Sum(), counts(q.Calls))
	if limit, bounded := account.Limit(f.At); bounded {
		t.row("  calls in 24 hours", "%s; at most %d are planned", made, limit)
	} else {
		t.row("  calls in 24 hours", "%s; nothing bounds them yet", made)
	}
	if last := q.Last; last != nil {
		wait := "no wait named"
		if last.RetryAfterMS > 0 {
			wait = "for " + ago(time.Duration(last.RetryAfterMS)*time.Millisecond)
		}
		t.row("  quota exceeded", "at %s by %s after %d calls in 24 hours (%s), %s; %d times in 7 days",
			when(last.At), last.Endpoint, last.Calls.Sum(), counts(last.Calls), wait, q.Refusals)
	}
}

// table is lines whose columns stand below each other.
type table struct{ bytes.Buffer }

func (t *table) head(title string) { fmt.Fprintf(t, "\n%s\n", title) }

func (t *table) row(name, format string, args ...any) {
	line := fmt.Sprintf("  %-24s  %s", name, fmt.Sprintf(format, args...))
	fmt.Fprintln(t, strings.TrimRight(line, " "))
}

// number is a row of a number, and what it means.
func (t *table) number(name string, n int64, meaning string) { t.row(name, "%-8d  %s", n, meaning) }

// counts lists what is counted, the names in order.
func counts[K ~string](of map[K]int64) string {
	if len(of) == 0 {
		return "none"
	}
	list := make([]string, 0, len(of))
	for _, name := range slices.Sorted(maps.Keys(of)) {
		list = append(list, fmt.Sprintf("%d %s", of[name], words(string(name))))
	}
	return strings.Join(list, ", ")
}

func words(name string) string { return strings.ReplaceAll(name, "_", " ") }

func doorWords(d gate.SharedDoor, now time.Time) string {
	switch {
	case d.Why == "":
		return "open"
	case now.Before(d.ClosedUntil):
		return fmt.Sprintf("closed for another %s, until %s (%s)", ago(d.ClosedUntil.Sub(now)), when(d.ClosedUntil), d.Why.Words())
	default:
		return fmt.Sprintf("closed until one call has found it open again (%s)", d.Why.Words())
	}
}

func when(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// ago is a duration as people say it: no seconds beside hours.
func ago(d time.Duration) string {
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
