package telemetry

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-domain/breaker"
)

// unbounded is the value of a bound that there is not.
var infinity = math.Inf(1)

var (
	breakerOpenDesc = prometheus.NewDesc("songspy_spotify_door_open",
		"Whether calls may pass a door of a Spotify app (1), or it is closed (0).", []string{"app", "door"}, nil)
	breakerUntilDesc = prometheus.NewDesc("songspy_spotify_door_closed_until_timestamp_seconds",
		"When a closed door is probed; 0 for an open one.", []string{"app", "door"}, nil)
	rateLimitDesc = prometheus.NewDesc("songspy_spotify_door_calls_per_second",
		"The pace at which this process may pass an open door; +Inf where it is not paced.", []string{"app", "door"}, nil)
	rateLearnedDesc = prometheus.NewDesc("songspy_spotify_door_learnt_calls_per_second",
		"Half the pace at which the app was last refused; 0 where nothing was learnt.", []string{"app", "door"}, nil)
)

// Doors collects the state of the doors of every app, by the app's name.
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
			open, until, rate := 1.0, 0.0, s.Limiter.Rate
			if s.Cause != "" {
				open, until = 0, float64(s.OpenUntil.UnixMilli())/1e3
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

// Notes says in sentences which doors are closed.
func (d BreakerCollector) Notes() (notes []string) {
	now := d.Now()
	for app, state := range d.States() {
		for _, circuit := range breaker.Circuits() {
			s := state.API
			if circuit == breaker.CircuitAccounts {
				s = state.Accounts
			}
			switch {
			case s.Cause != "" && now.Before(s.OpenUntil):
				notes = append(notes, fmt.Sprintf("Spotify's %s door of app %s is closed (%s) until %s; nobody is asked before.",
					circuit, app, s.Cause.Description(), s.OpenUntil.UTC().Format(time.RFC3339)))
			case s.Cause != "":
				notes = append(notes, fmt.Sprintf("Spotify's %s door of app %s was closed (%s); one call is finding out whether it has opened.", circuit, app, s.Cause.Description()))
			}
		}
	}
	slices.Sort(notes)
	return notes
}
