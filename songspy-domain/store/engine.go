package store

import (
	"context"
	"database/sql"
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
	versionTable() string
	// lockMigrations waits until no other process migrates.
	lockMigrations(context.Context) (unlock func() error, err error)
	// begin waits for leave to begin a transaction that writes.
	begin(context.Context) (end func(), err error)
	// sharePerson is the clause that keeps a person's link from being changed
	// while what was heard through it is written.
	sharePerson() string
	// clock is a query for the time by which several processes agree; empty:
	// there is only one.
	clock() string
	// day is the day (UTC) of a column's time, counted from the Unix epoch.
	day(column string) string
	// with states rows as a common table expression named v.
	with(*relation) (clause string, args []any, err error)
	// notify wakes the waiters when the transaction commits.
	notify(context.Context, gorm.ConnPool) error
	// wait returns when a change was notified, when d has passed, or when ctx
	// ends, whichever comes first.
	wait(ctx context.Context, d time.Duration)
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
