package storetest

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/songspy/songspy/songspy-domain/store"
)

// Pool creates migrated databases of one engine for many tests. On Postgres it empties and
// reuses the schema of a finished test, because to create and migrate another schema would
// take several times as long. On SQLite it copies a migrated file.
type Pool struct {
	engine string
	mu     sync.Mutex
	idle   []pooled
}

// pooled is a migrated schema of a Pool. name is the name of the schema. fingerprint is the
// result of fingerprintQuery before the first test, by which putBack finds out whether a
// test has changed the schema.
type pooled struct {
	Database
	name        string
	fingerprint string
}

// NewPool returns a pool that drops its schemas when t ends.
func NewPool(t testing.TB, engine string) *Pool {
	t.Helper()
	p := &Pool{engine: engine}
	t.Cleanup(func() {
		for _, s := range p.idle {
			dropSchema(t, s.name, engine)
		}
	})
	return p
}

// Get returns a migrated database without users. When the test t ends, the pool takes a
// Postgres schema back for other tests, and the file of a SQLite database is deleted.
func (p *Pool) Get(t testing.TB) Database {
	t.Helper()
	if p.engine == SQLite {
		return copySQLite(t)
	}
	s, ok := p.take()
	if !ok {
		s = p.create(t)
	}
	t.Cleanup(func() { p.putBack(t, s) })
	return s.Database
}

func (p *Pool) take() (s pooled, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.idle) == 0 {
		return pooled{}, false
	}
	s = p.idle[len(p.idle)-1]
	p.idle = p.idle[:len(p.idle)-1]
	return s, true
}

// create creates and migrates a schema. It also creates a second schema, whose name has the
// suffix "_rows", with a copy of the rows that the migrations have inserted. putBack needs
// this copy, because it truncates all tables and then has to restore these rows.
func (p *Pool) create(t testing.TB) pooled {
	t.Helper()
	s := pooled{}
	s.Database, s.name = newSchema(t, p.engine)
	if err := migrate(t.Context(), s.Database); err != nil {
		t.Fatal(err)
	}
	withServer(t, func(ctx context.Context, conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, strings.ReplaceAll(`CREATE SCHEMA NAME_rows;
			DO $do$ DECLARE name text; filled boolean; BEGIN
				FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'NAME' AND tablename <> 'goose_db_version' LOOP
					EXECUTE format('SELECT EXISTS (SELECT 1 FROM NAME.%I)', name) INTO filled;
					IF filled THEN EXECUTE format('CREATE TABLE NAME_rows.%I AS TABLE NAME.%I', name, name); END IF;
				END LOOP;
			END $do$`, "NAME", s.name)); err != nil {
			return err
		}
		return conn.QueryRow(ctx, fingerprintQuery, s.name).Scan(&s.fingerprint)
	})
	return s
}

// putBack truncates the tables of the schema, restores the rows that the migrations
// inserted, and gives the schema back to the pool for the next test. It drops the schema
// instead if the test has changed the schema, or if a transaction still holds locks on its
// tables.
func (p *Pool) putBack(t testing.TB, s pooled) {
	t.Helper()
	reusable := false
	withServer(t, func(ctx context.Context, conn *pgx.Conn) error {
		var fingerprint string
		if err := conn.QueryRow(ctx, fingerprintQuery, s.name).Scan(&fingerprint); err != nil || fingerprint != s.fingerprint {
			return nil //nolint:nilerr // a changed schema is dropped
		}
		_, err := conn.Exec(ctx, strings.ReplaceAll(`SET lock_timeout = '2s';
			DO $do$ DECLARE names text; name text; BEGIN
				SELECT string_agg(format('NAME.%I', tablename), ', ') INTO names FROM pg_tables WHERE schemaname = 'NAME' AND tablename <> 'goose_db_version';
				EXECUTE 'TRUNCATE ' || names || ' RESTART IDENTITY';
				FOR name IN SELECT tablename FROM pg_tables WHERE schemaname = 'NAME_rows' LOOP
					EXECUTE format('INSERT INTO NAME.%I SELECT * FROM NAME_rows.%I', name, name);
				END LOOP;
			END $do$`, "NAME", s.name))
		reusable = err == nil
		return nil
	})
	if !reusable {
		dropSchema(t, s.name, p.engine)
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, s)
}

// fingerprintQuery selects a hash of everything that a test could change in the
// schema $1 apart from rows: columns (of tables and indexes), constraints,
// triggers, applied migrations, and the settings of its role.
const fingerprintQuery = `SELECT md5(COALESCE(string_agg(part, ',' ORDER BY part), '')) FROM (
	SELECT c.relname || '.' || a.attname || ' ' || a.atttypid || ' ' || a.attnotnull AS part FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
		WHERE c.relnamespace = to_regnamespace($1) AND a.attnum > 0 AND NOT a.attisdropped
	UNION ALL SELECT conname || pg_get_constraintdef(oid) FROM pg_constraint WHERE connamespace = to_regnamespace($1)
	UNION ALL SELECT tgname::text FROM pg_trigger g JOIN pg_class c ON c.oid = g.tgrelid WHERE c.relnamespace = to_regnamespace($1) AND NOT g.tgisinternal
	UNION ALL SELECT xmlserialize(CONTENT query_to_xml(format('SELECT version_id FROM %I.goose_db_version', $1::text), false, false, '') AS text)
	UNION ALL SELECT array_to_string(s.setconfig, ' ') FROM pg_db_role_setting s JOIN pg_roles r ON r.oid = s.setrole WHERE r.rolname = $1) parts`

// Migrated returns a new migrated database without users. On SQLite, only the first call in
// a test program migrates a file; every call returns a copy of that file.
func Migrated(t testing.TB, engine string) Database {
	t.Helper()
	if engine == SQLite {
		return copySQLite(t)
	}
	d := New(t, engine)
	if err := migrate(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	return d
}

// copySQLite returns a database in a new copy of the file that migratedSQLite returns.
func copySQLite(t testing.TB) Database {
	t.Helper()
	content, err := migratedSQLite()
	path := filepath.Join(t.TempDir(), "songspy.db")
	if err == nil {
		err = os.WriteFile(path, content, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	return newSQLite(path)
}

func newSQLite(path string) Database { return Database{SQLite, "sqlite:" + path, "sqlite:" + path} }

// migratedSQLite returns the bytes of the file of a migrated SQLite database. It migrates
// only once.
var migratedSQLite = sync.OnceValues(func() (content []byte, err error) {
	dir, err := os.MkdirTemp("", "songspy-migrated-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	path := filepath.Join(dir, "songspy.db")
	if err := migrate(context.Background(), newSQLite(path)); err != nil {
		return nil, err
	}
	if wal, err := os.Stat(path + "-wal"); err == nil && wal.Size() > 0 {
		return nil, errors.New("the migrated database still has a write-ahead log")
	}
	return os.ReadFile(filepath.Clean(path))
})

// migrate opens a store on the database, migrates it, and closes the store.
func migrate(ctx context.Context, d Database) error {
	s, err := store.Open(ctx, d.options())
	if err != nil {
		return err
	}
	return errors.Join(s.Migrate(ctx), s.Close())
}

// withServer calls the function do with a connection to the throwaway server, as the role
// in the server's URL.
func withServer(t testing.TB, do func(context.Context, *pgx.Conn) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, Server(t))
	if err != nil {
		t.Fatal(err)
	}
	err = do(ctx, conn)
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		t.Fatal(err)
	}
}
