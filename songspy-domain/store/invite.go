package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// CreateInvite keeps a new invite, all of whose uses are left. The id and the
// time of its making are given here.
//
// It returns CodeInvalid for one that admits nobody, and CodeConflict if the
// hash is in use.
func (s *Store) CreateInvite(ctx context.Context, i songspy.Invite) (songspy.Invite, error) {
	i.ID, i.UsesLeft, i.RevokedAt = 0, i.Uses, nil
	i.CreatedAt, i.ExpiresAt, i.Note = s.now(), dbTime(i.ExpiresAt), cleanText(i.Note)
	if len(i.CodeHash) == 0 || i.State(i.CreatedAt) != songspy.InviteValid {
		return songspy.Invite{}, &songspy.Error{Code: songspy.CodeInvalid, Message: "An invite needs a code, at least one use, and an end that is to come."}
	}
	if err := s.inTx(ctx, func(tx *gorm.DB) error { return tx.Create(&i).Error }); err != nil {
		return songspy.Invite{}, err
	}
	return i, nil
}

// Invites lists the newest invites, whatever became of them, up to limit.
func (s *Store) Invites(ctx context.Context, limit int) (all []songspy.Invite, err error) {
	err = s.query(ctx).Order("id DESC").Limit(limit).Find(&all).Error
	return all, translate(err)
}

// RevokeInvite takes an invite back, so that it admits nobody any more; one that
// was revoked before stays as it is.
//
// It returns CodeNotFound if there is no such invite.
func (s *Store) RevokeInvite(ctx context.Context, id int64) (i songspy.Invite, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		revoked := tx.Model(&songspy.Invite{}).Where("id = ? AND revoked_at IS NULL", id).Update("revoked_at", s.now())
		if revoked.Error != nil {
			return revoked.Error
		}
		return tx.Where("id = ?", id).Take(&i).Error
	})
	if err != nil {
		return songspy.Invite{}, err
	}
	return i, nil
}

// PruneInvites deletes the invites that expired before the time and says how many.
func (s *Store) PruneInvites(ctx context.Context, before time.Time) (pruned int64, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		tx = tx.Where("expires_at < ?", before).Delete(&songspy.Invite{})
		pruned = tx.RowsAffected
		return tx.Error
	})
	return pruned, err
}

// spendInvite spends a use of the invite, if it has one: the row is locked until
// the transaction ends, and whoever waited for it looks again.
func useInvite(tx *gorm.DB, hash []byte, at time.Time) error {
	used := tx.Model(&songspy.Invite{}).
		Where("code_hash = ? AND uses_left > 0 AND expires_at > ? AND revoked_at IS NULL", hash, at).
		Update("uses_left", gorm.Expr("uses_left - 1"))
	if used.Error == nil && used.RowsAffected == 0 {
		return songspy.ErrInviteInvalid
	}
	return used.Error
}
