// Package forward forwards TCP connections to the replicas of a service. Only one
// container can publish a port of the host, so Compose publishes its ports through
// a forwarder (decision 36).
package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// dialTimeout limits the wait until one replica accepts a connection.
	dialTimeout = 2 * time.Second
	// shutdownTimeout limits how long open connections may last after the context
	// ends.
	shutdownTimeout = 10 * time.Second
)

// Route is a pair of addresses, each host:port: connections to the address
// Listen are forwarded to the address Target. If the target's host name has
// several addresses, each is a replica.
type Route struct{ Listen, Target string }

// UnmarshalText parses a route such as 0.0.0.0:8080=api:8080.
func (r *Route) UnmarshalText(text []byte) error {
	listen, target, found := strings.Cut(string(text), "=")
	for _, address := range []string{listen, target} {
		if host, port, err := net.SplitHostPort(address); !found || err != nil || port == "" || address == target && host == "" {
			return fmt.Errorf("%q is not a route; write LISTEN=TARGET, such as 0.0.0.0:8080=api:8080", text)
		}
	}
	*r = Route{listen, target}
	return nil
}

// Forwarder forwards connections. It keeps no list of replicas: it resolves the target again
// for each connection, so replicas may start and stop at any time.
type Forwarder struct {
	Log *slog.Logger
	// Lookup returns the IP addresses of a host. If it is nil, the system's resolver is used.
	Lookup func(ctx context.Context, host string) ([]string, error)
}

// Run forwards the connections of all routes until ctx ends or one route fails.
func (f Forwarder) Run(ctx context.Context, routes ...Route) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, len(routes))
	for _, r := range routes {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", r.Listen)
		if err != nil {
			return err
		}
		f.Log.InfoContext(ctx, "forwarding connections", slog.String("listen", r.Listen), slog.String("target", r.Target))
		go func() { ended <- f.Serve(ctx, l, r.Target) }()
	}
	var err error
	for range routes {
		err = errors.Join(err, <-ended)
		stop() // if one route fails, the others end too
	}
	return err
}

// Serve forwards the connections of one listener until ctx ends, and closes the listener. Then
// it waits until all open connections have ended, and closes those that are still open after
// shutdownTimeout.
func (f Forwarder) Serve(ctx context.Context, l net.Listener, target string) error {
	defer context.AfterFunc(ctx, func() { _ = l.Close() })()
	connections, closeAll := context.WithCancel(context.WithoutCancel(ctx))
	defer closeAll()
	var open sync.WaitGroup
	for {
		client, err := l.Accept()
		if err != nil {
			if ctx.Err() == nil {
				return err
			}
			break
		}
		open.Go(func() { f.forward(connections, client, target) })
	}
	done := make(chan struct{})
	go func() { open.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(shutdownTimeout):
		closeAll()
		<-done
	}
	return nil
}

// forward forwards one connection until both sides have closed it or ctx ends.
func (f Forwarder) forward(ctx context.Context, client net.Conn, target string) {
	defer func() { _ = client.Close() }()
	replica, err := f.dial(ctx, target)
	if err != nil {
		f.Log.WarnContext(ctx, "no replica accepted a connection", slog.String("target", target), slog.Any(logkey.Error, err))
		return
	}
	defer func() { _ = replica.Close() }()
	defer context.AfterFunc(ctx, func() { _ = errors.Join(client.Close(), replica.Close()) })()
	var both sync.WaitGroup
	both.Go(func() { copyStream(replica, client) })
	both.Go(func() { copyStream(client, replica) })
	both.Wait()
}

// copyStream copies bytes from the second connection to the first. When the second one ends, it
// closes only the write side of the first, because bytes in the other direction may still come.
// After an error it closes both connections.
func copyStream(to, from net.Conn) {
	if _, err := io.Copy(to, from); err != nil {
		_ = errors.Join(to.Close(), from.Close())
		return
	}
	if half, ok := to.(interface{ CloseWrite() error }); ok {
		_ = half.CloseWrite()
	}
}

// dial connects to a random replica of the target. If that replica does not accept
// the connection, dial tries the others.
func (f Forwarder) dial(ctx context.Context, target string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(target)
	if err != nil {
		return nil, err
	}
	lookup := f.Lookup
	if lookup == nil {
		lookup = net.DefaultResolver.LookupHost
	}
	addresses, err := lookup(ctx, host)
	if err != nil {
		return nil, err
	}
	err = fmt.Errorf("%s has no address", host)
	for _, i := range rand.Perm(len(addresses)) {
		dialer := net.Dialer{Timeout: dialTimeout}
		conn, refused := dialer.DialContext(ctx, "tcp", net.JoinHostPort(addresses[i], port))
		if refused == nil {
			return conn, nil
		}
		err = refused
	}
	return nil, err
}
