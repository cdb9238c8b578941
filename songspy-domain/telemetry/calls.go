package telemetry

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Calls registers the histogram of calls to Spotify, and gives what observes one.
func CallObserver(reg prometheus.Registerer) func(endpoint, outcome string, d time.Duration) {
	calls := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "songspy_spotify_call_seconds",
		Help:    "Calls to Spotify, by endpoint and outcome.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"endpoint", "outcome"})
	reg.MustRegister(calls)
	return func(endpoint, outcome string, d time.Duration) {
		calls.WithLabelValues(endpoint, outcome).Observe(d.Seconds())
	}
}
