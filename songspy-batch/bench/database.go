package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/procfs"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// database is a new database on the Postgres server of the tests, and a connection to it.
type database struct {
	server, name string
	url          string
	conn         *pgx.Conn
	key          store.SealKey
}

// newDatabase creates an empty database.
func newDatabase(ctx context.Context, server string) (*database, error) {
	u, err := url.Parse(server)
	if err != nil {
		return nil, errors.New("SONGSPY_TEST_POSTGRES_URL is not a URL: it begins with postgres://")
	}
	random := make([]byte, 40)
	if _, err := rand.Read(random); err != nil {
		return nil, err
	}
	d := &database{server: server, name: "songspy_bench_" + hex.EncodeToString(random[:8])}
	d.key = store.SealKey{ID: "bench", Key: random[8:]}
	if err := d.onServer(ctx, "CREATE DATABASE "+d.name); err != nil {
		return nil, err
	}
	u.Path = "/" + d.name
	d.url = u.String()
	if d.conn, err = pgx.Connect(ctx, d.url); err != nil {
		return nil, errors.Join(err, d.onServer(ctx, "DROP DATABASE "+d.name))
	}
	return d, nil
}

// drop deletes the database. It also works after ctx has ended.
func (d *database) drop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(d.conn.Close(ctx), d.onServer(ctx, "DROP DATABASE "+d.name+" WITH (FORCE)"))
}

func (d *database) onServer(ctx context.Context, statement string) error {
	conn, err := pgx.Connect(ctx, d.server)
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, statement)
	return errors.Join(err, conn.Close(ctx))
}

func (d *database) vacuum(ctx context.Context) error {
	_, err := d.conn.Exec(ctx, "VACUUM ANALYZE")
	return err
}

// sealKeys returns the value of SONGSPY_SEAL_KEYS for the batch.
func (d *database) sealKeys() string {
	return d.key.ID + ":" + base64.StdEncoding.EncodeToString(d.key.Key)
}

// tableRows counts the rows that were inserted, updated and deleted in one
// table.
type tableRows struct {
	Inserted int64 `json:"inserted"`
	Updated  int64 `json:"updated"`
	// InPage counts the updates that wrote to no index (Postgres: heap-only
	// tuples).
	InPage  int64 `json:"updatedInPage"`
	Deleted int64 `json:"deleted"`
}

func (r tableRows) sub(o tableRows) tableRows {
	return tableRows{r.Inserted - o.Inserted, r.Updated - o.Updated, r.InPage - o.InPage, r.Deleted - o.Deleted}
}

// mark is a moment from which writes to the database are counted.
type mark struct {
	transaction string // the next transaction ID
	tables      map[string]tableRows
}

// writtenRows are the writes since a mark.
type writtenRows struct {
	tables map[string]tableRows
	users  map[songspy.UserID]bool // users with a row written
}

func (d *database) mark(ctx context.Context) (m mark, err error) {
	if m.tables, err = d.statistics(ctx); err != nil {
		return m, err
	}
	return m, d.conn.QueryRow(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text").Scan(&m.transaction)
}

// writtenSince returns the writes since the mark. It waits until all other connections have
// ended, because the statistics are complete only then.
func (d *database) writtenSince(ctx context.Context, m mark) (w writtenRows, err error) {
	if err := d.waitQuiet(ctx); err != nil {
		return w, err
	}
	if w.tables, err = d.statistics(ctx); err != nil {
		return w, err
	}
	for name, rows := range w.tables {
		w.tables[name] = rows.sub(m.tables[name])
	}
	maps.DeleteFunc(w.tables, func(_ string, r tableRows) bool { return r == tableRows{} })
	w.users, err = d.usersWrittenSince(ctx, m)
	return w, err
}

// waitQuiet waits until there is no other connection to the database. A session adds its
// counts to the statistics when it ends.
func (d *database) waitQuiet(ctx context.Context) error {
	for {
		var others int
		err := d.conn.QueryRow(ctx, `SELECT count(*) FROM pg_stat_activity
			WHERE datname = current_database() AND backend_type = 'client backend' AND pid <> pg_backend_pid()`).Scan(&others)
		if err != nil || others == 0 {
			return err
		}
		if err := waitUntil(ctx, time.Now().Add(100*time.Millisecond)); err != nil {
			return err
		}
	}
}

// cpu returns the processor time that the server's processes have used. It returns 0 if they
// run in a container or on another machine, where the bench cannot see them.
func (d *database) cpu(ctx context.Context) (total cpuTime, err error) {
	rows, err := d.conn.Query(ctx, `SELECT pid FROM pg_stat_activity`)
	if err != nil {
		return 0, err
	}
	pids, err := pgx.CollectRows(rows, pgx.RowTo[int])
	if err != nil {
		return 0, err
	}
	for _, pid := range pids {
		proc, err := procfs.NewProc(pid)
		if err != nil {
			continue
		}
		if name, err := proc.Comm(); err != nil || name != "postgres" {
			continue
		}
		if used, err := cpuOf(pid); err == nil {
			total += used
		}
	}
	return total, nil
}

func (d *database) statistics(ctx context.Context) (map[string]tableRows, error) {
	rows, err := d.conn.Query(ctx, `SELECT relname, n_tup_ins, n_tup_upd, n_tup_hot_upd, n_tup_del FROM pg_stat_user_tables`)
	if err != nil {
		return nil, err
	}
	tables := map[string]tableRows{}
	var name string
	var r tableRows
	_, err = pgx.ForEachRow(rows, []any{&name, &r.Inserted, &r.Updated, &r.InPage, &r.Deleted}, func() error {
		tables[name] = r
		return nil
	})
	return tables, err
}

// usersWrittenSince returns the users with a row that a transaction since the mark wrote. The
// system column xmin of a row has the transaction that wrote it.
func (d *database) usersWrittenSince(ctx context.Context, m mark) (map[songspy.UserID]bool, error) {
	users := map[songspy.UserID]bool{}
	tables := map[string]string{
		"users": "id", "spotify_links": "user_id", "now_playing": "user_id", "plays": "user_id",
		"user_tracks": "user_id", "history_items": "user_id", "changes": "user_id",
	}
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		rows, err := d.conn.Query(ctx, fmt.Sprintf(`SELECT DISTINCT %s FROM %s WHERE age(xmin) <= age($1::text::xid)`, tables[table], table), m.transaction)
		if err != nil {
			return nil, err
		}
		var id int64
		if _, err := pgx.ForEachRow(rows, []any{&id}, func() error {
			users[songspy.UserID(id)] = true
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return users, nil
}
