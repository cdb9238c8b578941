package store

import (
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

// eraseListening deletes all that came from Spotify, and what the person was or
// would have been told of it. It expects the person to be locked, so that nothing
// is written behind it.
func eraseListening(tx *gorm.DB, id songspy.UserID) (e Erased, err error) {
	var links, others int64
	for _, table := range []struct {
		model any
		count *int64
	}{
		{&linkRow{}, &links},
		{&songspy.NowPlaying{}, &others},
		{&songspy.Play{}, &e.Plays},
		{&ledgerRow{}, &others},
		{&songspy.UserTrack{}, &e.Tracks},
		{&songspy.Gap{}, &others},
	} {
		deleted := tx.Where("user_id = ?", id).Delete(table.model)
		if deleted.Error != nil {
			return Erased{}, deleted.Error
		}
		*table.count = deleted.RowsAffected
	}
	e.Link = links > 0
	// What has been told of a seat that they still have must not be told again.
	return e, tx.Where("user_id = ? AND kind NOT IN ?", id, aboutSeats).Delete(&noticeRow{}).Error
}

// ledgerRow is one time that the provider told of a play.
type ledgerRow struct{}

// TableName is the table of the ledger.
func (ledgerRow) TableName() string { return "play_ledger" }

// closeOpenPlay ends what the person's player was doing: what follows comes
// from another account, under the new generation, and cannot have begun before
// that time. It expects the person to be locked.
func (s *Store) closeOpenPlay(tx *gorm.DB, id songspy.UserID, generation int64, at time.Time) error {
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
