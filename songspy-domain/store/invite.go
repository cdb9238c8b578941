package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// CreateInvite stores a new invite. The invite is not revoked, and all its uses are left,
// whatever i says. CreateInvite sets the id and the time of creation, and returns the stored
// invite.
//
// It returns CodeInvalid for an invite that lets no user sign up: without a code hash,
// without uses, or expired. It returns CodeConflict if another invite has the same code
// hash.
func (s *Store) CreateInvite(ctx context.Context, i songspy.Invite) (songspy.Invite, error) {
	i.ID, i.UsesLeft, i.RevokedAt = 0, i.Uses, nil
	i.CreatedAt, i.ExpiresAt, i.Note = s.now(), dbTime(i.ExpiresAt), cleanText(i.Note)
	if len(i.CodeHash) == 0 || i.State(i.CreatedAt) != songspy.InviteValid {
		return songspy.Invite{}, &songspy.Error{Code: songspy.CodeInvalid, Message: "An invite needs a code, at least one use, and an expiry in the future."}
	}
	err := s.inTx(ctx, func(tx *gorm.DB) error { return tx.Create(&i).Error })
	return i, err
}

// Invites returns up to limit invites in any state, the newest first.
func (s *Store) Invites(ctx context.Context, limit int) (all []songspy.Invite, err error) {
	err = s.query(ctx).Order("id DESC").Limit(limit).Find(&all).Error
	return all, translate(err)
}

// RevokeInvite revokes an invite, so that no more users can sign up with it. An invite that
// is already revoked stays unchanged. In both cases RevokeInvite returns the stored invite.
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
	return i, err
}

// PruneInvites deletes the invites that expired before the given time, and returns how many
// it deleted.
func (s *Store) PruneInvites(ctx context.Context, before time.Time) (pruned int64, err error) {
	return deleteRows[songspy.Invite](ctx, s.inTx, "expires_at < ?", before)
}

// useInvite subtracts one from the uses left of the invite with the code hash. It returns
// ErrInviteInvalid if there is no such invite, or if the invite is revoked, has expired at
// the given time, or has no use left. The row stays locked until the transaction ends.
// Another sign-up with the same invite waits until then, and then checks whether a use is
// left.
func useInvite(tx *gorm.DB, hash []byte, at time.Time) error {
	used := tx.Model(&songspy.Invite{}).
		Where("code_hash = ? AND uses_left > 0 AND expires_at > ? AND revoked_at IS NULL", hash, at).
		Update("uses_left", gorm.Expr("uses_left - 1"))
	if used.Error == nil && used.RowsAffected == 0 {
		return songspy.ErrInviteInvalid
	}
	return used.Error
}
