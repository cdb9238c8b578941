package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// grace is how long requests may still run once the service is told to end.
const shutdownGrace = 10 * time.Second

// Listen opens a TCP address; port 0 takes a free one. The error names the
// address and, where somebody else holds it, the remedy.
func Listen(ctx context.Context, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s is taken by another program: end it, or set another address", addr)
	case err != nil:
		return nil, fmt.Errorf("cannot listen at %q: %w", addr, err)
	}
	return listener, nil
}

// ServeOn serves until ctx ends, then lets running requests finish for at most
// ten seconds; their contexts end after that, not before. Timeouts that the
// server leaves at zero get values that no honest client meets; a handler that
// streams lifts the write deadline for itself. It owns the listener. The error
// is nil after an ordered end.
func ServeOn(ctx context.Context, listener net.Listener, server *http.Server, log *slog.Logger) error {
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	setServerDefaults(server, requests, log)

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.InfoContext(ctx, "listening", slog.String("address", listener.Addr().String()))

	select {
	case err := <-failed:
		return fmt.Errorf("the server at %s ended: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(requests, shutdownGrace)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		log.WarnContext(ctx, "requests were cut at the end of the grace", slog.Duration("grace", shutdownGrace))
		endRequests()
		_ = server.Close() // its listener is closed already; nothing is left to be said
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the server at %s ended: %w", listener.Addr(), err)
	}
	return nil
}

// harden fills in what a server on an open network must not leave out.
func setServerDefaults(server *http.Server, requests context.Context, log *slog.Logger) {
	limit := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	limit(&server.ReadHeaderTimeout, 5*time.Second)
	limit(&server.ReadTimeout, 15*time.Second)
	limit(&server.WriteTimeout, 60*time.Second)
	limit(&server.IdleTimeout, 2*time.Minute)
	if server.MaxHeaderBytes == 0 {
		server.MaxHeaderBytes = 32 << 10
	}
	if server.BaseContext == nil {
		server.BaseContext = func(net.Listener) context.Context { return requests }
	}
	if server.ErrorLog == nil {
		server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
	}
}
