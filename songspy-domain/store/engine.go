package store

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
)

// engine is what differs between the databases.
type engine interface {
	sql() *sql.DB
	dialector(gorm.ConnPool) gorm.Dialector
	// dialect names the SQL and the folder of the migrations.
	dialect() (d goose.Dialect, folder string)
	// versionTable is a query that yields a row if schemas are numbered here at all.
	versionTableQuery() string
	// lockMigrations waits until no other process migrates, for as long as given,
	// and reports to the logger which process it waits for.
	lockMigrations(ctx context.Context, wait time.Duration, log *slog.Logger) (unlock func() error, err error)
	// writable returns an error if the database accepts no writes.
	writable(context.Context) error
	// begin waits for leave to begin a transaction that writes.
	beginWrite(context.Context) (end func(), err error)
	// keyShare is the clause that keeps the rows of a query from being deleted
	// until the transaction ends, and a user's link from being changed.
	forKeyShare() string
	// clock is a query for the time by which several processes agree; empty:
	// there is only one.
	clockQuery() string
	// day is the day (UTC) of a column's time, counted from the Unix epoch.
	dayExpression(column string) string
	// with states rows as a common table expression named v.
	rowsetCTE(*rowset) (clause string, args []any, err error)
	// forUpdate is the clause that locks the rows of a query so that they may be deleted.
	forUpdate() string
	// erased is called when a transaction that took something personal away has
	// committed. What the database still holds of it outside its tables is
	// removed soon, as far as it can be; the caller does not wait.
	afterErasure()
	// scrub removes, once in a database's life, what rows that were deleted by an
	// older release left in its file; fresh says that the database was empty.
	scrub(ctx context.Context, fresh bool) error
	// notify wakes the waiters when the transaction commits.
	notifyChange(context.Context, gorm.ConnPool) error
	// wait returns when a change was notified, when d has passed, or when ctx
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
