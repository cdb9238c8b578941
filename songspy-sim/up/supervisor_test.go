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

// Shell scripts replace the programs in the tests. servingScript runs until it is stopped,
// because opening a named pipe for reading blocks until a writer opens it, and none does.
const (
	servingScript    = "#!/bin/sh\nmkfifo \"$0.pipe\" && exec cat \"$0.pipe\"\n"
	failingScript    = "#!/bin/sh\necho cannot >&2\nexit 3\n"
	succeedingScript = "#!/bin/sh\necho signed up\n"
)

func TestSupervisor_StartsInOrderAndStopsTogether(t *testing.T) {
	h, p, out := newTestSupervisor(t, map[string]string{"songspy-sim": succeedingScript, "songspy-api": servingScript, "songspy-batch": servingScript})
	if err := h.startAll(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.wait(ctx); err == nil {
		t.Error("wait returned nil though its context has ended")
	}
	if err := h.stopAll(); err != nil {
		t.Error(err)
	}
	for _, process := range h.running {
		if err := process.cmd.Process.Signal(syscall.Signal(0)); err == nil {
			t.Errorf("%s still runs", process.name)
		}
	}
	if got := out.String(); !strings.Contains(got, "sim   | signed up\n") {
		t.Errorf("output %q lacks the labelled line of populate", got)
	}
}

func TestSupervisor_NamesTheProgramThatEndedAndStopsTheOthers(t *testing.T) {
	h, p, out := newTestSupervisor(t, map[string]string{"songspy-sim": succeedingScript, "songspy-api": servingScript, "songspy-batch": failingScript})
	err := h.startAll(t.Context(), p)
	if err == nil {
		err = h.wait(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "songspy-batch ended: exit status 3") {
		t.Errorf("error = %v, want the program that ended", err)
	}
	if err := h.stopAll(); err != nil {
		t.Error(err)
	}
	if got := out.String(); !strings.Contains(got, "batch | cannot\n") {
		t.Errorf("output %q lacks the output of the program", got)
	}
}

func TestSupervisor_ReportsThatSignUpsFailed(t *testing.T) {
	h, p, _ := newTestSupervisor(t, map[string]string{"songspy-sim": failingScript, "songspy-api": servingScript, "songspy-batch": servingScript})
	if err := h.startAll(t.Context(), p); err == nil || !strings.Contains(err.Error(), "could not be signed up") {
		t.Errorf("error = %v, want that the users could not be signed up", err)
	}
	if err := h.stopAll(); err != nil {
		t.Error(err)
	}
}

func TestSupervisor_LetsPeopleViewOnceTheyAreSignedUp(t *testing.T) {
	const script = "#!/bin/sh\necho $1\n[ $1 = populate ] && exit\n"
	h, p, out := newTestSupervisor(t, map[string]string{"songspy-sim": script + "exit 3\n", "songspy-api": servingScript, "songspy-batch": servingScript})
	p.view = []string{"view"}
	err := h.startAll(t.Context(), p)
	if err == nil {
		err = h.wait(t.Context())
	}
	if err == nil || !strings.Contains(err.Error(), "songspy-sim ended: exit status 3") {
		t.Errorf("error = %v, want that the viewers ended", err)
	}
	if err := h.stopAll(); err != nil {
		t.Error(err)
	}
	if got := out.String(); !strings.Contains(got, "sim   | populate\nsim   | view\n") {
		t.Errorf("output %q, want that people view after they are signed up", got)
	}
}

func TestPort_NamesTheVariableIfInUse(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	err = port{taken.Addr().String(), "SONGSPY_API_ADDR"}.checkFree(t.Context())
	if err == nil || !strings.Contains(err.Error(), "set SONGSPY_API_ADDR") {
		t.Errorf("error = %v, want the remedy", err)
	}
}

// newTestSupervisor writes the scripts, which are given by the name of their program, into a
// directory. It returns a supervisor of that directory, a plan, and the supervisor's output.
// The plan starts the API and the batch, whose readiness checks succeed at once, and then
// runs populate.
func newTestSupervisor(t *testing.T, scripts map[string]string) (*supervisor, plan, *strings.Builder) {
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
	return newSupervisor(bin, os.Environ(), &out), plan{
		programs: []program{{"songspy-api", nil, ready.URL}, {"songspy-batch", nil, ready.URL}},
		populate: []string{"populate"},
	}, &out
}
