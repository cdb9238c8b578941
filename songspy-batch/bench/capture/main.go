// Command capture measures how much of the truth the batch sees.
//
// It invents people whose every play is known, runs the real planner, gate,
// sweep and store over them for days of virtual time, and holds what was
// stored, and what was on the board meanwhile, against what was played:
//
//	go run ./songspy-batch/bench/capture -population restless
//
// Each row of the table is one policy of asking. What it says is decided by
// -seed alone, so two runs agree. The table is for people; the last line is
// JSON. The exit status is 1 where a bound is missed or the measurement
// failed, 2 where it was called wrongly. With -bounds=false nothing is judged:
// that is for runs too small to be judged.
package main

import (
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// floor is the seed's promise: the longest time between two looks.
const pollInterval = 3 * time.Minute

type options struct {
	people     int
	accounts   int
	days       int
	seed       uint64
	population string
	only       string
	history    string
	explain    bool
	bounds     bool
	habits     sim.Habits
}

func main() {
	testing.Init()
	o, err := readOptions(flag.CommandLine, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "capture:", err)
		os.Exit(2)
	}
	// Virtual time is a test's privilege, so this is one. What testing itself
	// has to say is not the measurement's: it goes where progress goes.
	stdout := os.Stdout
	os.Stdout = os.Stderr
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "capture", F: func(t *testing.T) { measure(t, o, stdout) },
	}}, nil, nil)
}

func readOptions(res *flag.FlagSet, args []string) (o options, err error) {
	res.IntVar(&o.people, "people", 200, "how many people listen")
	res.IntVar(&o.accounts, "accounts", 20, "how many developer accounts, of five people each, are measured with a quota that they have to learn")
	res.IntVar(&o.days, "days", 7, "how many days are measured")
	res.Uint64Var(&o.seed, "seed", 1, "what everything that is left to chance follows from")
	res.StringVar(&o.population, "population", "regular", "how they listen: regular, restless, awkward, or another of the simulator's")
	res.StringVar(&o.only, "only", "", "measure only the policy of this name, or those whose names contain it")
	res.StringVar(&o.history, "history", listsBoth, "what history lists: partial plays too (partial), only those that reached their end (whole), or each in rows of its own (both)")
	res.BoolVar(&o.explain, "explain", false, "say on stderr what was played, asked and stored around each play that is lost, doubled or was not played")
	res.BoolVar(&o.bounds, "bounds", true, "fail if a bound is missed; false for a run that is too small to be judged")
	if err := res.Parse(args); err != nil {
		return o, err
	}
	switch {
	case res.NArg() > 0:
		return o, fmt.Errorf("there is no argument %q", res.Arg(0))
	case o.people < 1 || o.people > 100_000:
		return o, fmt.Errorf("-people is %d; choose 1 to 100,000", o.people)
	case o.accounts < 1 || o.accounts > 10_000:
		return o, fmt.Errorf("-accounts is %d; choose 1 to 10,000", o.accounts)
	case o.days < 1 || o.days > 366:
		return o, fmt.Errorf("-days is %d; choose 1 to 366", o.days)
	case !slices.Contains([]string{listsPartial, listsWhole, listsBoth}, o.history):
		return o, fmt.Errorf("-history is %q; choose partial, whole or both", o.history)
	case len(chosenPolicies(o.only, o.history)) == 0:
		return o, fmt.Errorf("no policy is called %q; one is called %q", o.only, servicePolicy)
	}
	o.habits, err = sim.HabitsByName(o.population)
	return o, err
}

// measure runs every policy that is chosen, and writes the report.
func measure(t *testing.T, o options, to io.Writer) {
	chosen := chosenPolicies(o.only, o.history)
	rows := make([]result, len(chosen))
	t.Run("policies", func(t *testing.T) { // ends when all of them have
		for i, p := range chosen {
			switch {
			case p.quota > 0:
				t.Run(p.name, func(t *testing.T) { rows[i] = measureAccounts(t, o, p) })
			case !p.oracle:
				t.Run(p.name, func(t *testing.T) {
					t.Parallel()
					rows[i] = (&policyRun{options: o, policy: p}).run(t)
				})
			}
		}
	})
	for i, p := range chosen {
		if p.oracle { // spends what the service spent
			t.Run(p.name, func(t *testing.T) { rows[i] = (&policyRun{options: o, policy: p, calls: serviceCalls(rows)}).run(t) })
		}
	}
	if t.Failed() {
		return
	}
	r := newReport(o, rows)
	if err := r.write(to); err != nil {
		t.Fatal(err)
	}
	for _, m := range r.Missed {
		t.Error("missed:", m)
	}
}

// measureAccounts measures a policy with a quota: many accounts by themselves,
// whose figures are pooled.
func measureAccounts(t *testing.T, o options, p policy) result {
	habits, err := sim.HabitsByName(p.population)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]result, o.accounts)
	t.Run("accounts", func(t *testing.T) {
		for i := range rows {
			its := o
			its.people, its.population, its.habits, its.seed = usersPerAccount, p.population, habits, o.seed+uint64(i)<<32
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				rows[i] = (&policyRun{options: its, policy: p}).run(t)
			})
		}
	})
	return combine(rows)
}
