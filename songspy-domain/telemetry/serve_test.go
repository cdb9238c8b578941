package telemetry_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-domain/telemetry"
)

func TestServeOn_FinishesRunningRequests(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	listener, err := telemetry.Listen(ctx, "ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	arrived, release := make(chan struct{}), make(chan struct{})
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		<-release
		if r.Context().Err() == nil {
			_, _ = io.WriteString(w, "whole")
		}
	})}
	served := make(chan error, 1)
	go func() { served <- telemetry.ServeOn(ctx, listener, server, slog.New(slog.DiscardHandler)) }()

	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String())
		if err != nil {
			answered <- err.Error()
			return
		}
		defer resp.Body.Close()
		body, _ := io.ReadAll(resp.Body)
		answered <- string(body)
	}()
	<-arrived
	stop()
	close(release)
	if got := <-answered; got != "whole" {
		t.Errorf("the running request got %q, want its whole answer", got)
	}
	if err := <-served; err != nil {
		t.Errorf("ServeOn returned %v after an orderly shutdown", err)
	}
	if server.ReadHeaderTimeout == 0 || server.IdleTimeout == 0 {
		t.Error("the server has no timeouts")
	}
}

func TestListen_ReportsTakenPort(t *testing.T) {
	first, err := telemetry.Listen(t.Context(), "ADDR", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	_, err = telemetry.Listen(t.Context(), "ADDR", first.Addr().String())
	if err == nil || !strings.HasPrefix(err.Error(), "ADDR: "+first.Addr().String()+" is in use") || !strings.Contains(err.Error(), "set another address") {
		t.Errorf("error = %v, want the variable, the address and what to do", err)
	}
}
