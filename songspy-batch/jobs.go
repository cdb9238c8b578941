package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/songspy/songspy/songspy-batch/internal/jobs"
	"github.com/songspy/songspy/songspy-batch/internal/notify"
	"github.com/songspy/songspy/songspy-batch/internal/schedule"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// The names of the jobs in logs.
const (
	tokenRefreshJob   = "AccessTokenRefreshScheduler"
	pollJob           = "CurrentPlayingTrackScheduler"
	cleanupJob        = "Cleanup"
	linkRetryJob      = "UnregisteredLinks"
	seatAssignmentJob = "Seats"
	linkMetricsJob    = "LinkMetrics"
	notificationJob   = "Notifications"
)

// How often each job runs.
const (
	cleanupInterval        = 10 * time.Minute
	linkRetryInterval      = time.Hour
	seatAssignmentInterval = 10 * time.Minute
)

// jobs returns the scheduled jobs.
func (b *batch) jobs() []schedule.Job {
	cleanup := jobs.Cleanup{Store: b.db, Now: time.Now, Logger: b.log}
	linkRetry := jobs.LinkRetry{Links: b.db, Complete: b.completeLink, Now: b.now, Logger: b.log}
	apps, _ := b.settings.Spotify.Apps() // never fails: config.Load accepts only settings with valid apps
	// This job runs even if no Spotify app limits its seats (registered users) now: an
	// app may have limited them before, and users may still be waiting.
	seatAssignment := jobs.SeatAssignment{Seats: b.db, Apps: config.SeatsOf(apps), Logger: b.log}
	scheduled := []schedule.Job{
		{Name: tokenRefreshJob, Interval: b.settings.RefreshInterval, Run: b.refresher.Plan},
		{Name: pollJob, Interval: b.settings.PollInterval, Run: b.poller.Plan},
		{Name: cleanupJob, Interval: cleanupInterval, Run: cleanup.Run},
		{Name: linkRetryJob, Interval: linkRetryInterval, Run: linkRetry.Run},
		{Name: linkMetricsJob, Interval: jobs.LinkMetricsInterval, Run: b.linkMetrics.Run},
		{Name: seatAssignmentJob, Interval: seatAssignmentInterval, Run: seatAssignment.Run},
	}
	if b.notifier != nil {
		scheduled = append(scheduled, schedule.Job{Name: notificationJob, Interval: notify.Interval, Run: b.notifier.Run})
	}
	return scheduled
}

// correlate returns a context whose log lines name the job and the number of
// its run.
func correlate(ctx context.Context, job, run string) context.Context {
	return telemetry.WithAttrs(ctx, slog.String(logkey.Job, job), slog.String(logkey.Run, run))
}

// completeLink completes the link of a user who was not registered with the app yet
// when the user consented. So far only the tokens are stored (a pending grant), because
// Spotify did not return the user's account. completeLink fetches the Spotify account
// of the tokens and saves the link.
//
// It returns CodeGone, and changes nothing, if the link was changed or removed
// meanwhile. It returns CodeConflict if all seats of the app are taken, or if
// the Spotify account is linked to another user.
func (b *batch) completeLink(ctx context.Context, id songspy.UserID) error {
	link, err := b.db.Link(ctx, id)
	if err != nil {
		return err
	}
	client, err := b.apps.Client(link.App)
	if err != nil {
		return err
	}
	if !b.now().Before(link.AccessExpiresAt) {
		if link, err = b.renewer.Renew(ctx, id, link.Version); err != nil {
			return err
		}
	}
	if !link.IsPendingGrant() {
		return &songspy.Error{Code: songspy.CodeGone, Message: "The pending grant is gone."}
	}
	account, err := client.Account(ctx, link.AccessToken)
	if err != nil {
		return err
	}
	seats := 0
	apps, err := b.settings.Spotify.Apps()
	if err != nil {
		return err
	}
	for _, app := range apps {
		if app.ClientID == link.App {
			seats = app.Seats
		}
	}
	_, err = b.db.SaveLink(ctx, songspy.NewLink{
		UserID: id, App: link.App, Seats: seats, Account: account, ConsentedAt: link.AuthorizedAt, IfVersion: link.Version,
		Grant: link.Grant(),
	})
	if songspy.CodeOf(err) == songspy.CodeConflict { // only the user can resolve the conflict
		return &songspy.Error{Code: songspy.CodeConflict, Reason: songspy.ReasonOf(err), Message: "The link cannot be completed.", Err: errors.Unwrap(err)}
	}
	return err
}
