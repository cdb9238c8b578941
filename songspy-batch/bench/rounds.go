package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

const (
	// sample is the time between two readings of the batch's metrics, and so
	// how exactly a sweep's end is known.
	sampleInterval = 250 * time.Millisecond
	// settled is how long nothing may be written until a sweep's writes are over.
	settleTime = time.Second
)

// sweepRun is one look at everyone.
type pollRound struct {
	Polls   int     `json:"looks"`
	Failed  int     `json:"failedLooks"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"looksPerSecond"`
	// Begin is when the looks were due; End is when the last was answered and
	// the last news written.
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// watch follows the batch by its metrics.
type metricsWatch struct {
	*bench
	url      string
	interval time.Duration
}

// nextSlot is when everyone is due after a sweep that ended then.
func (w *metricsWatch) nextDue(end time.Time) time.Time { return nextDueAfter(end, w.interval) }

// counts are the batch's counters at a moment.
type counts struct {
	at     time.Time
	polls  int
	failed int
	writes int
}

// sweep follows the given sweep, counted from 1, to its end.
func (w *metricsWatch) followRound(ctx context.Context, number int) (s pollRound, err error) {
	before := (number - 1) * w.people
	var start, first, answered, last, c counts
	for {
		if c, err = w.counts(ctx); err != nil {
			return s, err
		}
		if start.at.IsZero() {
			start = c
		}
		if first.at.IsZero() && c.polls > before {
			first = c
		}
		if c.writes != last.writes || last.at.IsZero() {
			last = c
		}
		if answered.at.IsZero() && c.polls >= before+w.people {
			answered = c
		}
		if !answered.at.IsZero() && c.at.Sub(last.at) > settleTime {
			break
		}
		if !first.at.IsZero() && c.at.Sub(first.at) > w.interval {
			return s, fmt.Errorf("sweep %d has not ended when the next is due: choose an -interval longer than %s", number, w.interval)
		}
		if err := waitUntil(ctx, c.at.Add(sampleInterval)); err != nil {
			return s, err
		}
	}
	s = pollRound{Polls: c.polls - before, Failed: c.failed - start.failed, Begin: first.at, End: answered.at}
	if number > 1 { // everyone is due at a known moment
		s.Begin = first.at.Add(-time.Duration(first.at.UnixNano() % int64(w.interval)))
	}
	if last.at.After(s.End) {
		s.End = last.at
	}
	s.Seconds = s.End.Sub(s.Begin).Seconds()
	s.Rate = float64(s.Polls) / s.Seconds
	w.logf("sweep %d: %d looks in %.1f s, %.0f/s", number, s.Polls, s.Seconds, s.Rate)
	return s, nil
}

// counts reads the batch's metrics.
func (w *metricsWatch) counts(ctx context.Context) (c counts, err error) {
	body, err := w.get(ctx, "/metrics")
	if err != nil {
		return c, err
	}
	defer body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(body)
	if err != nil {
		return c, fmt.Errorf("the batch's metrics: %w", err)
	}
	c.at = time.Now()
	c.polls = int(sumCounters(families["songspy_batch_looks_total"], func(string) bool { return true }))
	c.failed = int(sumCounters(families["songspy_batch_looks_total"], func(outcome string) bool { return !answeredOutcomes[outcome] }))
	c.writes = int(sumCounters(families["songspy_batch_writes_total"], func(string) bool { return true }))
	return c, nil
}

// sightings are the outcomes of looks that were answered.
var answeredOutcomes = map[string]bool{"playing": true, "paused": true, "nothing": true, "advertisement": true, "unreadable": true}

// sum adds up the counters of a family whose outcome counts.
func sumCounters(f *dto.MetricFamily, count func(outcome string) bool) (total float64) {
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "outcome" && count(l.GetValue()) {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}

func (w *metricsWatch) get(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("%s answers %s", path, resp.Status)
	}
	return resp.Body, nil
}

// profile profiles most of the sweep after the given one, if that is wished.
// The channel gives one error or nil.
func (w *metricsWatch) profile(ctx context.Context, former pollRound) <-chan error {
	done := make(chan error, 1)
	if w.bench.profile == "" {
		done <- nil
		return done
	}
	go func() { done <- w.writeProfile(ctx, w.nextDue(former.End), max(1, int(former.Seconds*0.8))) }()
	return done
}

func (w *metricsWatch) writeProfile(ctx context.Context, at time.Time, seconds int) error {
	if err := waitUntil(ctx, at); err != nil {
		return err
	}
	body, err := w.get(ctx, fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds))
	if err != nil {
		return err
	}
	defer body.Close()
	f, err := os.Create(w.bench.profile)
	if err != nil {
		return err
	}
	if _, err := io.Copy(f, body); err != nil {
		_ = f.Close()
		return err
	}
	return f.Close()
}
