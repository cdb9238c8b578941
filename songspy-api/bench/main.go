// Command bench measures how fast viewers are served the board: the API's whole
// handler on a real listener, with a great many people on the board, against a
// bare Gin handler that writes the same bytes. The contenders alternate within
// one run, so that whatever else the machine does falls on all of them.
//
// It prints a table and, last, one line of JSON. With -bounds=false a missed bound
// is no failure: that is for runs too small to be judged.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"slices"
	"sync/atomic"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// bound is the least share of a bare handler's rate that the board must reach.
const minRatio = 0.8

// options are how to measure.
type options struct {
	users, changes, viewers, rounds int
	roundLength                     time.Duration
	enforceBounds                   bool
}

func main() {
	var o options
	flag.IntVar(&o.users, "people", 100_000, "people on the board")
	flag.IntVar(&o.changes, "changes", 500, "songs that begin each second, where the board changes")
	flag.IntVar(&o.viewers, "viewers", 32, "viewers who ask at the same time")
	flag.IntVar(&o.rounds, "rounds", 12, "rounds of each contender")
	flag.DurationVar(&o.roundLength, "round", 700*time.Millisecond, "length of a round")
	flag.BoolVar(&o.enforceBounds, "bounds", true, "fail if a bound is missed; false for a run that is too small to be judged")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// contender is one server and what it reached in each round, in requests a second.
type contender struct {
	name string
	url  string
	rate []float64
	p99  []time.Duration
}

// measure prints what was measured; it fails if a bound is missed.
func measure(ctx context.Context, o options, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	contenders, group, err := startServers(ctx, o)
	if err != nil {
		return err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: o.viewers, MaxConnsPerHost: o.viewers, DisableCompression: true}
	for round := -1; round < o.rounds; round++ { // the first warms up
		for i := range contenders {
			c := &contenders[(i+max(round, 0))%len(contenders)]
			rate, p99, err := c.run(ctx, o, transport)
			if err != nil {
				return err
			}
			if round >= 0 {
				c.rate, c.p99 = append(c.rate, rate), append(c.p99, p99)
			}
		}
	}
	ratio := report(out, o, contenders)
	cancel()
	transport.CloseIdleConnections()
	if err := group.Wait(); err != nil {
		return err
	}
	if o.enforceBounds && ratio < minRatio {
		return fmt.Errorf("missed: the board reaches %.2f of a bare handler, not %.2f", ratio, minRatio)
	}
	return nil
}

// run lets the viewers ask as fast as they are answered for one round.
func (c *contender) run(ctx context.Context, o options, transport http.RoundTripper) (rate float64, p99 time.Duration, err error) {
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	until := began.Add(o.roundLength)
	var answers atomic.Int64
	took := make([][]time.Duration, o.viewers)
	for v := range o.viewers {
		group.Go(func() error {
			for asked := time.Now(); asked.Before(until); {
				if err := request(ctx, transport, c.url); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				now := time.Now()
				took[v] = append(took[v], now.Sub(asked))
				asked = now
				answers.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, err
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	return float64(answers.Load()) / time.Since(began).Seconds(), all[len(all)*99/100], nil
}

func request(ctx context.Context, transport http.RoundTripper, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// report prints the table and the line of JSON. A contender is compared with
// the bare handler round by round, and the middle one of those ratios counts.
// It gives that of the board at rest.
func report(out io.Writer, o options, contenders []contender) float64 {
	bare := contenders[0]
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "contender\trequests/s\tp99\tof bare\t")
	ratios := make([]float64, len(contenders))
	for i, c := range contenders {
		perRound := make([]float64, len(c.rate))
		for r := range c.rate {
			perRound[r] = c.rate[r] / bare.rate[r]
		}
		ratios[i] = median(perRound)
		fmt.Fprintf(table, "%s\t%.0f\t%v\t%.2f\t\n", c.name, median(c.rate), median(c.p99).Round(10*time.Microsecond), ratios[i])
	}
	_ = table.Flush()                       // to the terminal
	line, _ := json.Marshal(map[string]any{ // numbers always marshal
		"bench": "board", "people": o.users, "viewers": o.viewers,
		"bare_per_s": median(bare.rate), "board_per_s": median(contenders[1].rate), "changing_board_per_s": median(contenders[2].rate),
		"changes_per_s": o.changes, "ratio": ratios[1], "ratio_changing": ratios[2],
	})
	fmt.Fprintf(out, "%s\n", line)
	return ratios[1]
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// listen serves the handler on a free port of this machine until ctx ends.
func listen(ctx context.Context, group *errgroup.Group, h http.Handler) (string, error) {
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: h, ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 15 * time.Second, WriteTimeout: time.Minute}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	group.Go(func() error {
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return nil
	})
	return "http://" + l.Addr().String(), nil
}
