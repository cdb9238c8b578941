package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"strings"

	"github.com/pressly/goose/v3"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/migrations"
)

// deletedPlaysVersion is the first schema version in which deleted plays are stored with
// hashes of their track instead of the track.
const deletedPlaysVersion = 15

// deletedPlaysMigration returns the migration to deletedPlaysVersion. It is written in Go
// and not only in SQL, because the hashes need a random key for each user, and this key is
// stored encrypted with a seal key, which only the program has. The migration runs in one
// transaction. So if any play cannot be converted, the schema keeps its previous version.
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
	users, err := queryColumn[songspy.UserID](ctx, conn, `SELECT DISTINCT user_id FROM plays WHERE deleted_at IS NOT NULL`)
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
		if err := truncatePlayTimes(ctx, conn, id, d.play, namesBefore19); err != nil {
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

// namesBefore19 replaces the present names of tables and columns in a statement with their
// names before version 19 of the schema, because the migration to version 15 runs before
// version 19 renames them.
var namesBefore19 = strings.NewReplacer("history_items", "play_ledger", "played_at", "heard_at")
