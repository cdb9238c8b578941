package telemetry

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

// infinity is the value that a metric shows for a limit that does not exist.
var infinity = math.Inf(1)

var (
	breakerOpenDesc = prometheus.NewDesc("songspy_spotify_breaker_open",
		"Whether the circuit breaker of a Spotify app blocks calls (1) or not (0).", []string{"app", "circuit"}, nil)
	breakerUntilDesc = prometheus.NewDesc("songspy_spotify_breaker_open_until_timestamp_seconds",
		"When an open breaker is probed; 0 if it is closed.", []string{"app", "circuit"}, nil)
	rateLimitDesc = prometheus.NewDesc("songspy_spotify_rate_limit_calls_per_second",
		"The rate limit of this process; +Inf if there is none, 0 while calls are blocked.", []string{"app", "circuit"}, nil)
	rateLearnedDesc = prometheus.NewDesc("songspy_spotify_rate_learned_calls_per_second",
		"Half the rate at which Spotify last refused the app; 0 if it never did.", []string{"app", "circuit"}, nil)
)

// BreakerCollector exports metrics about the circuit breakers of every Spotify app,
// labelled by the app's name and the circuit (accounts or api).
// songspy_spotify_breaker_open is 1 while a breaker is open or half open, and 0 while it is
// closed.
type BreakerCollector struct {
	States func() map[string]breaker.Breakers
	Now    func() time.Time
}

// Describe implements prometheus.Collector.
func (d BreakerCollector) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{breakerOpenDesc, breakerUntilDesc, rateLimitDesc, rateLearnedDesc} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (d BreakerCollector) Collect(metrics chan<- prometheus.Metric) {
	for app, state := range d.States() {
		for circuit, s := range map[breaker.Circuit]breaker.Breaker{breaker.CircuitAccounts: state.Accounts, breaker.CircuitAPI: state.API} {
			gauge := func(desc *prometheus.Desc, v float64) {
				metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, app, string(circuit))
			}
			open, until, rate := 0.0, 0.0, s.Limiter.Rate
			if s.Cause != "" {
				open, until = 1, Timestamp(s.OpenUntil)
			} else if rate == 0 {
				rate = infinity
			}
			gauge(breakerOpenDesc, open)
			gauge(breakerUntilDesc, until)
			gauge(rateLimitDesc, rate)
			gauge(rateLearnedDesc, s.Limiter.Learned)
		}
	}
}

// Notes returns sentences for the operator, sorted: one for each circuit breaker that is
// open or half open.
func (d BreakerCollector) Notes() (notes []string) {
	now := d.Now()
	for app, state := range d.States() {
		for _, circuit := range breaker.Circuits() {
			s := state.For(circuit)
			switch {
			case s.Cause != "" && now.Before(s.OpenUntil):
				notes = append(notes, fmt.Sprintf("Calls to circuit %s of Spotify app %s are blocked (%s) until %s.",
					circuit, app, s.Cause.Description(), s.OpenUntil.UTC().Format(time.RFC3339)))
			case s.Cause != "":
				notes = append(notes, fmt.Sprintf("The circuit breaker of circuit %s of Spotify app %s is half open (%s): one call tests it.", circuit, app, s.Cause.Description()))
			}
		}
	}
	slices.Sort(notes)
	return notes
}
