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
type share struct {
	Of int `json:"of"`
	Is int `json:"is"`
}

func (s *share) add(is bool) {
	s.Of++
	if is {
		s.Is++
	}
}

func (s share) ratio() float64 {
	if s.Of == 0 {
		return 1
	}
	return float64(s.Is) / float64(s.Of)
}

func (s share) String() string { return fmt.Sprintf("%.2f %%", 100*s.ratio()) }

// row is what one policy achieved.
type row struct {
	Policy    string  `json:"policy"`
	Calls     int     `json:"calls"` // looks and histories
	Looks     int     `json:"looks"`
	Histories int     `json:"histories"`
	Refused   int     `json:"refused"`
	PerDay    float64 `json:"callsPerListenerDay"`
	// Accounts are those of a policy with a quota. MostThrottled is how many calls
	// of one account are refused with 429 in a week, and Dark the longest time
	// without a successful call of one, in seconds; both of the worst account.
	Accounts      int     `json:"accounts,omitempty"`
	MostThrottled float64 `json:"mostThrottledAWeek"`
	Dark          float64 `json:"darkSeconds"`

	Provable share `json:"provable"` // plays of 30 s and more that an answer or history could show
	Seen     share `json:"seen"`     // those of them that a look was answered with
	Followed share `json:"followed"` // those that history lists, or that polls followed for 30 s or to a seamless end
	Plays    share `json:"plays"`    // all that are neither private nor without a name
	// WithProbable is Plays with the probable ones; Probable are those that are stored, and those of them that were played.
	WithProbable share `json:"withProbable"`
	Probable     share `json:"probable"`
	Claimed      int   `json:"claimed"` // plays that were stored
	Doubles      int   `json:"doubles"`
	NotPlayed    int   `json:"notPlayed"` // claimed, and not played or not for long enough
	Excess       int   `json:"excess"`    // polls of a player in an hour beyond the 24 and 3 for each play begun; the worst hour, below 0: that many are left
	Unshown      int   `json:"unshown"`   // plays of any length that never came to the board

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
func pool(rows []row) (all row) {
	for i, f := range rows {
		if i == 0 {
			all.Policy, all.Excess = f.Policy, f.Excess
		}
		all.Excess = max(all.Excess, f.Excess)
		all.Accounts++
		all.Calls, all.Looks, all.Histories, all.Refused = all.Calls+f.Calls, all.Looks+f.Looks, all.Histories+f.Histories, all.Refused+f.Refused
		all.MostThrottled, all.Dark = max(all.MostThrottled, f.MostThrottled), max(all.Dark, f.Dark)
		for _, s := range []struct{ to, from *share }{{&all.Provable, &f.Provable}, {&all.Seen, &f.Seen}, {&all.Plays, &f.Plays}} {
			s.to.Of, s.to.Is = s.to.Of+s.from.Of, s.to.Is+s.from.Is
		}
		all.Claimed, all.Doubles, all.NotPlayed, all.Unshown = all.Claimed+f.Claimed, all.Doubles+f.Doubles, all.NotPlayed+f.NotPlayed, all.Unshown+f.Unshown
		all.personDays, all.Seconds = all.personDays+f.personDays, all.Seconds+f.Seconds
		all.startOff, all.listenedOff, all.delay = append(all.startOff, f.startOff...), append(all.listenedOff, f.listenedOff...), append(all.delay, f.delay...)
		all.playing, all.onBoard = all.playing+f.playing, all.onBoard+f.onBoard
	}
	all.sum()
	return all
}

// sum works out what follows from what was gathered.
func (f *row) sum() {
	f.PerDay = float64(f.Calls) / f.personDays
	f.StartOff = percentiles(f.startOff, 50, 95)
	f.ListenedOff = percentiles(f.listenedOff, 50, 95)
	f.Delay = percentiles(f.delay, 50, 90, 95)
	f.OnBoard = f.onBoard.Seconds() / max(f.playing.Seconds(), 1e-9)
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
	Rows       []row    `json:"rows"`
	Missed     []string `json:"missedBounds"` // nil: not judged
}

func newReport(o options, rows []row) *report {
	r := &report{Bench: "capture", Population: o.population, People: o.people, Days: o.days, Seed: o.seed, Rows: rows}
	if o.bounds {
		r.Missed = r.judge()
	}
	return r
}

func (r *report) row(name string) (row, bool) {
	i := slices.IndexFunc(r.Rows, func(f row) bool { return f.Policy == name })
	if i < 0 {
		return row{}, false
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
	for _, f := range r.Rows {
		fmt.Fprintf(t, "%s\t%.1f\t%v\t%v\t%v\t%v\t%v\t%v\t%d\t%.3f %%\t%+d\t%s\t%s\t%s\t%.2f %%\t%.0f s\n", f.Policy, f.PerDay, f.Provable, f.Followed, f.Seen, f.Plays, f.WithProbable, f.Probable, f.Doubles,
			100*float64(f.NotPlayed)/max(1, float64(f.Claimed)), f.Excess, seconds(f.StartOff), seconds(f.ListenedOff), seconds(f.Delay), 100*f.OnBoard, f.Seconds)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	for _, f := range r.Rows {
		if f.Accounts > 0 {
			fmt.Fprintf(to, "\n%s: %d accounts of %d, each allowed %d calls in 24 hours; the worst one was refused %.1f times a week and dark for %.0f s\n",
				f.Policy, f.Accounts, onAccount, publicQuota, f.MostThrottled, f.Dark)
		}
	}
	r.besideOracle(to)
	fmt.Fprintf(to, "\nbounds: %s\n", verdictOf(r.Missed))
	return json.NewEncoder(to).Encode(r)
}

// besideOracle says how far each policy is from what the oracle achieves with
// looks alone: it asks no history, so plays only history tells are beyond it.
func (r *report) besideOracle(to io.Writer) {
	best, ok := r.row(oracle)
	if !ok || len(r.Rows) < 2 {
		return
	}
	fmt.Fprintf(to, "\nfrom the oracle, which spends what %s does:\n", service)
	for _, f := range r.Rows {
		if f.Policy != oracle && f.Accounts == 0 {
			fmt.Fprintf(to, "  %s: recall of seen plays %+.2f points, of all plays %+.2f, on board %+.2f, start → board p50 %+.1f s, p90 %+.1f s\n", f.Policy,
				100*(f.Seen.ratio()-best.Seen.ratio()), 100*(f.Plays.ratio()-best.Plays.ratio()), 100*(f.OnBoard-best.OnBoard),
				f.Delay[0]-best.Delay[0], f.Delay[1]-best.Delay[1])
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

func verdictOf(missed []string) string {
	if missed == nil {
		return "not judged"
	}
	if len(missed) == 0 {
		return "all kept"
	}
	return "MISSED: " + strings.Join(missed, "; ")
}
