package storetest

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// The engines on which a test can run.
const (
	SQLite         = "sqlite"
	Postgres       = "postgres"
	PostgresSimple = "postgres-simple" // Postgres with the simple query protocol, as a role with settings of its own: see newRole
	Pgbouncer      = "pgbouncer"       // PostgresSimple through pgbouncer in transaction mode
)

// PostgresURL is the environment variable with the URL of a throwaway Postgres server. The
// role in the URL must be allowed to create schemas, roles and databases.
const PostgresURL = "SONGSPY_TEST_POSTGRES_URL"

// PgbouncerURL is the environment variable with the URL of a pgbouncer in transaction mode
// in front of the throwaway server. The pgbouncer must accept every role of the server.
const PgbouncerURL = "SONGSPY_TEST_PGBOUNCER_URL"

// PgDump is the environment variable with the command of a pg_dump that has the version of
// the throwaway server. If it is empty, the pg_dump on PATH is used.
const PgDump = "SONGSPY_TEST_PG_DUMP"

// Database is the database of one test. Any number of stores can open it.
type Database struct {
	Engine string
	URL    string
	// direct is the URL of the same database without the pooler, for a test's own
	// statements.
	direct string
}

// Path returns the path of the file of a SQLite database.
func (d Database) Path() string { return strings.TrimPrefix(d.URL, "sqlite:") }

// New creates an empty database that is not migrated. It is deleted when the test ends. On
// Postgres, New calls Server, which skips the test if there is no server.
func New(t testing.TB, engine string) Database {
	t.Helper()
	if engine == SQLite {
		return newSQLite(filepath.Join(t.TempDir(), "songspy.db"))
	}
	d, name := newSchema(t, engine)
	t.Cleanup(func() { dropSchema(t, name, engine) })
	return d
}

// Server returns the URL of the throwaway server. If the environment variable PostgresURL
// is not set, Server skips the test. In CI it fails the test instead.
func Server(t testing.TB) string {
	t.Helper()
	server := os.Getenv(PostgresURL)
	if server == "" {
		const how = "no Postgres to test with: " + PostgresURL + " is not set; `make test` starts a throwaway server and sets it"
		if os.Getenv("CI") != "" {
			t.Fatal(how)
		}
		t.Skip(how)
	}
	return server
}

// newSchema creates a Postgres schema for the tables of one test, and returns its name. A
// schema takes much less time to create than a database. All tests on one server share one
// database, so they also share the channel of change notifications and the migration lock.
// One test may wake another test or make it wait, but does not change its results.
func newSchema(t testing.TB, engine string) (d Database, name string) {
	t.Helper()
	server := Server(t)
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		t.Fatal(err)
	}
	name = "songspy_test_" + hex.EncodeToString(random)
	switch engine {
	case Postgres:
		execOnServer(t, server, "CREATE SCHEMA "+name)
		url := schemaURL(t, name, server)
		return Database{engine, url, url}, name
	case PostgresSimple:
		newRole(t, name)
		url := roleURL(t, name, server)
		return Database{engine, url, url}, name
	case Pgbouncer:
		newRole(t, name)
		return Database{engine, roleURL(t, name, os.Getenv(PgbouncerURL)), roleURL(t, name, server)}, name
	}
	t.Fatalf("storetest: unknown engine %q; use one of the constants", engine)
	return Database{}, ""
}

// dropSchema deletes a schema that newSchema created, and the schema's role if there is one.
// It also deletes the second schema, with the suffix "_rows", that Pool.create may have
// created.
func dropSchema(t testing.TB, name, engine string) {
	t.Helper()
	statements := "DROP SCHEMA IF EXISTS $ CASCADE; DROP SCHEMA IF EXISTS $_rows CASCADE"
	if engine != Postgres {
		statements += "; DROP OWNED BY $; DROP ROLE $"
	}
	execOnServer(t, Server(t), strings.ReplaceAll(statements, "$", name))
}

// schemaURL returns the server's URL with parameters that make its sessions use the schema
// of that name.
func schemaURL(t testing.TB, name, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatalf("%s is not a URL", PostgresURL)
	}
	q := u.Query()
	q.Set("search_path", name)
	q.Set("application_name", name)
	u.RawQuery = q.Encode()
	return u.String()
}

// HasPooler reports whether there is a pgbouncer to test with.
func HasPooler() bool { return os.Getenv(PgbouncerURL) != "" }

// newRole creates a schema, and a role of the same name that owns it. The settings of the
// role make its sessions use the schema. A startup parameter could do that too, but a
// pooler would reject it. The settings also choose a date format that no client expects, to
// test that the store's pinned settings override it.
func newRole(t testing.TB, name string) {
	t.Helper()
	execOnServer(t, Server(t), strings.ReplaceAll(`CREATE SCHEMA $; CREATE ROLE $ LOGIN PASSWORD 'throwaway'; ALTER SCHEMA $ OWNER TO $;
		ALTER ROLE $ SET search_path = $; ALTER ROLE $ SET datestyle = 'SQL, DMY'; ALTER ROLE $ SET timezone = 'Asia/Seoul'`, "$", name))
}

// roleURL returns the URL with which clients connect as the role that newRole has created.
// server is the URL of the server or of a pooler in front of it.
func roleURL(t testing.TB, name, server string) string {
	t.Helper()
	u, err := url.Parse(server)
	if err != nil {
		t.Fatal("the server's address is not a URL")
	}
	q := u.Query()
	q.Set("user", name)
	q.Set("password", "throwaway")
	q.Set("application_name", name)
	u.User, u.RawQuery = nil, q.Encode()
	return u.String()
}

func execOnServer(t testing.TB, server, statement string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, server)
	if err != nil {
		t.Fatal(err)
	}
	_, err = conn.Exec(ctx, statement)
	if closed := conn.Close(ctx); err == nil {
		err = closed
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Key returns a seal key for tests. Its bytes depend only on the first two bytes of its id,
// so keys for tests must differ in these.
func Key(id string) store.SealKey {
	return store.SealKey{ID: id, Key: bytes.Repeat([]byte(id + "#")[:2], 16)}
}

func (d Database) options() store.Options {
	return store.Options{
		URL: d.URL, SimpleProtocol: d.Engine == PostgresSimple || d.Engine == Pgbouncer,
		SealKeys: []store.SealKey{Key("test")},
	}
}

// Open opens a store on the database and closes it when the test ends. It does not migrate
// the database. It calls each function of the parameter changes, which may change the
// options of the store.
func (d Database) Open(t testing.TB, changes ...func(*store.Options)) *store.Store {
	t.Helper()
	o := d.options()
	for _, change := range changes {
		change(&o)
	}
	s, err := store.Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// Open opens a store on a new database of the engine that is migrated and has no users.
func Open(t testing.TB, engine string) *store.Store {
	t.Helper()
	return Migrated(t, engine).Open(t)
}

// RequireCode fails the test unless err has the code.
func RequireCode(t testing.TB, err error, want songspy.Code) {
	t.Helper()
	if got := songspy.CodeOf(err); got != want {
		t.Fatalf("the error's code is %q, not %q: %v", got, want, err)
	}
}
