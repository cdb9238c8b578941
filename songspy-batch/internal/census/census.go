// Package census counts all links now and then, so that metrics can say how
// they fare. The count reads a whole table, so it is made neither when somebody
// scrapes nor by every replica: one of them counts, and the others keep silent.
package census

import (
	"context"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// Every is the least time between two counts.
	Every = time.Minute
	// rest is how many times as long as a count took nothing is counted: a
	// million links, which take a second, are counted every five minutes.
	rest = 300
	// old is when a count is no longer told: none is better than a wrong one.
	old = time.Hour
	// within bounds a count, and so the rest after it to less than an hour.
	within = 10 * time.Second
)

var (
	links = prometheus.NewDesc("songspy_links",
		"Spotify links, by state. Of several batches only one tells.", []string{"state"}, nil)
	consent = prometheus.NewDesc("songspy_link_consent_left_seconds",
		"How long the consents of the links that are asked still last, to within a day: how they lie at this moment, so not for rate().", nil, nil)
)

// edges are the days at which consents are told apart.
var edges = []int{0, 1, 7, 14, 30, 60, 90, 120, 150, 180}

// Links are where links are counted.
type Links interface {
	LinkCensus(ctx context.Context) ([]songspy.LinkGroup, error)
}

// Job counts, and collects what it counted.
type Job struct {
	Links Links
	// Tells says whether this is the replica that counts; nil: it is alone.
	Tells func() bool
	Now   func() time.Time

	next time.Time // when to count again; Run's own

	mu     sync.Mutex
	groups []songspy.LinkGroup
	at     time.Time // of the count; zero: there is none
}

// Run counts, if it is time to.
func (j *Job) Run(ctx context.Context) error {
	if j.Tells != nil && !j.Tells() {
		j.keep(nil, time.Time{})
		j.next = time.Time{}
		return nil
	}
	now := j.Now()
	if now.Before(j.next) {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	groups, err := j.Links.LinkCensus(ctx)
	j.next = now.Add(rest * j.Now().Sub(now))
	if err != nil {
		return err
	}
	j.keep(groups, now)
	return nil
}

func (j *Job) keep(groups []songspy.LinkGroup, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.groups, j.at = groups, at
}

func (j *Job) last() (groups []songspy.LinkGroup, at time.Time) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.groups, j.at
}

// Describe implements prometheus.Collector.
func (j *Job) Describe(descs chan<- *prometheus.Desc) {
	descs <- links
	descs <- consent
}

// Collect implements prometheus.Collector.
func (j *Job) Collect(metrics chan<- prometheus.Metric) {
	groups, at := j.last()
	now := j.Now()
	if now.Sub(at) > old || j.Tells != nil && !j.Tells() {
		return
	}
	by := map[songspy.LinkState]int64{}
	buckets := make(map[float64]uint64, len(edges))
	for _, days := range edges {
		buckets[seconds(days)] = 0
	}
	count, sum := uint64(0), 0.0
	for _, g := range groups {
		by[g.State] += g.Links
		if !g.State.Asked() {
			continue
		}
		left := g.ConsentLeft(now).Seconds()
		count, sum = count+uint64(g.Links), sum+left*float64(g.Links)
		for edge := range buckets {
			if left <= edge {
				buckets[edge] += uint64(g.Links)
			}
		}
	}
	for _, state := range songspy.LinkStates() {
		metrics <- prometheus.MustNewConstMetric(links, prometheus.GaugeValue, float64(by[state]), string(state))
	}
	metrics <- prometheus.MustNewConstHistogram(consent, count, sum, buckets)
}

func seconds(days int) float64 { return (time.Duration(days) * 24 * time.Hour).Seconds() }
