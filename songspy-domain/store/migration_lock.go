package store

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// defaultMigrationWait is how long Migrate waits for the migration lock if
	// Options.MigrationWait is 0.
	defaultMigrationWait = 5 * time.Minute
	// migrationLockRetry is the pause between two attempts to take the lock.
	migrationLockRetry = 100 * time.Millisecond
	// migrationReportInterval is the time between two log messages about the same wait.
	migrationReportInterval = 15 * time.Second
)

// migrationHolder describes the process that holds the migration lock, and what an
// operator can do if that process hangs.
type migrationHolder struct{ process, remedy string }

// awaitMigrationLock calls the function try until try has taken the migration lock. While
// it waits, it logs the process that holds the lock, which the function holder returns: at
// once, then every migrationReportInterval, and whenever holder returns a different
// process. If the lock is not taken within the duration wait, or if ctx ends, it returns
// CodeUnavailable, with a message that names the process. If try or holder returns an
// error, it returns that error at once.
func awaitMigrationLock(
	ctx context.Context, wait time.Duration, log *slog.Logger,
	try func(context.Context) (taken bool, err error), holder func(context.Context) (migrationHolder, error),
) error {
	startedAt := time.Now()
	var reported time.Time
	var last migrationHolder
	for {
		taken, err := try(ctx)
		if taken || err != nil {
			return err
		}
		now, err := holder(ctx)
		if err != nil {
			return err
		}
		if now == (migrationHolder{}) { // the lock was released after try had failed
			now = migrationHolder{process: "another process", remedy: "Run the migration again."}
		}
		waited := time.Since(startedAt)
		if now != last || time.Since(reported) >= migrationReportInterval {
			log.WarnContext(ctx, "waiting for another migration", slog.String("holder", now.process),
				slog.Duration("waited", waited.Round(time.Second)), slog.Duration("timeout", wait), slog.String("remedy", now.remedy))
			last, reported = now, time.Now()
		}
		if waited >= wait {
			return &songspy.Error{
				Code: songspy.CodeUnavailable,
				Message: fmt.Sprintf("The schema was not migrated: %s has held the migration lock for more than %s. If a migration is running there, wait for it. %s",
					now.process, wait, now.remedy),
				RetryAfter: retryAfter,
			}
		}
		sleep(ctx, migrationLockRetry)
		if ctx.Err() != nil {
			return &songspy.Error{
				Code:    songspy.CodeUnavailable,
				Message: fmt.Sprintf("The schema was not migrated: %s holds the migration lock.", now.process),
				Err:     ctx.Err(),
			}
		}
	}
}

// joinNonEmpty joins the parts that are not empty, with commas.
func joinNonEmpty(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}
