package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/databaseurl"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

const (
	// changesChannel is the channel (of LISTEN and NOTIFY) that announces changes.
	changesChannel = "songspy_changes"
	// migrationLock is the key of the advisory lock of migrations: "songspy" in
	// hexadecimal.
	migrationLock int64 = 0x736f6e67737079
	// pooledPollInterval is the time between two reads of the change feed if Postgres
	// notifications cannot arrive because of a connection pooler.
	pooledPollInterval = 200 * time.Millisecond
)

// pinnedSettings are the settings that every connection gets, whatever the role, the
// database or the URL sets. In the simple protocol, values are sent as text, and pgx
// expects the formats that these settings determine. pgbouncer keeps these settings for
// each client.
var pinnedSettings = map[string]string{
	"client_encoding": "UTF8", "datestyle": "ISO, MDY", "standard_conforming_strings": "on", "timezone": "UTC",
}

type postgresEngine struct {
	db     *sql.DB
	config *pgx.ConnConfig
	log    *slog.Logger
	// pooled is set once a transaction pooler is found between this process and
	// the server. Postgres notifications do not get through such a pooler.
	pooled atomic.Bool
	// listenMutex guards listenConn, the only connection that receives Postgres
	// notifications. Only the caller of waitForChange that holds the mutex waits for them.
	// For other callers, waitForChange only sleeps, and then they read the change feed.
	listenMutex sync.Mutex
	listenConn  *pgx.Conn
}

func openPostgres(o Options) (engine, error) {
	if err := databaseurl.CheckPostgres(o.URL); err != nil {
		return nil, &songspy.Error{Code: songspy.CodeInvalid, Message: "The database URL " + err.Error() + "."}
	}
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		// The error of the parser is not returned, because it may quote parts
		// of the URL, which may contain a password.
		return nil, &songspy.Error{Code: songspy.CodeInvalid, Message: "The database URL " + databaseurl.ErrEncoding.Error() + "."}
	}
	if o.SimpleProtocol {
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "songspy"
	}
	for name := range config.RuntimeParams {
		if _, pinned := pinnedSettings[strings.ToLower(name)]; pinned {
			delete(config.RuntimeParams, name)
		}
	}
	maps.Copy(config.RuntimeParams, pinnedSettings)
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(readTimesInUTC))
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour)
	return &postgresEngine{db: db, config: config, log: o.Logger}, nil
}

// readTimesInUTC makes the driver return times in UTC instead of the machine's time
// zone.
func readTimesInUTC(_ context.Context, conn *pgx.Conn) error {
	codec := &pgtype.TimestamptzCodec{ScanLocation: time.UTC}
	conn.TypeMap().RegisterType(&pgtype.Type{Name: "timestamptz", OID: pgtype.TimestamptzOID, Codec: codec})
	return nil
}

func (e *postgresEngine) sql() *sql.DB { return e.db }

func (e *postgresEngine) dialector(pool gorm.ConnPool) gorm.Dialector {
	return postgres.New(postgres.Config{Conn: pool})
}

func (e *postgresEngine) dialect() (goose.Dialect, string) { return goose.DialectPostgres, "postgres" }

func (e *postgresEngine) versionTableQuery() string {
	return "SELECT 1 WHERE to_regclass('goose_db_version') IS NOT NULL"
}

// lockMigrations opens a transaction that holds the advisory lock of migrations until the
// returned function commits it. A lock of the session would not work behind a pooler: the
// pooler may give each transaction another server connection, so that the statement that
// unlocks may reach another connection than the one that holds the lock.
func (e *postgresEngine) lockMigrations(ctx context.Context, wait time.Duration, log *slog.Logger) (func() error, error) {
	conn, err := pgx.ConnectConfig(ctx, e.config.Copy())
	if err != nil {
		return nil, err
	}
	closeConn := func() error { return conn.Close(context.WithoutCancel(ctx)) }
	var tx pgx.Tx
	try := func(ctx context.Context) (taken bool, err error) {
		if tx, err = conn.Begin(ctx); err != nil {
			return false, err
		}
		if err := tx.QueryRow(ctx, "SELECT pg_try_advisory_xact_lock($1)", migrationLock).Scan(&taken); err != nil || !taken {
			return false, errors.Join(err, tx.Rollback(ctx))
		}
		// This transaction is idle while the migrations run on another
		// connection, so the server must not end it.
		_, err = tx.Exec(ctx, "SET LOCAL idle_in_transaction_session_timeout = 0")
		return true, err
	}
	holder := func(ctx context.Context) (migrationHolder, error) { return readMigrationHolder(ctx, conn) }
	if err := awaitMigrationLock(ctx, wait, log, try, holder); err != nil {
		return nil, errors.Join(err, closeConn())
	}
	return func() error { return errors.Join(tx.Commit(context.WithoutCancel(ctx)), closeConn()) }, nil
}

// readMigrationHolder describes the server process that holds the migration lock. It
// returns the zero migrationHolder if no process holds it any more.
func readMigrationHolder(ctx context.Context, conn *pgx.Conn) (migrationHolder, error) {
	var pid, seconds int64
	var application, client, state string
	err := conn.QueryRow(ctx, `SELECT l.pid, COALESCE(a.application_name, ''), COALESCE(host(a.client_addr), ''), COALESCE(a.state, ''),
			COALESCE(EXTRACT(EPOCH FROM clock_timestamp() - a.state_change), 0)::bigint
		FROM pg_locks l LEFT JOIN pg_stat_activity a ON a.pid = l.pid
		WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
		AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
		AND l.classid = $1::bigint::oid AND l.objid = $2::bigint::oid LIMIT 1`,
		migrationLock>>32, migrationLock&0xffffffff).Scan(&pid, &application, &client, &state, &seconds)
	if errors.Is(err, pgx.ErrNoRows) {
		return migrationHolder{}, nil
	}
	if err != nil {
		return migrationHolder{}, err
	}
	if application != "" {
		application = "application " + application
	}
	if client != "" {
		client = "client " + client
	}
	if state != "" {
		state = fmt.Sprintf("%s since %s", state, (time.Duration(seconds) * time.Second).Truncate(time.Minute))
	}
	return migrationHolder{
		process: joinNonEmpty(fmt.Sprintf("server process %d", pid), application, client, state),
		remedy:  fmt.Sprintf("Otherwise end it with SELECT pg_terminate_backend(%d) and migrate again.", pid),
	}, nil
}

// writable returns an error if the server is a standby or its transactions are
// read-only.
func (e *postgresEngine) writable(ctx context.Context) error {
	var readOnly string
	if err := e.db.QueryRowContext(ctx, "SELECT current_setting('transaction_read_only')").Scan(&readOnly); err != nil {
		return err
	}
	if readOnly == "on" {
		return &pgconn.PgError{Severity: "ERROR", Code: pgReadOnly, Message: "transactions are read-only"}
	}
	return nil
}

func (e *postgresEngine) beginWrite(context.Context) (func(), error) { return func() {}, nil }

// forKeyShare returns FOR KEY SHARE, the weakest locking clause that keeps the selected
// rows from being deleted. Transactions that link, unlink or erase a user lock the user FOR
// UPDATE, so they wait for this lock. Transactions that only rename the user do not wait.
func (e *postgresEngine) forKeyShare() string { return " FOR KEY SHARE" }

func (e *postgresEngine) forUpdate() string { return " FOR UPDATE" }

// afterErasure does nothing, because the Postgres server itself removes deleted rows from
// its files (VACUUM). docs/erasure.md says where they remain until then.
func (e *postgresEngine) afterErasure() {}

// scrub does nothing, because overwriting old deleted rows needs VACUUM FULL,
// which would lock every table for minutes. docs/erasure.md tells operators
// when to run it.
func (e *postgresEngine) scrub(context.Context, bool) error { return nil }

func (e *postgresEngine) dayExpression(column string) string {
	return "(" + column + " AT TIME ZONE 'UTC')::date - DATE '1970-01-01'"
}

func (e *postgresEngine) microseconds(column string) string {
	return "(EXTRACT(EPOCH FROM " + column + ") * 1000000)::bigint"
}

func (e *postgresEngine) jsonRows(columns, from, order string) string {
	return "SELECT COALESCE(json_agg(json_build_array(" + columns + ") ORDER BY " + order + ")::text, '[]') FROM " + from
}

func (e *postgresEngine) clockQuery() string { return "SELECT clock_timestamp()" }

func (e *postgresEngine) isolation() sql.IsolationLevel { return sql.LevelReadCommitted }

func (e *postgresEngine) rowsetCTE(r *rowset) (string, []any, error) {
	clause, args := r.postgresCTE()
	return clause, args, nil
}

func (e *postgresEngine) notifyChange(ctx context.Context, conn gorm.ConnPool) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_notify($1, '')", changesChannel)
	return err
}

func (e *postgresEngine) waitForChange(ctx context.Context, d time.Duration) {
	if e.pooled.Load() {
		sleep(ctx, min(d, pooledPollInterval))
		return
	}
	if !e.listenMutex.TryLock() {
		sleep(ctx, d)
		return
	}
	defer e.listenMutex.Unlock()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if err := e.listen(ctx); errors.Is(err, errPooled) {
		e.log.InfoContext(ctx, "Postgres notifications do not pass the connection pooler: the change feed is read at intervals", "every", pooledPollInterval)
		e.pooled.Store(true)
	} else if err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "waiting for Postgres notifications failed: the change feed is read at intervals", logkey.Error, err)
		e.closeListenConn(ctx)
		<-ctx.Done()
	}
}

// errPooled is returned by listen if a pooler is between this process and the server, so
// that no notifications can arrive.
var errPooled = errors.New("the database is behind a connection pooler")

// isPooled reports whether the connection ends at a pooler: a pooler announces a
// process id of its own, not that of the server process that executes the query.
func isPooled(ctx context.Context, conn *pgx.Conn) (bool, error) {
	var pid uint32
	err := conn.QueryRow(ctx, "SELECT pg_backend_pid()").Scan(&pid)
	return pid != conn.PgConn().PID(), err
}

// listen waits for a notification and returns nil when one has arrived. It first opens
// listenConn if that is not open. It returns errPooled if a pooler is between this process
// and the server. The caller must hold listenMutex.
func (e *postgresEngine) listen(ctx context.Context) error {
	if e.listenConn == nil || e.listenConn.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, e.config.Copy())
		if err != nil {
			return err
		}
		if pooled, err := isPooled(ctx, conn); pooled || err != nil {
			if err == nil {
				err = errPooled
			}
			return errors.Join(err, conn.Close(ctx))
		}
		if _, err := conn.Exec(ctx, "LISTEN "+changesChannel); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
		e.listenConn = conn
	}
	_, err := e.listenConn.WaitForNotification(ctx)
	return err
}

// closeListenConn closes the listening connection. The caller holds listenMutex.
func (e *postgresEngine) closeListenConn(ctx context.Context) {
	if e.listenConn == nil {
		return
	}
	if err := e.listenConn.Close(ctx); err != nil {
		e.log.DebugContext(ctx, "closing the listening connection", logkey.Error, err)
	}
	e.listenConn = nil
}

// close closes all connections. Before that it waits until a running waitForChange has
// released listenMutex; the store has already canceled the context of that call.
func (e *postgresEngine) close() error {
	e.listenMutex.Lock()
	defer e.listenMutex.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	e.closeListenConn(ctx)
	return e.db.Close()
}
