package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"log/slog"
	"time"
)

// How long an attempt to empty the write-ahead log is put off that somebody who
// reads or writes was in the way of.
const (
	truncateRetryMin = 20 * time.Millisecond
	truncateRetryMax = 10 * time.Second
)

// busyTimeout is how long SQLite waits for a lock that another process holds.
const busyTimeout = 10 * time.Second

// errLogInUse says that the write-ahead log could not be emptied just now.
var errWALInUse = errors.New("the write-ahead log is in use")

// logEmptier empties the write-ahead log after something personal was taken
// away: until then the log holds the pages as they were. It is a goroutine, which
// ends with stop.
type walTruncator struct {
	log      *slog.Logger
	truncate func(context.Context) error
	wake     chan struct{}
	cancel   context.CancelFunc
	done     chan struct{}
}

// startLogEmptier starts the goroutine, which waits to be asked.
func startWALTruncator(log *slog.Logger, empty func(context.Context) error) *walTruncator {
	ctx, cancel := context.WithCancel(context.Background())
	l := &walTruncator{log: log, truncate: empty, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go l.run(ctx)
	return l
}

// erased asks for an attempt and does not wait for it.
func (l *walTruncator) request() {
	select {
	case l.wake <- struct{}{}:
	default: // asked for already
	}
}

func (l *walTruncator) run(ctx context.Context) {
	defer close(l.done)
	for {
		select {
		case <-l.wake:
			l.truncateUntilDone(ctx)
		case <-ctx.Done():
			return
		}
	}
}

// untilEmpty tries until it succeeds or ctx ends.
func (l *walTruncator) truncateUntilDone(ctx context.Context) {
	reported := false
	for wait := truncateRetryMin; ; wait = min(2*wait, truncateRetryMax) {
		err := l.truncate(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !reported && !errors.Is(err, errWALInUse) {
			reported = true
			l.log.WarnContext(ctx, "The write-ahead log holds what was erased and cannot be emptied yet. It is tried again until it succeeds.", "error", err)
		}
		sleep(ctx, wait)
	}
}

// stop ends the goroutine and waits for its end.
func (l *walTruncator) stop() {
	l.cancel()
	<-l.done
}

// erased empties the write-ahead log soon.
func (e *sqliteEngine) afterErasure() { e.truncator.request() }

// emptyLog moves the write-ahead log into the database file and cuts it to
// nothing. It waits for no other process, since whoever writes would wait for it
// meanwhile: it returns errLogInUse where another one reads or writes.
func (e *sqliteEngine) truncateWAL(ctx context.Context) (err error) {
	end, err := e.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer end()
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	if err := setBusyTimeout(ctx, conn, 0); err != nil {
		return err
	}
	defer func() {
		if setBusyTimeout(context.WithoutCancel(ctx), conn, busyTimeout) != nil {
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // nobody gets it again
		}
	}()
	var busy, inLog, moved int
	if err := conn.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &inLog, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return errWALInUse
	}
	return nil
}

func setBusyTimeout(ctx context.Context, conn *sql.Conn, d time.Duration) error {
	var is int64
	return conn.QueryRowContext(ctx, fmt.Sprintf("PRAGMA busy_timeout(%d)", d.Milliseconds())).Scan(&is)
}

// scrubbed is the user_version of a file that was written with secure_delete from
// its beginning, or has been rebuilt since.
const scrubbedVersion = 1

// scrub rebuilds a file in which an older release deleted rows without
// overwriting them.
func (e *sqliteEngine) scrub(ctx context.Context, fresh bool) error {
	var version int
	if err := e.db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil || version >= scrubbedVersion {
		return err
	}
	end, err := e.beginWrite(ctx)
	if err != nil {
		return err
	}
	defer end()
	if !fresh {
		if _, err := e.db.ExecContext(ctx, "VACUUM"); err != nil {
			return err
		}
	}
	if _, err := e.db.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", scrubbedVersion)); err != nil {
		return err
	}
	e.afterErasure()
	return nil
}
