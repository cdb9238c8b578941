package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Metrics counts notices; nothing in it names a person.
type Metrics struct{ notifications *prometheus.CounterVec }

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_batch_notices_total",
		Help: "What people and the operator were to be told: sent, failed (and tried again), given_up, or passed before it was told.",
	}, []string{"kind", "channel", "outcome"})}
	reg.MustRegister(m.notifications)
	return m
}

func (m *Metrics) count(msg songspy.NotificationMessage, outcome string, n int) {
	m.notifications.WithLabelValues(string(msg.Kind), string(msg.Channel), outcome).Add(float64(n))
}
