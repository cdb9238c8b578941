package sharding

import (
	"fmt"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Ready says what keeps this replica from its work; nil: nothing does.
func (k *Leaser) Ready() error {
	if since := k.failingSince.Load(); since != 0 && k.Now().Sub(k.startedAt) >= time.Duration(k.leaseEnd.Load()) {
		return &songspy.Error{
			Code: songspy.CodeUnavailable,
			Message: fmt.Sprintf("The database has not renewed this replica's leases since %s, so it asks nobody.",
				k.startedAt.Add(time.Duration(since)).UTC().Format(time.RFC3339)),
		}
	}
	return nil
}

// Notes says in a sentence what this replica's part of the work is.
func (k *Leaser) Notes() []string {
	switch owners := k.replicas.Load(); {
	case owners == 0:
		return []string{"This replica waits for its first leases."}
	case k.OwnedCount() == 0:
		return []string{fmt.Sprintf("This replica looks after nobody yet: the other %d hold every shard.", owners-1)}
	default:
		return []string{fmt.Sprintf("This replica looks after %d of %d shards; %d in all are at work.", k.OwnedCount(), songspy.ShardCount, owners)}
	}
}

// Metrics are those of the leases.
type Metrics struct {
	registerer prometheus.Registerer
	acquired   prometheus.Counter
}

// NewMetrics registers the metrics.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{registerer: reg, acquired: prometheus.NewCounter(prometheus.CounterOpts{
		Name: "songspy_batch_shards_taken_total",
		Help: "Shards that this replica has taken, at its start or from others.",
	})}
	reg.MustRegister(m.acquired)
	return m
}

func (m *Metrics) countAcquired(shards int) { m.acquired.Add(float64(shards)) }

func (m *Metrics) registerGauges(k *Leaser) {
	gauge := func(name, help string, value func() float64) {
		m.registerer.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help}, value))
	}
	gauge("songspy_batch_shards_held", "Shards of the listeners that this replica looks after, of 64.",
		func() float64 { return float64(k.OwnedCount()) })
	gauge("songspy_batch_replicas", "Replicas of the batch that are alive, as far as this one knows.",
		func() float64 { return float64(k.replicas.Load()) })
}
