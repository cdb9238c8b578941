package main

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// fraction counts cases (Total), and how many of them fulfil a condition (Count).
type fraction struct {
	Total int `json:"total"`
	Count int `json:"count"`
}

func (s *fraction) observe(is bool) {
	s.Total++
	if is {
		s.Count++
	}
}

func (s fraction) ratio() float64 {
	if s.Total == 0 {
		return 1
	}
	return float64(s.Count) / float64(s.Total)
}

func (s fraction) String() string { return fmt.Sprintf("%.2f %%", 100*s.ratio()) }

// result holds the figures of one policy.
type result struct {
	Policy          string  `json:"policy"`
	Calls           int     `json:"calls"` // polls and history fetches
	Polls           int     `json:"polls"`
	HistoryFetches  int     `json:"historyFetches"`
	Refused         int     `json:"refused"`
	CallsPerUserDay float64 `json:"callsPerUserDay"`
	// Accounts is the number of developer accounts of a policy with a quota.
	// MaxRateLimited is the number of calls that Spotify rejects with 429 in a week.
	// LongestOutage is the longest time without a successful call, in seconds. Both are
	// those of the worst account.
	Accounts       int     `json:"accounts,omitempty"`
	MaxRateLimited float64 `json:"maxRateLimitedPerWeek"`
	LongestOutage  float64 `json:"longestOutageSeconds"`

	// The fractions up to WithProbable are about real plays of 30 s and more, and count
	// how many of them are stored.
	Provable fraction `json:"provable"` // plays that a poll returned or history lists
	Seen     fraction `json:"seen"`     // plays that a poll returned
	Followed fraction `json:"followed"` // plays that history lists, or that polls followed for 30 s or to the start of the next play
	Plays    fraction `json:"plays"`    // all plays, without private ones, advertisements and items of unknown type
	// WithProbable is Plays if plays that are stored as probable count too. Probable is
	// about the stored probable plays, and counts how many of them were played.
	WithProbable fraction `json:"withProbable"`
	Probable     fraction `json:"probable"`
	Claimed      int      `json:"claimed"` // stored plays, without the probable ones
	Duplicates   int      `json:"duplicates"`
	NotPlayed    int      `json:"notPlayed"`   // stored plays that were not played, or not for long enough
	ExcessPolls  int      `json:"excessPolls"` // of the worst person; see worstPollExcess
	NeverShown   int      `json:"neverShown"`  // plays of any length that the board never showed

	StartOff    []float64 `json:"startOffSeconds"`     // p50, p95
	ListenedOff []float64 `json:"listenedOffSeconds"`  // p50, p95
	Delay       []float64 `json:"startToBoardSeconds"` // p50, p90, p95
	OnBoard     float64   `json:"shareOnBoard"`        // fraction of the playing time, without private and offline plays, in which the board shows the track
	Seconds     float64   `json:"seconds"`             // duration of the run

	personDays                   float64
	startOff, listenedOff, delay []time.Duration
	playing, onBoard             time.Duration

	// WatchedSeconds is the time in which viewers watched people who were listening.
	// WatchedWrong is the fraction of that time in which the board showed something else.
	// ViewerDelay is how long viewers waited until they saw the track that played: p50,
	// p90 and p95, in seconds. ChangeDelay is the same without the tracks that viewers saw
	// at once when they opened the page.
	WatchedSeconds float64   `json:"watchedSeconds,omitempty"`
	WatchedWrong   float64   `json:"watchedWrongShare,omitempty"`
	ViewerDelay    []float64 `json:"viewerDelaySeconds,omitempty"`
	ChangeDelay    []float64 `json:"changeDelaySeconds,omitempty"`

	watched, watchedWrong    time.Duration
	viewerDelay, changeDelay []time.Duration
}

// combine merges the results of several developer accounts into one.
func combine(rows []result) (all result) {
	for i, res := range rows {
		if i == 0 {
			all.Policy, all.ExcessPolls = res.Policy, res.ExcessPolls
		}
		all.ExcessPolls = max(all.ExcessPolls, res.ExcessPolls)
		all.Accounts++
		all.Calls, all.Polls, all.HistoryFetches, all.Refused = all.Calls+res.Calls, all.Polls+res.Polls, all.HistoryFetches+res.HistoryFetches, all.Refused+res.Refused
		all.MaxRateLimited, all.LongestOutage = max(all.MaxRateLimited, res.MaxRateLimited), max(all.LongestOutage, res.LongestOutage)
		for _, s := range []struct{ to, from *fraction }{
			{&all.Provable, &res.Provable},
			{&all.Seen, &res.Seen},
			{&all.Followed, &res.Followed},
			{&all.Plays, &res.Plays},
			{&all.WithProbable, &res.WithProbable},
			{&all.Probable, &res.Probable},
		} {
			s.to.Total, s.to.Count = s.to.Total+s.from.Total, s.to.Count+s.from.Count
		}
		all.Claimed, all.Duplicates, all.NotPlayed, all.NeverShown = all.Claimed+res.Claimed, all.Duplicates+res.Duplicates, all.NotPlayed+res.NotPlayed, all.NeverShown+res.NeverShown
		all.personDays, all.Seconds = all.personDays+res.personDays, all.Seconds+res.Seconds
		all.startOff, all.listenedOff, all.delay = append(all.startOff, res.startOff...), append(all.listenedOff, res.listenedOff...), append(all.delay, res.delay...)
		all.playing, all.onBoard = all.playing+res.playing, all.onBoard+res.onBoard
		all.watched, all.watchedWrong = all.watched+res.watched, all.watchedWrong+res.watchedWrong
		all.viewerDelay, all.changeDelay = append(all.viewerDelay, res.viewerDelay...), append(all.changeDelay, res.changeDelay...)
	}
	all.finish()
	return all
}

// finish computes the percentiles and fractions from the collected times.
func (res *result) finish() {
	res.CallsPerUserDay = float64(res.Calls) / res.personDays
	res.StartOff = percentiles(res.startOff, 50, 95)
	res.ListenedOff = percentiles(res.listenedOff, 50, 95)
	res.Delay = percentiles(res.delay, 50, 90, 95)
	res.OnBoard = res.onBoard.Seconds() / max(res.playing.Seconds(), 1e-9)
	if res.watched > 0 {
		res.WatchedSeconds, res.WatchedWrong = res.watched.Seconds(), res.watchedWrong.Seconds()/res.watched.Seconds()
		res.ViewerDelay, res.ChangeDelay = percentiles(res.viewerDelay, 50, 90, 95), percentiles(res.changeDelay, 50, 90, 95)
	}
}

// percentiles returns the given percentiles of the durations, in seconds. The argument at lists the
// percentiles, such as 50 and 95; the argument of holds the durations, which it sorts. Each
// percentile is a measured value, not interpolated. If there are no durations, each is -1.
func percentiles(of []time.Duration, at ...float64) (out []float64) {
	slices.Sort(of)
	for _, p := range at {
		if len(of) == 0 {
			out = append(out, -1)
			continue
		}
		i := int(math.Ceil(p/100*float64(len(of)))) - 1
		out = append(out, of[max(0, i)].Seconds())
	}
	return out
}

// report holds the results of all policies.
type report struct {
	Bench      string   `json:"bench"`
	Population string   `json:"population"`
	People     int      `json:"people"`
	Days       int      `json:"days"`
	Seed       uint64   `json:"seed"`
	Rows       []result `json:"rows"`
	Missed     []string `json:"missedBounds"` // nil if the bounds were not checked
}

func newReport(o options, rows []result) *report {
	r := &report{Bench: "capture", Population: o.population, People: o.people, Days: o.days, Seed: o.seed, Rows: rows}
	if o.bounds {
		r.Missed = r.checkBounds()
	}
	return r
}

func (r *report) result(name string) (result, bool) {
	i := slices.IndexFunc(r.Rows, func(res result) bool { return res.Policy == name })
	if i < 0 {
		return result{}, false
	}
	return r.Rows[i], true
}

// write prints a table and, last, one line of JSON.
func (r *report) write(to io.Writer) error {
	fmt.Fprintf(to, "%d people, %s, %d days, seed %d\n\n", r.People, r.Population, r.Days, r.Seed)
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, strings.Join([]string{
		"policy", "calls/day", "provable", "followed", "seen", "all ≥ 30 s", "with probable", "probable right", "doubles", "not played", "excess", "start off", "listened off", "start → board", "on board", "run",
	}, "\t"))
	fmt.Fprintln(t, "\t\t\t\t\t\t\t\t\t\t\tp50 p95\tp50 p95\tp50 p90 p95\t\t")
	for _, res := range r.Rows {
		fmt.Fprintf(t, "%s\t%.1f\t%v\t%v\t%v\t%v\t%v\t%v\t%d\t%.3f %%\t%+d\t%s\t%s\t%s\t%.2f %%\t%.0f s\n", res.Policy, res.CallsPerUserDay, res.Provable, res.Followed, res.Seen, res.Plays, res.WithProbable, res.Probable, res.Duplicates,
			100*float64(res.NotPlayed)/max(1, float64(res.Claimed)), res.ExcessPolls, seconds(res.StartOff), seconds(res.ListenedOff), seconds(res.Delay), 100*res.OnBoard, res.Seconds)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, res := range r.Rows {
		if res.Accounts > 0 {
			fmt.Fprintf(to, "\n%s: %d accounts of %d, each allowed %d calls in 24 hours; in the worst one %.1f calls a week were rejected, and no call succeeded for %.0f s\n",
				res.Policy, res.Accounts, usersPerAccount, reportedQuota, res.MaxRateLimited, res.LongestOutage)
		}
	}
	r.writeViewers(to)
	r.writeOracleComparison(to)
	fmt.Fprintf(to, "\nbounds: %s\n", boundsText(r.Missed))
	return json.NewEncoder(to).Encode(r)
}

// writeViewers prints what viewers saw: for which fraction of the watched listening time they
// saw a wrong track (not the one that played), compared with the policy without calls for
// viewers.
func (r *report) writeViewers(to io.Writer) {
	t := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	for _, res := range r.Rows {
		if res.WatchedSeconds == 0 {
			continue
		}
		relative, calls := "", ""
		if base, ok := r.result(withoutAttention(res.Policy)); ok && base.WatchedWrong > 0 {
			relative = fmt.Sprintf("%.3f of without calls for viewers", res.WatchedWrong/base.WatchedWrong)
			calls = fmt.Sprintf("%.3f × its calls", res.CallsPerUserDay/base.CallsPerUserDay)
		}
		fmt.Fprintf(t, "%s\twrong %.2f %% of %.0f h\t%s\t%s\tseen after %s\tchanges %s\n", res.Policy, 100*res.WatchedWrong, res.WatchedSeconds/3600,
			relative, calls, seconds(res.ViewerDelay), seconds(res.ChangeDelay))
	}
	if r.hasViewers() {
		fmt.Fprintln(to, "\nwhat viewers saw (p50 p90 p95):")
		_ = t.Flush() // if this fails, the caller's last write to the same writer fails too, and the caller returns its error
	}
}

func (r *report) hasViewers() bool {
	return slices.ContainsFunc(r.Rows, func(res result) bool { return res.WatchedSeconds > 0 })
}

// writeOracleComparison prints how the figures of each policy without a quota differ from those
// of the oracle. The oracle fetches no history, so it does not find plays that only history
// lists.
func (r *report) writeOracleComparison(to io.Writer) {
	best, ok := r.result(oraclePolicy)
	if !ok || len(r.Rows) < 2 {
		return
	}
	fmt.Fprintf(to, "\ndifference from the oracle, which may make as many calls as %s:\n", servicePolicy)
	for _, res := range r.Rows {
		if res.Policy != oraclePolicy && res.Accounts == 0 {
			fmt.Fprintf(to, "  %s: recall of seen plays %+.2f points, of all plays %+.2f, on board %+.2f, start → board p50 %+.1f s, p90 %+.1f s\n", res.Policy,
				100*(res.Seen.ratio()-best.Seen.ratio()), 100*(res.Plays.ratio()-best.Plays.ratio()), 100*(res.OnBoard-best.OnBoard),
				res.Delay[0]-best.Delay[0], res.Delay[1]-best.Delay[1])
		}
	}
}

func seconds(of []float64) string {
	texts := make([]string, len(of))
	for i, s := range of {
		texts[i] = fmt.Sprintf("%.1f", s)
	}
	return strings.Join(texts, " ") + " s"
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
