package forward

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestRoute_UnmarshalText(t *testing.T) {
	for s, want := range map[string]Route{
		"0.0.0.0:8080=api:8080":   {"0.0.0.0:8080", "api:8080"},
		":8080=127.0.0.1:1":       {":8080", "127.0.0.1:1"},
		"":                        {},
		"8080=api:8080":           {},
		"0.0.0.0:8080":            {},
		"0.0.0.0:8080=api":        {},
		"0.0.0.0:8080=:8080":      {},
		"0.0.0.0:=api:8080":       {},
		"0.0.0.0:1=api:1=other:1": {},
	} {
		var got Route
		if err := got.UnmarshalText([]byte(s)); got != want || (err == nil) != (want != Route{}) {
			t.Errorf("%q is %+v, want %+v, error %v", s, got, want, err)
		}
	}
}

// replica starts an HTTP server at address. It answers with its name, the header Host
// and the body of the request.
func replica(t *testing.T, address, name string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Skipf("NOT RUN: the test needs several loopback addresses: %v", err)
	}
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %s %s", name, r.Host, body)
	}))
	server.Listener = l
	server.Start()
	t.Cleanup(server.Close)
	return l
}

func TestForwarder_UsesEveryReplicaThatAcceptsConnections(t *testing.T) {
	first := replica(t, "127.0.0.1:0", "first")
	_, port, _ := net.SplitHostPort(first.Addr().String())
	replica(t, "127.0.0.2:"+port, "second")
	f := Forwarder{Log: slog.New(slog.DiscardHandler), Lookup: func(_ context.Context, host string) ([]string, error) {
		if host != "api" {
			t.Errorf("looked up %s", host)
		}
		return []string{"127.0.0.3", "127.0.0.2", "127.0.0.1"}, nil // no server listens at the first one
	}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, l, "api:"+port) }()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	answers := map[string]int{}
	for range 64 {
		resp, err := client.Post("http://"+l.Addr().String(), "text/plain", strings.NewReader("hello"))
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		answers[string(body)]++
	}
	// With a probability of 1 in 2^63 all 64 connections reach the same replica.
	if tail := " " + l.Addr().String() + " hello"; len(answers) != 2 || answers["first"+tail] == 0 || answers["second"+tail] == 0 {
		t.Errorf("the answers are %v, want some of both replicas", answers)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
	if _, err := net.Dial("tcp", l.Addr().String()); err == nil {
		t.Error("the forwarder accepts connections after its end")
	}
}

func TestForwarder_ClosesAConnectionThatNoReplicaAccepts(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := Forwarder{Log: slog.New(slog.DiscardHandler), Lookup: func(context.Context, string) ([]string, error) { return nil, nil }}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- f.Serve(ctx, l, "api:8080") }()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := conn.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("read %d bytes, error %v; want a closed connection", n, err)
	}
	stop()
	if err := <-ended; err != nil {
		t.Errorf("Serve returned %v, want nil", err)
	}
}
