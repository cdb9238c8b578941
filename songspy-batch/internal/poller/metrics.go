package poller

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Metrics counts polls, writes and history fetches. No label identifies a user.
type Metrics struct {
	registerer     prometheus.Registerer
	polls          [reasonCount][outcomeCount]prometheus.Counter
	writes         *prometheus.CounterVec
	lag            prometheus.Histogram
	historyFetches *prometheus.CounterVec
}

// NewMetrics makes the metrics and registers them with reg.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		registerer: reg,
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "songspy_batch_writes_total",
			Help: "Updates of users for the database, by outcome: written, dropped, rejected or lost.",
		}, []string{"outcome"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "songspy_batch_poll_lag_seconds",
			Help:    "How long after their planned time polls begin.",
			Buckets: []float64{.01, .05, .1, .5, 1, 2, 5, 10, 30, 60, 180, 600},
		}),
	}
	m.historyFetches = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_batch_history_fetches_total",
		Help: "Fetches of recently played tracks, by reason and outcome.",
	}, []string{"reason", "outcome"})
	polls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_batch_polls_total",
		Help: "Polls of players, by reason and outcome.",
	}, []string{"reason", "outcome"})
	// The counters are looked up once here, so that a poll needs no lookup by labels.
	// Every series starts at 0, so that its rate is known from the first poll on.
	for reason := range reasonCount {
		for outcome := range outcomeCount {
			m.polls[reason][outcome] = polls.WithLabelValues(reason.String(), outcome.String())
		}
	}
	for _, outcome := range []string{"written", "dropped", "rejected", "lost"} {
		m.writes.WithLabelValues(outcome)
	}
	reg.MustRegister(polls, m.writes, m.lag, m.historyFetches)
	return m
}

// registerGauges registers the metrics whose values are computed at each scrape.
func (m *Metrics) registerGauges(users, waiting func() int, overdue, idle func() time.Duration, kept func() float64, attention func() (watched int, callsLeft float64)) {
	m.registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_users",
			Help: "Users that this replica polls.",
		}, func() float64 { return float64(users()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_polls_waiting",
			Help: "Polls that are planned and have not begun.",
		}, func() float64 { return float64(waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_polls_overdue_seconds",
			Help: "How long the oldest poll that has not begun is overdue; near 0 is normal.",
		}, func() float64 { return overdue().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_idle_wait_seconds",
			Help: "How long an idle user waits for the next poll: the interval, or longer where a quota limits calls.",
		}, func() float64 { return idle().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_polls_kept_ratio",
			Help: "The part of the polls of listening users that is made: 1, or less where a quota does not allow all.",
		}, kept),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_watched_users",
			Help: "Users of this replica that viewers watch now.",
		}, func() float64 {
			watched, _ := attention()
			return float64(watched)
		}),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_attention_calls_left",
			Help: "How many calls this replica may make now for viewers, in addition to the planned ones.",
		}, func() float64 {
			_, left := attention()
			return left
		}),
	)
}

// pollsByReason returns how many polls this process has made, by reason.
func (m *Metrics) pollsByReason() (polls [reasonCount]int64) {
	for reason := range reasonCount {
		for outcome := range outcomeCount {
			var read dto.Metric
			_ = m.polls[reason][outcome].Write(&read) // never fails
			polls[reason] += int64(read.GetCounter().GetValue())
		}
	}
	return polls
}

// countWrite counts one update that the store has handled.
func (m *Metrics) countWrite(w songspy.PlaybackUpdateResult) {
	outcome := "written"
	switch {
	case w.Dropped:
		outcome = "dropped"
	case w.Err != nil:
		outcome = "rejected"
	}
	m.writes.WithLabelValues(outcome).Inc()
}
