package store

import (
	"context"
	"database/sql"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// CreateReport stores a report about a user. It sets the report's id and time.
//
// It returns CodeNotFound if the reporter or the reported user does not exist, and
// CodeInvalid if they are the same user, or if the reporter or a valid reason is missing.
func (s *Store) CreateReport(ctx context.Context, r songspy.Report) (songspy.Report, error) {
	if r.ReporterID == nil || !r.Reason.IsValid() {
		return r, &songspy.Error{Code: songspy.CodeInvalid, Message: "A report needs a reporter and a valid reason."}
	}
	r.ID, r.Text, r.At, r.ClosedAt = 0, cleanText(r.Text), s.now(), nil
	err := s.inTx(ctx, func(tx *gorm.DB) error {
		if err := lockPair(tx, r.UserID, *r.ReporterID); err != nil {
			return err
		}
		return tx.Create(&r).Error
	})
	return r, err
}

// OpenReports returns up to limit reports that are not closed, in the order of
// their ids, starting after the given id. Fewer than limit means that there are
// no more.
func (s *Store) OpenReports(ctx context.Context, after int64, limit int) (reports []songspy.Report, err error) {
	err = s.query(ctx).Where("closed_at IS NULL AND id > ?", after).Order("id").Limit(limit).Find(&reports).Error
	return reports, translate(err)
}

// CloseReport closes a report. It returns CodeNotFound if there is no open report with
// this id.
func (s *Store) CloseReport(ctx context.Context, id int64) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		return requireOneRow(tx.Model(&songspy.Report{}).Where("id = ? AND closed_at IS NULL", id).Update("closed_at", s.now()))
	})
}

// SetHiddenByOperator hides the user from everyone else if the parameter hidden is true,
// and shows the user again if it is false. If that changes anything, it adds an audit event
// with the detail to the user's audit log, and publishes a change.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) SetHiddenByOperator(ctx context.Context, id songspy.UserID, hidden bool, detail string) error {
	kind := songspy.AuditShown
	if hidden {
		kind = songspy.AuditHidden
	}
	return s.moderate(ctx, id, kind, detail, func(tx *gorm.DB, u *songspy.User) (bool, error) {
		return u.HiddenByOperator != hidden, tx.Model(&songspy.User{}).Where("id = ?", id).UpdateColumn("hidden_by_operator", hidden).Error
	})
}

// HiddenByOperator returns up to limit of the users that the operator hides, each with the
// time and the detail of the last hiding if the audit log still has them. The users are in
// ascending order of their public ids, starting after the given public id. Fewer than limit
// means that there are no more.
func (s *Store) HiddenByOperator(ctx context.Context, after songspy.PublicID, limit int) (hidden []songspy.HiddenPerson, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) (err error) {
		var h songspy.HiddenPerson
		h.Person, err = scanPerson(rows, &h.Since, &h.Detail)
		hidden = append(hidden, h)
		return err
	}, s.selects.people+`, e.at, COALESCE(e.detail, '') FROM users u LEFT JOIN audit_events e ON e.user_id = u.id
			AND e.id = (SELECT MAX(id) FROM audit_events h WHERE h.user_id = u.id AND h.kind = $3)
		WHERE u.hidden_by_operator AND u.public_id > $1 ORDER BY u.public_id LIMIT $2`, int64(after), limit, string(songspy.AuditHidden))
	return hidden, translate(err)
}

// RenameByOperator sets the user's nickname, or removes it if nick is nil. If that changes
// anything, it adds an audit event with the detail to the user's audit log, and publishes a
// change.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) RenameByOperator(ctx context.Context, id songspy.UserID, nick *string, detail string) error {
	return s.moderate(ctx, id, songspy.AuditRenamed, detail, func(tx *gorm.DB, u *songspy.User) (bool, error) {
		if samePointer(u.NickName, nick, func(a, b string) bool { return a == b }) {
			return false, nil
		}
		u.NickName = nick
		if err := tx.Model(&songspy.User{}).Where("id = ?", id).UpdateColumn("nick_name", nick).Error; err != nil {
			return false, err
		}
		return true, updateNickKey(tx, u)
	})
}

// moderate runs fn in a transaction with the user locked. fn reports whether it has
// changed the user. If so, moderate adds an audit event of the kind, with the detail, and
// publishes a change.
func (s *Store) moderate(ctx context.Context, id songspy.UserID, kind songspy.AuditKind, detail string, fn func(*gorm.DB, *songspy.User) (bool, error)) error {
	return s.inErasureTx(ctx, func(tx *gorm.DB) error {
		var u songspy.User
		if err := lockUserForChange(tx, id, &u); err != nil {
			return err
		}
		changed, err := fn(tx, &u)
		if err != nil || !changed {
			return err
		}
		if err := tx.Model(&songspy.User{}).Where("id = ?", id).UpdateColumn("updated_at", s.now()).Error; err != nil {
			return err
		}
		return s.auditAndPublish(tx, songspy.AuditEvent{UserID: id, Kind: kind, Actor: songspy.ActorOperator, Detail: detail})
	})
}
