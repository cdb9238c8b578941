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
	sample = 250 * time.Millisecond
	// settled is how long nothing may be written until a sweep's writes are over.
	settled = time.Second
)

// sweepRun is one look at everyone.
type sweepRun struct {
	Looks   int     `json:"looks"`
	Failed  int     `json:"failedLooks"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"looksPerSecond"`
	// Begin is when the looks were due; End is when the last was answered and
	// the last news written.
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// watch follows the batch by its metrics.
type watch struct {
	*bench
	url      string
	interval time.Duration
}

// nextSlot is when everyone is due after a sweep that ended then.
func (w *watch) nextSlot(end time.Time) time.Time { return slotAfter(end, w.interval) }

// counts are the batch's counters at a moment.
type counts struct {
	at     time.Time
	looks  int
	failed int
	writes int
}

// sweep follows the given sweep, counted from 1, to its end.
func (w *watch) sweep(ctx context.Context, number int) (s sweepRun, err error) {
	before := (number - 1) * w.people
	var start, first, answered, last, c counts
	for {
		if c, err = w.counts(ctx); err != nil {
			return s, err
		}
		if start.at.IsZero() {
			start = c
		}
		if first.at.IsZero() && c.looks > before {
			first = c
		}
		if c.writes != last.writes || last.at.IsZero() {
			last = c
		}
		if answered.at.IsZero() && c.looks >= before+w.people {
			answered = c
		}
		if !answered.at.IsZero() && c.at.Sub(last.at) > settled {
			break
		}
		if !first.at.IsZero() && c.at.Sub(first.at) > w.interval {
			return s, fmt.Errorf("sweep %d has not ended when the next is due: choose an -interval longer than %s", number, w.interval)
		}
		if err := until(ctx, c.at.Add(sample)); err != nil {
			return s, err
		}
	}
	s = sweepRun{Looks: c.looks - before, Failed: c.failed - start.failed, Begin: first.at, End: answered.at}
	if number > 1 { // everyone is due at a known moment
		s.Begin = first.at.Add(-time.Duration(first.at.UnixNano() % int64(w.interval)))
	}
	if last.at.After(s.End) {
		s.End = last.at
	}
	s.Seconds = s.End.Sub(s.Begin).Seconds()
	s.Rate = float64(s.Looks) / s.Seconds
	w.say("sweep %d: %d looks in %.1f s, %.0f/s", number, s.Looks, s.Seconds, s.Rate)
	return s, nil
}

// counts reads the batch's metrics.
func (w *watch) counts(ctx context.Context) (c counts, err error) {
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
	c.looks = int(sum(families["songspy_batch_looks_total"], func(string) bool { return true }))
	c.failed = int(sum(families["songspy_batch_looks_total"], func(outcome string) bool { return !sightings[outcome] }))
	c.writes = int(sum(families["songspy_batch_writes_total"], func(string) bool { return true }))
	return c, nil
}

// sightings are the outcomes of looks that were answered.
var sightings = map[string]bool{"playing": true, "paused": true, "nothing": true, "advertisement": true, "unreadable": true}

// sum adds up the counters of a family whose outcome counts.
func sum(f *dto.MetricFamily, count func(outcome string) bool) (total float64) {
	for _, m := range f.GetMetric() {
		for _, l := range m.GetLabel() {
			if l.GetName() == "outcome" && count(l.GetValue()) {
				total += m.GetCounter().GetValue()
			}
		}
	}
	return total
}

func (w *watch) get(ctx context.Context, path string) (io.ReadCloser, error) {
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
func (w *watch) profile(ctx context.Context, former sweepRun) <-chan error {
	done := make(chan error, 1)
	if w.bench.profile == "" {
		done <- nil
		return done
	}
	go func() { done <- w.writeProfile(ctx, w.nextSlot(former.End), max(1, int(former.Seconds*0.8))) }()
	return done
}

func (w *watch) writeProfile(ctx context.Context, at time.Time, seconds int) error {
	if err := until(ctx, at); err != nil {
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
