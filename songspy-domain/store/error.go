package store

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// retryAfter is what a caller is asked to wait when the database does not answer.
const retryAfter = 2 * time.Second

// translate makes a database's error a songspy.Error. It is the only place
// that knows the databases' codes.
func translate(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*songspy.Error](err); ok {
		return err
	}
	code := codeOf(err)
	e := &songspy.Error{Code: code, Err: err}
	switch code {
	case songspy.CodeNotFound:
		e.Message = "There is no such thing."
	case songspy.CodeConflict:
		e.Message = "It collides with something that is there."
	case songspy.CodeInvalid:
		e.Message = "The database does not take this value."
	case songspy.CodeUnavailable:
		e.Message = "The database does not answer."
		e.RetryAfter = retryAfter
		e.Disposition = songspy.DispositionRetryLater
	}
	return e
}

func codeOf(err error) songspy.Code {
	if errors.Is(err, gorm.ErrRecordNotFound) || errors.Is(err, sql.ErrNoRows) {
		return songspy.CodeNotFound
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return codeOfPostgres(pg.Code)
	}
	if lite, ok := errors.AsType[*sqlite.Error](err); ok {
		return codeOfSQLite(lite.Code())
	}
	if connectionLost(err) {
		return songspy.CodeUnavailable
	}
	return songspy.CodeInternal
}

// codeOfPostgres goes by SQLSTATE and, where that tells enough, by its class.
func codeOfPostgres(state string) songspy.Code {
	switch state {
	case "23505": // unique_violation
		return songspy.CodeConflict
	case "23503": // foreign_key_violation: the person is gone
		return songspy.CodeNotFound
	case "55P03", "25006": // lock_not_available, read_only_sql_transaction (a standby)
		return songspy.CodeUnavailable
	}
	switch state[:2] {
	case "22", "23", "54": // data exception, integrity constraint, program limit
		return songspy.CodeInvalid
	case "08", "40", "53", "57", "58": // connection, rollback, resources, operator, system
		return songspy.CodeUnavailable
	}
	return songspy.CodeInternal
}

// codeOfSQLite goes by the extended result code and, where that tells enough,
// by the primary one in its low byte.
func codeOfSQLite(code int) songspy.Code {
	switch code {
	case sqlite3.SQLITE_CONSTRAINT_UNIQUE, sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY:
		return songspy.CodeConflict
	case sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: // the person is gone
		return songspy.CodeNotFound
	}
	switch code & 0xff {
	case sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_TOOBIG, sqlite3.SQLITE_MISMATCH:
		return songspy.CodeInvalid
	case sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_FULL,
		sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_PROTOCOL:
		return songspy.CodeUnavailable
	}
	return songspy.CodeInternal
}

func connectionLost(err error) bool {
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

// oneRow is an error unless a statement that must have changed one row did.
func oneRow(tx *gorm.DB) error {
	if tx.Error == nil && tx.RowsAffected != 1 {
		return gorm.ErrRecordNotFound
	}
	return tx.Error
}
