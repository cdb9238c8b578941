package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/migrations"
)

// deletedPlaysVersion is the schema version since which a deleted play names no track.
const deletedPlaysVersion = 15

// deletedPlaysMigration returns the migration to deletedPlaysVersion. It is written in
// Go, because hashing needs a key for each user, and sealing that key needs the seal
// keys. It runs in one transaction, so the schema has this version only when no deleted
// play names a track.
func (s *Store) deletedPlaysMigration() *goose.Migration {
	return goose.NewGoMigration(deletedPlaysVersion, &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		_, folder := s.engine.dialect()
		text, err := fs.ReadFile(migrations.DeletedPlays, "erased/"+folder+".sql")
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, string(text)); err != nil {
			return err
		}
		if err := s.hashDeletedPlays(ctx, tx); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM tracks WHERE kind = 'local' AND id NOT IN (SELECT track_id FROM user_tracks)
			AND id NOT IN (SELECT track_id FROM plays) AND id NOT IN (SELECT track_id FROM now_playing)`)
		return err
	}}, nil)
}

// hashDeletedPlays replaces the tracks of all deleted plays with hashes.
func (s *Store) hashDeletedPlays(ctx context.Context, tx *sql.Tx) error {
	conn := &pool{conn: tx}
	var users []songspy.UserID
	err := queryRows(ctx, conn, func(rows *sql.Rows) error {
		var id songspy.UserID
		err := rows.Scan(&id)
		users = append(users, id)
		return err
	}, `SELECT DISTINCT user_id FROM plays WHERE deleted_at IS NOT NULL`)
	for _, id := range users {
		err = errors.Join(err, s.hashDeletedPlaysOfUser(ctx, conn, id))
	}
	return err
}

func (s *Store) hashDeletedPlaysOfUser(ctx context.Context, conn *pool, id songspy.UserID) error {
	key, err := s.newDeletionKey(ctx, conn, id)
	if err != nil {
		return err
	}
	type deletedPlay struct {
		play      songspy.PlayID
		uri, isrc string
	}
	var all []deletedPlay
	err = queryRows(ctx, conn, func(rows *sql.Rows) error {
		var d deletedPlay
		err := rows.Scan(&d.play, &d.uri, &d.isrc)
		all = append(all, d)
		return err
	}, `SELECT p.id, COALESCE(t.uri, ''), COALESCE(t.isrc, '') FROM plays p LEFT JOIN tracks t ON t.id = p.track_id
		WHERE p.user_id = $1 AND p.deleted_at IS NOT NULL`, int64(id))
	if err != nil {
		return err
	}
	for _, d := range all {
		if err := truncatePlayTimesBefore19(ctx, conn, id, d.play); err != nil {
			return err
		}
		_, err := conn.ExecContext(ctx, `UPDATE plays SET track_id = 0, uri_hash = $3, isrc_hash = $4 WHERE user_id = $1 AND id = $2`,
			int64(id), int64(d.play), nullIfEmpty(key.ofURI(d.uri)), nullIfEmpty(key.ofISRC(d.isrc)))
		if err != nil {
			return err
		}
	}
	return nil
}

// truncatePlayTimesBefore19 is truncatePlayTimes with the table and column names before
// version 19. Version 15 calls it, so it must not change.
func truncatePlayTimesBefore19(ctx context.Context, conn gorm.ConnPool, id songspy.UserID, play songspy.PlayID) error {
	var times, itemTimes []time.Time
	err := queryRows(ctx, conn, func(rows *sql.Rows) error {
		var from, to time.Time
		err := rows.Scan(&from, &to)
		times = append(times, from, to)
		return err
	}, `SELECT started_at, ended_at FROM plays WHERE user_id = $1 AND id = $2`, int64(id), int64(play))
	if err != nil {
		return err
	}
	err = queryRows(ctx, conn, func(rows *sql.Rows) error {
		var at time.Time
		err := rows.Scan(&at)
		itemTimes = append(itemTimes, at)
		return err
	}, `SELECT heard_at FROM play_ledger WHERE user_id = $1 AND play_id = $2`, int64(id), int64(play))
	if err != nil {
		return err
	}
	for _, at := range times {
		for _, cut := range []string{
			`UPDATE plays SET started_at = $3 WHERE user_id = $1 AND started_at = $2`,
			`UPDATE plays SET ended_at = $3 WHERE user_id = $1 AND ended_at = $2 AND started_at <= $3`,
			`UPDATE user_tracks SET first_heard_at = $3 WHERE user_id = $1 AND first_heard_at = $2`,
			`UPDATE user_tracks SET last_heard_at = $3 WHERE user_id = $1 AND last_heard_at = $2`,
		} {
			if _, err := conn.ExecContext(ctx, cut, int64(id), at, at.Truncate(time.Millisecond)); err != nil {
				return err
			}
		}
	}
	for _, at := range itemTimes {
		cut := at.Truncate(time.Millisecond)
		if cut.Equal(at) {
			continue
		}
		if _, err := conn.ExecContext(ctx, `DELETE FROM play_ledger WHERE user_id = $1 AND heard_at = $2`, int64(id), at); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, `INSERT INTO play_ledger (user_id, heard_at, play_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			int64(id), cut, int64(play)); err != nil {
			return err
		}
	}
	return nil
}
