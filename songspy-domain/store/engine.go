package store

import (
	"context"
	"database/sql"
	"log/slog"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
)

// engine has the operations that differ between SQLite and Postgres.
type engine interface {
	sql() *sql.DB
	dialector(gorm.ConnPool) gorm.Dialector
	// dialect returns goose's dialect and the folder of its migrations.
	dialect() (d goose.Dialect, folder string)
	// versionTableQuery returns a query that yields a row if goose's version table
	// exists.
	versionTableQuery() string
	// lockMigrations takes the migration lock, which lets one process migrate at a time.
	// If another process holds the lock, it logs which one, and waits for the lock at most
	// for the duration wait.
	lockMigrations(ctx context.Context, wait time.Duration, log *slog.Logger) (unlock func() error, err error)
	// writable returns an error if the database accepts no writes, for example
	// because it is a standby.
	writable(context.Context) error
	// beginWrite waits until this process may begin another write transaction. The
	// caller must call the function end when that transaction has ended.
	beginWrite(context.Context) (end func(), err error)
	// forKeyShare returns a locking clause for the end of a query, or "" on SQLite. Until
	// the transaction ends, no other transaction can delete the selected rows. If they are
	// rows of users, transactions that link or unlink Spotify wait too, because they lock
	// the user FOR UPDATE.
	forKeyShare() string
	// clockQuery returns a query for the time of the database server, because processes
	// on several machines need one common clock. On SQLite it returns "": there all
	// processes run on one machine and use its clock.
	clockQuery() string
	// isolation is the isolation level of transactions. On Postgres it is READ COMMITTED, whatever the
	// role or the URL sets: after a transaction has waited for a lock, it must read what the
	// previous holder of the lock committed.
	isolation() sql.IsolationLevel
	// dayExpression returns an SQL expression for the day (UTC) of a column's time, as a
	// number of days since the Unix epoch.
	dayExpression(column string) string
	// microseconds returns an SQL expression for a column's time, in microseconds since
	// the Unix epoch.
	microseconds(column string) string
	// jsonRows returns a subquery whose result is one JSON text: an array with
	// one element for each row, which is an array of the row's columns. The
	// parameters are the SQL texts after SELECT, FROM and ORDER BY.
	jsonRows(columns, from, order string) string
	// rowsetCTE returns a WITH clause that defines the rows of the rowset (rows that a
	// statement takes as arguments) as the table v, and the arguments of that clause.
	rowsetCTE(*rowset) (clause string, args []any, err error)
	// forUpdate returns a locking clause for the end of a query, or "" on SQLite.
	// Other transactions can neither lock nor change the selected rows until the
	// transaction ends.
	forUpdate() string
	// afterErasure is called after a transaction that deleted personal data. It
	// starts the removal of copies of that data that the database files still hold
	// outside the tables, and does not wait until they are removed. On Postgres it does
	// nothing.
	afterErasure()
	// scrub removes the content of deleted rows from the database file, because older
	// releases deleted rows without overwriting them. It does so only once for each
	// database. The argument fresh says that the database is new and contains no such
	// rows. On Postgres, scrub does nothing.
	scrub(ctx context.Context, fresh bool) error
	// notifyChange announces a change to waitForChange in all processes, when the
	// transaction commits. On SQLite it does nothing.
	notifyChange(context.Context, gorm.ConnPool) error
	// waitForChange returns when d has passed or ctx ends. It may return earlier, with or
	// without a change: for example, when a transaction that called notifyChange commits.
	waitForChange(ctx context.Context, d time.Duration)
	close() error
}

// sleep waits until d has passed or ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
