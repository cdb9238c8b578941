package main

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	"github.com/songspy/songspy/songspy-domain/store"
)

func TestTheCommandPrintsUsageAndReportsWrongSettings(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name    string
		args    []string
		environ map[string]string
		code    int
		want    []string
	}{
		{"help", []string{"help"}, nil, 0, []string{"Check whether the running batch is ready."}},
		{"help flag", []string{"-h"}, nil, 0, []string{"Check whether the running batch is ready."}},
		{"help of a command", []string{"backfill", "--help"}, nil, 0, []string{"--since"}},
		{"unknown command", []string{"sevre"}, nil, 2, []string{"unexpected argument sevre", "Run `songspy-batch --help`"}},
		{"unexpected argument", []string{"serve", "please"}, nil, 2, []string{"unexpected argument please"}},
		{"no settings", nil, nil, 2, []string{"SONGSPY_SPOTIFY_CLIENT_ID", "SONGSPY_SEAL_KEYS"}},
		{"wrong settings", nil, map[string]string{
			"SONGSPY_POLL_INTERVAL": "0s", "SONGSPY_POLL_CONCURRENCY": "0", "SONGSPY_REFRESH_INTERVAL": "soon", "SONGSPY_BATCH_ADDR": "8081",
		}, 2, []string{"SONGSPY_POLL_INTERVAL", "SONGSPY_POLL_CONCURRENCY", "SONGSPY_REFRESH_INTERVAL", "SONGSPY_BATCH_ADDR"}},
		{"the batch is not running", []string{"health"}, map[string]string{"SONGSPY_BATCH_ADDR": freeAddr(t)}, 1, []string{"no answer"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if code := run(t.Context(), tt.args, tt.environ, &out, &out); code != tt.code {
				t.Errorf("exit %d, want %d: %s", code, tt.code, out.String())
			}
			for _, want := range tt.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing from:\n%s", want, out.String())
				}
			}
		})
	}
}

// This test changes version and commit, which the linker sets, so it does not run in parallel.
func TestTheVersionNamesTheCommit(t *testing.T) {
	version, commit = "1.2.3", "abcdef"
	t.Cleanup(func() { version, commit = "", "" })
	var out bytes.Buffer
	if code := run(t.Context(), []string{"version"}, nil, &out, &out); code != 0 || !strings.HasPrefix(out.String(), "1.2.3 (commit abcdef, go") {
		t.Errorf("exit %d, printed %q", code, out.String())
	}
}

func TestServeWaitsForTheSchemaStopsCleanlyAndRunsOnce(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	environ := map[string]string{
		"SONGSPY_ENV":                   "development",
		"SONGSPY_DATABASE_URL":          "sqlite:" + filepath.Join(dir, "songspy.db"),
		"SONGSPY_STATE_DIR":             filepath.Join(dir, "state"),
		"SONGSPY_BATCH_ADDR":            freeAddr(t),
		"SONGSPY_SPOTIFY_CLIENT_ID":     "client",
		"SONGSPY_SPOTIFY_AUTHORIZE_URL": "http://127.0.0.1:1/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL":  "http://127.0.0.1:1",
		"SONGSPY_SPOTIFY_API_URL":       "http://127.0.0.1:1",
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	serving, stop := context.WithCancel(ctx)
	var out, errs bytes.Buffer
	exit := make(chan int, 1)
	go func() { exit <- run(serving, []string{"serve"}, environ, &out, &errs) }()

	healthy := func() (bool, string) {
		var output bytes.Buffer
		code := run(ctx, []string{"health"}, environ, &output, &output)
		return code == 0, output.String()
	}
	await := func(what string, met func() bool) {
		for !met() {
			if !delayqueue.Wait(ctx, 20*time.Millisecond) {
				t.Fatalf("%s did not happen; %s", what, errs.String())
			}
		}
	}
	await("an answer that says what to do", func() bool {
		ok, answer := healthy()
		if ok {
			t.Fatal("the batch is ready without a schema")
		}
		return strings.Contains(answer, "songspy-api migrate")
	})

	var second bytes.Buffer
	if code := run(ctx, []string{"serve"}, environ, &second, &second); code != 1 || !strings.Contains(second.String(), "Another songspy-batch") {
		t.Errorf("a second batch on the file ended with %d and printed %q", code, second.String())
	}

	migrate(t, environ["SONGSPY_DATABASE_URL"])
	await("readiness", func() bool { ok, _ := healthy(); return ok })
	stop()
	if code := <-exit; code != 0 {
		t.Errorf("the batch ended with %d: %s", code, errs.String())
	}
}

func migrate(t *testing.T, url string) {
	t.Helper()
	db, err := store.Open(t.Context(), store.Options{URL: url, SealKeys: []store.SealKey{{ID: "test", Key: bytes.Repeat([]byte("k"), 32)}}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// freeAddr returns a loopback address with a free port.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}
