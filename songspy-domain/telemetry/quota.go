package telemetry

import (
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-domain/quota"
)

var (
	quotaCalls = prometheus.NewDesc("songspy_spotify_quota_calls",
		"Calls to the Web API in the last 24 hours, all processes together, by endpoint.", []string{"app", "endpoint"}, nil)
	quotaPlanned = prometheus.NewDesc("songspy_spotify_quota_planned_calls",
		"Calls to the Web API that are planned for 24 hours at most; +Inf where nothing bounds them.", []string{"app"}, nil)
	quotaLearned = prometheus.NewDesc("songspy_spotify_quota_learned_calls",
		"Calls in 24 hours at which Spotify last refused the account; 0 where it never did.", []string{"app"}, nil)
	quotaRefused = prometheus.NewDesc("songspy_spotify_quota_refused_timestamp_seconds",
		"When Spotify last refused the account since its quota was exceeded; 0 where it never did.", []string{"app"}, nil)
	quotaRefusals = prometheus.NewDesc("songspy_spotify_quota_refusals_total",
		"Times that this process found the quota exceeded, probes included.", []string{"app"}, nil)
)

// Quotas collects how developer accounts stand to their quotas, by the app that
// names each account.
type Quotas struct {
	Standings func(now time.Time) (standings map[string]quota.Standing, refusals map[string]int64)
	Now       func() time.Time
}

// Describe implements prometheus.Collector.
func (q Quotas) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{quotaCalls, quotaPlanned, quotaLearned, quotaRefused, quotaRefusals} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (q Quotas) Collect(metrics chan<- prometheus.Metric) {
	standings, refusals := q.Standings(q.Now())
	for app, s := range standings {
		gauge := func(desc *prometheus.Desc, v float64, labels ...string) {
			metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, append([]string{app}, labels...)...)
		}
		for _, e := range []quota.Endpoint{quota.EndpointPlaying, quota.EndpointHistory, quota.EndpointAccount, quota.EndpointUnknown} {
			gauge(quotaCalls, float64(s.Calls[e]), string(e))
		}
		planned, refused := unbounded, 0.0
		if s.Bounded {
			planned = float64(s.Limit)
		}
		if !s.Last.At.IsZero() {
			refused = float64(s.Last.At.UnixMilli()) / 1e3
		}
		gauge(quotaPlanned, planned)
		gauge(quotaLearned, float64(s.Last.Quota))
		gauge(quotaRefused, refused)
		metrics <- prometheus.MustNewConstMetric(quotaRefusals, prometheus.CounterValue, float64(refusals[app]), app)
	}
}

// Notes says in sentences which accounts have no calls left, and what was
// learned of their quotas.
func (q Quotas) Notes() (notes []string) {
	standings, _ := q.Standings(q.Now())
	for app, s := range standings {
		if s.Last.Quota > 0 {
			notes = append(notes, fmt.Sprintf("Spotify's quota of app %s was exceeded at %s, after %d calls in 24 hours; at most %d are planned now, slowly more from day to day.",
				app, s.Last.At.UTC().Format(time.RFC3339), s.Last.Calls.Sum(), s.Limit))
		}
		if !s.FreeAt.IsZero() {
			notes = append(notes, fmt.Sprintf("App %s has made %d calls in 24 hours, as many as it may; the next one may leave at %s.",
				app, s.Calls.Sum(), s.FreeAt.UTC().Format(time.RFC3339)))
		}
	}
	slices.Sort(notes)
	return notes
}
