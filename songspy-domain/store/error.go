package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// retryAfter is the RetryAfter of the errors that translate returns while the database
// cannot be used.
const retryAfter = 2 * time.Second

// translate converts a database error into a songspy.Error. If err is nil or a
// songspy.Error already, it returns err unchanged. Only this file converts the error codes
// of the databases.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*songspy.Error](err); ok {
		return err
	}
	code := codeOf(err)
	if code == songspy.CodeUnavailable {
		return unavailableError(err)
	}
	e := &songspy.Error{Code: code, Err: err}
	switch code {
	case songspy.CodeNotFound:
		e.Message = "This does not exist."
	case songspy.CodeConflict:
		e.Message = "This already exists."
	case songspy.CodeInvalid:
		e.Message = "The database rejected this value."
	}
	return e
}

// unavailableError returns the error for a database that cannot be used now. Its message
// names the fault and, if there is a known one, the remedy for the operator.
func unavailableError(err error) *songspy.Error {
	return &songspy.Error{
		Code: songspy.CodeUnavailable, Message: faultMessage(err), RetryAfter: retryAfter,
		Disposition: songspy.DispositionRetryLater, Err: err,
	}
}

// Postgres error codes (SQLSTATE) that get a name, because they are used more than once
// or a number would not explain itself.
const (
	pgReadOnly           = "25006"
	pgUnknownStatement   = "26000" // the server does not know the prepared statement
	pgDuplicateStatement = "42P05" // the server already has a prepared statement of that name
	pgProtocolViolation  = "08P01" // pgbouncer also uses it for its own errors
)

const (
	databaseNotResponding = "The database does not respond."
	databaseReadOnly      = "The database is read-only. Point SONGSPY_DATABASE_URL at the primary server, or lift its read-only mode."
	databaseFull          = "The database's disk is full. Free some space there; nothing can be written until then."
	databaseBusy          = "The database is busy: another transaction holds a lock for too long. Try again."
	statementRejected     = "The database rejected a prepared statement. Behind a connection pooler in transaction mode, set SONGSPY_DATABASE_SIMPLE_PROTOCOL=true."
)

// postgresMessages are the messages that say to the operator what is wrong with the
// database. The key is the Postgres error code (SQLSTATE).
var postgresMessages = map[string]string{
	pgReadOnly:           databaseReadOnly,
	pgUnknownStatement:   statementRejected,
	pgDuplicateStatement: statementRejected,
	"28000":              "The database rejects this user. Check SONGSPY_DATABASE_URL and the server's pg_hba.conf.",
	"28P01":              "The database rejects the user or the password. Check SONGSPY_DATABASE_URL.",
	"3D000":              "The database that SONGSPY_DATABASE_URL names does not exist. Create it.",
	"40001":              databaseBusy,
	"40P01":              databaseBusy,
	"53100":              databaseFull,
	"53200":              "The database has run out of memory.",
	"53300":              "The database has no free connection. Lower SONGSPY_DATABASE_MAX_CONNS, or raise the server's max_connections.",
	"55P03":              databaseBusy,
	"57P03":              "The database is starting or stopping. Try again.",
}

// sqliteMessages are the messages that say to the operator what is wrong with the
// database. The key is SQLite's primary result code.
var sqliteMessages = map[int]string{
	sqlite3.SQLITE_FULL:     databaseFull,
	sqlite3.SQLITE_BUSY:     "Another process keeps the database file locked. End a copy, a backup or a second Songspy that holds it.",
	sqlite3.SQLITE_LOCKED:   "Another process keeps the database file locked. End a copy, a backup or a second Songspy that holds it.",
	sqlite3.SQLITE_READONLY: "The database file is read-only. Give this user the right to write it and its folder.",
	sqlite3.SQLITE_CANTOPEN: "The database file cannot be opened. Check that it exists and that this user may read and write it and its folder.",
	sqlite3.SQLITE_IOERR:    "The database file cannot be read or written. Check its disk.",
	sqlite3.SQLITE_PERM:     "The database file may not be used by this user. Check its mode and its folder's.",
	sqlite3.SQLITE_CORRUPT:  "The database file is damaged. Restore a backup.",
	sqlite3.SQLITE_NOTADB:   "The file that SONGSPY_DATABASE_URL names is not an SQLite database.",
}

// faultMessage returns the message that says why the database cannot be used, or
// databaseNotResponding if the error is not known.
func faultMessage(err error) string {
	if errors.Is(err, syscall.ENOSPC) {
		return databaseFull
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		if words := postgresMessages[pgErr.Code]; words != "" {
			return words
		}
		if pgErr.Code == pgProtocolViolation {
			return poolerFaultMessage(pgErr.Message)
		}
	}
	if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok {
		if words := sqliteMessages[sqliteErr.Code()&0xff]; words != "" {
			return words
		}
	}
	return databaseNotResponding
}

// poolerFaultMessage returns the message for an error that pgbouncer itself raised. It
// looks at the error's text, because pgbouncer has one error code for all its errors.
func poolerFaultMessage(message string) string {
	switch {
	case strings.Contains(message, "query_wait_timeout"), strings.Contains(message, "no more connections allowed"):
		return "The connection pooler has no free connection to the database. Raise its pool size; a migration needs two."
	case strings.Contains(message, "unsupported startup parameter"):
		return "The connection pooler rejects a parameter of SONGSPY_DATABASE_URL. Remove it, or name it in pgbouncer's ignore_startup_parameters."
	case strings.Contains(message, "prepared statement"):
		return statementRejected
	}
	return databaseNotResponding
}

func codeOf(err error) songspy.Code {
	if errors.Is(err, gorm.ErrRecordNotFound) || errors.Is(err, sql.ErrNoRows) {
		return songspy.CodeNotFound
	}
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); ok {
		return codeOfPostgres(pgErr.Code)
	}
	if sqliteErr, ok := errors.AsType[*sqlite.Error](err); ok {
		return codeOfSQLite(sqliteErr.Code())
	}
	if isConnectionError(err) {
		return songspy.CodeUnavailable
	}
	return songspy.CodeInternal
}

// codeOfPostgres returns the code for an SQLSTATE. For most states it depends only on the
// class, which is the first two characters.
func codeOfPostgres(state string) songspy.Code {
	switch state {
	case "23505": // unique_violation
		return songspy.CodeConflict
	case "23503": // foreign_key_violation: the user of the row does not exist any more
		return songspy.CodeNotFound
	case pgReadOnly, pgUnknownStatement, pgDuplicateStatement, "28000", "28P01", "3D000", "55P03": // 55P03 is lock_not_available; see postgresMessages
		return songspy.CodeUnavailable
	}
	switch state[:2] {
	case "22", "23", "54": // data exception, integrity constraint violation, program limit exceeded
		return songspy.CodeInvalid
	case "08", "40", "53", "57", "58": // connection exception, transaction rollback, insufficient resources, operator intervention, system error
		return songspy.CodeUnavailable
	}
	return songspy.CodeInternal
}

// codeOfSQLite returns the code for an extended result code of SQLite. For most result
// codes it depends only on the low byte, which is the primary result code.
func codeOfSQLite(code int) songspy.Code {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return songspy.CodeConflict
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: // the user of the row does not exist any more
		return songspy.CodeNotFound
	}
	switch code & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return songspy.CodeInvalid
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL,
		sqlite3.SQLITE_PERM, sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB:
		return songspy.CodeUnavailable
	}
	return songspy.CodeInternal
}

func isConnectionError(err error) bool {
	for _, lost := range []error{
		context.Canceled, context.DeadlineExceeded, driver.ErrBadConn,
		sql.ErrConnDone, sql.ErrTxDone, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed,
	} {
		if errors.Is(err, lost) {
			return true
		}
	}
	if _, ok := errors.AsType[net.Error](err); ok {
		return true
	}
	_, refused := errors.AsType[*pgconn.ConnectError](err)
	return refused || pgconn.SafeToRetry(err)
}

// deleteRows deletes the rows of T's table that meet the condition, in a transaction that
// the function begin runs, and returns how many rows it deleted.
func deleteRows[T any](ctx context.Context, begin beginTx, condition string, args ...any) (deleted int64, err error) {
	err = begin(ctx, func(tx *gorm.DB) error {
		return affectedRows(tx.Where(condition, args...).Delete(new(T)), &deleted)
	})
	return deleted, err
}

// affectedRows sets *n to the number of rows that the statement changed, and returns the
// statement's error.
func affectedRows(done *gorm.DB, n *int64) error {
	*n = done.RowsAffected
	return done.Error
}

// affectedOne sets *one to true if the statement changed exactly one row, otherwise to
// false, and returns the statement's error.
func affectedOne(done *gorm.DB, one *bool) error {
	*one = done.RowsAffected == 1
	return done.Error
}

// requireOneRow returns the statement's error. If the statement has none, but did not
// change exactly one row, it returns gorm.ErrRecordNotFound, which translate converts to
// CodeNotFound.
func requireOneRow(tx *gorm.DB) error {
	if tx.Error == nil && tx.RowsAffected != 1 {
		return gorm.ErrRecordNotFound
	}
	return tx.Error
}
