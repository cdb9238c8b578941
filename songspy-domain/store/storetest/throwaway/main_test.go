package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestRun_PassesTheServerURLAndReturnsTheExitStatus(t *testing.T) {
	t.Setenv(urlVariable, "postgres://given/db")
	var out strings.Builder
	status := run(t.Context(), []string{"--", "sh", "-c", `printf %s "$SONGSPY_TEST_POSTGRES_URL"; exit 7`}, &out, io.Discard)
	if status != 7 || out.String() != "postgres://given/db" {
		t.Errorf("run = %d with %q, want the status 7 and the URL given", status, out.String())
	}
}

func TestRun_WithoutACommandPrintsUsage(t *testing.T) {
	var errs strings.Builder
	if status := run(t.Context(), []string{"--"}, io.Discard, &errs); status != 2 || !strings.Contains(errs.String(), "usage") {
		t.Errorf("run = %d with %q, want 2 and the usage", status, errs.String())
	}
}

func TestNewestPath_ComparesVersionsAsNumbers(t *testing.T) {
	got := newestPath([]string{"/usr/lib/postgresql/9/bin/initdb", "/usr/lib/postgresql/17/bin/initdb", "/usr/lib/postgresql/15/bin/initdb"})
	if !strings.Contains(got, "/17/") {
		t.Errorf("newest = %s, want the one of 17", got)
	}
}

func TestClaimDir_GivesAProcessThatRunsAloneTheSameDirectory(t *testing.T) {
	t.Setenv("TMPDIR", t.TempDir())
	first, release, err := claimDir()
	if err != nil {
		t.Fatal(err)
	}
	second, releaseSecond, err := claimDir()
	if err != nil || second == first {
		t.Errorf("while the first is in use: %s, %v, want another than %s", second, err, first)
	}
	if err := os.WriteFile(filepath.Join(first, "left"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	again, releaseAgain, err := claimDir()
	if err != nil || again != first {
		t.Errorf("after it: %s, %v, want %s", again, err, first)
	}
	if left, _ := os.ReadDir(again); len(left) > 0 {
		t.Errorf("the directory holds %d files of before", len(left))
	}
	for _, release := range []func() error{releaseSecond, releaseAgain} {
		if err := release(); err != nil {
			t.Error(err)
		}
	}
}
