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
	// defaultMigrationWait is how long Migrate waits for another migration by default.
	defaultMigrationWait = 5 * time.Minute
	// migrationLockRetry is the pause between two attempts to take the lock.
	migrationLockRetry = 100 * time.Millisecond
	// migrationReportInterval is the time between two log messages about the same wait.
	migrationReportInterval = 15 * time.Second
)

// migrationHolder describes the process that holds the migration lock, and what an
// operator can do if that process hangs.
type migrationHolder struct{ process, remedy string }

// awaitMigrationLock calls try until try has taken the migration lock. While it
// waits, it logs the process that holds the lock, which holder returns: at once,
// then every migrationReportInterval, and whenever that process changes. If the
// wait is over or ctx ends, it returns CodeUnavailable. The message names the
// process. An error of try or holder ends the wait.
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
		if now == (migrationHolder{}) { // released meanwhile
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
