package main

import (
	"bytes"
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

func TestServeHealth_RunsUntilStopped(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- serveHealth(ctx, addr) }()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	var out bytes.Buffer
	for run(ctx, []string{"health", "-sim", "http://" + addr}, none, &out, io.Discard) != 0 {
		select {
		case <-again.C:
		case err := <-ended:
			t.Fatal(err)
		}
	}
	stop()
	if err := <-ended; err != nil || out.String() != "ok\n" {
		t.Errorf("output %q, error %v", out.String(), err)
	}
}

func TestServeHealth_ListensOnLoopbackOnly(t *testing.T) {
	if err := serveHealth(t.Context(), "0.0.0.0:0"); err == nil || !strings.Contains(err.Error(), "reachable from outside") {
		t.Errorf("error = %v", err)
	}
}

func TestVersion_NamesTheCommit(t *testing.T) {
	version, commit = "1.2.3", "abcdef"
	t.Cleanup(func() { version, commit = "", "" })
	var out bytes.Buffer
	if code := run(t.Context(), []string{"version"}, none, &out, io.Discard); code != 0 || !strings.HasPrefix(out.String(), "1.2.3 (commit abcdef, go") {
		t.Errorf("%d, %q", code, out.String())
	}
}
