package store

import (
	"context"
	"database/sql"
	"strings"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// nowPlayingColumn is a column of now_playing and its field of songspy.NowPlaying.
type nowPlayingColumn struct {
	name string
	// dest returns the pointer to the field that the column is scanned into.
	dest func(*songspy.NowPlaying) any
	// nullable returns a scan destination that sets the field to its zero value if the
	// column is NULL, for rows that are missing in an outer join.
	nullable func(*songspy.NowPlaying) any
	// add adds the column to a rowset, with its value in each row.
	add func(*rowset, []songspy.NowPlaying)
}

// nowPlayingTable lists the columns of the table now_playing. Every statement with
// all columns is built from this list, so that a new column is added in one place.
var nowPlayingTable = []nowPlayingColumn{
	integerColumn("user_id", func(n *songspy.NowPlaying) *songspy.UserID { return &n.UserID }),
	textColumn("state", func(n *songspy.NowPlaying) *songspy.PlayerState { return &n.State }),
	integerColumn("track_id", func(n *songspy.NowPlaying) *songspy.TrackID { return &n.TrackID }),
	textColumn("track_uri", func(n *songspy.NowPlaying) *string { return &n.TrackURI }),
	integerColumn("duration_ms", func(n *songspy.NowPlaying) *int64 { return &n.DurationMS }),
	column("started_at", "timestamptz", func(n *songspy.NowPlaying) *time.Time { return &n.StartedAt }),
	column("observed_at", "timestamptz", func(n *songspy.NowPlaying) *time.Time { return &n.ObservedAt }),
	column("seen_at", "timestamptz", func(n *songspy.NowPlaying) *time.Time { return &n.SeenAt }),
	integerColumn("progress_ms", func(n *songspy.NowPlaying) *int64 { return &n.ProgressMS }),
	integerColumn("listened_ms", func(n *songspy.NowPlaying) *int64 { return &n.ListenedMS }),
	integerColumn("paused_ms", func(n *songspy.NowPlaying) *int64 { return &n.PausedMS }),
	column("paused_since", "timestamptz", func(n *songspy.NowPlaying) **time.Time { return &n.PausedSince }),
	column("idle_since", "timestamptz", func(n *songspy.NowPlaying) **time.Time { return &n.IdleSince }),
	column("other_seen_at", "timestamptz", func(n *songspy.NowPlaying) *time.Time { return &n.OtherSeenAt }),
	column("ends_at", "timestamptz", func(n *songspy.NowPlaying) **time.Time { return &n.EndsAt }),
	column("provisional", "boolean", func(n *songspy.NowPlaying) *bool { return &n.Provisional }),
	column("skips", "smallint", func(n *songspy.NowPlaying) *int16 { return &n.Skips }),
	column("opened_at", "timestamptz", func(n *songspy.NowPlaying) *time.Time { return &n.OpenedAt }),
	column("polls", "smallint", func(n *songspy.NowPlaying) *int16 { return &n.Polls }),
	column("speed", "integer", func(n *songspy.NowPlaying) *int32 { return &n.Speed }),
	column("last_speed", "integer", func(n *songspy.NowPlaying) *int32 { return &n.LastSpeed }),
	column("doubted_at", "timestamptz", func(n *songspy.NowPlaying) **time.Time { return &n.DoubtedAt }),
	textColumn("doubted_uri", func(n *songspy.NowPlaying) *string { return &n.DoubtedURI }),
	column("unmoved", "boolean", func(n *songspy.NowPlaying) *bool { return &n.Unmoved }),
	column("stalled", "boolean", func(n *songspy.NowPlaying) *bool { return &n.Stalled }),
	column("advertisement", "boolean", func(n *songspy.NowPlaying) *bool { return &n.Advertisement }),
	column("hides_progress", "boolean", func(n *songspy.NowPlaying) *bool { return &n.HidesProgress }),
	integerColumn("generation", func(n *songspy.NowPlaying) *int64 { return &n.Generation }),
}

func column[T any](name, pgType string, field func(*songspy.NowPlaying) *T) nowPlayingColumn {
	return nowPlayingColumn{
		name:     name,
		dest:     func(n *songspy.NowPlaying) any { return field(n) },
		nullable: func(n *songspy.NowPlaying) any { return &zeroIfNull[T]{to: field(n)} },
		add: func(r *rowset, rows []songspy.NowPlaying) {
			addColumn(r, rows, name, pgType, func(n *songspy.NowPlaying) T { return *field(n) })
		},
	}
}

func integerColumn[T ~int64](name string, field func(*songspy.NowPlaying) *T) nowPlayingColumn {
	c := column(name, "bigint", field)
	c.add = func(r *rowset, rows []songspy.NowPlaying) {
		addColumn(r, rows, name, "bigint", func(n *songspy.NowPlaying) int64 { return int64(*field(n)) })
	}
	return c
}

func textColumn[T ~string](name string, field func(*songspy.NowPlaying) *T) nowPlayingColumn {
	c := column(name, "text", field)
	c.add = func(r *rowset, rows []songspy.NowPlaying) {
		addColumn(r, rows, name, "text", func(n *songspy.NowPlaying) string { return string(*field(n)) })
	}
	return c
}

// zeroIfNull is a scan destination that accepts NULL. If the column is NULL, it sets *to to
// the zero value.
type zeroIfNull[T any] struct {
	to    *T
	value sql.Null[T]
}

// Scan implements sql.Scanner.
func (z *zeroIfNull[T]) Scan(from any) error {
	err := z.value.Scan(from)
	*z.to = z.value.V
	return err
}

// nowPlayingColumns lists the columns of now_playing AS n for a SELECT.
var nowPlayingColumns = joinNowPlaying(", ", func(column string) string { return "n." + column })

// joinNowPlaying returns one text for each column of now_playing, joined with the separator.
// Its second parameter is a function that returns the text for the name of a column.
func joinNowPlaying(separator string, of func(column string) string) string {
	parts := make([]string, len(nowPlayingTable))
	for i, c := range nowPlayingTable {
		parts[i] = of(c.name)
	}
	return strings.Join(parts, separator)
}

// nowPlayingDest returns the scan destinations of nowPlayingColumns.
func nowPlayingDest(n *songspy.NowPlaying) []any {
	dest := make([]any, len(nowPlayingTable))
	for i, c := range nowPlayingTable {
		dest[i] = c.dest(n)
	}
	return dest
}

// nullableNowPlayingDest is nowPlayingDest for an outer join: a missing row scans as the
// zero value.
func nullableNowPlayingDest(n *songspy.NowPlaying) []any {
	dest := make([]any, len(nowPlayingTable))
	for i, c := range nowPlayingTable {
		dest[i] = c.nullable(n)
	}
	return dest
}

// nowPlayingRowset returns a rowset with one row, of all columns, for each player state.
func nowPlayingRowset(rows []songspy.NowPlaying) *rowset {
	r := &rowset{}
	for _, c := range nowPlayingTable {
		c.add(r, rows)
	}
	return r
}

// upsertNowPlayingStatement writes the player states of the rowset v and returns the users
// whose state it wrote. It writes a state if the user has no stored state, or if it was
// observed later than the stored state or belongs to a newer generation of the link (the
// user has linked again).
var upsertNowPlayingStatement = `INSERT INTO now_playing (` + joinNowPlaying(", ", func(c string) string { return c }) + `)
	SELECT ` + joinNowPlaying(", ", func(c string) string { return c }) + ` FROM v WHERE true
	ON CONFLICT (user_id) DO UPDATE SET ` + joinNowPlaying(", ", func(c string) string { return c + " = excluded." + c }) + `
	WHERE excluded.observed_at > now_playing.observed_at OR excluded.generation > now_playing.generation
	RETURNING user_id`

// upsertNowPlaying writes the player states that are newer than the stored ones
// and returns the users whose state was written. The written rows stay locked
// until the transaction ends.
func (s *Store) upsertNowPlaying(ctx context.Context, conn gorm.ConnPool, rows []songspy.NowPlaying) (map[songspy.UserID]bool, error) {
	written := make(map[songspy.UserID]bool, len(rows))
	err := s.queryRowset(ctx, conn, nowPlayingRowset(rows), upsertNowPlayingStatement,
		func(rows *sql.Rows) error {
			var id songspy.UserID
			if err := rows.Scan(&id); err != nil {
				return err
			}
			written[id] = true
			return nil
		})
	return written, err
}

// setObservedAt sets the stored ObservedAt (the time of the last usable answer) of each user
// in rows to the ObservedAt in the user's row. It changes nothing else.
func (s *Store) setObservedAt(ctx context.Context, conn gorm.ConnPool, rows []songspy.NowPlaying) error {
	r := &rowset{}
	addColumn(r, rows, "user_id", "bigint", func(n *songspy.NowPlaying) int64 { return int64(n.UserID) })
	addColumn(r, rows, "observed_at", "timestamptz", func(n *songspy.NowPlaying) time.Time { return n.ObservedAt })
	return s.execRowset(ctx, conn, r, `UPDATE now_playing SET observed_at = v.observed_at FROM v WHERE now_playing.user_id = v.user_id`)
}

// readObservedAt returns the stored ObservedAt (the time of the last usable answer) of each
// user. The map has no entry for users without a stored player state.
func (s *Store) readObservedAt(ctx context.Context, conn gorm.ConnPool, ids []songspy.UserID) (map[songspy.UserID]time.Time, error) {
	seen := make(map[songspy.UserID]time.Time, len(ids))
	err := s.queryRowset(ctx, conn, userIDRowset(ids), `SELECT user_id, observed_at FROM now_playing WHERE user_id IN (SELECT user_id FROM v)`,
		func(rows *sql.Rows) error {
			var id songspy.UserID
			var at time.Time
			if err := rows.Scan(&id, &at); err != nil {
				return err
			}
			seen[id] = at
			return nil
		})
	return seen, err
}
