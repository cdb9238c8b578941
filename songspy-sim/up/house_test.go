package main

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// Shell scripts stand in for the programs; reading a pipe without a writer
// waits for ever without a clock.
const (
	faithful = "#!/bin/sh\nmkfifo \"$0.pipe\" && exec cat \"$0.pipe\"\n"
	failing  = "#!/bin/sh\necho cannot >&2\nexit 3\n"
	willing  = "#!/bin/sh\necho signed up\n"
)

func TestHouse_OpensInOrderAndEndsTogether(t *testing.T) {
	h, p, out := arrange(t, map[string]string{"songspy-sim": willing, "songspy-api": faithful, "songspy-batch": faithful})
	if err := h.open(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.wait(ctx); err == nil {
		t.Error("wait returned nil though its context has ended")
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
	for _, process := range h.running {
		if err := process.cmd.Process.Signal(syscall.Signal(0)); err == nil {
			t.Errorf("%s still runs", process.name)
		}
	}
	if got := out.String(); !strings.Contains(got, "sim   | signed up\n") {
		t.Errorf("output %q lacks the labelled line of who signed people up", got)
	}
}

func TestHouse_TellsWhichProgramEndedAndEndsTheOthers(t *testing.T) {
	h, p, out := arrange(t, map[string]string{"songspy-sim": willing, "songspy-api": faithful, "songspy-batch": failing})
	err := h.open(t.Context(), p)
	if err == nil {
		err = h.wait(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "songspy-batch ended: exit status 3") {
		t.Errorf("error = %v, want the program that ended", err)
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
	if got := out.String(); !strings.Contains(got, "batch | cannot\n") {
		t.Errorf("output %q lacks what the program said", got)
	}
}

func TestHouse_SaysThatNobodyCouldBeSignedUp(t *testing.T) {
	h, p, _ := arrange(t, map[string]string{"songspy-sim": failing, "songspy-api": faithful, "songspy-batch": faithful})
	if err := h.open(t.Context(), p); err == nil || !strings.Contains(err.Error(), "could not be signed up") {
		t.Errorf("error = %v, want that nobody was signed up", err)
	}
	if err := h.close(); err != nil {
		t.Error(err)
	}
}

func TestPort_NamesTheRemedyWhenTaken(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = port{taken.Addr().String(), "SONGSPY_API_ADDR"}.free(t.Context())
	if err == nil || !strings.Contains(err.Error(), "set SONGSPY_API_ADDR") {
		t.Errorf("error = %v, want the remedy", err)
	}
}

// arrange writes the scripts and plans to run API and batch, which count as
// ready at once, and to sign people up.
func arrange(t *testing.T, scripts map[string]string) (*house, plan, *strings.Builder) {
	t.Helper()
	bin := t.TempDir()
	for name, script := range scripts {
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	ready := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	t.Cleanup(ready.Close)
	var out strings.Builder
	return newHouse(bin, os.Environ(), &out), plan{
		programs: []program{{"songspy-api", nil, ready.URL}, {"songspy-batch", nil, ready.URL}},
		populate: []string{"populate"},
	}, &out
}
