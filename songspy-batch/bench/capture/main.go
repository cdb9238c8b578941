// Command capture measures how many of the real plays the batch records.
//
// It simulates people, so that all their plays are known. It runs the real planner,
// circuit breaker, client, poller and store for days of virtual time. Then it compares
// the stored plays, and the entries that the board showed, with the real plays:
//
//	go run ./songspy-batch/bench/capture -population restless
//
// Each row of the printed table is one polling policy. The figures depend only on the flags, with
// -seed for all random decisions. So two runs of one commit with the same flags agree,
// except in how long they took. The last line is JSON. The exit status is 1 if a bound is
// missed or the measurement fails, and 2 if the flags are invalid. With -bounds=false it
// does not check the bounds; that is for runs that are too small to judge.
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

// pollInterval is the default poll interval: the longest time between two polls of a user.
const pollInterval = 3 * time.Minute

// options are the flags.
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
	// Virtual time (testing/synctest) exists in tests only, so the measurement runs as
	// a test. The output of package testing goes to stderr, as the progress does.
	stdout := os.Stdout
	os.Stdout = os.Stderr
	testing.Main(func(string, string) (bool, error) { return true, nil }, []testing.InternalTest{{
		Name: "capture", F: func(t *testing.T) { measure(t, o, stdout) },
	}}, nil, nil)
}

func readOptions(flags *flag.FlagSet, args []string) (o options, err error) {
	flags.IntVar(&o.people, "people", 200, "number of simulated people")
	flags.IntVar(&o.accounts, "accounts", 20, "number of developer accounts, of five people each, in the rows with an unknown quota")
	flags.IntVar(&o.days, "days", 7, "number of days to measure")
	flags.Uint64Var(&o.seed, "seed", 1, "seed of all random decisions")
	flags.StringVar(&o.population, "population", "regular", "habits of the people: regular, restless, awkward, or another population of the simulator")
	flags.StringVar(&o.only, "only", "", "measure only the policy with this name, or the policies with this text in their names")
	flags.StringVar(&o.history, "history", listsBoth, "plays that history lists: also partial plays (partial), only plays to the end of the track (whole), or both in separate rows (both)")
	flags.BoolVar(&o.explain, "explain", false, "print to stderr the plays, calls and stored plays around each error: a play that is lost, stored twice or not real")
	flags.BoolVar(&o.bounds, "bounds", true, "fail if a bound is missed; false for a run that is too small to judge")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	switch {
	case flags.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: only flags are allowed", flags.Arg(0))
	case o.people < 1 || o.people > 100_000:
		return o, fmt.Errorf("-people is %d; choose 1 to 100,000", o.people)
	case o.accounts < 1 || o.accounts > 10_000:
		return o, fmt.Errorf("-accounts is %d; choose 1 to 10,000", o.accounts)
	case o.days < 1 || o.days > 366:
		return o, fmt.Errorf("-days is %d; choose 1 to 366", o.days)
	case !slices.Contains([]string{listsPartial, listsWhole, listsBoth}, o.history):
		return o, fmt.Errorf("-history is %q; choose partial, whole or both", o.history)
	case len(chosenPolicies(o.only, o.history)) == 0:
		return o, fmt.Errorf("-only is %q, but no policy has this text in its name; one policy is %q", o.only, servicePolicy)
	}
	o.habits, err = sim.HabitsByName(o.population)
	return o, err
}

// measure runs the chosen policies and writes the report. It fails the test if a bound is
// missed.
func measure(t *testing.T, o options, to io.Writer) {
	chosen := chosenPolicies(o.only, o.history)
	rows := make([]result, len(chosen))
	t.Run("policies", func(t *testing.T) { // returns when all parallel policies have ended
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
		if p.oracle { // run after the service, because the oracle may make as many calls as the service
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
		t.Error("bound missed:", m)
	}
}

// measureAccounts measures a polling policy with a quota. It runs each developer account
// separately and combines their figures.
func measureAccounts(t *testing.T, o options, p policy) result {
	habits, err := sim.HabitsByName(p.population)
	if err != nil {
		t.Fatal(err)
	}
	rows := make([]result, o.accounts)
	t.Run("accounts", func(t *testing.T) {
		for i := range rows {
			accountOptions := o
			accountOptions.people, accountOptions.population, accountOptions.habits, accountOptions.seed = usersPerAccount, p.population, habits, o.seed+uint64(i)<<32
			t.Run(fmt.Sprint(i), func(t *testing.T) {
				t.Parallel()
				rows[i] = (&policyRun{options: accountOptions, policy: p}).run(t)
			})
		}
	})
	return combine(rows)
}
