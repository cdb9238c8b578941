package poller

import (
	"context"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

// Metrics counts looks and writes; nothing in it names a person.
type Metrics struct {
	registerer     prometheus.Registerer
	polls          [reasonCount][outcomeCount]prometheus.Counter
	writes         *prometheus.CounterVec
	lag            prometheus.Histogram
	historyFetches *prometheus.CounterVec
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		registerer: reg,
		writes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "songspy_batch_writes_total",
			Help: "Listeners whose news was written, by what became of it.",
		}, []string{"outcome"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "songspy_batch_look_lag_seconds",
			Help:    "How much later than planned looks begin.",
			Buckets: []float64{.01, .05, .1, .5, 1, 2, 5, 10, 30, 60, 180, 600},
		}),
	}
	m.historyFetches = prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_batch_history_total",
		Help: "Askings of history, by why they were made and what came of them.",
	}, []string{"errand", "outcome"})
	polls := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "songspy_batch_looks_total",
		Help: "Looks at players, by why they were made and what was seen or went wrong.",
	}, []string{"reason", "outcome"})
	// Found once: a look costs no search. And a rate has a beginning.
	for reason := range reasonCount {
		for outcome := range outcomeCount {
			m.polls[reason][outcome] = polls.WithLabelValues(reason.String(), outcome.String())
		}
	}
	for _, outcome := range []string{"written", "dropped", "set_aside", "lost"} {
		m.writes.WithLabelValues(outcome)
	}
	reg.MustRegister(polls, m.writes, m.lag, m.historyFetches)
	return m
}

// watch registers what is counted when it is asked for.
func (m *Metrics) registerGauges(listeners, waiting func() int, overdue, idle func() time.Duration, kept func() float64) {
	m.registerer.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_listeners",
			Help: "Listeners who are looked at.",
		}, func() float64 { return float64(listeners()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_looks_waiting",
			Help: "Looks that are planned and not begun.",
		}, func() float64 { return float64(waiting()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_looks_behind_seconds",
			Help: "How long ago the oldest look was due that has not been made; near 0 is well.",
		}, func() float64 { return overdue().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_idle_wait_seconds",
			Help: "How long an idle user waits for the next poll: the interval, or longer where a quota bounds calls.",
		}, func() float64 { return idle().Seconds() }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "songspy_batch_polls_kept_ratio",
			Help: "Which part of the polls of users who are listening is made: 1, or less where a quota does not allow all.",
		}, kept),
	)
}

func (m *Metrics) countWrite(w songspy.PlaybackUpdateResult) {
	outcome := "written"
	switch {
	case w.Dropped:
		outcome = "dropped"
	case w.Err != nil:
		outcome = "set_aside"
	}
	m.writes.WithLabelValues(outcome).Inc()
}

// count counts a look, and notes a failure for whoever looks closely.
func (s *Poller) countPoll(ctx context.Context, id songspy.UserID, reason pollReason, outcome pollOutcome, err error) {
	s.Metrics.polls[reason][outcome].Inc()
	s.outcomes.add(outcome)
	if err != nil {
		s.Logger.DebugContext(ctx, "look failed", "user_id", int64(id), "reason", reason.String(), "outcome", outcome.String(), "err", err)
	}
}

// reason is why a look is made. It waits with the seat, in a byte, until the
// look is over and counted by it.
type pollReason uint8

// The reasons that a look of before gives are listening's own; the others are
// those of looks that none came before.
const (
	reasonInterval pollReason = iota
	reasonTrackEnd
	reasonMidTrack
	reasonSkipping
	reasonIdleCheck
	reasonQuota
	reasonProof
	reasonAdvertisement
	reasonDoubtful
	reasonStart    // the first of this process
	reasonTakeover // the first since this replica took the person's shard
	reasonLinked   // the first of a link that is new, or works again
	reasonRetry    // the look before failed
	reasonCount    // how many there are
)

var reasonNames = [reasonCount]string{
	reasonInterval: string(playback.PollInterval), reasonTrackEnd: string(playback.PollTrackEnd), reasonMidTrack: string(playback.PollMidTrack),
	reasonSkipping: string(playback.PollSkipping), reasonIdleCheck: string(playback.PollIdleCheck), reasonQuota: string(playback.PollQuota),
	reasonProof: string(playback.PollProof), reasonAdvertisement: string(playback.PollAdvertisement),
	reasonDoubtful: string(playback.PollDoubtful),
	reasonStart:    "start", reasonTakeover: "takeover", reasonLinked: "linked", reasonRetry: "retry",
}

func (r pollReason) String() string { return reasonNames[r] }

// reasonOf is listening's reason in a byte.
func reasonOf(r playback.PollReason) pollReason {
	return pollReason(max(0, slices.Index(reasonNames[:], string(r))))
}

// result is what came of a look: what was seen, or what went wrong.
type pollOutcome uint8

const (
	outcomePlaying pollOutcome = iota
	outcomePaused
	outcomeIdle
	outcomeAdvertisement
	outcomeUnreadable
	outcomeRenewalPending
	outcomeUnlinked
	outcomeRetryLater
	outcomeTokenRefused
	outcomeNeedsUser
	outcomeNotRegistered
	outcomeRefused
	outcomeAppBlocked
	outcomeFailed
	outcomeCount // how many there are
)

var outcomeNames = [outcomeCount]string{
	outcomePlaying: string(songspy.ObservedPlaying), outcomePaused: string(songspy.ObservedPaused), outcomeIdle: string(songspy.ObservedIdle),
	outcomeAdvertisement: string(songspy.ObservedAdvertisement), outcomeUnreadable: string(songspy.ObservedUnreadable),
	outcomeRenewalPending: "suspended", outcomeUnlinked: "left", outcomeRetryLater: "retry_later", outcomeTokenRefused: "token_refused",
	outcomeNeedsUser: "needs_person", outcomeNotRegistered: "not_registered", outcomeRefused: "refused", outcomeAppBlocked: "app_paused", outcomeFailed: "failed",
}

func (r pollOutcome) String() string { return outcomeNames[r] }

// resultOf is a sighting in a byte.
func outcomeOf(s songspy.ObservationKind) pollOutcome {
	if i := slices.Index(outcomeNames[:], string(s)); i >= 0 {
		return pollOutcome(i)
	}
	return outcomeUnreadable
}

// tally counts looks between two plans, for one line of the log instead of one a look.
type outcomeCounts [outcomeCount]atomic.Int64

func (t *outcomeCounts) add(r pollOutcome) { t[r].Add(1) }

// take gives the counts and begins anew.
func (t *outcomeCounts) drain() slog.Attr {
	var attrs []any
	for r := range t {
		if n := t[r].Swap(0); n > 0 {
			attrs = append(attrs, slog.Int64(outcomeNames[r], n))
		}
	}
	return slog.Group("looks", attrs...)
}
