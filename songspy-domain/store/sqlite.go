package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gofrs/flock"
	"github.com/libtnb/sqlite"
	"github.com/pressly/goose/v3"
	"gorm.io/gorm"
	_ "modernc.org/sqlite" // the driver: pure Go, registered as "sqlite"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// sqliteEngine is the engine for a database in one file, which the processes of one
// machine share.
type sqliteEngine struct {
	db   *sql.DB
	path string
	// writeLock is held by the only transaction of this process that writes. Waiting
	// transactions get the lock in the order of their arrival, and stop waiting when their
	// context ends. Transactions of different processes wait for each other inside SQLite
	// (busyTimeout): there the order is not fair, and the end of a context has no effect.
	writeLock  chan struct{}
	truncator  *walTruncator
	writeCheck *writeCheck
}

func openSQLite(o Options) (engine, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(o.URL, "sqlite:"), "//")
	if path == "" || strings.Contains(path, ":memory:") || strings.ContainsAny(path, "?#") {
		return nil, &songspy.Error{
			Code:    songspy.CodeInvalid,
			Message: "The database URL must name a plain file, such as sqlite:songspy.db; an in-memory database cannot be shared by two processes.",
		}
	}
	if err := createPrivateFile(path); err != nil {
		return nil, &songspy.Error{
			Code:    songspy.CodeUnavailable,
			Message: "The database file cannot be opened for writing; check that its folder exists and that this user may write there.",
			Err:     err,
		}
	}
	// busy_timeout comes first, because the switch to WAL may have to wait for a
	// lock. secure_delete overwrites deleted content with zeros.
	dsn := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String() +
		fmt.Sprintf("?_pragma=busy_timeout(%d)&_pragma=journal_mode(WAL)&_pragma=foreign_keys(1)&_pragma=secure_delete(1)", busyTimeout.Milliseconds()) +
		"&_txlock=immediate&_time_integer_format=unix_micro&_inttotime=1&_timezone=UTC"
	db, err := sql.Open("sqlite", dsn)
	if err != nil {
		return nil, translate(err)
	}
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	e := &sqliteEngine{db: db, path: path, writeLock: make(chan struct{}, 1), writeCheck: newWriteCheck(o.Now)}
	e.truncator = startWALTruncator(o.Logger, e.truncateWAL)
	return e, nil
}

// createPrivateFile creates the database file if there is none, with a mode that lets only
// this user read it. If SQLite created the file, everyone could read it. SQLite gives the
// same mode to the files that it creates next to the database. createPrivateFile does not
// open an existing file, because closing it would release the locks that this process holds
// on it through SQLite.
func createPrivateFile(path string) error {
	f, err := os.OpenFile(filepath.Clean(path), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return f.Close()
}

func (e *sqliteEngine) sql() *sql.DB { return e.db }

func (e *sqliteEngine) dialector(pool gorm.ConnPool) gorm.Dialector {
	return sqlite.New(sqlite.Config{Conn: pool})
}

func (e *sqliteEngine) dialect() (goose.Dialect, string) { return goose.DialectSQLite3, "sqlite" }

func (e *sqliteEngine) versionTableQuery() string {
	return "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'"
}

// lockMigrations locks a file next to the database, because goose has no lock for SQLite.
// The operating system releases the lock when the process ends. The process that holds the
// lock writes its process id into the file, so that waiting processes can name it.
func (e *sqliteEngine) lockMigrations(ctx context.Context, wait time.Duration, log *slog.Logger) (func() error, error) {
	path := e.path + ".lock"
	lock := flock.New(path, flock.SetPermissions(0o600))
	holder := func(context.Context) (migrationHolder, error) {
		name, _ := os.ReadFile(filepath.Clean(path)) // an unreadable name counts as unknown
		process := joinNonEmpty("a process of this machine", strings.TrimSpace(string(name)))
		return migrationHolder{process, "Otherwise end that process; its lock ends with it."}, nil
	}
	err := awaitMigrationLock(ctx, wait, log, func(context.Context) (bool, error) { return lock.TryLock() }, holder)
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	named := os.WriteFile(path, fmt.Appendf(nil, "process %d\n", os.Getpid()), 0o600)
	return func() error { return errors.Join(named, os.Truncate(path, 0), lock.Unlock()) }, nil
}

func (e *sqliteEngine) beginWrite(ctx context.Context) (func(), error) {
	select {
	case e.writeLock <- struct{}{}:
		return func() { <-e.writeLock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// forKeyShare returns no clause, because only one transaction writes at a time.
func (e *sqliteEngine) forKeyShare() string { return "" }

// forUpdate returns no clause, because only one transaction writes at a time.
func (e *sqliteEngine) forUpdate() string { return "" }

func (e *sqliteEngine) dayExpression(column string) string { return column + " / 86400000000" }

func (e *sqliteEngine) microseconds(column string) string { return column }

func (e *sqliteEngine) jsonRows(columns, from, order string) string {
	return "SELECT json_group_array(json_array(" + columns + ") ORDER BY " + order + ") FROM " + from
}

func (e *sqliteEngine) clockQuery() string { return "" }

func (e *sqliteEngine) isolation() sql.IsolationLevel { return sql.LevelDefault }

func (e *sqliteEngine) rowsetCTE(r *rowset) (string, []any, error) { return r.sqliteCTE() }

func (e *sqliteEngine) notifyChange(context.Context, gorm.ConnPool) error { return nil }

// waitForChange waits up to 200 ms, after which the caller reads the change feed again.
// SQLite does not notify other processes of writes, and such a read takes only some
// microseconds.
func (e *sqliteEngine) waitForChange(ctx context.Context, d time.Duration) {
	sleep(ctx, min(d, 200*time.Millisecond))
}

func (e *sqliteEngine) close() error {
	e.truncator.stop()
	return e.db.Close()
}

// truncateRetryMin and truncateRetryMax are the shortest and the longest wait after a failed
// attempt to truncate the write-ahead log. Attempts fail, for example, while another
// connection uses the log. The wait doubles after each failure.
const (
	truncateRetryMin = 20 * time.Millisecond
	truncateRetryMax = 10 * time.Second
)

// busyTimeout is how long SQLite waits for a lock that another process holds.
const busyTimeout = 10 * time.Second

// errWALInUse says that the write-ahead log could not be truncated at this moment.
var errWALInUse = errors.New("the write-ahead log is in use")

// walTruncator truncates the write-ahead log after personal data was deleted, because the
// log still contains pages from before the deletion. It does so in a goroutine, which the
// method stop ends.
type walTruncator struct {
	log      *slog.Logger
	truncate func(context.Context) error
	wake     chan struct{}
	cancel   context.CancelFunc
	done     chan struct{}
}

// startWALTruncator starts the goroutine of a walTruncator. The parameter empty is the
// function that truncates the log. After each request, the goroutine calls it until it
// returns no error.
func startWALTruncator(log *slog.Logger, empty func(context.Context) error) *walTruncator {
	ctx, cancel := context.WithCancel(context.Background())
	l := &walTruncator{log: log, truncate: empty, wake: make(chan struct{}, 1), cancel: cancel, done: make(chan struct{})}
	go l.run(ctx)
	return l
}

// request asks for a truncation and does not wait for it.
func (l *walTruncator) request() {
	select {
	case l.wake <- struct{}{}:
	default: // already requested
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

// truncateUntilDone calls truncate until it succeeds or ctx ends. After each failure it
// doubles the wait before the next attempt.
func (l *walTruncator) truncateUntilDone(ctx context.Context) {
	reported := false
	for wait := truncateRetryMin; ; wait = min(2*wait, truncateRetryMax) {
		err := l.truncate(ctx)
		if err == nil || ctx.Err() != nil {
			return
		}
		if !reported && !errors.Is(err, errWALInUse) {
			reported = true
			l.log.WarnContext(ctx, "the write-ahead log still holds erased data and cannot be emptied yet; trying again", logkey.Error, err)
		}
		sleep(ctx, wait)
	}
}

// stop ends the goroutine and waits for its end.
func (l *walTruncator) stop() {
	l.cancel()
	<-l.done
}

// afterErasure asks the truncator to truncate the write-ahead log, and does not wait.
func (e *sqliteEngine) afterErasure() { e.truncator.request() }

// truncateWAL copies the content of the write-ahead log into the database file and
// truncates the log. It first waits for the writer of this process. If another connection
// reads the database, or another process writes it, truncateWAL returns errWALInUse at once.
// If it waited instead, the writers of all processes would have to wait too.
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
			_ = conn.Raw(func(any) error { return driver.ErrBadConn }) // the connection is not used again
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

// scrubbedVersion is the user_version of a database file that certainly contains no deleted
// content: either secure_delete was on from its creation, or scrub has rebuilt the file.
const scrubbedVersion = 1

// scrub rebuilds the file with VACUUM if an older release may have deleted rows in it
// without overwriting them. The file's user_version says whether that is already done. A
// fresh file needs no rebuilding: only its user_version is set.
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
