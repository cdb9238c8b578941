package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// seatNotificationKinds are the kinds of notifications that concern a user's seat in a
// Spotify app. They are kept when the user's link to Spotify is deleted, because the seat
// may stay.
var seatNotificationKinds = []songspy.NotificationKind{songspy.NotificationSeatRequested, songspy.NotificationSeatEntered}

// erasePlaybackData deletes everything of the user that came from Spotify, and the user's
// notifications except those about a seat. From the table of tracks it also deletes the
// user's local files that no other user has among their tracks. It also deletes what is
// stored about the user-supplied Spotify app of the user if no other user links through
// it. The plays that the user deleted stay until the user is erased; they name no track.
// The user must be locked, so that no playback update is written meanwhile.
func (s *Store) erasePlaybackData(tx *gorm.DB, id songspy.UserID) (e songspy.Erasure, err error) {
	ctx, conn := tx.Statement.Context, tx.Statement.ConnPool
	local, err := userLocalTracks(tx, id)
	if err != nil {
		return songspy.Erasure{}, err
	}
	var apps []string
	if err := tx.Model(&linkRow{}).Where("user_id = ?", id).Pluck("app", &apps).Error; err != nil {
		return songspy.Erasure{}, err
	}
	var links, others int64
	for _, table := range []struct {
		model any
		where string
		count *int64
	}{
		{&linkRow{}, "user_id = ?", &links},
		{&songspy.NowPlaying{}, "user_id = ?", &others},
		{&songspy.Play{}, "user_id = ? AND deleted_at IS NULL", &e.Plays},
		{&historyItemRow{}, "user_id = ?", &others},
		{&songspy.UserTrack{}, "user_id = ?", &e.Tracks},
		{&songspy.Gap{}, "user_id = ?", &others},
		{&historyHabitRow{}, "user_id = ?", &others},
		{&songspy.HiddenItem{}, "user_id = ? AND uri LIKE 'spotify:local:%'", &others},
	} {
		deleted := tx.Where(table.where, id).Delete(table.model)
		if deleted.Error != nil {
			return songspy.Erasure{}, deleted.Error
		}
		*table.count = deleted.RowsAffected
	}
	e.Link = links > 0
	if err := s.deleteUnusedLocalTracks(ctx, conn, local); err != nil {
		return songspy.Erasure{}, err
	}
	if err := deleteUnusedUserApps(tx, apps); err != nil {
		return songspy.Erasure{}, err
	}
	// Keep the rows of notifications about a seat. The user may still have the seat, and
	// without these rows its notifications would be sent again.
	return e, tx.Where("user_id = ? AND kind NOT IN ?", id, seatNotificationKinds).Delete(&notificationRow{}).Error
}

// erasePeople deletes the user's sessions and authorization attempts, sharing settings and
// hidden items, share link, embed tokens and webhook, follows and blocks in both directions,
// audit log, the watches of viewers who watch the user, and the reports about the user. Reports
// that the user has made about others stay, without their text and author.
func erasePeople(tx *gorm.DB, id songspy.UserID) error {
	for _, rows := range []struct {
		model any
		where string
	}{
		{&songspy.Session{}, "user_id = @id"},
		{&attemptRow{}, "user_id = @id"},
		{&songspy.Sharing{}, "user_id = @id"},
		{&songspy.HiddenItem{}, "user_id = @id"},
		{&songspy.Follow{}, "user_id = @id OR follower_id = @id"},
		{&songspy.Block{}, "user_id = @id OR blocked_id = @id"},
		{&songspy.ShareLink{}, "user_id = @id"},
		{&songspy.EmbedToken{}, "user_id = @id"},
		{&songspy.Webhook{}, "user_id = @id"},
		{&songspy.Report{}, "user_id = @id"},
		{&songspy.AuditEvent{}, "user_id = @id"},
	} {
		if err := tx.Where(rows.where, sql.Named("id", id)).Delete(rows.model).Error; err != nil {
			return err
		}
	}
	if err := deleteWatchesOf(tx, id); err != nil {
		return err
	}
	return tx.Model(&songspy.Report{}).Where("reporter_id = ?", id).Updates(map[string]any{"reporter_id": nil, "text": ""}).Error
}

// rowsOfApp lists the tables whose rows name a Spotify app but no user, each with the
// condition that selects the rows of one app.
var rowsOfApp = []string{
	`breakers WHERE app = ?`, `quota_calls WHERE account = ?`, `quota_batches WHERE account = ?`, `quota_refusals WHERE account = ?`,
	`notifications WHERE user_id = 0 AND app = ?`,
}

// deleteUnusedUserApps deletes what is stored about those of the given apps that are
// user-supplied and through which no user is linked any more. This must be deleted with the
// user's data, because the name of a user-supplied app identifies its user.
func deleteUnusedUserApps(tx *gorm.DB, apps []string) error {
	for _, app := range apps {
		if _, own := songspy.UserAppClientID(app); !own {
			continue
		}
		for _, rows := range rowsOfApp {
			err := tx.Exec(`DELETE FROM `+rows+` AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = ?)`, app, app).Error
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// userLocalTracks returns the local files among the user's tracks (user_tracks). These are
// all local files of the user, because every track that any row of the user names is also
// among the user's tracks.
func userLocalTracks(tx *gorm.DB, id songspy.UserID) (local []songspy.TrackID, err error) {
	return local, tx.Model(&songspy.UserTrack{}).Where("user_id = ? AND local", id).Pluck("track_id", &local).Error
}

// deleteUnusedLocalTracks deletes the given local files from the table of
// tracks, except those that a user still has among their tracks. It locks the
// rows of these files before it checks that: a transaction that adds a local file to a
// user's tracks holds a lock on the file's row (see lockLocalTracks), and must end first.
func (s *Store) deleteUnusedLocalTracks(ctx context.Context, conn gorm.ConnPool, tracks []songspy.TrackID) error {
	if len(tracks) == 0 {
		return nil
	}
	v := &rowset{}
	addColumn(v, tracks, "track_id", "bigint", func(id *songspy.TrackID) int64 { return int64(*id) })
	if lock := s.engine.forUpdate(); lock != "" {
		err := s.execRowset(ctx, conn, v, `SELECT t.id FROM tracks t WHERE t.id IN (SELECT track_id FROM v) ORDER BY t.uri`+lock)
		if err != nil {
			return err
		}
	}
	return s.execRowset(ctx, conn, v, `DELETE FROM tracks WHERE id IN (SELECT track_id FROM v) AND kind = 'local'
		AND NOT EXISTS (SELECT 1 FROM user_tracks u WHERE u.track_id = tracks.id AND u.local)`)
}

// PruneLocalTracks deletes, from the table of tracks, the local files that no user has
// among their tracks, and returns how many it found. Such rows remain when the update of a
// poll inserts a track, but the rest of the update is dropped as outdated.
func (s *Store) PruneLocalTracks(ctx context.Context) (pruned int64, err error) {
	const orphans = `SELECT t.id FROM tracks t WHERE t.kind = 'local' AND NOT EXISTS (SELECT 1 FROM user_tracks u WHERE u.track_id = t.id AND u.local)`
	var tracks []songspy.TrackID
	// This runs every few minutes and nearly always finds nothing, so it locks nothing:
	// deleteUnusedLocalTracks checks each track again, with its row locked.
	if err := s.query(ctx).Raw(orphans).Scan(&tracks).Error; err != nil || len(tracks) == 0 {
		return 0, translate(err)
	}
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error { return s.deleteUnusedLocalTracks(ctx, tx.Statement.ConnPool, tracks) })
	if err != nil {
		return 0, err
	}
	return int64(len(tracks)), nil
}

// historyItemRow tells GORM the name of the table of history items. It is only
// used to delete rows.
type historyItemRow struct{}

func (historyItemRow) TableName() string { return "history_items" }

// closeOpenPlay ends the user's open (unfinished) play at the given time,
// because the user now links another Spotify account. The player's state becomes idle,
// with the new generation number of the link, and later plays cannot begin before that
// time. The ended play is stored if it is long enough to count. closeOpenPlay also deletes
// the user's history habit (whether history lists partial plays). The user must be locked.
func (s *Store) closeOpenPlay(tx *gorm.DB, id songspy.UserID, generation int64, at time.Time) error {
	if err := tx.Where("user_id = ?", id).Delete(&historyHabitRow{}).Error; err != nil { // the habit is that of the account that was linked before
		return err
	}
	var open []songspy.NowPlaying
	if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("user_id = ?", id).Find(&open).Error; err != nil {
		return err
	}
	for _, n := range open {
		idle := songspy.NowPlaying{UserID: id, State: songspy.PlayerIdle, ObservedAt: at, OtherSeenAt: at, Generation: generation}
		if err := requireOneRow(tx.Model(&songspy.NowPlaying{}).Where("user_id = ?", id).Select("*").Omit("user_id").Updates(&idle)); err != nil {
			return err
		}
		play, counts := n.ClosePlay(at)
		if !counts || play.TrackID == 0 {
			continue
		}
		ctx, conn := tx.Statement.Context, tx.Statement.ConnPool
		if err := s.insertPlays(ctx, conn, []songspy.Play{play}); err != nil {
			return err
		}
		if err := s.upsertUserTracks(ctx, conn, userTracks(nil, []songspy.Play{play})); err != nil {
			return err
		}
	}
	return nil
}
