package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const playingColumns = `n.user_id, n.state, n.track_id, n.track_uri, n.duration_ms, n.started_at, n.observed_at, n.seen_at,
	n.progress_ms, n.listened_ms, n.paused_ms, n.paused_since, n.nothing_since, n.elsewhere_at, n.ends_at,
	n.provisional, n.skips, n.opened_at, n.polls, n.speed, n.last_speed, n.doubted_at, n.doubted_uri, n.unmoved, n.stalled, n.advertisement, n.hides_progress, n.generation`

// playingInto lists where a row of playingColumns is scanned to.
func playingInto(n *songspy.NowPlaying) []any {
	return []any{
		&n.UserID, &n.State, &n.TrackID, &n.TrackURI, &n.DurationMS, &n.StartedAt, &n.ObservedAt, &n.SeenAt,
		&n.ProgressMS, &n.ListenedMS, &n.PausedMS, &n.PausedSince, &n.NothingSince, &n.ElsewhereAt, &n.EndsAt,
		&n.Provisional, &n.Skips, &n.OpenedAt, &n.Polls, &n.Speed, &n.LastSpeed, &n.DoubtedAt, &n.DoubtedURI, &n.Unmoved, &n.Stalled, &n.Advertisement, &n.HidesProgress, &n.Generation,
	}
}

// nullPlaying is a row of playingColumns that an outer join may have left empty.
type nullPlaying struct {
	songspy.NowPlaying
	userID, trackID, duration, progress, listened, paused, skips, generation sql.NullInt64
	polls, speed, lastSpeed                                                  sql.NullInt64
	state, uri, doubtedURI                                                   sql.NullString
	started, observed, seen, elsewhere, opened                               sql.NullTime
	provisional, unmoved, stalled, advertisement, hides                      sql.NullBool
}

func (n *nullPlaying) into() []any {
	return []any{
		&n.userID, &n.state, &n.trackID, &n.uri, &n.duration, &n.started, &n.observed, &n.seen,
		&n.progress, &n.listened, &n.paused, &n.PausedSince, &n.NothingSince, &n.elsewhere, &n.EndsAt,
		&n.provisional, &n.skips, &n.opened, &n.polls, &n.speed, &n.lastSpeed, &n.DoubtedAt, &n.doubtedURI, &n.unmoved, &n.stalled, &n.advertisement, &n.hides, &n.generation,
	}
}

// value is zero for an empty row.
func (n *nullPlaying) value() songspy.NowPlaying {
	return songspy.NowPlaying{
		UserID: songspy.UserID(n.userID.Int64), State: songspy.PlayerState(n.state.String),
		TrackID: songspy.TrackID(n.trackID.Int64), TrackURI: n.uri.String, DurationMS: n.duration.Int64,
		StartedAt: n.started.Time, ObservedAt: n.observed.Time, SeenAt: n.seen.Time, ProgressMS: n.progress.Int64,
		ListenedMS: n.listened.Int64, PausedMS: n.paused.Int64,
		PausedSince: n.PausedSince, NothingSince: n.NothingSince, ElsewhereAt: n.elsewhere.Time, EndsAt: n.EndsAt,
		Provisional: n.provisional.Bool, Skips: int16(n.skips.Int64),
		OpenedAt: n.opened.Time, Polls: int16(n.polls.Int64), Speed: int32(n.speed.Int64), LastSpeed: int32(n.lastSpeed.Int64),
		DoubtedAt: n.DoubtedAt, DoubtedURI: n.doubtedURI.String, Unmoved: n.unmoved.Bool, Stalled: n.stalled.Bool, Advertisement: n.advertisement.Bool, HidesProgress: n.hides.Bool,
		Generation: n.generation.Int64,
	}
}

// playingRelation states the rows of now_playing.
func playingRelation(rows []songspy.NowPlaying) *relation {
	type row = songspy.NowPlaying
	r := &relation{}
	column(r, rows, "user_id", "bigint", func(n *row) int64 { return int64(n.UserID) })
	column(r, rows, "state", "text", func(n *row) string { return string(n.State) })
	column(r, rows, "track_id", "bigint", func(n *row) int64 { return int64(n.TrackID) })
	column(r, rows, "track_uri", "text", func(n *row) string { return n.TrackURI })
	column(r, rows, "duration_ms", "bigint", func(n *row) int64 { return n.DurationMS })
	column(r, rows, "started_at", "timestamptz", func(n *row) time.Time { return n.StartedAt })
	column(r, rows, "observed_at", "timestamptz", func(n *row) time.Time { return n.ObservedAt })
	column(r, rows, "seen_at", "timestamptz", func(n *row) time.Time { return n.SeenAt })
	column(r, rows, "progress_ms", "bigint", func(n *row) int64 { return n.ProgressMS })
	column(r, rows, "listened_ms", "bigint", func(n *row) int64 { return n.ListenedMS })
	column(r, rows, "paused_ms", "bigint", func(n *row) int64 { return n.PausedMS })
	column(r, rows, "paused_since", "timestamptz", func(n *row) *time.Time { return n.PausedSince })
	column(r, rows, "nothing_since", "timestamptz", func(n *row) *time.Time { return n.NothingSince })
	column(r, rows, "elsewhere_at", "timestamptz", func(n *row) time.Time { return n.ElsewhereAt })
	column(r, rows, "ends_at", "timestamptz", func(n *row) *time.Time { return n.EndsAt })
	column(r, rows, "provisional", "boolean", func(n *row) bool { return n.Provisional })
	column(r, rows, "skips", "smallint", func(n *row) int16 { return n.Skips })
	column(r, rows, "opened_at", "timestamptz", func(n *row) time.Time { return n.OpenedAt })
	column(r, rows, "polls", "smallint", func(n *row) int16 { return n.Polls })
	column(r, rows, "speed", "integer", func(n *row) int32 { return n.Speed })
	column(r, rows, "last_speed", "integer", func(n *row) int32 { return n.LastSpeed })
	column(r, rows, "doubted_at", "timestamptz", func(n *row) *time.Time { return n.DoubtedAt })
	column(r, rows, "doubted_uri", "text", func(n *row) string { return n.DoubtedURI })
	column(r, rows, "unmoved", "boolean", func(n *row) bool { return n.Unmoved })
	column(r, rows, "stalled", "boolean", func(n *row) bool { return n.Stalled })
	column(r, rows, "advertisement", "boolean", func(n *row) bool { return n.Advertisement })
	column(r, rows, "hides_progress", "boolean", func(n *row) bool { return n.HidesProgress })
	column(r, rows, "generation", "bigint", func(n *row) int64 { return n.Generation })
	return r
}

// upsertPlaying writes the rows that are newer than the stored ones and
// returns whose they were. The rows it writes stay locked.
func (s *Store) upsertPlaying(ctx context.Context, conn gorm.ConnPool, rows []songspy.NowPlaying) (map[songspy.UserID]bool, error) {
	written := make(map[songspy.UserID]bool, len(rows))
	r := playingRelation(rows)
	err := s.queryWith(ctx, conn, r, `INSERT INTO now_playing (`+r.names()+`) SELECT `+r.names()+` FROM v WHERE true
		ON CONFLICT (user_id) DO UPDATE SET
			state = excluded.state, track_id = excluded.track_id, track_uri = excluded.track_uri,
			duration_ms = excluded.duration_ms, started_at = excluded.started_at, observed_at = excluded.observed_at, seen_at = excluded.seen_at,
			progress_ms = excluded.progress_ms, listened_ms = excluded.listened_ms, paused_ms = excluded.paused_ms,
			paused_since = excluded.paused_since, nothing_since = excluded.nothing_since,
			elsewhere_at = excluded.elsewhere_at, ends_at = excluded.ends_at, provisional = excluded.provisional,
			skips = excluded.skips, opened_at = excluded.opened_at, polls = excluded.polls, speed = excluded.speed, last_speed = excluded.last_speed,
			doubted_at = excluded.doubted_at, doubted_uri = excluded.doubted_uri, unmoved = excluded.unmoved, stalled = excluded.stalled, advertisement = excluded.advertisement, hides_progress = excluded.hides_progress,
			generation = excluded.generation
		WHERE excluded.observed_at > now_playing.observed_at OR excluded.generation > now_playing.generation
		RETURNING user_id`,
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

// pullBack sets when the rows' people were last observed.
func (s *Store) pullBack(ctx context.Context, conn gorm.ConnPool, rows []songspy.NowPlaying) error {
	r := &relation{}
	column(r, rows, "user_id", "bigint", func(n *songspy.NowPlaying) int64 { return int64(n.UserID) })
	column(r, rows, "observed_at", "timestamptz", func(n *songspy.NowPlaying) time.Time { return n.ObservedAt })
	return s.execWith(ctx, conn, r, `UPDATE now_playing SET observed_at = v.observed_at FROM v WHERE now_playing.user_id = v.user_id`)
}

// observedAt is when the people were last seen, as far as is stored.
func (s *Store) observedAt(ctx context.Context, conn gorm.ConnPool, ids []songspy.UserID) (map[songspy.UserID]time.Time, error) {
	seen := make(map[songspy.UserID]time.Time, len(ids))
	err := s.queryWith(ctx, conn, people(ids), `SELECT user_id, observed_at FROM now_playing WHERE user_id IN (SELECT user_id FROM v)`,
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
