package telemetry_test

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

func TestBreakerCollector_MetricsAndNotes(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	state := breaker.Breakers{
		API: breaker.Breaker{Cause: breaker.CauseRateLimited, OpenUntil: now.Add(time.Hour), Limiter: breaker.RateLimiter{Learned: 12.5}},
	}
	breakers := collectorOf(&state, &now)
	want := `# HELP songspy_spotify_breaker_open Whether the circuit breaker of a Spotify app blocks calls (1) or not (0).
# TYPE songspy_spotify_breaker_open gauge
songspy_spotify_breaker_open{app="app",circuit="accounts"} 0
songspy_spotify_breaker_open{app="app",circuit="api"} 1
# HELP songspy_spotify_breaker_open_until_timestamp_seconds When an open breaker is probed; 0 if it is closed.
# TYPE songspy_spotify_breaker_open_until_timestamp_seconds gauge
songspy_spotify_breaker_open_until_timestamp_seconds{app="app",circuit="accounts"} 0
songspy_spotify_breaker_open_until_timestamp_seconds{app="app",circuit="api"} 1.7955252e+09
# HELP songspy_spotify_rate_learned_calls_per_second Half the rate at which Spotify last refused the app; 0 if it never did.
# TYPE songspy_spotify_rate_learned_calls_per_second gauge
songspy_spotify_rate_learned_calls_per_second{app="app",circuit="accounts"} 0
songspy_spotify_rate_learned_calls_per_second{app="app",circuit="api"} 12.5
# HELP songspy_spotify_rate_limit_calls_per_second The rate limit of this process; +Inf if there is none, 0 while calls are blocked.
# TYPE songspy_spotify_rate_limit_calls_per_second gauge
songspy_spotify_rate_limit_calls_per_second{app="app",circuit="accounts"} +Inf
songspy_spotify_rate_limit_calls_per_second{app="app",circuit="api"} 0
`
	if err := testutil.CollectAndCompare(breakers, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	notes := strings.Join(breakers.Notes(), "\n")
	if note := "Calls to circuit api of Spotify app app are blocked (rate limited) until 2026-11-24T13:00:00Z."; !strings.Contains(notes, note) {
		t.Errorf("the notes lack %q:\n%s", note, notes)
	}
	if now = now.Add(time.Hour); !strings.Contains(strings.Join(breakers.Notes(), ""), "is half open (rate limited): one call tests it") {
		t.Errorf("notes of a half-open breaker: %v", breakers.Notes())
	}
	state = breaker.Breakers{}
	if notes := breakers.Notes(); len(notes) > 0 {
		t.Errorf("notes of closed breakers: %v", notes)
	}
}

func collectorOf(state *breaker.Breakers, now *time.Time) telemetry.BreakerCollector {
	return telemetry.BreakerCollector{
		Now:    func() time.Time { return *now },
		States: func() map[string]breaker.Breakers { return map[string]breaker.Breakers{"app": *state} },
	}
}

// TestBreaker_MetricJSONNoteAndAlertAgree checks that "open" means the same everywhere.
// While a breaker is open or half open, the metric must be 1, the stored JSON must have a
// cause, a note must describe the breaker, and the alert must fire. While the breaker is
// closed, the metric must be 0, and there must be no cause, no note and no alert.
func TestBreaker_MetricJSONNoteAndAlertAgree(t *testing.T) {
	const (
		gauge  = "songspy_spotify_breaker_open"
		closed = `{"accounts":{},"api":{%s}}`
		open   = `{"accounts":{},"api":{"cause":"rate_limited","openedAt":"2026-11-24T12:00:00Z","openUntil":"2026-11-25T08:00:00Z","epoch":%s,"learned":1}}`
	)
	noon := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	due := noon.Add(20 * time.Hour)
	call := func(s breaker.Breakers, at time.Time) (breaker.Breakers, breaker.Decision) {
		return breaker.Decide(s, at, breaker.CircuitAPI, breaker.Routine)
	}
	_, first := call(breaker.Breakers{}, noon)
	blocked := breaker.Report(breaker.Breakers{}, noon, breaker.CircuitAPI, first.Permit, breaker.Outcome{Result: breaker.RateLimited, RetryAfter: 20 * time.Hour})
	probing, probe := call(blocked, due)
	again := breaker.Report(probing, due, breaker.CircuitAPI, probe.Permit, breaker.Outcome{Result: breaker.Answered})

	for name, c := range map[string]struct {
		state  breaker.Breakers
		now    time.Time
		passes bool
		metric float64
		json   string
		note   string
		alert  bool
	}{
		"closed":                   {breaker.Breakers{}, noon, true, 0, fmt.Sprintf(closed, ""), "", false},
		"open":                     {blocked, noon, false, 1, fmt.Sprintf(open, "1"), "Calls to circuit api of Spotify app app are blocked (rate limited) until 2026-11-25T08:00:00Z.", true},
		"half open":                {blocked, due, true, 1, fmt.Sprintf(open, "1"), "The circuit breaker of circuit api of Spotify app app is half open (rate limited): one call tests it.", true},
		"half open during a probe": {probing, due, false, 1, fmt.Sprintf(open, `2`), "The circuit breaker of circuit api of Spotify app app is half open (rate limited): one call tests it.", true},
		"closed after a probe":     {again, due, true, 0, fmt.Sprintf(closed, `"epoch":3,"learned":1`), "", false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, d := call(c.state, c.now); d.Allowed != c.passes {
				t.Errorf("a call is allowed: %t, want %t", d.Allowed, c.passes)
			}
			collector := collectorOf(&c.state, &c.now)
			want := fmt.Sprintf("# HELP %[1]s Whether the circuit breaker of a Spotify app blocks calls (1) or not (0).\n# TYPE %[1]s gauge\n"+
				"%[1]s{app=\"app\",circuit=\"accounts\"} 0\n%[1]s{app=\"app\",circuit=\"api\"} %[2]v\n", gauge, c.metric)
			if err := testutil.CollectAndCompare(collector, strings.NewReader(want), gauge); err != nil {
				t.Error(err)
			}
			stored := c.state.Shared()
			stored.API.ProbeUntil = time.Time{}
			if b, err := json.Marshal(stored); err != nil || string(b) != c.json {
				t.Errorf("stored as %s (%v), want %s", b, err, c.json)
			}
			if note := strings.Join(collector.Notes(), "\n"); note != c.note {
				t.Errorf("note = %q, want %q", note, c.note)
			}
			if fires := c.metric == alertThreshold(t, "SongspyBreakerOpen", gauge); fires != c.alert {
				t.Errorf("the alert fires: %t, want %t", fires, c.alert)
			}
		})
	}
}

// alertThreshold returns the value of the gauge at which the documented alert
// fires.
func alertThreshold(t *testing.T, alert, gauge string) (value float64) {
	t.Helper()
	page, err := os.ReadFile("../../docs/metrics.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`alert: ` + alert + `\s+expr: max by \(app, circuit\) \(` + gauge + `\) == ([01])\n`).FindSubmatch(page)
	if m == nil {
		t.Fatalf("docs/metrics.md has no alert %s on the largest %s", alert, gauge)
	}
	_, _ = fmt.Sscan(string(m[1]), &value)
	return value
}
