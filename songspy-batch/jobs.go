package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/census"
	"github.com/songspy/songspy/songspy-batch/internal/housekeeping"
	"github.com/songspy/songspy/songspy-batch/internal/notice"
	"github.com/songspy/songspy/songspy-batch/internal/readmission"
	"github.com/songspy/songspy/songspy-batch/internal/schedule"
	"github.com/songspy/songspy/songspy-batch/internal/seating"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

// The names of the jobs.
const (
	refreshJob = "AccessTokenRefreshScheduler"
	sweepJob   = "CurrentPlayingTrackScheduler"
	tidyJob    = "Housekeeping"
	readmitJob = "Readmission"
	seatingJob = "Seats"
	censusJob  = "LinkCensus"
	noticeJob  = "Notices"
)

const (
	// tidyEvery is the time between two runs of Housekeeping.
	tidyEvery = 10 * time.Minute
	// readmitEvery is the time between two searches for people to be asked again.
	readmitEvery = time.Hour
	// seatingEvery is the time between two looks for seats that have become free.
	seatingEvery = 10 * time.Minute
)

// jobs are what the batch does by the clock.
func (b *batch) jobs() []schedule.Job {
	tidy := housekeeping.Job{Store: b.db, Now: time.Now, Logger: b.log}
	readmit := readmission.Job{Links: b.db, Complete: b.complete, Now: b.now, Logger: b.log}
	apps, _ := b.settings.Spotify.Apps() // its faults were told when the settings were read
	// Where nobody needs a seat any more, somebody may still wait for one.
	give := seating.Job{Seats: b.db, Apps: config.SeatsOf(apps), Logger: b.log}
	jobs := []schedule.Job{
		{Name: refreshJob, Every: b.settings.RefreshInterval, Run: b.refresh.Plan},
		{Name: sweepJob, Every: b.settings.PollInterval, Run: b.sweep.Plan},
		{Name: tidyJob, Every: tidyEvery, Run: tidy.Run},
		{Name: readmitJob, Every: readmitEvery, Run: readmit.Run},
		{Name: censusJob, Every: census.Every, Run: b.census.Run},
		{Name: seatingJob, Every: seatingEvery, Run: give.Run},
	}
	if b.notices != nil {
		jobs = append(jobs, schedule.Job{Name: noticeJob, Every: notice.Every, Run: b.notices.Run})
	}
	return jobs
}

// correlate marks what a run of a job logs.
func correlate(ctx context.Context, job, run string) context.Context {
	return telemetry.With(ctx, slog.String("job", job), slog.String("run", run))
}
