package store

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
)

// engine is what differs between SQLite and Postgres.
type engine interface {
	sql() *sql.DB
	dialector(gorm.ConnPool) gorm.Dialector
	// dialect returns goose's dialect and the folder of its migrations.
	dialect() (d goose.Dialect, folder string)
	// versionTableQuery returns a query that yields a row if goose's version table
	// exists.
	versionTableQuery() string
	// lockMigrations waits until no other process migrates, at most as long as given.
	// It logs which process it waits for.
	lockMigrations(ctx context.Context, wait time.Duration, log *slog.Logger) (unlock func() error, err error)
	// writable returns an error if the database accepts no writes.
	writable(context.Context) error
	// beginWrite waits until a write transaction may begin.
	beginWrite(context.Context) (end func(), err error)
	// forKeyShare returns the clause that keeps the rows of a query from being deleted,
	// and a user's link from being changed, until the transaction ends.
	forKeyShare() string
	// clockQuery returns a query for the time that all processes share; empty if there
	// is only one machine.
	clockQuery() string
	// dayExpression returns the day (UTC) of a column's time, counted from the Unix
	// epoch.
	dayExpression(column string) string
	// microseconds returns a column's time as microseconds since the Unix epoch.
	microseconds(column string) string
	// jsonRows returns a query for one JSON text: an array with an array of the columns
	// for each row, in the given order.
	jsonRows(columns, from, order string) string
	// rowsetCTE returns rows as a common table expression named v.
	rowsetCTE(*rowset) (clause string, args []any, err error)
	// forUpdate returns the clause that locks the rows of a query so that they can be
	// deleted.
	forUpdate() string
	// afterErasure is called when a transaction that deleted personal data has
	// committed. It removes soon what the database files still hold outside the tables,
	// as far as possible; the caller does not wait.
	afterErasure()
	// scrub overwrites, once for each database, the data of rows that an older release
	// deleted without overwriting it. fresh says that the database was empty.
	scrub(ctx context.Context, fresh bool) error
	// notifyChange wakes the processes in waitForChange when the transaction commits.
	notifyChange(context.Context, gorm.ConnPool) error
	// waitForChange returns when a change is notified, when d has passed, or when ctx
	// ends, whichever comes first.
	waitForChange(ctx context.Context, d time.Duration)
	close() error
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
