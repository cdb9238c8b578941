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
	// sampleInterval is the time between two readings of the batch's metrics during a round.
	// After nine tenths of the polls, the time is lastSampleInterval, so the end of the round
	// is known to that accuracy. Readings at that rate during the whole round would slow the
	// round down.
	sampleInterval     = 250 * time.Millisecond
	lastSampleInterval = 50 * time.Millisecond
	// settleTime is the time without a write after which a round's writes are complete.
	settleTime = time.Second
)

// pollRound is one poll of every user.
type pollRound struct {
	Polls   int     `json:"polls"`
	Failed  int     `json:"failedPolls"`
	Seconds float64 `json:"seconds"`
	Rate    float64 `json:"pollsPerSecond"`
	// Begin is the time at which the polls were due. End is the time at which the last
	// poll was answered and the last change was written.
	Begin time.Time `json:"begin"`
	End   time.Time `json:"end"`
}

// metricsWatch finds out from the batch's metrics when each round of polls
// begins and ends.
type metricsWatch struct {
	*bench
	url      string
	interval time.Duration
}

// nextDue returns the time of the next round after the time end.
func (w *metricsWatch) nextDue(end time.Time) time.Time { return nextDueAfter(end, w.interval) }

// counts are the values of the batch's counter metrics at one moment.
type counts struct {
	at     time.Time
	polls  int
	failed int
	writes int
}

// followRound waits for the end of a round and returns its figures. The first round has
// number 1.
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
			return s, fmt.Errorf("round %d had not ended when the next was due: choose an -interval longer than %s", number, w.interval)
		}
		wait := sampleInterval
		if c.polls >= before+w.people*9/10 {
			wait = lastSampleInterval
		}
		if err := waitUntil(ctx, c.at.Add(wait)); err != nil {
			return s, err
		}
	}
	s = pollRound{Polls: c.polls - before, Failed: c.failed - start.failed, Begin: first.at, End: answered.at}
	if number > 1 { // all users are due at a multiple of the interval
		s.Begin = first.at.Add(-time.Duration(first.at.UnixNano() % int64(w.interval)))
	}
	if last.at.After(s.End) {
		s.End = last.at
	}
	s.Seconds = s.End.Sub(s.Begin).Seconds()
	s.Rate = float64(s.Polls) / s.Seconds
	w.logf("round %d: %d polls in %.1f s, %.0f/s", number, s.Polls, s.Seconds, s.Rate)
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
		return c, fmt.Errorf("the batch's metrics cannot be parsed: %w", err)
	}
	c.at = time.Now()
	c.polls = int(sumCounters(families["songspy_batch_polls_total"], func(string) bool { return true }))
	c.failed = int(sumCounters(families["songspy_batch_polls_total"], func(outcome string) bool { return !answeredOutcomes[outcome] }))
	c.writes = int(sumCounters(families["songspy_batch_writes_total"], func(string) bool { return true }))
	return c, nil
}

// answeredOutcomes are the outcomes of polls that Spotify answered.
var answeredOutcomes = map[string]bool{"playing": true, "paused": true, "idle": true, "advertisement": true, "unreadable": true}

// sumCounters adds up the counters of a family. It takes those for whose outcome the function count
// returns true.
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

// uncompressed asks for answers without compression, because compressing the metrics would cost the
// batch more processor time than collecting them.
var uncompressed = &http.Client{Transport: &http.Transport{DisableCompression: true}}

func (w *metricsWatch) get(ctx context.Context, path string) (io.ReadCloser, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url+path, nil)
	if err != nil {
		return nil, err
	}
	resp, err := uncompressed.Do(req)
	if err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		resp.Body.Close()
		return nil, fmt.Errorf("the batch answered %s with %s", path, resp.Status)
	}
	return resp.Body, nil
}

// profile records a CPU profile of the batch during the next round, if -profile
// is set. It starts when the round is due and lasts 80 % of the previous
// round's time. The channel receives one error or nil.
func (w *metricsWatch) profile(ctx context.Context, previous pollRound) <-chan error {
	done := make(chan error, 1)
	if w.bench.profile == "" {
		done <- nil
		return done
	}
	go func() { done <- w.writeProfile(ctx, w.nextDue(previous.End), max(1, int(previous.Seconds*0.8))) }()
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
