package schedule

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// startJobs runs jobs in the background. The returned function stop ends them and
// returns Run's result.
func startJobs(t *testing.T, log *bytes.Buffer, jobs ...Job) (stop func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	o := Options{
		Logger: slog.New(slog.NewTextHandler(log, nil)),
		Correlate: func(ctx context.Context, job, run string) context.Context {
			return context.WithValue(ctx, correlationKey{}, job+"#"+run)
		},
	}
	go func() { done <- Run(ctx, o, jobs...) }()
	synctest.Wait()
	return func() error {
		cancel()
		return <-done
	}
}

type correlationKey struct{}

func TestAJobRunsAtOnceAndThenEveryInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		stop := startJobs(t, new(bytes.Buffer), Job{Name: "tick", Interval: time.Minute, Run: func(context.Context) error {
			runs.Add(1)
			return nil
		}})
		if n := runs.Load(); n != 1 {
			t.Errorf("%d runs at the start, want 1", n)
		}
		<-time.After(3*time.Minute + time.Second)
		if n := runs.Load(); n != 4 {
			t.Errorf("%d runs after three minutes, want 4", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestALongRunNeitherOverlapsItselfNorDelaysOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, concurrent, quick atomic.Int32
		stop := startJobs(t, new(bytes.Buffer),
			Job{Name: "long", Interval: time.Minute, Run: func(ctx context.Context) error {
				concurrent.Store(max(concurrent.Load(), running.Add(1)))
				defer running.Add(-1)
				select {
				case <-ctx.Done():
				case <-time.After(150 * time.Second):
				}
				return nil
			}},
			Job{Name: "quick", Interval: time.Minute, Run: func(context.Context) error {
				quick.Add(1)
				return nil
			}},
		)
		<-time.After(10*time.Minute + time.Second)
		if n := concurrent.Load(); n != 1 {
			t.Errorf("%d runs of one job at once", n)
		}
		if n := quick.Load(); n != 11 {
			t.Errorf("the other job ran %d times in ten minutes, want 11", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestAFailureOrPanicIsLoggedOnceAndTheJobRunsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var failed, panicked atomic.Int32
		stop := startJobs(t, &log,
			Job{Name: "fails", Interval: time.Hour, Run: func(context.Context) error {
				failed.Add(1)
				return errors.New("an expected error")
			}},
			Job{Name: "panics", Interval: time.Hour, Run: func(context.Context) error {
				panicked.Add(1)
				panic("an expected panic")
			}},
		)
		<-time.After(time.Second)
		if err := stop(); err != nil {
			t.Error(err)
		}
		for _, text := range []string{"an expected error", `panic="an expected panic"`} {
			if n := strings.Count(log.String(), text); n != 1 {
				t.Errorf("%q logged %d times, want once:\n%s", text, n, log.String())
			}
		}
	})
	synctest.Test(t, func(t *testing.T) {
		var runs atomic.Int32
		stop := startJobs(t, new(bytes.Buffer), Job{Name: "panics", Interval: time.Hour, Run: func(context.Context) error {
			runs.Add(1)
			panic("again")
		}})
		<-time.After(2*time.Hour + time.Second)
		if n := runs.Load(); n != 3 {
			t.Errorf("%d runs, want 3", n)
		}
		if err := stop(); err != nil {
			t.Error(err)
		}
	})
}

func TestStoppingEndsARunningJobWithoutAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		var run atomic.Value
		stop := startJobs(t, &log, Job{Name: "waits", Interval: time.Hour, Run: func(ctx context.Context) error {
			run.Store(ctx.Value(correlationKey{}))
			<-ctx.Done()
			return ctx.Err()
		}})
		if err := stop(); err != nil {
			t.Error(err)
		}
		if log.Len() > 0 {
			t.Errorf("stopping was logged as an error: %s", log.String())
		}
		if got := run.Load(); got != "waits#1" {
			t.Errorf("the correlation of the run is %v", got)
		}
	})
}

func TestAJobThatNeverStopsIsReportedAfterTenSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stop := startJobs(t, new(bytes.Buffer), Job{Name: "hangs", Interval: time.Hour, Run: func(context.Context) error {
			<-release
			return nil
		}})
		began := time.Now()
		err := stop()
		if err == nil {
			t.Error("a job that does not stop was not reported")
		}
		if waited := time.Since(began); waited != StopTimeout {
			t.Errorf("waited %s, want %s", waited, StopTimeout)
		}
		close(release)
	})
}

func TestAnImpossibleIntervalIsRefused(t *testing.T) {
	err := Run(t.Context(), Options{Logger: slog.New(slog.DiscardHandler)}, Job{Name: "never", Run: func(context.Context) error { return nil }})
	if err == nil || !strings.Contains(err.Error(), "never") {
		t.Errorf("Run with an interval of zero returned %v; want an error that names the job", err)
	}
}
