// Command bench measures what polling all users costs, compared with the bare HTTP
// calls.
//
// It loads linked users into a Postgres database and starts the real songspy-batch
// and songspy-sim on this machine. The batch polls all users at the same moment; one
// poll of every user is a round. The bench measures the rate of each round from the
// third on. In the last round it also measures the processor time, the rows written and
// the users they belong to; after it, the batch's peak memory. Before and after each round,
// a bare loop makes the same calls and discards the responses. The batch is compared
// with that loop.
//
// SONGSPY_TEST_POSTGRES_URL names the database server, as in the tests:
//
//	go run ./songspy-domain/store/storetest/throwaway -- go run ./songspy-batch/bench
//
// With several numbers of users, the bench measures each number, and reports how much
// the cost of a poll grows with them.
//
// It prints a table and, last, one line of JSON. The exit status is 1 if a bound is
// missed or the measurement fails, and 2 if the flags are invalid. With -bounds=false
// it does not check the bounds; that is for runs that are too small to judge.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// minInterval is the shortest time between two rounds if bounds are checked. A play
	// that began before the first round must be long enough to count in the second
	// round. Otherwise the third round, which is measured, would write a row for it.
	minInterval = time.Minute
	// minIntervalUnjudged is the shortest time between two rounds if bounds are not
	// checked. It only leaves time for the bare loop between the rounds.
	minIntervalUnjudged = 8 * time.Second
	// productionInterval is the default interval of the batch. Several numbers of
	// users are compared with this interval, because the fraction of polls with changes
	// grows with the interval.
	productionInterval = 3 * time.Minute
	// defaultWorkers is the default of SONGSPY_POLL_CONCURRENCY.
	defaultWorkers = 64
)

// options are the flags.
type options struct {
	sizes    []int // the numbers of users to measure
	people   int   // the number of users that is measured now
	interval time.Duration
	workers  int
	rounds   int
	profile  string
	within   time.Duration
	bounds   bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	status := run(ctx, os.Args[1:], os.Getenv("SONGSPY_TEST_POSTGRES_URL"), os.Stdout, os.Stderr)
	stop()
	os.Exit(status)
}

// run measures, reports and returns the exit status.
func run(ctx context.Context, args []string, server string, stdout, stderr io.Writer) int {
	o, err := readOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err == nil && server == "":
		err = errors.New("SONGSPY_TEST_POSTGRES_URL is not set: use `make bench-polls`, which starts a Postgres server")
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.within, fmt.Errorf("the bench did not end within %s: set a longer -within", o.within))
	defer cancel()
	missed, err := measureAll(ctx, o, server, stdout, func(format string, args ...any) { fmt.Fprintf(stderr, format+"\n", args...) })
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 1
	}
	for _, m := range missed {
		fmt.Fprintln(stderr, "bench: missed:", m)
	}
	return min(len(missed), 1)
}

// measureAll measures each number of users, writes the reports to stdout, and returns the
// bounds that were missed.
func measureAll(ctx context.Context, o options, server string, stdout io.Writer, logf func(string, ...any)) (missed []string, err error) {
	var all comparison
	for _, o.people = range o.sizes {
		r, err := measure(ctx, o, server, logf)
		if err != nil {
			return nil, err
		}
		if o.bounds {
			for _, m := range r.checkBounds(boundsFor(o.people)) {
				missed = append(missed, fmt.Sprintf("%d users: %s", o.people, m))
			}
		}
		if err := r.write(stdout); err != nil {
			return nil, err
		}
		all.add(r)
	}
	if len(o.sizes) == 1 {
		return missed, nil
	}
	if o.bounds {
		missed = append(missed, all.checkBounds()...)
	}
	return missed, all.write(stdout)
}

func readOptions(args []string, stderr io.Writer) (o options, err error) {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	f.SetOutput(stderr)
	people := f.String("people", "100000", "number of linked users, a tenth of them playing; several numbers, separated by commas, are measured one after another")
	f.DurationVar(&o.interval, "interval", 0, "time between two rounds; 0: the shortest that keeps them apart, or 3m for several numbers of users")
	f.IntVar(&o.workers, "workers", defaultWorkers, "concurrent calls, in the batch and in the bare loop")
	f.IntVar(&o.rounds, "rounds", 0, "rounds to measure; the median counts; 0: three, or one for several numbers of users")
	f.StringVar(&o.profile, "profile", "", "file for a CPU profile of the last round; profiling slows the round by a few percent")
	f.DurationVar(&o.within, "within", time.Hour, "longest time of the whole bench")
	f.BoolVar(&o.bounds, "bounds", true, "fail if a bound is missed; false for a run that is too small to judge; its -interval may be 8s")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	for text := range strings.SplitSeq(*people, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(text))
		if err != nil || n < 100 || n > 10_000_000 {
			return o, fmt.Errorf("-people is %q; choose 100 to 10,000,000", *people)
		}
		o.sizes = append(o.sizes, n)
	}
	single := len(o.sizes) == 1
	if !single && o.interval == 0 {
		o.interval = productionInterval
	}
	if o.rounds == 0 {
		o.rounds = 1
		if single {
			o.rounds = 3
		}
	}
	least := minInterval
	if !o.bounds {
		least = minIntervalUnjudged
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: only flags are allowed", f.Arg(0))
	case o.interval != 0 && o.interval < least:
		return o, fmt.Errorf("-interval is %s; choose %s or more, or 0", o.interval, least)
	case o.rounds < 1 || o.rounds > 100:
		return o, fmt.Errorf("-rounds is %d; choose 1 to 100", o.rounds)
	case o.workers < 1 || o.workers > 10_000:
		return o, fmt.Errorf("-workers is %d; choose 1 to 10,000", o.workers)
	}
	return o, nil
}
