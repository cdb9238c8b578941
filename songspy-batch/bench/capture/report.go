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

// share is a part of a whole.
type fraction struct {
	Total int `json:"of"`
	Count int `json:"is"`
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

// row is what one policy achieved.
type result struct {
	Policy          string  `json:"policy"`
	Calls           int     `json:"calls"` // looks and histories
	Polls           int     `json:"looks"`
	HistoryFetches  int     `json:"histories"`
	Refused         int     `json:"refused"`
	CallsPerUserDay float64 `json:"callsPerListenerDay"`
	// Accounts are those of a policy with a quota. MostThrottled is how many calls
	// of one account are refused with 429 in a week, and Dark the longest time
	// without a successful call of one, in seconds; both of the worst account.
	Accounts       int     `json:"accounts,omitempty"`
	MaxRateLimited float64 `json:"mostThrottledAWeek"`
	LongestOutage  float64 `json:"darkSeconds"`

	Provable fraction `json:"provable"` // plays of 30 s and more that an answer or history could show
	Seen     fraction `json:"seen"`     // those of them that a look was answered with
	Followed fraction `json:"followed"` // those that history lists, or that polls followed for 30 s or to a seamless end
	Plays    fraction `json:"plays"`    // all that are neither private nor without a name
	// WithProbable is Plays with the probable ones; Probable are those that are stored, and those of them that were played.
	WithProbable fraction `json:"withProbable"`
	Probable     fraction `json:"probable"`
	Claimed      int      `json:"claimed"` // plays that were stored
	Duplicates   int      `json:"doubles"`
	NotPlayed    int      `json:"notPlayed"` // claimed, and not played or not for long enough
	ExcessPolls  int      `json:"excess"`    // polls of a player in an hour beyond the 24 and 3 for each play begun; the worst hour, below 0: that many are left
	NeverShown   int      `json:"unshown"`   // plays of any length that never came to the board

	StartOff    []float64 `json:"startOffSeconds"`     // p50, p95
	ListenedOff []float64 `json:"listenedOffSeconds"`  // p50, p95
	Delay       []float64 `json:"startToBoardSeconds"` // p50, p90, p95
	OnBoard     float64   `json:"shareOnBoard"`        // of the playing time that the provider shows
	Seconds     float64   `json:"seconds"`             // that the run took

	personDays                   float64
	startOff, listenedOff, delay []time.Duration
	playing, onBoard             time.Duration
}

// pool is the rows of several accounts as one.
func combine(rows []result) (all result) {
	for i, res := range rows {
		if i == 0 {
			all.Policy, all.ExcessPolls = res.Policy, res.ExcessPolls
		}
		all.ExcessPolls = max(all.ExcessPolls, res.ExcessPolls)
		all.Accounts++
		all.Calls, all.Polls, all.HistoryFetches, all.Refused = all.Calls+res.Calls, all.Polls+res.Polls, all.HistoryFetches+res.HistoryFetches, all.Refused+res.Refused
		all.MaxRateLimited, all.LongestOutage = max(all.MaxRateLimited, res.MaxRateLimited), max(all.LongestOutage, res.LongestOutage)
		for _, s := range []struct{ to, from *fraction }{{&all.Provable, &res.Provable}, {&all.Seen, &res.Seen}, {&all.Plays, &res.Plays}} {
			s.to.Total, s.to.Count = s.to.Total+s.from.Total, s.to.Count+s.from.Count
		}
		all.Claimed, all.Duplicates, all.NotPlayed, all.NeverShown = all.Claimed+res.Claimed, all.Duplicates+res.Duplicates, all.NotPlayed+res.NotPlayed, all.NeverShown+res.NeverShown
		all.personDays, all.Seconds = all.personDays+res.personDays, all.Seconds+res.Seconds
		all.startOff, all.listenedOff, all.delay = append(all.startOff, res.startOff...), append(all.listenedOff, res.listenedOff...), append(all.delay, res.delay...)
		all.playing, all.onBoard = all.playing+res.playing, all.onBoard+res.onBoard
	}
	all.finish()
	return all
}

// sum works out what follows from what was gathered.
func (res *result) finish() {
	res.CallsPerUserDay = float64(res.Calls) / res.personDays
	res.StartOff = percentiles(res.startOff, 50, 95)
	res.ListenedOff = percentiles(res.listenedOff, 50, 95)
	res.Delay = percentiles(res.delay, 50, 90, 95)
	res.OnBoard = res.onBoard.Seconds() / max(res.playing.Seconds(), 1e-9)
}

// percentiles are in seconds; -1 where there is nothing to rank.
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

// report is all that was measured.
type report struct {
	Bench      string   `json:"bench"`
	Population string   `json:"population"`
	People     int      `json:"people"`
	Days       int      `json:"days"`
	Seed       uint64   `json:"seed"`
	Rows       []result `json:"rows"`
	Missed     []string `json:"missedBounds"` // nil: not judged
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

// write prints a table for people and, last, one line of JSON.
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
			fmt.Fprintf(to, "\n%s: %d accounts of %d, each allowed %d calls in 24 hours; the worst one was refused %.1f times a week and dark for %.0f s\n",
				res.Policy, res.Accounts, usersPerAccount, reportedQuota, res.MaxRateLimited, res.LongestOutage)
		}
	}
	r.writeOracleComparison(to)
	fmt.Fprintf(to, "\nbounds: %s\n", boundsText(r.Missed))
	return json.NewEncoder(to).Encode(r)
}

// besideOracle says how far each policy is from what the oracle achieves with
// looks alone: it asks no history, so plays only history tells are beyond it.
func (r *report) writeOracleComparison(to io.Writer) {
	best, ok := r.result(oraclePolicy)
	if !ok || len(r.Rows) < 2 {
		return
	}
	fmt.Fprintf(to, "\nfrom the oracle, which spends what %s does:\n", servicePolicy)
	for _, res := range r.Rows {
		if res.Policy != oraclePolicy && res.Accounts == 0 {
			fmt.Fprintf(to, "  %s: recall of seen plays %+.2f points, of all plays %+.2f, on board %+.2f, start → board p50 %+.1f s, p90 %+.1f s\n", res.Policy,
				100*(res.Seen.ratio()-best.Seen.ratio()), 100*(res.Plays.ratio()-best.Plays.ratio()), 100*(res.OnBoard-best.OnBoard),
				res.Delay[0]-best.Delay[0], res.Delay[1]-best.Delay[1])
		}
	}
}

func seconds(of []float64) string {
	words := make([]string, len(of))
	for i, s := range of {
		words[i] = fmt.Sprintf("%.1f", s)
	}
	return strings.Join(words, " ") + " s"
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
