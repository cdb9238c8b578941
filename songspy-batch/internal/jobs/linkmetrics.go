package jobs

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// LinkMetricsInterval is the shortest time between two counts of the links
	// in the database.
	LinkMetricsInterval = time.Minute
	// linkMetricsRest is how long to pause after a count of the links, as a
	// multiple of the time that the count took. A million links take a second,
	// so they are counted every five minutes.
	linkMetricsRest = 300
	// linkMetricsMaxAge is the age from which a count of the links is no longer
	// shown as a metric: no value is better than a wrong one.
	linkMetricsMaxAge = time.Hour
	// linkMetricsTimeout limits the time of one count of the links. So the
	// pause after it is less than an hour.
	linkMetricsTimeout = 10 * time.Second
)

var (
	linksDesc = prometheus.NewDesc("songspy_links",
		"Spotify links, by state. Only the leader of the replicas reports them.", []string{"state"}, nil)
	consentLeftDesc = prometheus.NewDesc("songspy_link_consent_left_seconds",
		"How long the consents of polled links still last, to within a day. This is the current distribution, so rate() makes no sense.", nil, nil)
)

// consentBucketDays are the upper bounds, in days, of the buckets of the
// histogram that shows how long users' consents are still valid.
var consentBucketDays = []int{0, 1, 7, 14, 30, 60, 90, 120, 150, 180}

// LinkCounter counts users' links to Spotify by state and by the day on which
// the user consented.
type LinkCounter interface {
	LinkGroups(ctx context.Context) ([]songspy.LinkGroup, error)
}

// LinkMetrics counts users' links to Spotify from time to time, and exports the
// result as Prometheus metrics.
type LinkMetrics struct {
	Links LinkCounter
	// IsLeader reports whether this replica of the batch has to count, so that
	// only one does. Nil means that there is no other replica.
	IsLeader func() bool
	Now      func() time.Time

	nextCount time.Time // when to count again; used by Run alone

	mu        sync.Mutex
	groups    []songspy.LinkGroup
	countedAt time.Time // zero if the links are not counted yet
}

// Run counts the links if this replica is the leader, unless the pause after the last count
// still lasts.
func (j *LinkMetrics) Run(ctx context.Context) error {
	if j.IsLeader != nil && !j.IsLeader() {
		j.setGroups(nil, time.Time{})
		j.nextCount = time.Time{}
		return nil
	}
	now := j.Now()
	if now.Before(j.nextCount) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, linkMetricsTimeout)
	defer cancel()
	groups, err := j.Links.LinkGroups(ctx)
	j.nextCount = now.Add(linkMetricsRest * j.Now().Sub(now))
	if err != nil {
		return err
	}
	j.setGroups(groups, now)
	return nil
}

func (j *LinkMetrics) setGroups(groups []songspy.LinkGroup, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.groups, j.countedAt = groups, at
}

func (j *LinkMetrics) lastGroups() (groups []songspy.LinkGroup, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.groups, j.countedAt
}

// Describe implements prometheus.Collector.
func (j *LinkMetrics) Describe(descs chan<- *prometheus.Desc) {
	descs <- linksDesc
	descs <- consentLeftDesc
}

// Collect implements prometheus.Collector.
func (j *LinkMetrics) Collect(metrics chan<- prometheus.Metric) {
	groups, at := j.lastGroups()
	now := j.Now()
	if now.Sub(at) > linkMetricsMaxAge || j.IsLeader != nil && !j.IsLeader() {
		return
	}
	byState := map[songspy.LinkState]int64{}
	buckets := make(map[float64]uint64, len(consentBucketDays))
	for _, days := range consentBucketDays {
		buckets[daysInSeconds(days)] = 0
	}
	count, sum := uint64(0), 0.0
	for _, g := range groups {
		byState[g.State] += g.Count
		if !g.State.IsPolled() {
			continue
		}
		left := g.ConsentLeft(now).Seconds()
		count, sum = count+uint64(g.Count), sum+left*float64(g.Count)
		for bound := range buckets {
			if left <= bound {
				buckets[bound] += uint64(g.Count)
			}
		}
	}
	for _, state := range songspy.LinkStates() {
		metrics <- prometheus.MustNewConstMetric(linksDesc, prometheus.GaugeValue, float64(byState[state]), string(state))
	}
	metrics <- prometheus.MustNewConstHistogram(consentLeftDesc, count, sum, buckets)
}

func daysInSeconds(days int) float64 { return (time.Duration(days) * 24 * time.Hour).Seconds() }
