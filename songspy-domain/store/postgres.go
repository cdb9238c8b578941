package store

import (
	"context"
	"database/sql"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"gorm.io/driver/postgres"
	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// changesChannel is what waiters listen on.
	changesChannel = "songspy_changes"
	// migrationLock is the advisory lock of migrations: "songspy" in hexadecimal.
	migrationLock int64 = 0x736f6e67737079
)

type postgresEngine struct {
	db     *sql.DB
	config *pgx.ConnConfig
	log    *slog.Logger
	// listening guards listener, the one connection that notifications come in
	// on. Who does not get it polls.
	listening sync.Mutex
	listener  *pgx.Conn
}

func openPostgres(o Options) (engine, error) {
	config, err := pgx.ParseConfig(o.URL)
	if err != nil {
		// The cause quotes the URL, which may hold a password.
		return nil, &songspy.Error{
			Code:    songspy.CodeInvalid,
			Message: "The database URL cannot be read; give it as postgres://user:password@host:5432/database, special characters percent-encoded.",
		}
	}
	if o.SimpleProtocol {
		config.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	}
	if config.RuntimeParams["application_name"] == "" {
		config.RuntimeParams["application_name"] = "songspy"
	}
	db := stdlib.OpenDB(*config, stdlib.OptionAfterConnect(readTimesInUTC))
	db.SetMaxOpenConns(o.MaxConns)
	db.SetMaxIdleConns(o.MaxConns)
	db.SetConnMaxIdleTime(5 * time.Minute)
	db.SetConnMaxLifetime(time.Hour)
	return &postgresEngine{db: db, config: config, log: o.Logger}, nil
}

// readTimesInUTC keeps the driver from giving times in the machine's zone.
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

func (e *postgresEngine) versionTable() string {
	return "SELECT 1 WHERE to_regclass('goose_db_version') IS NOT NULL"
}

// lockMigrations waits on the server, on a connection of its own; the lock
// dies with the connection.
func (e *postgresEngine) lockMigrations(ctx context.Context) (func() error, error) {
	conn, err := pgx.ConnectConfig(ctx, e.config.Copy())
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock($1)", migrationLock); err != nil {
		return nil, errors.Join(err, conn.Close(ctx))
	}
	return func() error { return conn.Close(context.WithoutCancel(ctx)) }, nil
}

func (e *postgresEngine) begin(context.Context) (func(), error) { return func() {}, nil }

// keyShare is the weakest lock that relinking, unlinking and erasing, which
// lock FOR UPDATE, wait for: a person who is being renamed is no obstacle.
func (e *postgresEngine) keyShare() string { return " FOR KEY SHARE" }

func (e *postgresEngine) forUpdate() string { return " FOR UPDATE" }

// erased does nothing: the server removes dead rows by itself. docs/erasure.md
// says what holds them until then.
func (e *postgresEngine) erased() {}

// scrub does nothing: VACUUM FULL would lock every table for minutes. When an
// operator wants it, docs/erasure.md says.
func (e *postgresEngine) scrub(context.Context, bool) error { return nil }

func (e *postgresEngine) day(column string) string {
	return "(" + column + " AT TIME ZONE 'UTC')::date - DATE '1970-01-01'"
}

func (e *postgresEngine) clock() string { return "SELECT clock_timestamp()" }

func (e *postgresEngine) with(r *relation) (string, []any, error) {
	clause, args := r.arrays()
	return clause, args, nil
}

func (e *postgresEngine) notify(ctx context.Context, conn gorm.ConnPool) error {
	_, err := conn.ExecContext(ctx, "SELECT pg_notify($1, '')", changesChannel)
	return err
}

func (e *postgresEngine) wait(ctx context.Context, d time.Duration) {
	if !e.listening.TryLock() {
		sleep(ctx, d)
		return
	}
	defer e.listening.Unlock()
	ctx, cancel := context.WithTimeout(ctx, d)
	defer cancel()
	if err := e.listen(ctx); err != nil && ctx.Err() == nil {
		e.log.WarnContext(ctx, "changes are polled: cannot listen for them", "error", err)
		e.hangUp(ctx)
		<-ctx.Done()
	}
}

// listen returns nil when a notification has come; the caller holds listening.
func (e *postgresEngine) listen(ctx context.Context) error {
	if e.listener == nil || e.listener.IsClosed() {
		conn, err := pgx.ConnectConfig(ctx, e.config.Copy())
		if err != nil {
			return err
		}
		if _, err := conn.Exec(ctx, "LISTEN "+changesChannel); err != nil {
			return errors.Join(err, conn.Close(ctx))
		}
		e.listener = conn
	}
	_, err := e.listener.WaitForNotification(ctx)
	return err
}

// hangUp closes the listening connection; the caller holds listening.
func (e *postgresEngine) hangUp(ctx context.Context) {
	if e.listener == nil {
		return
	}
	if err := e.listener.Close(ctx); err != nil {
		e.log.DebugContext(ctx, "closing the listening connection", "error", err)
	}
	e.listener = nil
}

// close waits for the waiter, whose context the store has ended.
func (e *postgresEngine) close() error {
	e.listening.Lock()
	defer e.listening.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	e.hangUp(ctx)
	return e.db.Close()
}
