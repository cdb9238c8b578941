package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/populate"
)

// populateCommand signs people up and prints the numbers of completed steps. If the flag
// --stay gives an address, it then answers health checks there until ctx ends.
func populateCommand(ctx context.Context, s *settings, stdout io.Writer) error {
	run, err := populate.New(populate.Options{
		API: s.apiURL, Simulator: s.simURL, People: s.people, Workers: s.workers, ReadyTimeout: s.wait, Invite: s.invite,
		GoogleRedirect: s.googleRedirect, SpotifyRedirect: s.spotifyRedirect, Progress: s.stderr,
	})
	if err != nil {
		return err
	}
	result, err := run.Run(ctx)
	if result != (populate.Result{}) {
		fmt.Fprintf(stdout, "%d people signed in; %d of them linked Spotify and %d set a nickname now\n",
			result.SignedIn, result.Linked, result.Named)
	}
	if err != nil || s.stayAddr == "" {
		return err
	}
	return serveHealth(ctx, s.stayAddr)
}

// serveHealth answers /healthz at the address until ctx ends. It is called after all people
// are signed up, so the container of the command becomes healthy only then. Containers that
// depend on the people wait for that.
func serveHealth(ctx context.Context, addr string) error {
	if err := checkAddress(addr, false); err != nil {
		return err
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("cannot listen on %s: %w", addr, err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
