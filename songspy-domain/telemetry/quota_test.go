package telemetry_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

func TestQuotaCollector_MetricsAndNotes(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	statuses := map[string]quota.Status{
		"free": {},
		"full": {
			Calls: quota.Counts{quota.EndpointPlaying: 1100, quota.EndpointHistory: 12}, Bounded: true, Limit: 1086, NextCallAt: now.Add(4 * time.Minute),
			LastRefusal: quota.Refusal{At: now.Add(-time.Hour), Calls: quota.Counts{quota.EndpointPlaying: 1144}, Quota: 1144},
		},
	}
	quotas := telemetry.QuotaCollector{
		Now: func() time.Time { return now },
		Statuses: func(time.Time) (map[string]quota.Status, map[string]int64) {
			return statuses, map[string]int64{"full": 2}
		},
	}
	want := `# HELP songspy_spotify_quota_calls Calls to the Web API in the last 24 hours, all processes together, by endpoint.
# TYPE songspy_spotify_quota_calls gauge
songspy_spotify_quota_calls{app="free",endpoint="currently-playing"} 0
songspy_spotify_quota_calls{app="free",endpoint="me"} 0
songspy_spotify_quota_calls{app="free",endpoint="recently-played"} 0
songspy_spotify_quota_calls{app="free",endpoint="unknown"} 0
songspy_spotify_quota_calls{app="full",endpoint="currently-playing"} 1100
songspy_spotify_quota_calls{app="full",endpoint="me"} 0
songspy_spotify_quota_calls{app="full",endpoint="recently-played"} 12
songspy_spotify_quota_calls{app="full",endpoint="unknown"} 0
# HELP songspy_spotify_quota_learned_calls Calls in 24 hours at which Spotify last refused the account; 0 if it never did.
# TYPE songspy_spotify_quota_learned_calls gauge
songspy_spotify_quota_learned_calls{app="free"} 0
songspy_spotify_quota_learned_calls{app="full"} 1144
# HELP songspy_spotify_quota_planned_calls The most calls to the Web API that are planned for 24 hours; +Inf without a limit.
# TYPE songspy_spotify_quota_planned_calls gauge
songspy_spotify_quota_planned_calls{app="free"} +Inf
songspy_spotify_quota_planned_calls{app="full"} 1086
# HELP songspy_spotify_quota_refusals_total Calls of this process that Spotify refused because the quota was exceeded, including probes.
# TYPE songspy_spotify_quota_refusals_total counter
songspy_spotify_quota_refusals_total{app="free"} 0
songspy_spotify_quota_refusals_total{app="full"} 2
# HELP songspy_spotify_quota_refused_timestamp_seconds When Spotify last refused the account because its quota was exceeded; 0 if it never did.
# TYPE songspy_spotify_quota_refused_timestamp_seconds gauge
songspy_spotify_quota_refused_timestamp_seconds{app="free"} 0
songspy_spotify_quota_refused_timestamp_seconds{app="full"} 1.795518e+09
`
	if err := testutil.CollectAndCompare(quotas, strings.NewReader(want)); err != nil {
		t.Error(err)
	}
	notes := strings.Join(quotas.Notes(), "\n")
	for _, words := range []string{
		"The Spotify quota of the developer account of app full was exceeded at 2026-11-24T11:00:00Z, after 1144 calls in 24 hours. At most 1086 are planned now",
		"The developer account of app full has made 1112 calls in 24 hours, so routine calls stop. The next one is possible at 2026-11-24T12:04:00Z.",
	} {
		if !strings.Contains(notes, words) {
			t.Errorf("the notes lack %q:\n%s", words, notes)
		}
	}
	if strings.Contains(notes, "free") {
		t.Errorf("the notes name an account without a limit:\n%s", notes)
	}
}
