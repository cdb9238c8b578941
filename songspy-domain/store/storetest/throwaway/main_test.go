package main

import (
	"io"
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
