package telemetry

import (
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-domain/gate"
)

// unbounded is the value of a bound that there is not.
var unbounded = math.Inf(1)

var (
	doorOpen = prometheus.NewDesc("songspy_spotify_door_open",
		"Whether calls may pass a door of a Spotify app (1), or it is closed (0).", []string{"app", "door"}, nil)
	doorUntil = prometheus.NewDesc("songspy_spotify_door_closed_until_timestamp_seconds",
		"When a closed door is probed; 0 for an open one.", []string{"app", "door"}, nil)
	doorPace = prometheus.NewDesc("songspy_spotify_door_calls_per_second",
		"The pace at which this process may pass an open door; +Inf where it is not paced.", []string{"app", "door"}, nil)
	doorLearnt = prometheus.NewDesc("songspy_spotify_door_learnt_calls_per_second",
		"Half the pace at which the app was last refused; 0 where nothing was learnt.", []string{"app", "door"}, nil)
)

// Doors collects the state of the doors of every app, by the app's name.
type Doors struct {
	States func() map[string]gate.State
	Now    func() time.Time
}

// Describe implements prometheus.Collector.
func (d Doors) Describe(descs chan<- *prometheus.Desc) {
	for _, desc := range []*prometheus.Desc{doorOpen, doorUntil, doorPace, doorLearnt} {
		descs <- desc
	}
}

// Collect implements prometheus.Collector.
func (d Doors) Collect(metrics chan<- prometheus.Metric) {
	for app, state := range d.States() {
		for door, s := range map[gate.Door]gate.DoorState{gate.Accounts: state.Accounts, gate.API: state.API} {
			gauge := func(desc *prometheus.Desc, v float64) {
				metrics <- prometheus.MustNewConstMetric(desc, prometheus.GaugeValue, v, app, string(door))
			}
			open, until, pace := 1.0, 0.0, s.Pace.Rate
			if s.Why != "" {
				open, until = 0, float64(s.ClosedUntil.UnixMilli())/1e3
			} else if pace == 0 {
				pace = unbounded
			}
			gauge(doorOpen, open)
			gauge(doorUntil, until)
			gauge(doorPace, pace)
			gauge(doorLearnt, s.Pace.Learnt)
		}
	}
}

// Notes says in sentences which doors are closed.
func (d Doors) Notes() (notes []string) {
	now := d.Now()
	for app, state := range d.States() {
		for _, door := range gate.Doors() {
			s := state.API
			if door == gate.Accounts {
				s = state.Accounts
			}
			switch {
			case s.Why != "" && now.Before(s.ClosedUntil):
				notes = append(notes, fmt.Sprintf("Spotify's %s door of app %s is closed (%s) until %s; nobody is asked before.",
					door, app, s.Why.Words(), s.ClosedUntil.UTC().Format(time.RFC3339)))
			case s.Why != "":
				notes = append(notes, fmt.Sprintf("Spotify's %s door of app %s was closed (%s); one call is finding out whether it has opened.", door, app, s.Why.Words()))
			}
		}
	}
	slices.Sort(notes)
	return notes
}
