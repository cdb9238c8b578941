package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	sqlite3 "modernc.org/sqlite/lib"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestTranslate_SaysWhatKindOfFaultItIs(t *testing.T) {
	pg := func(state string) error { return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: state}) }
	for _, c := range []struct {
		err  error
		want songspy.Code
	}{
		{gorm.ErrRecordNotFound, songspy.CodeNotFound},
		{sql.ErrNoRows, songspy.CodeNotFound},
		{pg("23505"), songspy.CodeConflict},
		{pg("23503"), songspy.CodeNotFound},
		{pg("23514"), songspy.CodeInvalid},
		{pg("22021"), songspy.CodeInvalid},
		{pg("54000"), songspy.CodeInvalid},
		{pg("40P01"), songspy.CodeUnavailable},
		{pg("57P01"), songspy.CodeUnavailable},
		{pg("53300"), songspy.CodeUnavailable},
		{pg("42703"), songspy.CodeInternal},
		{io.ErrUnexpectedEOF, songspy.CodeUnavailable},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, songspy.CodeUnavailable},
		{context.DeadlineExceeded, songspy.CodeUnavailable},
		{sql.ErrTxDone, songspy.CodeUnavailable},
		{errors.New("anything"), songspy.CodeInternal},
		{&songspy.Error{Code: songspy.CodeGone}, songspy.CodeGone},
	} {
		err := translate(c.err)
		if got := songspy.CodeOf(err); got != c.want {
			t.Errorf("%v is %q, not %q", c.err, got, c.want)
		}
		if !errors.Is(err, c.err) {
			t.Errorf("%v lost its cause", c.err)
		}
		if c.want == songspy.CodeUnavailable && songspy.RetryAfterOf(err) == 0 {
			t.Errorf("%v does not say when to try again", c.err)
		}
	}
	if translate(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestCodeOfSQLite_GoesByTheExtendedCode(t *testing.T) {
	for code, want := range map[int]songspy.Code{
		sqlite3.SQLITE_CONSTRAINT_UNIQUE:     songspy.CodeConflict,
		sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: songspy.CodeConflict,
		sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: songspy.CodeNotFound,
		sqlite3.SQLITE_CONSTRAINT_CHECK:      songspy.CodeInvalid,
		sqlite3.SQLITE_BUSY_SNAPSHOT:         songspy.CodeUnavailable,
		sqlite3.SQLITE_IOERR_WRITE:           songspy.CodeUnavailable,
		sqlite3.SQLITE_FULL:                  songspy.CodeUnavailable,
		sqlite3.SQLITE_CORRUPT:               songspy.CodeInternal,
	} {
		if got := codeOfSQLite(code); got != want {
			t.Errorf("%d is %q, not %q", code, got, want)
		}
	}
}

func TestOpen_RefusesAURLItCannotUseAndNeverShowsIt(t *testing.T) {
	for _, url := range []string{
		"", "mysql://user:hunter2@host/db", "postgres://user:hunter2@host:port/db", "postgres://user:hunter2%zz@host/db",
		"sqlite:", "sqlite::memory:", "sqlite:hunter2.db?mode=memory",
	} {
		_, err := Open(t.Context(), Options{URL: url, SealKeys: []SealKey{sealKey("a", 1)}})
		if songspy.CodeOf(err) != songspy.CodeInvalid {
			t.Errorf("%q: the error is %v", url, err)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the URL: %v", err)
		}
	}
}

func TestOpen_SaysThatTheDatabaseDoesNotAnswer(t *testing.T) {
	for _, url := range []string{
		"sqlite:" + t.TempDir() + "/no such folder/songspy.db",
		"postgres://user:hunter2@127.0.0.1:1/db?connect_timeout=1",
	} {
		_, err := Open(t.Context(), Options{URL: url, SealKeys: []SealKey{sealKey("a", 1)}})
		if songspy.CodeOf(err) != songspy.CodeUnavailable {
			t.Errorf("%q: the error is %v", url, err)
			continue
		}
		if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}
