package store

import (
	"cmp"
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// CreateSession stores a new session and sets its id. If the Family of the session (the
// number of its sign-in) is 0, it is a sign-in: the session's id becomes its Family, and the
// audit log records the sign-in. A session with an empty Kind becomes a bearer session. The
// id is random, because consecutive numbers would reveal how many sign-ins there are.
//
// It returns CodeNotFound if the user does not exist, and CodeConflict if another session
// has the same SecretHash.
func (s *Store) CreateSession(ctx context.Context, session songspy.Session) (songspy.Session, error) {
	err := withLockedUser(ctx, s.inTx, session.UserID, func(tx *gorm.DB) error {
		isSignIn := session.Family == 0
		if err := createSession(tx, &session); err != nil || !isSignIn {
			return err
		}
		return s.addAuditEvent(tx, songspy.AuditEvent{UserID: session.UserID, Kind: songspy.AuditSignedIn, Actor: songspy.ActorSelf, Detail: session.Label})
	})
	return session, err
}

func createSession(tx *gorm.DB, session *songspy.Session) error {
	session.ID, session.Label, session.Kind = int64(songspy.NewPublicID()), cleanText(session.Label), cmp.Or(session.Kind, songspy.SessionBearer)
	session.SignedInAt, session.LastUsedAt = dbTime(session.SignedInAt), dbTime(session.LastUsedAt)
	session.CreatedAt, session.ExpiresAt = dbTime(session.CreatedAt), dbTime(session.ExpiresAt)
	session.RotatedAt, session.RevokedAt = dbTimeOrNil(session.RotatedAt), dbTimeOrNil(session.RevokedAt)
	if err := tx.Create(session).Error; err != nil {
		return err
	}
	if session.Family != 0 {
		return nil
	}
	session.Family = session.ID
	return requireOneRow(tx.Model(&songspy.Session{}).Where("id = ?", session.ID).Update("family", session.ID))
}

// Session returns the session, even if it is rotated, revoked or expired. It returns
// CodeNotFound if there is no such session, or if its user was erased.
func (s *Store) Session(ctx context.Context, id int64) (songspy.Session, error) {
	return s.querySession(ctx, `id = $1`, id)
}

// SessionBySecret returns the session whose secret (the refresh token or the cookie) has
// the SHA-256 hash. It returns CodeNotFound if there is none.
func (s *Store) SessionBySecret(ctx context.Context, hash []byte) (songspy.Session, error) {
	return s.querySession(ctx, `refresh_hash = $1`, hash)
}

// querySession returns the session that meets the SQL condition, in which $1 is arg. It
// does not use GORM, because requests of signed-in clients read their session, unless it is
// in the API's memory, and without GORM the query takes less than half as long.
func (s *Store) querySession(ctx context.Context, condition string, arg any) (session songspy.Session, err error) {
	found := false
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		found = true
		return rows.Scan(&session.ID, &session.UserID, &session.Family, &session.Kind, &session.SecretHash, &session.OperatorHash, &session.Label,
			&session.CreatedAt, &session.SignedInAt, &session.LastUsedAt, &session.ExpiresAt, &session.RotatedAt, &session.RevokedAt)
	}, `SELECT id, user_id, family, kind, refresh_hash, operator_hash, label, created_at, signed_in_at, last_used_at, expires_at, rotated_at, revoked_at
		FROM sessions WHERE `+condition, arg)
	if err == nil && !found {
		err = gorm.ErrRecordNotFound
	}
	return session, translate(err)
}

// RotateSession marks the session as rotated (replaced) and creates its successor with the
// same user, family, kind, label, sign-in time and operator hash.
//
// It returns CodeConflict if the session is already rotated or revoked, and
// CodeNotFound if there is no such session.
func (s *Store) RotateSession(ctx context.Context, id int64, successor songspy.Session) (songspy.Session, error) {
	err := s.inTx(ctx, func(tx *gorm.DB) error {
		// Lock the user before the session, as every transaction does, so that no two
		// transactions deadlock.
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
			return &songspy.Error{Code: songspy.CodeConflict, Message: "The session is already rotated or revoked."}
		}
		if err := requireOneRow(tx.Model(&songspy.Session{}).Where("id = ?", id).Update("rotated_at", s.now())); err != nil {
			return err
		}
		successor.UserID, successor.Family = old.UserID, old.Family
		successor.Kind, successor.Label, successor.SignedInAt, successor.OperatorHash = old.Kind, old.Label, old.SignedInAt, old.OperatorHash
		return createSession(tx, &successor)
	})
	return successor, err
}

// RevokeFamily revokes every session of the family that is not revoked yet. If it revokes
// one, the audit log records a sign-out by the actor, and a change is published.
func (s *Store) RevokeFamily(ctx context.Context, family int64, by songspy.AuditActor) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		_, err := s.revokeFamily(tx, by, "family = ?", family)
		return err
	})
}

// Sessions returns the newest session of each of the user's families that are active at the
// given time: neither revoked nor expired. It returns at most limit sessions, the last used
// first.
func (s *Store) Sessions(ctx context.Context, id songspy.UserID, at time.Time, limit int) (sessions []songspy.Session, err error) {
	err = s.query(ctx).Where("user_id = ? AND revoked_at IS NULL AND rotated_at IS NULL AND expires_at > ?", id, at).
		Order("last_used_at DESC, created_at DESC, id DESC").Limit(limit).Find(&sessions).Error
	return sessions, translate(err)
}

// TouchSession sets LastUsedAt of the session to the given time. If that is not later than
// the stored LastUsedAt, nothing changes. TouchSession locks only one row, so that it
// cannot deadlock with transactions that lock a whole family.
func (s *Store) TouchSession(ctx context.Context, id int64, at time.Time) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		return tx.Model(&songspy.Session{}).Where("id = ? AND last_used_at < ?", id, at).Update("last_used_at", dbTime(at)).Error
	})
}

// RevokeSessions revokes the user's sessions of the family, or all sessions of the user if
// family is 0. It adds an audit event and publishes a change. It returns CodeNotFound if no
// session is left to revoke.
func (s *Store) RevokeSessions(ctx context.Context, id songspy.UserID, family int64) error {
	return s.inTx(ctx, func(tx *gorm.DB) (err error) {
		found := false
		if family != 0 {
			found, err = s.revokeFamily(tx, songspy.ActorSelf, "user_id = ? AND family = ?", id, family)
		} else {
			found, err = s.revokeAll(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditSignedOutAll, Actor: songspy.ActorSelf}, "user_id = ?", id)
		}
		if err == nil && !found {
			err = &songspy.Error{Code: songspy.CodeNotFound}
		}
		return err
	})
}

// revokeFamily revokes the sessions that match the SQL condition, and reports whether it has
// revoked any. The condition must match sessions of one family only.
func (s *Store) revokeFamily(tx *gorm.DB, by songspy.AuditActor, condition string, args ...any) (found bool, err error) {
	var one []songspy.Session
	if err := tx.Where(condition, args...).Limit(1).Find(&one).Error; err != nil || len(one) == 0 {
		return false, err
	}
	return s.revokeAll(tx, songspy.AuditEvent{UserID: one[0].UserID, Kind: songspy.AuditSignedOut, Actor: by, Detail: one[0].Label}, condition, args...)
}

// revokeAll revokes the sessions that match the SQL condition, and reports whether it has
// revoked any. If so, it adds the audit event and publishes a change. The condition must
// match only sessions of the event's user. While revokeAll waits for the lock of a session,
// a transaction that rotates that session can add its successor. So revokeAll repeats until
// it finds no session that is not revoked.
func (s *Store) revokeAll(tx *gorm.DB, e songspy.AuditEvent, condition string, args ...any) (found bool, err error) {
	// The user is locked before the sessions, as in every transaction. An erased user has
	// no sessions.
	if err := forChange(tx).Where("id = ?", e.UserID).Find(&[]songspy.User{}).Error; err != nil {
		return false, err
	}
	for {
		revoked, err := s.revoke(tx, condition, args...)
		if err != nil {
			return false, err
		}
		if !revoked {
			break
		}
		found = true
	}
	if !found {
		return false, nil
	}
	if err := s.addAuditEvent(tx, e); err != nil {
		return false, err
	}
	return true, s.publishChanges(tx, songspy.ChangeSession, e.UserID)
}

// revoke revokes the sessions that match the SQL condition and are not revoked yet. It
// reports whether there were any. It first locks them in the order of their ids, so that two
// concurrent revocations cannot deadlock.
func (s *Store) revoke(tx *gorm.DB, condition string, args ...any) (bool, error) {
	condition += " AND revoked_at IS NULL"
	var ids []int64
	if err := tx.Model(&songspy.Session{}).Clauses(clause.Locking{Strength: "UPDATE"}).Where(condition, args...).
		Order("id").Pluck("id", &ids).Error; err != nil || len(ids) == 0 {
		return false, err
	}
	return true, tx.Model(&songspy.Session{}).Where(condition, args...).Update("revoked_at", s.now()).Error
}

// PruneSessions deletes the sessions that expired before the given time, and returns how
// many it deleted.
func (s *Store) PruneSessions(ctx context.Context, before time.Time) (pruned int64, err error) {
	return deleteRows[songspy.Session](ctx, s.inErasureTx, "expires_at < ?", before)
}
