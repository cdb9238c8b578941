package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// auditEventsPerKind is how many events of one kind a user's audit log keeps. There is a
// limit for each kind, so that frequent acts of one kind do not displace rare acts of another.
const auditEventsPerKind = 200

// addAuditEvent adds the event to the user's audit log. It sets the event's id to the next
// number of this user, and its time to now. Then it deletes the oldest events of the same
// kind, so that at most auditEventsPerKind remain. tx is the transaction of the act that the
// event records. The user must be locked, so that no other event gets the same id.
func (s *Store) addAuditEvent(tx *gorm.DB, e songspy.AuditEvent) error {
	err := tx.Model(&songspy.AuditEvent{}).Where("user_id = ?", e.UserID).Select("COALESCE(MAX(id), 0) + 1").Scan(&e.ID).Error
	if err != nil {
		return err
	}
	e.Detail, e.At = cleanText(e.Detail), s.now()
	if err := tx.Create(&e).Error; err != nil {
		return err
	}
	oldest := tx.Model(&songspy.AuditEvent{}).Select("id").Where("user_id = ? AND kind = ?", e.UserID, e.Kind).
		Order("id DESC").Limit(1).Offset(auditEventsPerKind)
	return tx.Where("user_id = ? AND kind = ? AND id <= (?)", e.UserID, e.Kind, oldest).Delete(&songspy.AuditEvent{}).Error
}

// auditAndPublish adds the event to the user's audit log and publishes a change of the
// user. Call it last in the transaction, as publishChanges requires.
func (s *Store) auditAndPublish(tx *gorm.DB, e songspy.AuditEvent) error {
	if err := s.addAuditEvent(tx, e); err != nil {
		return err
	}
	return s.publishChanges(tx, songspy.ChangeUser, e.UserID)
}

// AuditEvents returns up to limit of the user's audit events, newest first. It returns only
// events older than the event with the id before; 0 means no such bound. Fewer than limit
// means that there are no more.
func (s *Store) AuditEvents(ctx context.Context, id songspy.UserID, before int64, limit int) (events []songspy.AuditEvent, err error) {
	q := s.query(ctx).Where("user_id = ?", id)
	if before != 0 {
		q = q.Where("id < ?", before)
	}
	err = q.Order("id DESC").Limit(limit).Find(&events).Error
	return events, translate(err)
}

// PruneAuditEvents deletes the audit events that happened before the given time and returns
// how many it deleted. The newest event of each user stays, because addAuditEvent computes
// the next id from the highest stored id. Without that event, ids would be given again.
func (s *Store) PruneAuditEvents(ctx context.Context, before time.Time) (pruned int64, err error) {
	return deleteRows[songspy.AuditEvent](ctx, s.inErasureTx,
		"at < ? AND id < (SELECT MAX(e.id) FROM audit_events e WHERE e.user_id = audit_events.user_id)", before)
}
