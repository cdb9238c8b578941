package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// shutdownGrace is how long running requests may still take after the signal to stop.
const shutdownGrace = 5 * time.Second

// serve runs the simulator until ctx ends.
func serve(ctx context.Context, s *settings, _ io.Writer) error {
	if err := checkAddress(s.addr, s.allowNetwork); err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(s.stderr, nil))
	options := sim.Options{
		Seed: s.seed, People: s.people, Population: s.population, PublicURL: s.publicURL,
		RotateRefreshTokens: s.rotateRefreshTokens, AccessTokenLife: s.tokenLife, Logger: logger,
		// People have plays from the last 30 days. The plays depend only on the seed
		// and the population, so they are the same after a restart.
		Epoch: time.Now().AddDate(0, 0, -30),
	}
	if s.redirectURIs != "" {
		for _, uri := range strings.Split(s.redirectURIs, ",") {
			options.SpotifyRedirectURIs = append(options.SpotifyRedirectURIs, strings.TrimSpace(uri))
		}
	}
	simulation, err := sim.New(options)
	if err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w: is another simulator running?", s.addr, err)
	}
	requests, cancelRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer cancelRequests()
	server := &http.Server{
		Handler: simulation.Handler(), ReadHeaderTimeout: 10 * time.Second, IdleTimeout: 2 * time.Minute, MaxHeaderBytes: 64 << 10,
		BaseContext: func(net.Listener) context.Context { return requests },
		ErrorLog:    slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
	logger.InfoContext(ctx, "listening", "address", listener.Addr().String())
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
	}
	// Cancel the contexts of running requests, so that a response that the fault "slow"
	// delays does not delay the shutdown.
	cancelRequests()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close()
	}
	if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	logger.InfoContext(ctx, "stopped")
	return nil
}

// checkAddress returns an error if other machines could reach the address, unless
// allowNetwork is true. Other machines must not reach the simulator, because it shows
// imitations of sign-in pages.
func checkAddress(addr string, allowNetwork bool) error {
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return fmt.Errorf("address %q: %w: give host:port", addr, err)
	}
	ip := net.ParseIP(host)
	if allowNetwork || host == "localhost" || ip != nil && ip.IsLoopback() {
		return nil
	}
	return fmt.Errorf("address %q is reachable from outside this machine: use 127.0.0.1, or set SONGSPY_SIM_ALLOW_NETWORK=true inside a container", addr)
}

// health prints "ok" if the simulator answers /healthz with 200, and returns an error
// otherwise.
func health(ctx context.Context, s *settings, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(s.simURL, "/")+"/healthz", nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", s.simURL, resp.Status)
	}
	_, err = fmt.Fprintln(stdout, "ok")
	return err
}
