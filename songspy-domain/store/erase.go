package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Erased says what an erasure took away.
type Erased struct {
	Link          bool
	Plays, Tracks int64 // tracks: of the person's set
}

// aboutSeats are the kinds of notices that are about a seat, which outlasts a link.
var aboutSeats = []songspy.NoticeKind{songspy.NoticeSeatAsked, songspy.NoticeSeatEntered}

// eraseListening deletes all that came from Spotify, and what the user was or
// would have been told of it: also the local files that nobody else has, and what
// is kept of an app that they brought and nobody else uses. What stays, until the
// user is erased, are their deleted plays, which name no track. It expects the
// user to be locked, so that nothing is written behind it.
func (s *Store) eraseListening(tx *gorm.DB, id songspy.UserID) (e Erased, err error) {
	ctx, conn := tx.Statement.Context, tx.Statement.ConnPool
	local, err := localTracksOf(tx, id)
	if err != nil {
		return Erased{}, err
	}
	var apps []string
	if err := tx.Model(&linkRow{}).Where("user_id = ?", id).Pluck("app", &apps).Error; err != nil {
		return Erased{}, err
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
		{&ledgerRow{}, "user_id = ?", &others},
		{&songspy.UserTrack{}, "user_id = ?", &e.Tracks},
		{&songspy.Gap{}, "user_id = ?", &others},
		{&historyHabitRow{}, "user_id = ?", &others},
	} {
		deleted := tx.Where(table.where, id).Delete(table.model)
		if deleted.Error != nil {
			return Erased{}, deleted.Error
		}
		*table.count = deleted.RowsAffected
	}
	e.Link = links > 0
	if err := s.forgetLocalTracks(ctx, conn, local); err != nil {
		return Erased{}, err
	}
	if err := forgetOwnApps(tx, apps); err != nil {
		return Erased{}, err
	}
	// What has been told of a seat that they still have must not be told again.
	return e, tx.Where("user_id = ? AND kind NOT IN ?", id, aboutSeats).Delete(&noticeRow{}).Error
}

// ofApps are the rows that name an app, and no user.
var ofApps = []string{`doors WHERE app = ?`, `quota_calls WHERE account = ?`, `quota_batches WHERE account = ?`, `quota_refusals WHERE account = ?`, `notices WHERE user_id = 0 AND app = ?`}

// forgetOwnApps deletes what is kept of those of the apps that a user brought and
// through which nobody is linked any more: such an app is as good as a name.
func forgetOwnApps(tx *gorm.DB, apps []string) error {
	for _, app := range apps {
		if _, own := songspy.OwnClientID(app); !own {
			continue
		}
		for _, rows := range ofApps {
			err := tx.Exec(`DELETE FROM `+rows+` AND NOT EXISTS (SELECT 1 FROM spotify_links l WHERE l.app = ?)`, app, app).Error
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// localTracksOf lists the user's local files. Whatever of the user names a track,
// it is among their tracks.
func localTracksOf(tx *gorm.DB, id songspy.UserID) (local []songspy.TrackID, err error) {
	return local, tx.Model(&songspy.UserTrack{}).Where("user_id = ? AND local", id).Pluck("track_id", &local).Error
}

// forgetLocalTracks deletes those of the local files that nobody has among their
// tracks any more. Whoever writes that somebody has one holds its row, see
// lockLocalTracks: only behind that lock is it known that nobody does.
func (s *Store) forgetLocalTracks(ctx context.Context, conn gorm.ConnPool, tracks []songspy.TrackID) error {
	if len(tracks) == 0 {
		return nil
	}
	v := &relation{}
	column(v, tracks, "track_id", "bigint", func(id *songspy.TrackID) int64 { return int64(*id) })
	if lock := s.engine.forUpdate(); lock != "" {
		err := s.execWith(ctx, conn, v, `SELECT t.id FROM tracks t WHERE t.id IN (SELECT track_id FROM v) ORDER BY t.uri`+lock)
		if err != nil {
			return err
		}
	}
	return s.execWith(ctx, conn, v, `DELETE FROM tracks WHERE id IN (SELECT track_id FROM v) AND kind = 'local'
		AND NOT EXISTS (SELECT 1 FROM user_tracks u WHERE u.track_id = tracks.id AND u.local)`)
}

// PruneLocalTracks deletes the local files that nobody has among their tracks,
// and says how many: such a row stays behind where the poll that brought it
// turned out to be older than what is stored.
func (s *Store) PruneLocalTracks(ctx context.Context) (pruned int64, err error) {
	const orphans = `SELECT t.id FROM tracks t WHERE t.kind = 'local' AND NOT EXISTS (SELECT 1 FROM user_tracks u WHERE u.track_id = t.id AND u.local)`
	var tracks []songspy.TrackID
	// It is asked every few minutes, and nearly always in vain: nothing need be locked to see that.
	if err := s.query(ctx).Raw(orphans).Scan(&tracks).Error; err != nil || len(tracks) == 0 {
		return 0, translate(err)
	}
	err = s.takingAway(ctx, func(tx *gorm.DB) error { return s.forgetLocalTracks(ctx, tx.Statement.ConnPool, tracks) })
	if err != nil {
		return 0, err
	}
	return int64(len(tracks)), nil
}

// ledgerRow is one time that the provider told of a play.
type ledgerRow struct{}

// TableName is the table of the ledger.
func (ledgerRow) TableName() string { return "play_ledger" }

// closeOpenPlay ends what the person's player was doing: what follows comes
// from another account, under the new generation, and cannot have begun before
// that time. It expects the person to be locked.
func (s *Store) closeOpenPlay(tx *gorm.DB, id songspy.UserID, generation int64, at time.Time) error {
	if err := tx.Where("user_id = ?", id).Delete(&historyHabitRow{}).Error; err != nil { // another account has its own
		return err
	}
	var open []songspy.NowPlaying
	if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("user_id = ?", id).Find(&open).Error; err != nil {
		return err
	}
	for _, n := range open {
		idle := songspy.NowPlaying{UserID: id, State: songspy.PlayerIdle, ObservedAt: at, ElsewhereAt: at, Generation: generation}
		if err := oneRow(tx.Model(&songspy.NowPlaying{}).Where("user_id = ?", id).Select("*").Omit("user_id").Updates(&idle)); err != nil {
			return err
		}
		play, counts := n.Close(at)
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
