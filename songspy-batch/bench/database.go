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

// database is one of our own on the given server, and a connection to it.
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
		return nil, errors.New("SONGSPY_TEST_POSTGRES_URL is not a URL")
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

// drop deletes the database, also after ctx has ended.
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

// sealKeys is the key as the batch is told it.
func (d *database) sealKeys() string {
	return d.key.ID + ":" + base64.StdEncoding.EncodeToString(d.key.Key)
}

// tableRows are the rows of a table that were written, versions of one row each counted.
type tableRows struct {
	Inserted int64 `json:"inserted"`
	Updated  int64 `json:"updated"`
	// InPage are the updates that touched no index.
	InPage  int64 `json:"updatedInPage"`
	Deleted int64 `json:"deleted"`
}

func (r tableRows) sub(o tableRows) tableRows {
	return tableRows{r.Inserted - o.Inserted, r.Updated - o.Updated, r.InPage - o.InPage, r.Deleted - o.Deleted}
}

// mark is a moment in the life of the database.
type mark struct {
	transaction string // the next one's number
	tables      map[string]tableRows
}

// written is what was written since a mark.
type writtenRows struct {
	tables map[string]tableRows
	users  map[songspy.UserID]bool // whose rows these were
}

func (d *database) mark(ctx context.Context) (m mark, err error) {
	if m.tables, err = d.statistics(ctx); err != nil {
		return m, err
	}
	return m, d.conn.QueryRow(ctx, "SELECT pg_snapshot_xmax(pg_current_snapshot())::xid::text").Scan(&m.transaction)
}

// since tells what was written by processes whose connections have ended by now,
// or will within moments.
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

// quiet waits until nobody else is connected: whoever leaves has reported
// to the statistics.
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

// cpu is what the server's processes have used by now; 0 if they run where
// they cannot be seen, in a container or on another machine.
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

// peopleWrittenSince reads off every row which transaction wrote it.
func (d *database) usersWrittenSince(ctx context.Context, m mark) (map[songspy.UserID]bool, error) {
	people := map[songspy.UserID]bool{}
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
			people[songspy.UserID(id)] = true
			return nil
		}); err != nil {
			return nil, err
		}
	}
	return people, nil
}
