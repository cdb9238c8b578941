package store

import (
	"context"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// CreateEmbedToken stores an embed token (the hash of the secret in an embed's address). It
// sets the token's id and time of creation.
//
// It returns CodeNotFound if there is no such user, and CodeUnprocessable if the user
// has EmbedTokensMax tokens already.
func (s *Store) CreateEmbedToken(ctx context.Context, t songspy.EmbedToken) (songspy.EmbedToken, error) {
	t.ID, t.Label, t.CreatedAt = songspy.NewPublicID(), cleanText(t.Label), s.now()
	err := withLockedUser(ctx, s.inTx, t.UserID, func(tx *gorm.DB) error {
		var n int64
		if err := tx.Model(&songspy.EmbedToken{}).Where("user_id = ?", t.UserID).Count(&n).Error; err != nil {
			return err
		}
		if n >= songspy.EmbedTokensMax {
			return &songspy.Error{Code: songspy.CodeUnprocessable, Reason: "TOO_MANY_EMBEDS", Message: "The user has as many embeds as possible."}
		}
		if err := tx.Create(&t).Error; err != nil {
			return err
		}
		return s.addAuditEvent(tx, songspy.AuditEvent{UserID: t.UserID, Kind: songspy.AuditEmbedCreated, Actor: songspy.ActorSelf, Detail: t.Label})
	})
	return t, err
}

// EmbedTokens returns the user's embed tokens, newest first.
func (s *Store) EmbedTokens(ctx context.Context, id songspy.UserID) (tokens []songspy.EmbedToken, err error) {
	err = s.query(ctx).Where("user_id = ?", id).Order("created_at DESC, id").Find(&tokens).Error
	return tokens, translate(err)
}

// EmbedTokenOwner returns the user who has an embed token with this purpose and this
// SHA-256 hash. It returns CodeNotFound if there is no such token.
func (s *Store) EmbedTokenOwner(ctx context.Context, purpose songspy.EmbedPurpose, hash []byte) (songspy.UserID, error) {
	var t songspy.EmbedToken
	err := s.query(ctx).Where("hash = ? AND purpose = ?", hash, purpose).Take(&t).Error
	return t.UserID, translate(err)
}

// DeleteEmbedToken revokes an embed token of the user by deleting it. It publishes a
// change, so that the streams of open overlays with this token end. It returns
// CodeNotFound if the user has no such token.
func (s *Store) DeleteEmbedToken(ctx context.Context, id songspy.UserID, token songspy.PublicID) error {
	return withLockedUser(ctx, s.inErasureTx, id, func(tx *gorm.DB) error {
		var t songspy.EmbedToken
		if err := tx.Where("user_id = ? AND id = ?", id, token).Take(&t).Error; err != nil {
			return err
		}
		if err := requireOneRow(tx.Where("user_id = ? AND id = ?", id, token).Delete(&songspy.EmbedToken{})); err != nil {
			return err
		}
		return s.auditAndPublish(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditEmbedRevoked, Actor: songspy.ActorSelf, Detail: t.Label})
	})
}
