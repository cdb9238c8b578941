// Command bench measures what a sweep costs over the calls that it consists of.
//
// It loads linked listeners into a Postgres, starts the real songspy-batch and
// songspy-sim beside it on this machine, and lets the batch sweep with everyone
// due at once. From the third sweep on it measures looks by time, of the last one
// also processor time, rows written, and for whom, and the batch's memory at its
// peak. Before and after each the same calls are made by a bare loop that discards
// the answers; the batch is measured against that.
//
// It finds the server in SONGSPY_TEST_POSTGRES_URL, as the tests do:
//
//	go run ./songspy-domain/store/storetest/throwaway -- go run ./songspy-batch/bench
//
// Given several numbers of listeners it measures each, and how far what a look
// costs depends on them.
//
// The table is for people; the last line is JSON. The exit status is 1 where a
// bound is missed or the measurement failed, 2 where it was called wrongly. With
// -bounds=false nothing is judged: that is for runs too small to be judged.
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
	// shortest is the least interval: a play that began before the first sweep
	// must be old enough to count at the second, so that the third finds
	// nothing to write about it.
	minInterval = time.Minute
	// shortestUnjudged only leaves time for the bare loop between two sweeps.
	minIntervalUnjudged = 8 * time.Second
	// operation is the interval in operation. Several sizes are compared at it:
	// the more time there is between two looks, the more of them have news.
	productionInterval = 3 * time.Minute
	// poolSize is what SONGSPY_POLL_CONCURRENCY is unless set.
	defaultWorkers = 64
)

type options struct {
	sizes    []int // of which people is the one under way
	people   int
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

// run gives the exit status.
func run(ctx context.Context, args []string, server string, stdout, stderr io.Writer) int {
	o, err := readOptions(args, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err == nil && server == "":
		err = errors.New("SONGSPY_TEST_POSTGRES_URL names no Postgres: use `make bench-sweep`, which starts one")
	}
	if err != nil {
		fmt.Fprintln(stderr, "bench:", err)
		return 2
	}
	ctx, cancel := context.WithTimeoutCause(ctx, o.within, fmt.Errorf("not done within %s; -within allows more", o.within))
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

// measureAll measures each size, reports on it, and lists the bounds that were missed.
func measureAll(ctx context.Context, o options, server string, stdout io.Writer, logf func(string, ...any)) (missed []string, err error) {
	var all comparison
	for _, o.people = range o.sizes {
		r, err := measure(ctx, o, server, logf)
		if err != nil {
			return nil, err
		}
		if o.bounds {
			for _, m := range r.checkBounds(boundsFor(o.people)) {
				missed = append(missed, fmt.Sprintf("%d listeners: %s", o.people, m))
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
	people := f.String("people", "100000", "how many linked listeners there are, a tenth of whom are playing; several, separated by commas, are measured one after another")
	f.DurationVar(&o.interval, "interval", 0, "time between two sweeps; 0: as short as keeps them apart, or 3m for several numbers of listeners")
	f.IntVar(&o.workers, "workers", defaultWorkers, "calls under way at a time, in the batch and in the bare loop")
	f.IntVar(&o.rounds, "rounds", 0, "sweeps that are measured, of which the median counts; 0: three, or one for several numbers of listeners")
	f.StringVar(&o.profile, "profile", "", "file for a CPU profile of the last sweep, which costs it a few percent")
	f.DurationVar(&o.within, "within", time.Hour, "when to give up")
	f.BoolVar(&o.bounds, "bounds", true, "fail if a bound is missed; false for a run that is too small to be judged, whose -interval may be 8s")
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
		return o, fmt.Errorf("there is no argument %q", f.Arg(0))
	case o.interval != 0 && o.interval < least:
		return o, fmt.Errorf("-interval is %s; choose %s or more, or 0", o.interval, least)
	case o.rounds < 1 || o.rounds > 100:
		return o, fmt.Errorf("-rounds is %d; choose 1 to 100", o.rounds)
	case o.workers < 1 || o.workers > 10_000:
		return o, fmt.Errorf("-workers is %d; choose 1 to 10,000", o.workers)
	}
	return o, nil
}
