package telemetry

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-domain/quota"
)

var (
	quotaCallsDesc = prometheus.NewDesc("songspy_spotify_quota_calls",
		"Calls to the Web API in the last 24 hours, all processes together, by endpoint.", []string{"app", "endpoint"}, nil)
	quotaPlannedDesc = prometheus.NewDesc("songspy_spotify_quota_planned_calls",
		"The most calls to the Web API that are planned for 24 hours; +Inf without a limit.", []string{"app"}, nil)
	quotaLearnedDesc = prometheus.NewDesc("songspy_spotify_quota_learned_calls",
		"Calls in 24 hours at which Spotify last refused the account; 0 if it never did.", []string{"app"}, nil)
	quotaRefusedDesc = prometheus.NewDesc("songspy_spotify_quota_refused_timestamp_seconds",
		"When Spotify last refused the account because its quota was exceeded; 0 if it never did.", []string{"app"}, nil)
	quotaRefusalsDesc = prometheus.NewDesc("songspy_spotify_quota_refusals_total",
		"Calls of this process that Spotify refused because the quota was exceeded, including probes.", []string{"app"}, nil)
)

// QuotaCollector exports metrics about the quota of calls of each Spotify
// developer account. The label app is the name of the account, which is the client
// ID of one of its apps.
type QuotaCollector struct {
	// Statuses returns, by the name of each account, the state of its quota, and how
	// many calls of this process Spotify has refused because the quota was exceeded.
	Statuses func(now time.Time) (statuses map[string]quota.Status, refusals map[string]int64)
	Now      func() time.Time
}

// Describe implements prometheus.Collector.
func (q QuotaCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{quotaCallsDesc, quotaPlannedDesc, quotaLearnedDesc, quotaRefusedDesc, quotaRefusalsDesc} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (q QuotaCollector) Collect(metrics chan<- prometheus.Metric) {
	statuses, refusals := q.Statuses(q.Now())
	for app, s := range statuses {
		gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, append([]string{app}, labels...)...)
		}
		for _, e := range []quota.Endpoint{quota.EndpointPlaying, quota.EndpointHistory, quota.EndpointAccount, quota.EndpointUnknown} {
			gauge(quotaCallsDesc, float64(s.Calls[e]), string(e))
		}
		planned := infinity
		if s.Bounded {
			planned = float64(s.Limit)
		}
		gauge(quotaPlannedDesc, planned)
		gauge(quotaLearnedDesc, float64(s.LastRefusal.Quota))
		gauge(quotaRefusedDesc, Timestamp(s.LastRefusal.At))
		metrics <- prometheus.MustNewConstMetric(quotaRefusalsDesc, prometheus.CounterValue, float64(refusals[app]), app)
	}
}

// Notes returns sentences for the operator, sorted. There is one for each developer
// account that may make no more routine calls for now, and one for each quota that was
// learned from a refusal of Spotify.
func (q QuotaCollector) Notes() (notes []string) {
	statuses, _ := q.Statuses(q.Now())
	for app, s := range statuses {
		if s.LastRefusal.Quota > 0 {
			notes = append(notes, fmt.Sprintf("The Spotify quota of the developer account of app %s was exceeded at %s, after %d calls in 24 hours. At most %d are planned now; the number grows slowly every day.",
				app, s.LastRefusal.At.UTC().Format(time.RFC3339), s.LastRefusal.Calls.Sum(), s.Limit))
		}
		if !s.NextCallAt.IsZero() {
			notes = append(notes, fmt.Sprintf("The developer account of app %s has made %d calls in 24 hours, so routine calls stop. The next one is possible at %s.",
				app, s.Calls.Sum(), s.NextCallAt.UTC().Format(time.RFC3339)))
		}
	}
	slices.Sort(notes)
	return notes
}
