package store

import (
	"context"
	"encoding/hex"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// attemptRow is an authorization attempt as its table stores it.
type attemptRow struct {
	songspy.AuthorizationAttempt
	VerifierSealed, InviteSealed []byte
}

// attemptAAD returns the additional authenticated data with which a value of the column
// is encrypted. It binds the encrypted value to its column and row, so that it cannot be
// decrypted anywhere else.
func attemptAAD(column string, stateHash []byte) []byte {
	return rowAAD(songspy.AuthorizationAttempt{}.TableName(), column, hex.EncodeToString(stateHash))
}

// CreateAuthorizationAttempt stores an attempt. It returns CodeConflict if an attempt with
// the same state hash is stored.
func (s *Store) CreateAuthorizationAttempt(ctx context.Context, a songspy.AuthorizationAttempt) (err error) {
	row := attemptRow{AuthorizationAttempt: a}
	row.ReturnPath, row.ExpiresAt = cleanText(a.ReturnPath), dbTime(a.ExpiresAt)
	if row.VerifierSealed, err = s.sealer.seal(a.Verifier, attemptAAD("verifier_sealed", a.StateHash)); err != nil {
		return err
	}
	if row.InviteSealed, err = s.sealer.seal(a.Invite, attemptAAD("invite_sealed", a.StateHash)); err != nil {
		return err
	}
	return s.inTx(ctx, func(tx *gorm.DB) error { return tx.Create(&row).Error })
}

// TakeAuthorizationAttempt deletes and returns the attempt whose state parameter has the
// SHA-256 hash stateHash. Because it deletes the attempt, an attempt can be used only once.
//
// It returns CodeNotFound if there is no such attempt, or if it has expired at the given
// time.
func (s *Store) TakeAuthorizationAttempt(ctx context.Context, stateHash []byte, at time.Time) (songspy.AuthorizationAttempt, error) {
	var row attemptRow
	err := s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := tx.Where("state_hash = ?", stateHash).Take(&row).Error; err != nil {
			return err
		}
		return requireOneRow(tx.Where("state_hash = ?", stateHash).Delete(&attemptRow{}))
	})
	if err == nil && !at.Before(row.ExpiresAt) {
		err = translate(gorm.ErrRecordNotFound)
	}
	if err != nil {
		return songspy.AuthorizationAttempt{}, err
	}
	a := row.AuthorizationAttempt
	if a.Verifier, err = s.sealer.open(row.VerifierSealed, attemptAAD("verifier_sealed", a.StateHash)); err != nil {
		return songspy.AuthorizationAttempt{}, err
	}
	a.Invite, err = s.sealer.open(row.InviteSealed, attemptAAD("invite_sealed", a.StateHash))
	return a, err
}

// PruneAuthorizationAttempts deletes the attempts that expired before the given time and
// returns how many it deleted.
func (s *Store) PruneAuthorizationAttempts(ctx context.Context, before time.Time) (pruned int64, err error) {
	return deleteRows[attemptRow](ctx, s.inErasureTx, "expires_at < ?", before)
}
