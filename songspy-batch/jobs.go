package main

import (
	"context"
	"log/slog"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/census"
	"github.com/songspy/songspy/songspy-batch/internal/housekeeping"
	"github.com/songspy/songspy/songspy-batch/internal/notify"
	"github.com/songspy/songspy/songspy-batch/internal/readmission"
	"github.com/songspy/songspy/songspy-batch/internal/schedule"
	"github.com/songspy/songspy/songspy-batch/internal/seating"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

// The names of the jobs.
const (
	tokenRefreshJob   = "AccessTokenRefreshScheduler"
	pollJob           = "CurrentPlayingTrackScheduler"
	cleanupJob        = "Housekeeping"
	linkRetryJob      = "Readmission"
	seatAssignmentJob = "Seats"
	linkMetricsJob    = "LinkCensus"
	notificationJob   = "Notices"
)

const (
	// tidyEvery is the time between two runs of Housekeeping.
	cleanupInterval = 10 * time.Minute
	// readmitEvery is the time between two searches for people to be asked again.
	linkRetryInterval = time.Hour
	// seatingEvery is the time between two looks for seats that have become free.
	seatAssignmentInterval = 10 * time.Minute
)

// jobs are what the batch does by the clock.
func (b *batch) jobs() []schedule.Job {
	cleanup := housekeeping.Cleanup{Store: b.db, Now: time.Now, Logger: b.log}
	linkRetry := readmission.LinkRetry{Links: b.db, Complete: b.completeLink, Now: b.now, Logger: b.log}
	apps, _ := b.settings.Spotify.Apps() // its faults were told when the settings were read
	// Where nobody needs a seat any more, somebody may still wait for one.
	seatAssignment := seating.SeatAssignment{Seats: b.db, Apps: config.SeatsOf(apps), Logger: b.log}
	scheduled := []schedule.Job{
		{Name: tokenRefreshJob, Interval: b.settings.RefreshInterval, Run: b.refresher.Plan},
		{Name: pollJob, Interval: b.settings.PollInterval, Run: b.poller.Plan},
		{Name: cleanupJob, Interval: cleanupInterval, Run: cleanup.Run},
		{Name: linkRetryJob, Interval: linkRetryInterval, Run: linkRetry.Run},
		{Name: linkMetricsJob, Interval: census.LinkMetricsInterval, Run: b.linkMetrics.Run},
		{Name: seatAssignmentJob, Interval: seatAssignmentInterval, Run: seatAssignment.Run},
	}
	if b.notifier != nil {
		scheduled = append(scheduled, schedule.Job{Name: notificationJob, Interval: notify.Interval, Run: b.notifier.Run})
	}
	return scheduled
}

// correlate marks what a run of a job logs.
func correlate(ctx context.Context, job, run string) context.Context {
	return telemetry.WithAttrs(ctx, slog.String("job", job), slog.String("run", run))
}
