package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/songspy/songspy/songspy-domain/spotify"
)

// extraConns is how many connections the batch's client may open in addition to
// one for each concurrent poll.
const extraConns = 16

// bareRun is the result of one run of the bare loop, which makes the HTTP calls
// of the polls and discards the responses.
type bareRun struct {
	Calls   int     `json:"calls"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"callsPerSecond"`
	// OwnMicros is the processor time of one call in this process, SimMicros that
	// in the simulator, both in microseconds.
	OwnMicros float64 `json:"cpuMicros"`
	SimMicros float64 `json:"simCpuMicros"`
}

// runBare makes the given number of calls, one for each of the first users, with the
// batch's transport, headers and concurrency. It discards the responses.
func (b *bench) runBare(ctx context.Context, calls int) (r bareRun, err error) {
	f, err := newRequestTemplate(ctx, "http://"+b.sim.address+"/spotify/api")
	if err != nil {
		return r, err
	}
	transport := spotify.NewTransport(b.workers + extraConns)
	defer transport.CloseIdleConnections()
	cpu, err := cpuOf(b.sim.pid())
	if err != nil {
		return r, err
	}
	own, began := ownCPU(), time.Now()
	var next atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range b.workers {
		group.Go(func() error {
			for {
				i := int(next.Add(1)) - 1
				if i >= calls {
					return nil
				}
				if err := sendRequest(ctx, transport, f, b.tokens[i]); err != nil {
					return err
				}
			}
		})
	}
	if err := group.Wait(); err != nil {
		return r, fmt.Errorf("the bare loop failed: %w", err)
	}
	took := time.Since(began)
	r = bareRun{Calls: calls, Seconds: took.Seconds(), Rate: float64(calls) / took.Seconds()}
	r.OwnMicros = ownCPU().sub(own).perCall(calls)
	after, err := cpuOf(b.sim.pid())
	if err != nil {
		return r, err
	}
	r.SimMicros = after.sub(cpu).perCall(calls)
	return r, nil
}

// requestTemplate is what the requests of all users' polls have in common: everything but the
// access token.
type requestTemplate struct {
	url    *url.URL
	header http.Header
}

func sendRequest(ctx context.Context, via http.RoundTripper, f requestTemplate, token string) error {
	header := maps.Clone(f.header)
	header["Authorization"] = []string{"Bearer " + token}
	req := (&http.Request{Method: http.MethodGet, URL: f.url, Host: f.url.Host, Header: header}).WithContext(ctx)
	resp, err := via.RoundTrip(req)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, resp.Body)
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("the simulator answered %s instead of 200 or 204; its log may say why", resp.Status)
	}
	return err
}

// newRequestTemplate captures the request that the batch's own client sends for a poll.
func newRequestTemplate(ctx context.Context, api string) (f requestTemplate, err error) {
	client := spotify.New(spotify.Config{ClientID: "bench", APIURL: api, Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
		f = requestTemplate{r.URL, r.Header.Clone()}
		return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
	})})
	_, err = client.CurrentlyPlaying(ctx, "a token")
	return f, err
}

type roundTripper func(*http.Request) (*http.Response, error)

// RoundTrip implements http.RoundTripper.
func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// ownCPU returns the processor time that this process has used.
func ownCPU() cpuTime {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0 // it cannot fail with these arguments
	}
	return cpuTime(u.Utime.Nano() + u.Stime.Nano())
}
