package store

import (
	"context"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// CreateSession begins a session; a Family of 0 stands for its own id. The id
// is given here.
//
// It returns CodeNotFound if the person is gone, and CodeConflict if the
// refresh hash is in use.
func (s *Store) CreateSession(ctx context.Context, session songspy.Session) (songspy.Session, error) {
	err := s.inTx(ctx, func(tx *gorm.DB) error { return createSession(tx, &session) })
	return session, err
}

func createSession(tx *gorm.DB, session *songspy.Session) error {
	session.ID, session.Label = 0, clean(session.Label)
	session.SignedInAt, session.LastUsedAt = instant(session.SignedInAt), instant(session.LastUsedAt)
	session.CreatedAt, session.ExpiresAt = instant(session.CreatedAt), instant(session.ExpiresAt)
	session.RotatedAt, session.RevokedAt = instantOrNil(session.RotatedAt), instantOrNil(session.RevokedAt)
	if err := tx.Create(session).Error; err != nil {
		return err
	}
	if session.Family != 0 {
		return nil
	}
	session.Family = session.ID
	return oneRow(tx.Model(&songspy.Session{}).Where("id = ?", session.ID).Update("family", session.ID))
}

// Session returns the session, whatever became of it; CodeNotFound if there is
// none, and so too when its person was erased.
func (s *Store) Session(ctx context.Context, id int64) (session songspy.Session, err error) {
	err = s.query(ctx).Where("id = ?", id).Take(&session).Error
	return session, translate(err)
}

// SessionByRefresh returns the session whose refresh token has the SHA-256
// hash; CodeNotFound if there is none.
func (s *Store) SessionByRefresh(ctx context.Context, hash []byte) (session songspy.Session, err error) {
	err = s.query(ctx).Where("refresh_hash = ?", hash).Take(&session).Error
	return session, translate(err)
}

// RotateSession marks the session as rotated and creates its successor, of the
// same user, family, label and sign-in.
//
// It returns CodeConflict if it was rotated or revoked before, and
// CodeNotFound if there is no such session.
func (s *Store) RotateSession(ctx context.Context, id int64, successor songspy.Session) (songspy.Session, error) {
	err := s.inTx(ctx, func(tx *gorm.DB) error {
		// The person is locked before the session, as everywhere.
		var locked []songspy.UserID
		owner := tx.Model(&songspy.Session{}).Select("user_id").Where("id = ?", id)
		if err := tx.Model(&songspy.User{}).Clauses(clause.Locking{Strength: "KEY SHARE"}).Where("id = (?)", owner).Pluck("id", &locked).Error; err != nil {
			return err
		}
		var old songspy.Session
		if err := tx.Clauses(clause.Locking{Strength: "UPDATE"}).Where("id = ?", id).Take(&old).Error; err != nil {
			return err
		}
		if old.RotatedAt != nil || old.RevokedAt != nil {
			return &songspy.Error{Code: songspy.CodeConflict, Message: "The session was rotated or revoked before."}
		}
		if err := oneRow(tx.Model(&songspy.Session{}).Where("id = ?", id).Update("rotated_at", s.now())); err != nil {
			return err
		}
		successor.UserID, successor.Family = old.UserID, old.Family
		successor.Label, successor.SignedInAt = old.Label, old.SignedInAt
		return createSession(tx, &successor)
	})
	if err != nil {
		return songspy.Session{}, err
	}
	return successor, nil
}

// RevokeFamily revokes every session of the family that is not revoked yet.
func (s *Store) RevokeFamily(ctx context.Context, family int64) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		// A rotation that runs at the same time holds its session locked until
		// the successor can be seen: only when there is nothing left to revoke
		// has none slipped through.
		for {
			revoked, err := s.revoke(tx, "family = ?", family)
			if err != nil || revoked == 0 {
				return err
			}
		}
	})
}

// Sessions returns the newest session of each living family of the user, the
// last used first; at most limit.
func (s *Store) Sessions(ctx context.Context, id songspy.UserID, at time.Time, limit int) (sessions []songspy.Session, err error) {
	err = s.query(ctx).Where("user_id = ? AND revoked_at IS NULL AND rotated_at IS NULL AND expires_at > ?", id, at).
		Order("last_used_at DESC, id DESC").Limit(limit).Find(&sessions).Error
	return sessions, translate(err)
}

// TouchSession notes that the session was used. An earlier time changes nothing.
// It locks one row, so that it cannot deadlock with whatever locks a whole family.
func (s *Store) TouchSession(ctx context.Context, id int64, at time.Time) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		return tx.Model(&songspy.Session{}).Where("id = ? AND last_used_at < ?", id, at).Update("last_used_at", instant(at)).Error
	})
}

// RevokeSessions revokes the user's sessions of the family, or all of them if
// family is 0. It returns CodeNotFound if there is none to revoke.
func (s *Store) RevokeSessions(ctx context.Context, id songspy.UserID, family int64) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		found := false
		for { // as RevokeFamily: until no rotation has slipped through
			condition, args := "user_id = ?", []any{id}
			if family != 0 {
				condition, args = "user_id = ? AND family = ?", []any{id, family}
			}
			revoked, err := s.revoke(tx, condition, args...)
			switch {
			case err != nil:
				return err
			case revoked == 0 && !found:
				return &songspy.Error{Code: songspy.CodeNotFound}
			case revoked == 0:
				return nil
			}
			found = true
		}
	})
}

// revoke revokes the sessions that a condition holds for, and returns how many. It
// locks them in the order of their ids before, so that two that revoke at once
// cannot deadlock.
func (s *Store) revoke(tx *gorm.DB, condition string, args ...any) (int64, error) {
	condition += " AND revoked_at IS NULL"
	var locked []int64
	if err := tx.Model(&songspy.Session{}).Clauses(clause.Locking{Strength: "UPDATE"}).Where(condition, args...).
		Order("id").Pluck("id", &locked).Error; err != nil || len(locked) == 0 {
		return 0, err
	}
	revoked := tx.Model(&songspy.Session{}).Where(condition, args...).Update("revoked_at", s.now())
	return revoked.RowsAffected, revoked.Error
}

// PruneSessions deletes the sessions that expired before the time and says how many.
func (s *Store) PruneSessions(ctx context.Context, before time.Time) (pruned int64, err error) {
	err = s.takingAway(ctx, func(tx *gorm.DB) error {
		tx = tx.Where("expires_at < ?", before).Delete(&songspy.Session{})
		pruned = tx.RowsAffected
		return tx.Error
	})
	return pruned, err
}
