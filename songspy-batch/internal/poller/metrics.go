package poller

import (
	"errors"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
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
			Help: "Users whose changes were written, by outcome.",
		}, []string{"outcome"}),
		lag: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name:    "songspy_batch_poll_lag_seconds",
			Help:    "How much later than planned polls begin.",
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
	// Looked up once, so that a poll needs no search; and every series starts at 0,
	// so that its rate is known from the first poll on.
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

// pollReason is the reason of a poll, in one byte: every entry holds one.
type pollReason uint8

// The reasons up to reasonDoubtful are those of playback.NextPoll.
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
	reasonStart     // the first poll by this process
	reasonTakeover  // the first poll since this replica acquired the user's shard
	reasonLinked    // the first poll of a link that is new or works again
	reasonRetry     // the previous poll failed
	reasonAttention // somebody watches the user
	reasonCount     // the number of reasons
)

var reasonNames = [reasonCount]string{
	reasonInterval: string(playback.PollInterval), reasonTrackEnd: string(playback.PollTrackEnd), reasonMidTrack: string(playback.PollMidTrack),
	reasonSkipping: string(playback.PollSkipping), reasonIdleCheck: string(playback.PollIdleCheck), reasonQuota: string(playback.PollQuota),
	reasonProof: string(playback.PollProof), reasonAdvertisement: string(playback.PollAdvertisement),
	reasonDoubtful: string(playback.PollDoubtful),
	reasonStart:    "startup", reasonTakeover: "takeover", reasonLinked: "linked", reasonRetry: "retry",
	reasonAttention: "attention",
}

func (r pollReason) String() string { return reasonNames[r] }

// reasonOf converts a reason of package playback.
func reasonOf(r playback.PollReason) pollReason {
	return pollReason(max(0, slices.Index(reasonNames[:], string(r))))
}

// pollOutcome is the result of a poll: the kind of observation, or the kind of failure.
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
	outcomeCount // the number of outcomes
)

var outcomeNames = [outcomeCount]string{
	outcomePlaying: string(songspy.ObservedPlaying), outcomePaused: string(songspy.ObservedPaused), outcomeIdle: string(songspy.ObservedIdle),
	outcomeAdvertisement: string(songspy.ObservedAdvertisement), outcomeUnreadable: string(songspy.ObservedUnreadable),
	outcomeRenewalPending: "renewal_pending", outcomeUnlinked: "unlinked", outcomeRetryLater: "retry_later", outcomeTokenRefused: "token_refused",
	outcomeNeedsUser: "needs_user", outcomeNotRegistered: "not_registered", outcomeRefused: "refused", outcomeAppBlocked: "app_blocked", outcomeFailed: "failed",
}

func (r pollOutcome) String() string { return outcomeNames[r] }

// outcomeOf converts the kind of an observation.
func outcomeOf(kind songspy.ObservationKind) pollOutcome {
	if i := slices.Index(outcomeNames[:], string(kind)); i >= 0 {
		return pollOutcome(i)
	}
	return outcomeUnreadable
}

// outcomeOfError returns the outcome of a poll that failed with err.
func outcomeOfError(err error) pollOutcome {
	switch {
	case errors.Is(err, errRenewalPending):
		return outcomeRenewalPending
	case errors.Is(err, errUnlinked):
		return outcomeUnlinked
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionRetryLater:
		return outcomeRetryLater
	case songspy.DispositionRenewToken:
		return outcomeTokenRefused
	case songspy.DispositionNeedsUser:
		return outcomeNeedsUser
	case songspy.DispositionNotRegistered:
		return outcomeNotRegistered
	case songspy.DispositionRefused:
		return outcomeRefused
	case songspy.DispositionAppBlocked:
		return outcomeAppBlocked
	}
	return outcomeFailed
}

// outcomeCounts counts polls between two runs of Plan, for one log line per plan
// instead of one per poll.
type outcomeCounts [outcomeCount]atomic.Int64

func (c *outcomeCounts) add(outcome pollOutcome) { c[outcome].Add(1) }

// drain returns the counts as a log group and resets them.
func (c *outcomeCounts) drain() slog.Attr {
	var attrs []any
	for outcome := range c {
		if n := c[outcome].Swap(0); n > 0 {
			attrs = append(attrs, slog.Int64(outcomeNames[outcome], n))
		}
	}
	return slog.Group("polls", attrs...)
}
