package notify

import (
	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Metrics counts notifications for Prometheus. No label of a metric identifies
// a user.
type Metrics struct{ notifications *prometheus.CounterVec }

// NewMetrics registers the metrics with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_batch_notifications_total",
		Help: "Notifications to users and the operator: sent, failed (and tried again), given_up, or discarded before they were sent.",
	}, []string{"kind", "channel", "outcome"})}
	reg.MustRegister(m.notifications)
	return m
}

func (m *Metrics) count(msg songspy.NotificationMessage, outcome string, n int) {
	m.notifications.WithLabelValues(string(msg.Kind), string(msg.Channel), outcome).Add(float64(n))
}
