package telemetry_test

import (
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
	breakers := telemetry.BreakerCollector{Now: func() time.Time { return now }, States: func() map[string]breaker.Breakers { return map[string]breaker.Breakers{"app": state} }}
	want := `# HELP songspy_spotify_door_calls_per_second The pace at which this process may pass an open door; +Inf where it is not paced.
# TYPE songspy_spotify_door_calls_per_second gauge
songspy_spotify_door_calls_per_second{app="app",door="accounts"} +Inf
songspy_spotify_door_calls_per_second{app="app",door="api"} 0
# HELP songspy_spotify_door_closed_until_timestamp_seconds When a closed door is probed; 0 for an open one.
# TYPE songspy_spotify_door_closed_until_timestamp_seconds gauge
songspy_spotify_door_closed_until_timestamp_seconds{app="app",door="accounts"} 0
songspy_spotify_door_closed_until_timestamp_seconds{app="app",door="api"} 1.7955252e+09
# HELP songspy_spotify_door_learnt_calls_per_second Half the pace at which the app was last refused; 0 where nothing was learnt.
# TYPE songspy_spotify_door_learnt_calls_per_second gauge
songspy_spotify_door_learnt_calls_per_second{app="app",door="accounts"} 0
songspy_spotify_door_learnt_calls_per_second{app="app",door="api"} 12.5
# HELP songspy_spotify_door_open Whether calls may pass a door of a Spotify app (1), or it is closed (0).
# TYPE songspy_spotify_door_open gauge
songspy_spotify_door_open{app="app",door="accounts"} 1
songspy_spotify_door_open{app="app",door="api"} 0
`
	if err := testutil.CollectAndCompare(breakers, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	notes := strings.Join(breakers.Notes(), "\n")
	for _, words := range []string{"api door of app app is closed (throttled) until 2026-11-24T13:00:00Z"} {
		if !strings.Contains(notes, words) {
			t.Errorf("the notes do not say %q:\n%s", words, notes)
		}
	}
	if now = now.Add(time.Hour); !strings.Contains(strings.Join(breakers.Notes(), ""), "finding out whether it has opened") {
		t.Errorf("a door that is due: %v", breakers.Notes())
	}
	state = breaker.Breakers{}
	if notes := breakers.Notes(); len(notes) > 0 {
		t.Errorf("open doors need no words: %v", notes)
	}
}
