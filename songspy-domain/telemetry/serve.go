package telemetry

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"syscall"
	"time"
)

// shutdownGrace is how long running requests may continue after the service got
// the signal to stop. Then they are cancelled.
const shutdownGrace = 10 * time.Second

// Listen listens on a TCP address. The argument name is the environment variable that sets it. If
// the port is 0, the system chooses a free port. The error contains the name and the address. If
// another program uses the address, the error also says what to do.
func Listen(ctx context.Context, name, addr string) (net.Listener, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, fmt.Errorf("%s: %s is in use by another program: stop that program, or set another address", name, addr)
	case err != nil:
		return nil, fmt.Errorf("%s: cannot listen on %q: %w", name, addr, err)
	}
	return listener, nil
}

// ServeOn serves until ctx ends. Then it accepts no more connections, and lets
// running requests finish for at most shutdownGrace. The contexts of these requests
// do not end with ctx, but when that time is over. Timeouts that are zero in server
// get defaults that no ordinary client reaches. One of them is the write timeout, so
// a handler that streams must remove the write deadline itself. ServeOn closes the
// listener. It returns nil after a shutdown, even if it cut requests off.
func ServeOn(ctx context.Context, listener net.Listener, server *http.Server, log *slog.Logger) error {
	requests, endRequests := context.WithCancel(context.WithoutCancel(ctx))
	defer endRequests()
	setServerDefaults(server, requests, log)

	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.InfoContext(ctx, "listening", slog.String("address", listener.Addr().String()))

	select {
	case err := <-failed:
		return fmt.Errorf("the server at %s stopped: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	deadline, cancel := context.WithTimeout(requests, shutdownGrace)
	defer cancel()
	if err := server.Shutdown(deadline); err != nil {
		log.WarnContext(ctx, "requests were cut off at the end of the shutdown grace", slog.Duration("grace", shutdownGrace))
		endRequests()
		_ = server.Close() // its error is irrelevant: Shutdown has closed the listener already
	}
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("the server at %s stopped: %w", listener.Addr(), err)
	}
	return nil
}

// setServerDefaults sets the timeouts and the limit of header bytes that are zero,
// because a server on an open network needs them. The context of each request becomes a
// child of the argument requests. The server's errors are logged as warnings.
func setServerDefaults(server *http.Server, requests context.Context, log *slog.Logger) {
	server.ReadHeaderTimeout = cmp.Or(server.ReadHeaderTimeout, 5*time.Second)
	server.ReadTimeout = cmp.Or(server.ReadTimeout, 15*time.Second)
	server.WriteTimeout = cmp.Or(server.WriteTimeout, 60*time.Second)
	server.IdleTimeout = cmp.Or(server.IdleTimeout, 2*time.Minute)
	server.MaxHeaderBytes = cmp.Or(server.MaxHeaderBytes, 32<<10)
	server.BaseContext = func(net.Listener) context.Context { return requests }
	server.ErrorLog = slog.NewLogLogger(log.Handler(), slog.LevelWarn)
}
