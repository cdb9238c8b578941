package store

import (
	"context"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// lockedUser holds those columns of a locked row of the table users that a transaction
// needs to write plays of the user.
type lockedUser struct {
	ID                songspy.UserID
	LinkGeneration    int64
	DeletionKeySealed []byte
}

// lockUser locks the row of the user FOR UPDATE. Transactions that write results of polls
// lock it FOR KEY SHARE, so they wait until this transaction ends. ok is false if there
// is no such user.
func lockUser(tx *gorm.DB, id songspy.UserID) (own lockedUser, ok bool, err error) {
	var rows []lockedUser
	err = tx.Table("users").Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", id).Find(&rows).Error
	if len(rows) == 0 {
		return own, false, err
	}
	return rows[0], true, err
}

// DeletePlay deletes a play of the user; the argument at is stored as the time of the
// deletion. The row of the play stays until the user is erased, so that neither Spotify's
// history nor an import adds the play again. It keeps the times of the play, cut to
// milliseconds, and its listening time, and gets keyed hashes of its track. The track itself
// does not stay: not in the row, not in the count of the user's tracks, and not as the title
// of a local file that no other user has.
//
// It returns CodeNotFound if the user has no such play or has already deleted
// it.
func (s *Store) DeletePlay(ctx context.Context, id songspy.UserID, play songspy.PlayID, at time.Time) error {
	return s.inErasureTx(ctx, func(tx *gorm.DB) error {
		own, _, err := lockUser(tx, id)
		if err != nil {
			return err
		}
		conn := tx.Statement.ConnPool
		var tracks []songspy.Track
		var deleted songspy.Play
		err = queryRows(ctx, conn, func(rows *sql.Rows) error {
			var t songspy.Track
			err := rows.Scan(&t.ID, &t.URI, &t.ISRC, &deleted.Probable)
			tracks = append(tracks, t)
			return err
		}, `SELECT t.id, t.uri, t.isrc, p.probable FROM plays p JOIN tracks t ON t.id = p.track_id
			WHERE p.user_id = $1 AND p.id = $2 AND p.deleted_at IS NULL`, int64(id), int64(play))
		if err != nil {
			return err
		}
		if len(tracks) == 0 {
			return &songspy.Error{Code: songspy.CodeNotFound}
		}
		key := s.openDeletionKey(ctx, id, own.DeletionKeySealed)
		if key == nil {
			if key, err = s.newDeletionKey(ctx, conn, id); err != nil {
				return err
			}
		}
		track := tracks[0]
		_, err = conn.ExecContext(ctx, `UPDATE plays SET deleted_at = $3, track_id = 0, uri_hash = $4, isrc_hash = $5 WHERE user_id = $1 AND id = $2`,
			int64(id), int64(play), at, nullIfEmpty(key.ofURI(track.URI)), nullIfEmpty(key.ofISRC(track.ISRC)))
		if err != nil {
			return err
		}
		if err := truncatePlayTimes(ctx, conn, id, play, strings.NewReplacer()); err != nil {
			return err
		}
		deleted.TrackID = track.ID
		if err := s.decrementPlayCount(ctx, conn, id, deleted); err != nil {
			return err
		}
		// The event names neither the play nor its track, because no trace of
		// them may stay.
		return s.addAuditEvent(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditErased, Actor: songspy.ActorSelf, Detail: "plays: 1"})
	})
}

// truncatePlayTimes truncates the times of a deleted play and of its history item to
// milliseconds. Otherwise they could reveal the track: songspy.HistoryItemKey puts a hash
// of the track into the microseconds of a history item, and a play may have the time of
// its item. If another play of the user ends or begins at exactly the same time, its time
// is truncated too, so that the plays stay adjacent.
//
// The argument names replaces names of tables and columns in the statements. The
// migration to version 15 of the schema needs that, because it runs the statements before
// later migrations rename tables and columns.
func truncatePlayTimes(ctx context.Context, conn gorm.ConnPool, id songspy.UserID, play songspy.PlayID, names *strings.Replacer) error {
	times, err := queryColumn[time.Time](ctx, conn, `SELECT started_at FROM plays WHERE user_id = $1 AND id = $2
		UNION ALL SELECT ended_at FROM plays WHERE user_id = $1 AND id = $2`, int64(id), int64(play))
	if err != nil {
		return err
	}
	itemTimes, err := queryColumn[time.Time](ctx, conn, names.Replace(`SELECT played_at FROM history_items WHERE user_id = $1 AND play_id = $2`), int64(id), int64(play))
	if err != nil {
		return err
	}
	for _, at := range times {
		for _, cut := range []string{
			`UPDATE plays SET started_at = $3 WHERE user_id = $1 AND started_at = $2`,
			`UPDATE plays SET ended_at = $3 WHERE user_id = $1 AND ended_at = $2 AND started_at <= $3`,
			`UPDATE user_tracks SET first_played_at = $3 WHERE user_id = $1 AND first_played_at = $2`,
			`UPDATE user_tracks SET last_played_at = $3 WHERE user_id = $1 AND last_played_at = $2`,
		} {
			if _, err := conn.ExecContext(ctx, names.Replace(cut), int64(id), at, at.Truncate(time.Millisecond)); err != nil {
				return err
			}
		}
	}
	for _, at := range itemTimes {
		cut := at.Truncate(time.Millisecond)
		if cut.Equal(at) {
			continue
		}
		if _, err := conn.ExecContext(ctx, names.Replace(`DELETE FROM history_items WHERE user_id = $1 AND played_at = $2`), int64(id), at); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, names.Replace(`INSERT INTO history_items (user_id, played_at, play_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`),
			int64(id), cut, int64(play)); err != nil {
			return err
		}
	}
	return nil
}

// decrementPlayCount corrects the user's tracks (user_tracks) after a play was deleted. It
// subtracts one from the number of plays of the track, unless the play was only probable
// and so never counted. If no play of the track is left, it deletes the track from the
// user's tracks, unless it is the track of the user's open play.
func (s *Store) decrementPlayCount(ctx context.Context, conn gorm.ConnPool, id songspy.UserID, play songspy.Play) error {
	track := play.TrackID
	if !play.Probable {
		_, err := conn.ExecContext(ctx, `UPDATE user_tracks SET plays = plays - 1 WHERE user_id = $1 AND track_id = $2 AND plays > 0`, int64(id), int64(track))
		if err != nil {
			return err
		}
	}
	local, err := queryColumn[bool](ctx, conn, `DELETE FROM user_tracks WHERE user_id = $1 AND track_id = $2 AND plays <= 0
		AND NOT EXISTS (SELECT 1 FROM now_playing n WHERE n.user_id = $1 AND n.track_id = $2)
		AND NOT EXISTS (SELECT 1 FROM plays p WHERE p.user_id = $1 AND p.track_id = $2 AND p.deleted_at IS NULL) RETURNING local`, int64(id), int64(track))
	if err != nil {
		return err
	}
	if slices.Contains(local, true) {
		if err := s.deleteUnusedLocalTracks(ctx, conn, []songspy.TrackID{track}); err != nil {
			return err
		}
	}
	return s.updateTrackDates(ctx, conn, id, track)
}

// updateTrackDates computes from the remaining plays when the user first and last played a
// track, so that these dates do not reveal a deleted play.
func (s *Store) updateTrackDates(ctx context.Context, conn gorm.ConnPool, id songspy.UserID, track songspy.TrackID) error {
	var first, last time.Time
	for _, left := range []string{
		`SELECT started_at, ended_at FROM plays WHERE user_id = $1 AND track_id = $2 AND deleted_at IS NULL`,
		`SELECT started_at, seen_at FROM now_playing WHERE user_id = $1 AND track_id = $2`,
	} {
		err := queryRows(ctx, conn, func(rows *sql.Rows) error {
			var from, to time.Time
			err := rows.Scan(&from, &to)
			if first.IsZero() || from.Before(first) {
				first = from
			}
			if to.After(last) {
				last = to
			}
			return err
		}, left, int64(id), int64(track))
		if err != nil {
			return err
		}
	}
	if first.IsZero() {
		return nil
	}
	_, err := conn.ExecContext(ctx, `UPDATE user_tracks SET first_played_at = $3, last_played_at = $4 WHERE user_id = $1 AND track_id = $2`,
		int64(id), int64(track), first, last)
	return err
}

// trackHashes are the hashes by which the track of a deleted play is
// recognized, without storing the track.
type trackHashes struct{ uri, isrc []byte }

// identifyDeleted sets the tracks of those plays that are deleted, so that they can be
// matched with history like any other play. The argument deleted holds the hashes of
// their tracks. If a history item or a play that is not deleted has a track with the
// same hash, the deleted play gets that track. Otherwise it gets a URI made from the hash,
// which no track of Spotify has.
func identifyDeleted(key deletionKey, plays []songspy.StoredPlay, deleted map[songspy.PlayID]trackHashes, items []songspy.HistoryItem) {
	byHash := map[string]songspy.Track{} // by the hash of the URI and by the hash of the ISRC, which never collide
	remember := func(t songspy.Track) {
		for _, hash := range [][]byte{key.ofURI(t.URI), key.ofISRC(t.ISRC)} {
			if _, known := byHash[string(hash)]; !known && len(hash) > 0 {
				byHash[string(hash)] = t
			}
		}
	}
	for _, item := range items {
		remember(item.Track)
	}
	for _, p := range plays {
		if _, gone := deleted[p.Play.ID]; !gone {
			remember(p.Track)
		}
	}
	for i := range plays {
		hashes, gone := deleted[plays[i].Play.ID]
		if !gone {
			continue
		}
		track, known := byHash[string(hashes.uri)]
		if !known {
			track, known = byHash[string(hashes.isrc)]
		}
		if !known {
			track = songspy.Track{URI: "songspy:deleted:" + hex.EncodeToString(hashes.uri), Kind: songspy.KindTrack}
		}
		plays[i].Track, plays[i].Play.TrackURI = track, track.URI
	}
}

// deletionKey is the secret key with which the tracks of a user's deleted plays are
// hashed (HMAC-SHA-256). Each user has a random key, so that the hashes do not reveal
// whether two users deleted the same track. Erasing the user erases the key, so that the
// hashes reveal nothing any more. The key is stored in the user's row, encrypted. The
// hashes depend on this key only, so a change of the encryption keys does not change
// them. The nil key returns nil hashes.
type deletionKey []byte

const deletionKeyBytes = 32

// ofURI returns the hash of a track's URI.
func (k deletionKey) ofURI(uri string) []byte { return k.hash("uri", cleanText(uri)) }

// ofISRC returns the hash of a track's ISRC; nil if the track has none.
func (k deletionKey) ofISRC(isrc string) []byte {
	if isrc == "" {
		return nil
	}
	return k.hash("isrc", strings.ToUpper(cleanText(isrc)))
}

func (k deletionKey) hash(what, text string) []byte {
	if len(k) == 0 {
		return nil
	}
	mac := hmac.New(sha256.New, k)
	mac.Write([]byte(what + "\x00" + text))
	return mac.Sum(nil)
}

// nullIfEmpty returns the hash, or nil (NULL in the database) for an empty one.
func nullIfEmpty(hash []byte) any {
	if len(hash) == 0 {
		return nil
	}
	return hash
}

// deletionKeyAAD returns the additional authenticated data with which a deletion key is
// encrypted. It binds the encrypted key to the user's row, so that the key cannot be
// decrypted for another user.
func deletionKeyAAD(id songspy.UserID) []byte {
	return columnAAD(DeletionKeys.table, DeletionKeys.column, id)
}

// newDeletionKey creates a deletion key for the user and stores it encrypted. The user must
// be locked.
func (s *Store) newDeletionKey(ctx context.Context, conn gorm.ConnPool, id songspy.UserID) (deletionKey, error) {
	key := make(deletionKey, deletionKeyBytes)
	rand.Read(key) // never fails
	sealed, err := s.sealer.seal(songspy.Secret(key), deletionKeyAAD(id))
	if err != nil {
		return nil, err
	}
	_, err = conn.ExecContext(ctx, `UPDATE users SET deletion_key_sealed = $2 WHERE id = $1`, int64(id), sealed)
	return key, err
}

// openDeletionKey decrypts a user's deletion key. It returns nil if the user has none, or
// if it cannot be decrypted. Then the user's deleted plays are recognized by their times
// alone.
func (s *Store) openDeletionKey(ctx context.Context, id songspy.UserID, sealed []byte) deletionKey {
	if len(sealed) == 0 {
		return nil
	}
	key, err := s.sealer.open(sealed, deletionKeyAAD(id))
	if err != nil {
		s.log.WarnContext(ctx, "a user's deletion key cannot be decrypted: their deleted plays are recognized by their times alone",
			logkey.UserID, int64(id), logkey.Error, err)
		return nil
	}
	return deletionKey(key)
}
