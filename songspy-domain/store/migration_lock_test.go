package store_test

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gofrs/flock"
	_ "github.com/jackc/pgx/v5/stdlib" // the driver for statements that the test runs without the store

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// migrationLock is the key of the advisory lock of migrations. Older releases held this
// lock for a whole session instead of a transaction. Behind a pooler they could leave it
// locked.
const migrationLock = 0x736f6e67737079

// onWarning returns a logger that calls fn with the message and the attributes of each
// warning and each error.
func onWarning(fn func(text string)) *slog.Logger {
	return slog.New(warnings{slog.DiscardHandler, fn})
}

type warnings struct {
	slog.Handler
	fn func(string)
}

func (w warnings) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

func (w warnings) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool { text += fmt.Sprintf(" %s=%v", a.Key, a.Value); return true })
	w.fn(text)
	return nil
}

// ownDatabase creates a Postgres database for this test alone: all schemas of a database
// share the migration lock, and this test holds it. It returns the URL of the database and
// a connection pool that does not use the store.
func ownDatabase(t *testing.T) (address string, bare *sql.DB) {
	t.Helper()
	server, err := url.Parse(storetest.Server(t))
	if err != nil {
		t.Fatal(err)
	}
	admin := openDB(t, server.String())
	name := fmt.Sprintf("songspy_lock_%d", time.Now().UnixNano())
	exec(t, admin, "CREATE DATABASE "+name)
	t.Cleanup(func() { exec(t, admin, "DROP DATABASE "+name+" WITH (FORCE)") })
	server.Path = "/" + name
	return server.String(), openDB(t, server.String())
}

func openDB(t *testing.T, address string) *sql.DB {
	t.Helper()
	db, err := sql.Open("pgx", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() }) // an error does not matter: DROP DATABASE may have ended the connections
	return db
}

func exec(t *testing.T, db *sql.DB, statement string) {
	t.Helper()
	if _, err := db.ExecContext(context.WithoutCancel(t.Context()), statement); err != nil {
		t.Error(err)
	}
}

// abandonLock takes the migration lock for a session, as older releases did. The connection
// then stays idle. abandonLock returns the process id of the server process of that
// connection.
func abandonLock(t *testing.T, db *sql.DB) (pid int) {
	t.Helper()
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.QueryRowContext(t.Context(), "SELECT pg_backend_pid() FROM pg_advisory_lock($1)", migrationLock).Scan(&pid); err != nil {
		t.Fatal(err)
	}
	return pid
}

func TestMigrate_TimesOutOnAnAbandonedLockAndNamesItsHolder(t *testing.T) {
	t.Parallel()
	address, bare := ownDatabase(t)
	pid := abandonLock(t, bare)
	s := openStore(t, store.Options{URL: address, MigrationWait: time.Nanosecond})
	err := s.Migrate(t.Context())
	storetest.RequireCode(t, err, songspy.CodeUnavailable)
	for _, words := range []string{fmt.Sprintf("server process %d", pid), fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid), "idle since"} {
		if !strings.Contains(err.Error(), words) {
			t.Errorf("the error does not say %q: %v", words, err)
		}
	}
}

func TestMigrate_ReportsTheLockHolderAndContinuesOnceItIsTerminated(t *testing.T) {
	t.Parallel()
	address, bare := ownDatabase(t)
	pid := abandonLock(t, bare)
	reported := 0
	s := openStore(t, store.Options{URL: address, Logger: onWarning(func(text string) {
		if !strings.Contains(text, "waiting for another migration") {
			return
		}
		if reported++; reported == 1 && !strings.Contains(text, fmt.Sprintf("pg_terminate_backend(%d)", pid)) {
			t.Errorf("the report names no remedy: %s", text)
		}
		exec(t, bare, fmt.Sprintf("SELECT pg_terminate_backend(%d)", pid))
	})})
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if reported == 0 {
		t.Error("nothing was reported")
	}
	if err := s.CheckSchema(t.Context()); err != nil {
		t.Error(err)
	}
	var locks int
	if err := bare.QueryRowContext(t.Context(), "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())").Scan(&locks); err != nil || locks > 0 {
		t.Errorf("%d locks are left behind (%v)", locks, err)
	}
}

func TestMigrate_TimesOutOnALockedFileAndNamesTheProcess(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "songspy.db")
	held := flock.New(path + ".lock")
	if ok, err := held.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	if err := os.WriteFile(path+".lock", []byte("process 4711\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	reports := 0
	s := openStore(t, store.Options{URL: "sqlite:" + path, MigrationWait: time.Nanosecond, Logger: onWarning(func(string) { reports++ })})
	err := s.Migrate(t.Context())
	storetest.RequireCode(t, err, songspy.CodeUnavailable)
	if !strings.Contains(err.Error(), "process 4711") || reports != 1 {
		t.Errorf("%d reports and the error %v", reports, err)
	}
	if err := held.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadFile(path + ".lock"); err != nil || len(left) > 0 {
		t.Errorf("the lock still names %q (%v)", left, err)
	}
}

func TestMigrate_StopsWithItsContextAndNamesTheLockHolder(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "songspy.db")
	held := flock.New(path + ".lock")
	if ok, err := held.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	t.Cleanup(func() { _ = held.Unlock() })
	ctx, cancel := context.WithCancel(t.Context())
	s := openStore(t, store.Options{URL: "sqlite:" + path, Logger: onWarning(func(string) { cancel() })})
	err := s.Migrate(ctx)
	storetest.RequireCode(t, err, songspy.CodeUnavailable)
	if !strings.Contains(err.Error(), "holds the migration lock") {
		t.Errorf("the error is %v", err)
	}
}

// openStore opens a store that is closed when the test ends.
func openStore(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	o.SealKeys = []store.SealKey{storetest.Key("test")}
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() }) // an error does not matter: the database may be deleted already
	return s
}
