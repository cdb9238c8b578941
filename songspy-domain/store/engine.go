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
	// writable returns an error if the database accepts no writes, for example
	// because it is a standby.
	writable(context.Context) error
	// beginWrite waits until this process may begin another write transaction.
	// The caller calls end after it.
	beginWrite(context.Context) (end func(), err error)
	// forKeyShare returns the clause that keeps the rows of a query from being deleted,
	// and a user's link from being changed, until the transaction ends.
	forKeyShare() string
	// clockQuery returns a query for the database's time, which all processes
	// share. It is empty if all processes run on one machine.
	clockQuery() string
	// dayExpression returns the day (UTC) of a column's time, counted from the Unix
	// epoch.
	dayExpression(column string) string
	// microseconds returns a column's time as microseconds since the Unix epoch.
	microseconds(column string) string
	// jsonRows returns a subquery whose result is one JSON text: an array that
	// contains, for each row in the given order, an array of its columns.
	jsonRows(columns, from, order string) string
	// rowsetCTE returns rows as a common table expression named v.
	rowsetCTE(*rowset) (clause string, args []any, err error)
	// forUpdate returns the clause that locks the rows of a query so that they can be
	// deleted.
	forUpdate() string
	// afterErasure is called after a transaction that deleted personal data. It
	// starts the removal of copies of that data that the database files still hold
	// outside the tables, and does not wait until they are removed.
	afterErasure()
	// scrub overwrites deleted rows in the database file, because older releases
	// deleted rows without overwriting them. It does so only once for each
	// database. fresh says that the database was empty.
	scrub(ctx context.Context, fresh bool) error
	// notifyChange makes waitForChange return in all processes when the
	// transaction commits.
	notifyChange(context.Context, gorm.ConnPool) error
	// waitForChange returns when another transaction has called notifyChange
	// and committed, when d has passed, or when ctx ends, whichever comes
	// first.
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
