// Package schedule runs the batch's jobs by the clock. It is the only importer
// of gocron, and knows nothing of what the jobs do.
//
// A job is a singleton: while it runs its next turn is passed over, and no job
// ever waits for another. Jobs are therefore short; what takes long they only
// plan, for a pool to do when it is due.
package schedule

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"strconv"
	"time"

	"github.com/go-co-op/gocron/v2"
)

// StopWithin is how long a stopping scheduler waits for jobs that are running.
// Their context has ended by then.
const StopTimeout = 10 * time.Second

// Job is something to be done at once and then again and again.
type Job struct {
	Name     string
	Interval time.Duration
	// Run does it. An error is logged and changes nothing about the next turn.
	Run func(context.Context) error
}

// Options are what a scheduler works with.
type Options struct {
	Logger *slog.Logger
	// Correlate puts a job's name and the number of its run into the context
	// that the run logs with. Nil: no correlation.
	Correlate func(ctx context.Context, job, run string) context.Context
}

// Run starts the jobs, each with a first run at once, and goes on until ctx
// ends; then it waits for running jobs, StopWithin at the longest. The error
// says that a job could not be set up or did not stop in time.
func Run(ctx context.Context, o Options, jobs ...Job) error {
	scheduler, err := gocron.NewScheduler(gocron.WithLocation(time.UTC))
	if err != nil {
		return fmt.Errorf("schedule: %w", err)
	}
	runners := make([]*runner, len(jobs))
	for i, job := range jobs {
		runners[i] = newRunner(job, o)
		_, err := scheduler.NewJob(
			gocron.DurationJob(job.Interval),
			gocron.NewTask(runners[i].run),
			gocron.WithName(job.Name),
			gocron.WithContext(ctx),
			gocron.WithSingletonMode(gocron.LimitModeReschedule),
			gocron.WithStartAt(gocron.WithStartImmediately()),
		)
		if err != nil {
			return errors.Join(fmt.Errorf("schedule %s: %w", job.Name, err), scheduler.Shutdown())
		}
	}
	scheduler.Start()
	<-ctx.Done()
	return stop(scheduler, runners)
}

// stop waits for running jobs and then winds the scheduler up. The order
// matters: gocron itself waits for jobs in a loop that never yields, which
// burns a core and stands still under a virtual clock.
func stop(scheduler gocron.Scheduler, runners []*runner) error {
	finished := make(chan error, 1)
	go func() { // ends with the last job
		for _, t := range runners {
			<-t.token
		}
		finished <- scheduler.Shutdown()
	}()
	timer := time.NewTimer(StopTimeout)
	defer timer.Stop()
	select {
	case err := <-finished:
		if err != nil {
			return fmt.Errorf("schedule: %w", err)
		}
		return nil
	case <-timer.C:
		return fmt.Errorf("schedule: a job did not stop within %s of being told to", StopTimeout)
	}
}

// turn is a job with the one token that a run of it holds.
type runner struct {
	job       Job
	options   Options
	token     chan struct{}
	runs      int64     // of runs; guarded by token
	lastRunAt time.Time // the last run; guarded by token
}

func newRunner(job Job, o Options) *runner {
	t := &runner{job: job, options: o, token: make(chan struct{}, 1)}
	t.token <- struct{}{}
	return t
}

// run is one run. Whatever becomes of it is logged once, here, with the run's
// own correlation, which gocron's listeners do not know.
func (t *runner) run(ctx context.Context) {
	select {
	case <-t.token:
		defer func() { t.token <- struct{}{} }()
	case <-ctx.Done():
		return
	}
	now := time.Now()
	if t.runs > 0 && now.Sub(t.lastRunAt) < t.job.Interval/4 {
		return // gocron fires a turn twice, now and then
	}
	t.lastRunAt = now
	t.runs++
	if t.options.Correlate != nil {
		ctx = t.options.Correlate(ctx, t.job.Name, strconv.FormatInt(t.runs, 10))
	}
	defer func() {
		if p := recover(); p != nil {
			t.options.Logger.ErrorContext(ctx, "job panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if err := t.job.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		t.options.Logger.ErrorContext(ctx, "job failed", "err", err)
	}
}
