package store

import (
	"cmp"
	"context"
	"database/sql"
	"slices"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// insertPlays inserts the plays. Each must have a track id, and must not be a deleted play.
// insertPlays also counts those that are not probable (still unproven), for OnRecorded.
func (s *Store) insertPlays(ctx context.Context, conn gorm.ConnPool, plays []songspy.Play) error {
	if len(plays) == 0 {
		return nil
	}
	type row = songspy.Play
	r := &rowset{}
	addColumn(r, plays, "user_id", "bigint", func(p *row) int64 { return int64(p.UserID) })
	addColumn(r, plays, "track_id", "bigint", func(p *row) int64 { return int64(p.TrackID) })
	addColumn(r, plays, "started_at", "timestamptz", func(p *row) time.Time { return p.StartedAt })
	addColumn(r, plays, "ended_at", "timestamptz", func(p *row) time.Time { return p.EndedAt })
	addColumn(r, plays, "listened_ms", "bigint", func(p *row) int64 { return p.ListenedMS })
	addColumn(r, plays, "inferred_ms", "bigint", func(p *row) int64 { return p.InferredMS })
	addColumn(r, plays, "source", "text", func(p *row) string { return string(p.Source) })
	addColumn(r, plays, "provisional", "boolean", func(p *row) bool { return p.Provisional })
	addColumn(r, plays, "probable", "boolean", func(p *row) bool { return p.Probable })
	if err := s.execRowset(ctx, conn, r, `INSERT INTO plays (`+r.columnNames()+`) SELECT `+r.columnNames()+` FROM v`); err != nil {
		return err
	}
	for _, p := range plays {
		if !p.Probable {
			recordedBy(conn).addPlay(p.Source)
		}
	}
	return nil
}

const (
	playColumns = `p.id, p.user_id, p.track_id, p.started_at, p.ended_at, p.listened_ms, p.inferred_ms, p.source, p.provisional, p.probable, p.deleted_at`
	// selectStoredPlays is the beginning of a query for plays AS p with their tracks. The
	// query includes deleted plays, which have hashes instead of a track.
	selectStoredPlays = `SELECT ` + playColumns + `, ` + trackColumns + `, p.uri_hash, p.isrc_hash FROM plays p LEFT JOIN tracks t ON t.id = p.track_id `
)

// selectPlays returns the beginning of a query for plays AS p with their tracks, and the
// artists and albums of the tracks. The query leaves out deleted plays, which have no track.
func selectPlays(e engine) string {
	return `SELECT ` + playColumns + `, ` + trackColumns + `, ` + identityColumns(e) + ` FROM plays p JOIN tracks t ON t.id = p.track_id` + joinAlbum
}

// playDest returns the scan destinations of playColumns.
func playDest(p *songspy.Play) []any {
	return []any{
		&p.ID, &p.UserID, &p.TrackID, &p.StartedAt, &p.EndedAt, &p.ListenedMS, &p.InferredMS, &p.Source, &p.Provisional, &p.Probable, &p.DeletedAt,
	}
}

func scanPlay(rows *sql.Rows) (of songspy.PlayWithTrack, err error) {
	t := &of.Track
	err = rows.Scan(append(append(playDest(&of.Play), trackDest(t)...), identityDest(t)...)...)
	of.Play.TrackURI = t.URI
	return of, err
}

// scanStoredPlay scans a row of selectStoredPlays. The track of a deleted play is
// empty.
func scanStoredPlay(rows *sql.Rows) (k songspy.StoredPlay, hashes trackHashes, err error) {
	var id, publicID, duration sql.NullInt64
	var uri, kind, title, artists, album, image, url, preview, isrc sql.NullString
	var created sql.NullTime
	err = rows.Scan(append(playDest(&k.Play),
		&id, &publicID, &uri, &kind, &title, &artists, &album, &image, &url, &preview, &duration, &isrc, &created, &hashes.uri, &hashes.isrc)...)
	k.Track = songspy.Track{
		ID: songspy.TrackID(id.Int64), PublicID: songspy.PublicID(publicID.Int64), URI: uri.String, Kind: songspy.TrackKind(kind.String), Title: title.String, Artists: artists.String,
		Album: album.String, ImageURL: image.String, URL: url.String, PreviewURL: preview.String,
		DurationMS: duration.Int64, ISRC: isrc.String, CreatedAt: created.Time,
	}
	k.Play.TrackURI = k.Track.URI
	return k, hashes, err
}

// Plays returns up to limit of the user's plays, the newest first, without deleted plays. The
// first one is the next older play than the argument after, or the newest play if after is the
// zero Play. If Plays returns fewer than limit plays, there are no more.
func (s *Store) Plays(ctx context.Context, id songspy.UserID, after songspy.Play, limit int) ([]songspy.PlayWithTrack, error) {
	return s.playsWhere(ctx, ``, id, after, limit)
}

// PlaysForOthers is Plays without probable plays, which only their own user may see. It
// does not apply the user's sharing settings: the caller must decide, by the SharingRule
// that People returns, which of the plays the viewer may see.
func (s *Store) PlaysForOthers(ctx context.Context, id songspy.UserID, after songspy.Play, limit int) ([]songspy.PlayWithTrack, error) {
	return s.playsWhere(ctx, `AND NOT p.probable `, id, after, limit)
}

func (s *Store) playsWhere(ctx context.Context, condition string, id songspy.UserID, after songspy.Play, limit int) (plays []songspy.PlayWithTrack, err error) {
	where, args := `WHERE p.user_id = $1 AND p.deleted_at IS NULL `+condition, []any{int64(id), limit}
	if !after.StartedAt.IsZero() {
		where, args = where+`AND (p.started_at, p.id) < ($3, $4) `, append(args, after.StartedAt, int64(after.ID))
	}
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		p, err := scanPlay(rows)
		plays = append(plays, p)
		return err
	}, s.selects.plays+where+`ORDER BY p.started_at DESC, p.id DESC LIMIT $2`, args...)
	return plays, translate(err)
}

// userTracks returns what the open (unfinished) and the finished plays add to the users'
// lists of tracks: one row for each user and track, sorted by both. The field Plays of each
// row is the number of finished plays that count.
func userTracks(open []songspy.NowPlaying, plays []songspy.Play) []songspy.UserTrack {
	type key struct {
		user  songspy.UserID
		track songspy.TrackID
	}
	sum := make(map[key]songspy.UserTrack, len(open)+len(plays))
	add := func(user songspy.UserID, track songspy.TrackID, uri string, first, last time.Time, plays int64) {
		k := key{user, track}
		t, ok := sum[k]
		if !ok {
			t = songspy.UserTrack{UserID: user, TrackID: track, FirstPlayedAt: first, LastPlayedAt: last, Local: songspy.IsLocal(uri)}
		}
		if first.Before(t.FirstPlayedAt) {
			t.FirstPlayedAt = first
		}
		if last.After(t.LastPlayedAt) {
			t.LastPlayedAt = last
		}
		t.Plays += plays
		sum[k] = t
	}
	for _, n := range open {
		if n.IsOpen() && n.TrackID != 0 {
			add(n.UserID, n.TrackID, n.TrackURI, n.StartedAt, n.SeenAt, 0)
		}
	}
	for _, p := range plays {
		counted := int64(1)
		if p.Probable {
			counted = 0 // it does not count until history confirms it
		}
		add(p.UserID, p.TrackID, p.TrackURI, p.StartedAt, p.EndedAt, counted)
	}
	rows := make([]songspy.UserTrack, 0, len(sum))
	for _, t := range sum {
		rows = append(rows, t)
	}
	slices.SortFunc(rows, func(a, b songspy.UserTrack) int {
		return cmp.Or(cmp.Compare(a.UserID, b.UserID), cmp.Compare(a.TrackID, b.TrackID))
	})
	return rows
}

// upsertUserTracks adds new tracks to the users' lists of tracks. For a track that is
// already in the list, it adds the new plays to the count, moves FirstPlayedAt back if a new
// play began earlier, and moves LastPlayedAt on if a new play ended later. It does not write
// a track that is already in the list and has no new play that counts.
func (s *Store) upsertUserTracks(ctx context.Context, conn gorm.ConnPool, rows []songspy.UserTrack) error {
	played := slices.Clone(rows)
	played = slices.DeleteFunc(played, func(t songspy.UserTrack) bool { return t.Plays == 0 })
	opened := slices.DeleteFunc(rows, func(t songspy.UserTrack) bool { return t.Plays > 0 })
	if err := s.mergeUserTracks(ctx, conn, opened, `DO NOTHING`); err != nil {
		return err
	}
	return s.mergeUserTracks(ctx, conn, played, `DO UPDATE SET
		plays = user_tracks.plays + excluded.plays,
		first_played_at = CASE WHEN excluded.first_played_at < user_tracks.first_played_at THEN excluded.first_played_at ELSE user_tracks.first_played_at END,
		last_played_at = CASE WHEN excluded.last_played_at > user_tracks.last_played_at THEN excluded.last_played_at ELSE user_tracks.last_played_at END`)
}

func (s *Store) mergeUserTracks(ctx context.Context, conn gorm.ConnPool, rows []songspy.UserTrack, onConflict string) error {
	if len(rows) == 0 {
		return nil
	}
	type row = songspy.UserTrack
	r := &rowset{}
	addColumn(r, rows, "user_id", "bigint", func(t *row) int64 { return int64(t.UserID) })
	addColumn(r, rows, "track_id", "bigint", func(t *row) int64 { return int64(t.TrackID) })
	addColumn(r, rows, "first_played_at", "timestamptz", func(t *row) time.Time { return t.FirstPlayedAt })
	addColumn(r, rows, "last_played_at", "timestamptz", func(t *row) time.Time { return t.LastPlayedAt })
	addColumn(r, rows, "plays", "bigint", func(t *row) int64 { return t.Plays })
	addColumn(r, rows, "local", "boolean", func(t *row) bool { return t.Local })
	return s.execRowset(ctx, conn, r, `INSERT INTO user_tracks (`+r.columnNames()+`) SELECT `+r.columnNames()+` FROM v WHERE true
		ON CONFLICT (user_id, track_id) `+onConflict)
}
