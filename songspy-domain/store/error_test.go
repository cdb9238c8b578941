package store

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"gorm.io/gorm"
	sqlite3 "modernc.org/sqlite/lib"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestTranslate_Code(t *testing.T) {
	pgErr := func(state string) error { return fmt.Errorf("wrapped: %w", &pgconn.PgError{Code: state}) }
	for _, c := range []struct {
		err  error
		want songspy.Code
	}{
		{gorm.ErrRecordNotFound, songspy.CodeNotFound},
		{sql.ErrNoRows, songspy.CodeNotFound},
		{pgErr("23505"), songspy.CodeConflict},
		{pgErr("23503"), songspy.CodeNotFound},
		{pgErr("23514"), songspy.CodeInvalid},
		{pgErr("22021"), songspy.CodeInvalid},
		{pgErr("54000"), songspy.CodeInvalid},
		{pgErr("40P01"), songspy.CodeUnavailable},
		{pgErr("57P01"), songspy.CodeUnavailable},
		{pgErr("53300"), songspy.CodeUnavailable},
		{pgErr("26000"), songspy.CodeUnavailable},
		{pgErr("28P01"), songspy.CodeUnavailable},
		{pgErr("3D000"), songspy.CodeUnavailable},
		{pgErr("42703"), songspy.CodeInternal},
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

func TestTranslate_MessageNamesFaultAndRemedy(t *testing.T) {
	pgErr := func(state, message string) error { return &pgconn.PgError{Code: state, Message: message} }
	for name, c := range map[string]struct {
		err  error
		want []string
	}{
		"a full disk":                    {pgErr("53100", "could not extend file"), []string{"disk is full", "Free some space"}},
		"a full disk of this machine":    {fmt.Errorf("write: %w", syscall.ENOSPC), []string{"disk is full"}},
		"a standby":                      {pgErr("25006", "cannot execute UPDATE in a read-only transaction"), []string{"read-only", "primary"}},
		"an unknown prepared statement":  {pgErr("26000", `prepared statement "x" does not exist`), []string{"prepared statement", "SONGSPY_DATABASE_SIMPLE_PROTOCOL=true"}},
		"a prepared statement twice":     {pgErr("42P05", `prepared statement "x" already exists`), []string{"SONGSPY_DATABASE_SIMPLE_PROTOCOL=true"}},
		"a wrong password":               {pgErr("28P01", "password authentication failed"), []string{"rejects the user or the password", "SONGSPY_DATABASE_URL"}},
		"no such database":               {pgErr("3D000", "does not exist"), []string{"does not exist", "Create it"}},
		"no connection left":             {pgErr("53300", "too many clients"), []string{"no free connection", "SONGSPY_DATABASE_MAX_CONNS"}},
		"a lock held too long":           {pgErr("55P03", "canceling statement due to lock timeout"), []string{"busy"}},
		"a pooler without a connection":  {pgErr("08P01", "query_wait_timeout"), []string{"connection pooler", "pool size"}},
		"a pooler that knows less":       {pgErr("08P01", "unsupported startup parameter: search_path"), []string{"ignore_startup_parameters"}},
		"a connection that broke":        {io.ErrUnexpectedEOF, []string{"does not respond"}},
		"a server that is shutting down": {pgErr("57P01", "terminating connection"), []string{"does not respond"}},
	} {
		err := translate(c.err)
		e, ok := errors.AsType[*songspy.Error](err)
		if !ok || e.Code != songspy.CodeUnavailable {
			t.Errorf("%s is %v", name, err)
			continue
		}
		for _, words := range c.want {
			if !strings.Contains(e.Message, words) {
				t.Errorf("%s: %q does not say %q", name, e.Message, words)
			}
		}
		if c.want[0] != "does not respond" && strings.Contains(e.Message, "does not respond") {
			t.Errorf("%s is reported as an unresponsive database: %q", name, e.Message)
		}
	}
}

// TestSQLite_FaultMessages causes faults of an SQLite file, whose errors must name the fault: a
// page limit makes the file full, a connection with mode=ro cannot write, another connection locks
// the file, and other content replaces the file's content. A file that is only locked by another
// process must count as writable.
func TestSQLite_FaultMessages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "songspy.db")
	open := func(parameters string) *sqliteEngine {
		db, err := sql.Open("sqlite", "file:"+path+"?_txlock=immediate&"+parameters)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = db.Close() })
		return &sqliteEngine{db: db, path: path, writeLock: make(chan struct{}, 1), writeCheck: newWriteCheck(time.Now)}
	}
	says := func(err error, words string) {
		t.Helper()
		e, ok := errors.AsType[*songspy.Error](translate(err))
		if !ok || e.Code != songspy.CodeUnavailable || !strings.Contains(e.Message, words) {
			t.Errorf("%v is %+v, which does not say %q", err, e, words)
		}
	}
	full := open("_pragma=max_page_count(3)")
	if _, err := full.db.ExecContext(t.Context(), "CREATE TABLE goose_db_version (x)"); err != nil {
		t.Fatal(err)
	}
	if err := full.writable(t.Context()); err != nil {
		t.Errorf("a file that can be written: %v", err)
	}
	_, err := full.db.ExecContext(t.Context(), "INSERT INTO goose_db_version VALUES (zeroblob(100000))")
	says(err, "disk is full")

	says(open("mode=ro").writable(t.Context()), "read-only")

	holder := open("")
	tx, err := holder.db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	late := open("_pragma=busy_timeout(1)")
	_, err = late.db.ExecContext(t.Context(), "DELETE FROM goose_db_version")
	says(err, "keeps the database file locked")
	if err := late.writable(t.Context()); err != nil {
		t.Errorf("a file that another process writes to: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Repeat([]byte("no database "), 1000), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = open("").db.ExecContext(t.Context(), "SELECT * FROM goose_db_version")
	says(err, "is not an SQLite database")
}

func TestCodeOfSQLite_UsesTheExtendedCode(t *testing.T) {
	for code, want := range map[int]songspy.Code{
		sqlite3.SQLITE_CONSTRAINT_UNIQUE:     songspy.CodeConflict,
		sqlite3.SQLITE_CONSTRAINT_PRIMARYKEY: songspy.CodeConflict,
		sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: songspy.CodeNotFound,
		sqlite3.SQLITE_CONSTRAINT_CHECK:      songspy.CodeInvalid,
		sqlite3.SQLITE_BUSY_SNAPSHOT:         songspy.CodeUnavailable,
		sqlite3.SQLITE_IOERR_WRITE:           songspy.CodeUnavailable,
		sqlite3.SQLITE_FULL:                  songspy.CodeUnavailable,
		sqlite3.SQLITE_CORRUPT:               songspy.CodeUnavailable,
		sqlite3.SQLITE_MISUSE:                songspy.CodeInternal,
	} {
		if got := codeOfSQLite(code); got != want {
			t.Errorf("%d is %q, not %q", code, got, want)
		}
	}
}

func TestOpen_RejectsInvalidURLWithoutShowingIt(t *testing.T) {
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

// separators are texts that make a URL parser end the password too early if they are not escaped in
// it. Then the rest of the password may be taken for the host or the path. No error may show any
// part of the password.
var separators = []string{
	"/", "?", "#", "@", ":", "%", "%zz", "%2F", "%40", " ", "&", "=", "[", "]", "\\", "\n", "\"", "'", "<", ";", ",", "//", "?@", "#@", "/@/", "?a=b&c=", "+", "|", "^", "\u00e9",
}

func TestOpen_ErrorsNeverContainThePassword(t *testing.T) {
	for _, form := range []string{
		"postgres://u:%s@127.0.0.1:1/db?connect_timeout=1", "postgresql://u:%s@127.0.0.1:1/db?connect_timeout=1", "postgres:u:%s@127.0.0.1:1/db",
		"postgres://127.0.0.1:1/db?connect_timeout=1&user=u&password=%s", "postgres://u@127.0.0.1:1/db?connect_timeout=1&passwrod=%s",
		"postgres:/u:%s@127.0.0.1:1/db", "postgres//u:%s@127.0.0.1:1/db", "Postgres://u:%s@127.0.0.1:1/db?connect_timeout=1",
		"host=127.0.0.1 port=1 user=u password=%s", "postgres: host=127.0.0.1 port=1 password=%s", "mysql://u:%s@127.0.0.1:1/db",
	} {
		for _, s := range separators {
			for _, password := range []string{"hunter" + s + "correcthorse", "12" + s + "correcthorse", s + "correcthorse" + s + "hunter"} {
				requirePasswordHidden(t, fmt.Sprintf(form, password))
			}
		}
	}
}

func FuzzOpen_ErrorsNeverContainThePassword(f *testing.F) {
	for _, s := range separators {
		f.Add("", s, s)
	}
	f.Fuzz(func(t *testing.T, before, between, after string) {
		if strings.ContainsRune(before+between+after, 0) {
			t.Skip("an environment variable cannot contain a NUL")
		}
		requirePasswordHidden(t, "postgres://u:"+before+"hunter"+between+"correcthorse"+after+"@127.0.0.1:1/db?connect_timeout=1")
	})
}

func requirePasswordHidden(t *testing.T, address string) {
	t.Helper()
	_, err := Open(t.Context(), Options{URL: address, SealKeys: []SealKey{sealKey("a", 1)}})
	if err == nil {
		t.Fatalf("%q was opened", address)
	}
	for _, part := range []string{"hunter", "correcthorse", "zz"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("%q: the error shows %q: %v", address, part, err)
		}
	}
}

func TestOpen_UnreachableDatabaseIsUnavailable(t *testing.T) {
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
