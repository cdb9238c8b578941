// Command bench measures how fast the API serves the board. It compares two handlers that write
// the same bytes over TCP: the API's whole handler, with many users on the board, and a bare
// Gin handler. It does the same for the list of listening users that a signed-in viewer gets.
// The viewer's session and relations are in a database. The compared servers alternate within
// one run, so that other load on the machine affects all of them.
//
// It prints a table and, last, one line of JSON. With -bounds=false it does not check the
// bounds; that is for runs that are too small to judge.
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
	"syscall"
	"text/tabwriter"
	"time"

	"golang.org/x/sync/errgroup"
)

// The smallest accepted ratios: the rate at which the API serves the board (minRatio), or the
// list of listening users to a signed-in viewer (minListRatio), divided by the rate of the bare
// handler that writes the same bytes.
const (
	minRatio     = 0.9
	minListRatio = 0.5
)

// options holds the values of the flags.
type options struct {
	users, changes, viewers, rounds int
	roundLength                     time.Duration
	enforceBounds                   bool
}

func main() {
	var o options
	flag.IntVar(&o.users, "users", 100_000, "users on the board")
	flag.IntVar(&o.changes, "changes", 500, "songs that begin each second, on the board that changes")
	flag.IntVar(&o.viewers, "viewers", 32, "viewers that send requests at the same time")
	flag.IntVar(&o.rounds, "rounds", 100, "rounds of each contender")
	flag.DurationVar(&o.roundLength, "round", 150*time.Millisecond, "length of a round")
	flag.BoolVar(&o.enforceBounds, "bounds", true, "fail if a bound is missed; false for a run that is too small to judge")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, o, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// contender is one of the servers that are compared, with its rate (requests a
// second) and its 99th percentile of response times in each round.
type contender struct {
	name   string
	url    string
	cookie string
	bare   int // the index of the contender to compare with: a Gin handler that only writes such an answer
	rate   []float64
	p99    []time.Duration
	cpu    []time.Duration // CPU time of server and client for one request
}

// measure runs the benchmark and prints the result. It returns an error if a bound is missed,
// unless o.enforceBounds is false.
func measure(ctx context.Context, o options, out io.Writer) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	contenders, group, err := startServers(ctx, o)
	if err != nil {
		return err
	}
	transport := &http.Transport{MaxIdleConnsPerHost: o.viewers, MaxConnsPerHost: o.viewers, DisableCompression: true}
	for round := -1; round < o.rounds; round++ { // round -1 only warms up
		for i := range contenders {
			c := &contenders[(i+max(round, 0))%len(contenders)]
			before := cpuTime()
			rate, p99, answers, err := c.run(ctx, o, transport)
			if err != nil {
				return err
			}
			if round >= 0 {
				c.rate, c.p99, c.cpu = append(c.rate, rate), append(c.p99, p99), append(c.cpu, (cpuTime()-before)/time.Duration(answers))
			}
		}
	}
	ratio, listRatio := report(out, o, contenders)
	cancel()
	transport.CloseIdleConnections()
	if err := group.Wait(); err != nil {
		return err
	}
	if o.enforceBounds && (ratio < minRatio || listRatio < minListRatio) {
		return fmt.Errorf("a bound is missed: the board reaches %.2f of a bare handler, want %.2f, and the list of listeners %.2f, want %.2f", ratio, minRatio, listRatio, minListRatio)
	}
	return nil
}

// run measures one round: each viewer sends the next request when the last is answered. It
// returns the requests a second, the 99th percentile of the response times, and the number
// of answers.
func (c *contender) run(ctx context.Context, o options, transport http.RoundTripper) (rate float64, p99 time.Duration, count int, err error) {
	group, ctx := errgroup.WithContext(ctx)
	began := time.Now()
	until := began.Add(o.roundLength)
	var answers atomic.Int64
	took := make([][]time.Duration, o.viewers)
	for v := range o.viewers {
		group.Go(func() error {
			for sentAt := time.Now(); sentAt.Before(until); {
				if err := request(ctx, transport, c, io.Discard); err != nil {
					return fmt.Errorf("%s: %w", c.name, err)
				}
				now := time.Now()
				took[v] = append(took[v], now.Sub(sentAt))
				sentAt = now
				answers.Add(1)
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return 0, 0, 0, err
	}
	all := slices.Concat(took...)
	slices.Sort(all)
	return float64(answers.Load()) / time.Since(began).Seconds(), all[len(all)*99/100], len(all), nil
}

// request sends one request and writes the body of the answer.
func request(ctx context.Context, transport http.RoundTripper, c *contender, body io.Writer) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept-Encoding", "identity")
	if c.cookie != "" {
		req.AddCookie(&http.Cookie{Name: "songspy", Value: c.cookie})
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if _, err := io.Copy(body, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return errors.New(resp.Status)
	}
	return nil
}

// report prints the table and the line of JSON. It divides the rate of each contender by the
// rate of its bare handler in each round, and takes the median of these ratios. It returns the
// median for the board that does not change, and the median for the list of listening users.
func report(out io.Writer, o options, contenders []contender) (ratio, listRatio float64) {
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(table, "contender\trequests/s\tp99\tCPU\tof bare\t")
	ratios := make([]float64, len(contenders))
	for i, c := range contenders {
		perRound := make([]float64, len(c.rate))
		for r := range c.rate {
			perRound[r] = c.rate[r] / contenders[c.bare].rate[r]
		}
		ratios[i] = median(perRound)
		fmt.Fprintf(table, "%s\t%.0f\t%v\t%v\t%.2f\t\n", c.name, median(c.rate), median(c.p99).Round(10*time.Microsecond), median(c.cpu).Round(time.Microsecond), ratios[i])
	}
	_ = table.Flush()                       // the error is ignored, because out is the terminal
	line, _ := json.Marshal(map[string]any{ // numbers always marshal
		"bench": "board", "users": o.users, "viewers": o.viewers,
		"bare_per_s": median(contenders[0].rate), "board_per_s": median(contenders[1].rate), "changing_board_per_s": median(contenders[2].rate),
		"changes_per_s": o.changes, "ratio": ratios[1], "ratio_changing": ratios[2],
		"listening_per_s": median(contenders[4].rate), "ratio_listening": ratios[4],
	})
	fmt.Fprintf(out, "%s\n", line)
	return ratios[1], ratios[4]
}

// cpuTime returns how much CPU time this process has used.
func cpuTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used) // it cannot fail for this process
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func median[T cmp.Ordered](values []T) T {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// listen serves the handler on a free port of this machine until ctx ends. It returns the URL
// of the server.
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
