// Package schedule runs the batch's jobs at fixed intervals. It is the only
// importer of gocron.
//
// A job never runs twice at once: while it runs, its next run is skipped. No job waits
// for another. So that no run is skipped, jobs must be short: a job only plans long
// work, and a pool of workers does the work.
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

	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// StopTimeout is the longest time that Run waits for running jobs after their context
// has ended.
const StopTimeout = 10 * time.Second

// Job is a function that runs at the start and then at every interval.
type Job struct {
	Name     string
	Interval time.Duration
	// Run runs once. An error is logged, except context.Canceled, and does not affect the
	// next run.
	Run func(context.Context) error
}

// Options are the settings of Run.
type Options struct {
	Logger *slog.Logger
	// Correlate returns a context whose log records hold the job's name and the
	// number of the run. If it is nil, log records of jobs have neither.
	Correlate func(ctx context.Context, job, run string) context.Context
}

// Run runs every job at once and then at its interval, until ctx ends. Then it
// waits for running jobs, for StopTimeout at most. It returns an error if a job
// cannot be set up or does not stop in time.
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

// stop waits for running jobs and then shuts the scheduler down. The order matters: if
// jobs are running, gocron's Shutdown waits for them in a busy loop, which uses a whole
// core and never ends under the virtual clock of synctest.
func stop(scheduler gocron.Scheduler, runners []*runner) error {
	finished := make(chan error, 1)
	go func() { // this goroutine ends after the last job has ended
		for _, r := range runners {
			<-r.token
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
		return fmt.Errorf("schedule: a job did not stop within %s; it may hang", StopTimeout)
	}
}

// runner is a job with one token. A run of the job holds the token, so that
// only one run is active.
type runner struct {
	job       Job
	options   Options
	token     chan struct{}
	runs      int64     // guarded by token
	lastRunAt time.Time // guarded by token
}

func newRunner(job Job, o Options) *runner {
	r := &runner{job: job, options: o, token: make(chan struct{}, 1)}
	r.token <- struct{}{}
	return r
}

// run runs the job once. It logs an error or a panic here, because gocron's event
// listeners do not get the context that Options.Correlate returns.
func (r *runner) run(ctx context.Context) {
	select {
	case <-r.token:
		defer func() { r.token <- struct{}{} }()
	case <-ctx.Done():
		return
	}
	now := time.Now()
	if r.runs > 0 && now.Sub(r.lastRunAt) < r.job.Interval/4 {
		return // gocron sometimes starts a run twice
	}
	r.lastRunAt = now
	r.runs++
	if r.options.Correlate != nil {
		ctx = r.options.Correlate(ctx, r.job.Name, strconv.FormatInt(r.runs, 10))
	}
	defer func() {
		if p := recover(); p != nil {
			r.options.Logger.ErrorContext(ctx, "job panicked", "panic", p, "stack", string(debug.Stack()))
		}
	}()
	if err := r.job.Run(ctx); err != nil && !errors.Is(err, context.Canceled) {
		r.options.Logger.ErrorContext(ctx, "job failed", logkey.Error, err)
	}
}
