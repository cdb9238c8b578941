package telemetry

import (
	"maps"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Timestamp returns the value of a metric for the time t: seconds since the Unix epoch, to the
// millisecond. For the zero time it returns 0.
func Timestamp(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1e3
}

// CallObserver registers the histogram of the durations of calls to Spotify, and returns a
// function that records one call in it.
func CallObserver(reg prometheus.Registerer) func(endpoint, outcome string, d time.Duration) {
	calls := prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name:    "songspy_spotify_call_seconds",
		Help:    "How long calls to Spotify took, by endpoint and outcome.",
		Buckets: []float64{.001, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
	}, []string{"endpoint", "outcome"})
	reg.MustRegister(calls)
	type labels struct{ endpoint, outcome string }
	// WithLabelValues costs more than everything else here, so the series of each pair of
	// labels is looked up once and kept in the map. The map is never changed but replaced
	// by a copy, so that calls read it without a lock.
	var known atomic.Pointer[map[labels]prometheus.Observer]
	known.Store(&map[labels]prometheus.Observer{})
	return func(endpoint, outcome string, d time.Duration) {
		of := labels{endpoint, outcome}
		all := known.Load()
		series, ok := (*all)[of]
		if !ok {
			series = calls.WithLabelValues(endpoint, outcome)
			more := maps.Clone(*all)
			more[of] = series
			known.CompareAndSwap(all, &more) // if another call has replaced the map meanwhile, a later call adds this series
		}
		series.Observe(d.Seconds())
	}
}

// RecordedCounter registers the counters of recorded plays and gaps, and
// returns a function that adds to them.
func RecordedCounter(reg prometheus.Registerer) func(songspy.RecordedCounts) {
	plays := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_plays_total",
		Help: "Plays that this process recorded, by source.",
	}, []string{"source"})
	gaps := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_gaps_total",
		Help: "Gaps (times without recorded plays) that this process has stored, by reason.",
	}, []string{"reason"})
	for _, source := range []songspy.PlaySource{songspy.SourceLive, songspy.SourceHistory, songspy.SourceImport} {
		plays.WithLabelValues(string(source)) // the series exists with the value 0, so that rate() in Prometheus sees the first increase
	}
	for _, reason := range []songspy.GapReason{
		songspy.GapLinkBroken, songspy.GapAppBlocked, songspy.GapProviderDown, songspy.GapBatchDown, songspy.GapUnseen,
	} {
		gaps.WithLabelValues(string(reason))
	}
	reg.MustRegister(plays, gaps)
	return func(r songspy.RecordedCounts) {
		for source, n := range r.Plays {
			plays.WithLabelValues(string(source)).Add(float64(n))
		}
		for reason, n := range r.Gaps {
			gaps.WithLabelValues(string(reason)).Add(float64(n))
		}
	}
}
