package store

import (
	"context"
	"errors"
	"time"

	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// writeCheckTTL is how long the result of a write check is reused. The check takes the
// write lock, and anybody can call the readiness endpoint, so not every call may check.
const writeCheckTTL = 5 * time.Second

// writeCheck caches whether the database accepts writes.
type writeCheck struct {
	now       func() time.Time
	lock      chan struct{} // held during a check, and while the fields below are read or set
	checkedAt time.Time     // when the last check was made; zero if there was none
	err       error
}

// newWriteCheck returns a check without a result.
func newWriteCheck(now func() time.Time) *writeCheck {
	return &writeCheck{now: now, lock: make(chan struct{}, 1)}
}

// lastOrCheck returns the last result of the function check if it is younger than
// writeCheckTTL, and calls check otherwise. Only one caller checks at a time. If the
// deadline of ctx expires, lastOrCheck returns nil: then the database is only busy, which
// does not mean that it accepts no writes.
func (w *writeCheck) lastOrCheck(ctx context.Context, check func(context.Context) error) error {
	select {
	case w.lock <- struct{}{}:
		defer func() { <-w.lock }()
	case <-ctx.Done():
		return ignoreDeadline(ctx.Err())
	}
	age := w.now().Sub(w.checkedAt) // negative after the clock was set back
	if !w.checkedAt.IsZero() && age >= 0 && age < writeCheckTTL {
		return w.err
	}
	err := check(ctx)
	if ctx.Err() != nil {
		err = ignoreDeadline(ctx.Err())
	}
	if errors.Is(err, context.Canceled) {
		return err // not stored, because the end of the request that asked says nothing about the database
	}
	w.checkedAt, w.err = w.now(), err
	return err
}

func ignoreDeadline(err error) error {
	if errors.Is(err, context.DeadlineExceeded) {
		return nil
	}
	return err
}

// writable returns an error if the database does not accept writes. It executes a statement
// that takes the write lock but changes nothing, at most once in writeCheckTTL. To begin a
// transaction would not be enough, because SQLite also begins one in a read-only database.
// A database that another process is writing to is busy, but writable.
func (e *sqliteEngine) writable(ctx context.Context) error {
	return e.writeCheck.lastOrCheck(ctx, func(ctx context.Context) error {
		end, err := e.beginWrite(ctx)
		if err != nil {
			return err
		}
		defer end()
		_, err = e.db.ExecContext(ctx, "DELETE FROM goose_db_version WHERE 0")
		if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok && sqliteErr.Code()&0xff == sqlite3.SQLITE_BUSY {
			return nil
		}
		return err
	})
}
