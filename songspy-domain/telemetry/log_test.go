package telemetry_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

func TestLogger_AddsAttrsOfContext(t *testing.T) {
	var out strings.Builder
	log := telemetry.NewLogger(&out, "info", "text")
	job := telemetry.WithAttrs(t.Context(), slog.String("job", "poll"))
	run := telemetry.WithAttrs(job, slog.Int("run", 7))
	other := telemetry.WithAttrs(job, slog.Int("run", 8))
	log.With("process", "batch").InfoContext(run, "polled")
	if got := out.String(); !strings.Contains(got, "process=batch job=poll run=7") {
		t.Errorf("record %q lacks the job and its run", got)
	}
	out.Reset()
	log.InfoContext(other, "polled")
	log.InfoContext(job, "planned")
	if got := out.String(); strings.Contains(got, "run=7") || strings.Count(got, "run=8") != 1 {
		t.Errorf("a context's attributes leaked into its sibling or parent: %q", got)
	}
}

func TestLogger_FiltersByLevel(t *testing.T) {
	for level, want := range map[string]int{"debug": 3, "info": 2, "error": 1, "loud": 2} {
		var out strings.Builder
		log := telemetry.NewLogger(&out, level, "json")
		log.Debug("a")
		log.Info("b")
		log.Error("c")
		if got := strings.Count(out.String(), "\n"); got != want {
			t.Errorf("level %s wrote %d records, want %d", level, got, want)
		}
	}
}

func TestLogger_WritesDurationsWithTheirUnit(t *testing.T) {
	for _, format := range []string{"json", "text"} {
		var out strings.Builder
		telemetry.NewLogger(&out, "info", format).Info("waited", "took", 90*time.Minute)
		if got := out.String(); !strings.Contains(got, "1h30m0s") {
			t.Errorf("as %s: %s", format, got)
		}
	}
}

func TestLogger_ShowsNoSecret(t *testing.T) {
	failed := &url.Error{Op: "Get", URL: "https://user:hunter2@accounts.example/tokeninfo?access_token=hunter2#hunter2", Err: context.DeadlineExceeded}
	for name, attr := range map[string]slog.Attr{
		"a secret":            slog.Any("grant", songspy.Secret("hunter2")),
		"a secret's name":     slog.String("accessToken", "hunter2"),
		"an address":          slog.String("email", "hunter2@example.com"),
		"a URL's error":       slog.Any("error", failed),
		"a joined error":      slog.Any("error", errors.Join(errors.New("first"), failed)),
		"a text with a URL":   slog.String("message", "called "+failed.URL),
		"a database's URL":    slog.String("database", "postgres://songspy:hunter2@db:5432/songspy"),
		"a group's attribute": slog.Group("request", slog.String("Authorization", "Bearer hunter2")),
	} {
		t.Run(name, func(t *testing.T) {
			for _, format := range []string{"json", "text"} {
				var out strings.Builder
				telemetry.NewLogger(&out, "info", format).Info("failed", attr)
				if strings.Contains(out.String(), "hunter2") {
					t.Errorf("%s shows the secret: %s", format, out.String())
				}
			}
		})
	}
}

func TestLogger_KeepsOtherAttrs(t *testing.T) {
	var out strings.Builder
	telemetry.NewLogger(&out, "info", "text").Info("called",
		"error", &url.Error{Op: "Get", URL: "https://api.example/v1/me?x=1", Err: context.DeadlineExceeded}, "tokens", 3)
	for _, want := range []string{"https://api.example/v1/me", "context deadline exceeded", "tokens=3"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("record %q lacks %q", out.String(), want)
		}
	}
}
