package tokens

import (
	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Metrics counts token renewals by outcome and shows outages.
type Metrics struct {
	renewals *prometheus.CounterVec
	outages  *prometheus.GaugeVec
}

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		renewals: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "songspy_batch_renewals_total",
			Help: "Renewals of access tokens, by outcome.",
		}, []string{"outcome"}),
		outages: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Name: "songspy_spotify_refresh_outage",
			Help: "Whether Spotify rejects most renewals of an app (1); then no link changes its state.",
		}, []string{"app"}),
	}
	for _, outcome := range []string{"renewed", "refused", "app_blocked", "retry_later", "failed"} {
		m.renewals.WithLabelValues(outcome) // creates the series with value 0, so that Prometheus's rate() includes the first renewal
	}
	reg.MustRegister(m.renewals, m.outages)
	return m
}

func (m *Metrics) countRenewal(err error) { m.renewals.WithLabelValues(outcomeOf(err)).Inc() }

func (m *Metrics) setOutage(app string, on bool) {
	value := 0.0
	if on {
		value = 1
	}
	m.outages.WithLabelValues(app).Set(value)
}

func outcomeOf(err error) string {
	switch songspy.DispositionOf(err) {
	case songspy.DispositionNone:
		if err == nil {
			return "renewed"
		}
	case songspy.DispositionNeedsUser:
		return "refused"
	case songspy.DispositionAppBlocked:
		return "app_blocked"
	case songspy.DispositionRetryLater:
		return "retry_later"
	}
	return "failed"
}
