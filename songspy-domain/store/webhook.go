package store

import (
	"context"
	"log/slog"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// webhookRow is a row of the table webhooks: a webhook, with its address and its key
// encrypted.
type webhookRow struct {
	songspy.Webhook
	URLSealed []byte
	KeySealed []byte
}

func webhookAAD(column string, id songspy.UserID) []byte {
	return columnAAD(songspy.Webhook{}.TableName(), column, id)
}

func (s *Store) openWebhook(r webhookRow) (w songspy.Webhook, err error) {
	if w = r.Webhook; len(w.Fingerprint) == 0 {
		w.Fingerprint = nil // the databases return an empty fingerprint as nil or as an empty slice
	}
	if w.URL, err = s.sealer.open(r.URLSealed, webhookAAD("url_sealed", w.UserID)); err != nil {
		return songspy.Webhook{}, err
	}
	w.Key, err = s.sealer.open(r.KeySealed, webhookAAD("key_sealed", w.UserID))
	return w, err
}

// SaveWebhook stores the address and the key of the user's webhook with a new id. It
// replaces the webhook that the user has. The new webhook is on and has sent nothing.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) SaveWebhook(ctx context.Context, id songspy.UserID, url, key songspy.Secret) (w songspy.Webhook, err error) {
	now := s.now()
	row := webhookRow{Webhook: songspy.Webhook{
		UserID: id, ID: songspy.NewPublicID(), URL: url, Key: key, CreatedAt: now, Fingerprint: []byte{}, Delivered: true, NextAttemptAt: now,
	}}
	if row.URLSealed, err = s.sealer.seal(url, webhookAAD("url_sealed", id)); err != nil {
		return songspy.Webhook{}, err
	}
	if row.KeySealed, err = s.sealer.seal(key, webhookAAD("key_sealed", id)); err != nil {
		return songspy.Webhook{}, err
	}
	err = withLockedUser(ctx, s.inErasureTx, id, func(tx *gorm.DB) error {
		if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&row).Error; err != nil {
			return err
		}
		return s.addAuditEvent(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditWebhookSet, Actor: songspy.ActorSelf})
	})
	row.Fingerprint = nil
	return row.Webhook, err
}

// Webhook returns the user's webhook. It returns CodeNotFound if there is none.
func (s *Store) Webhook(ctx context.Context, id songspy.UserID) (songspy.Webhook, error) {
	var row webhookRow
	if err := s.query(ctx).Where("user_id = ?", id).Take(&row).Error; err != nil {
		return songspy.Webhook{}, translate(err)
	}
	return s.openWebhook(row)
}

// WebhookIDs returns the ids of the webhooks that are on, by user.
func (s *Store) WebhookIDs(ctx context.Context) (map[songspy.UserID]songspy.PublicID, error) {
	var rows []songspy.Webhook
	if err := s.query(ctx).Select("user_id", "id").Where("off_at IS NULL").Find(&rows).Error; err != nil {
		return nil, translate(err)
	}
	ids := make(map[songspy.UserID]songspy.PublicID, len(rows))
	for _, r := range rows {
		ids[r.UserID] = r.ID
	}
	return ids, nil
}

// WebhooksByUser returns the webhooks of those of the given users that have one. It logs
// and leaves out webhooks that cannot be decrypted, so that the others work.
func (s *Store) WebhooksByUser(ctx context.Context, ids []songspy.UserID) (webhooks []songspy.Webhook, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var rows []webhookRow
	if err := s.query(ctx).Where("user_id IN ?", ids).Find(&rows).Error; err != nil {
		return nil, translate(err)
	}
	for _, r := range rows {
		w, err := s.openWebhook(r)
		if err != nil {
			s.log.WarnContext(ctx, "a webhook cannot be decrypted; its user has to set it again", slog.Int64(logkey.UserID, int64(r.UserID)), slog.Any(logkey.Error, err))
			continue
		}
		webhooks = append(webhooks, w)
	}
	return webhooks, nil
}

// UpdateWebhook stores the results of sending for a webhook: everything except its address,
// its key, its id and its time of creation. The parameter read is the Sequence that the
// caller has read. UpdateWebhook returns CodeConflict if the stored webhook has another id
// or another Sequence or is off: then the user has replaced or deleted the webhook, or
// another process sends for it.
func (s *Store) UpdateWebhook(ctx context.Context, w songspy.Webhook, read int64) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&songspy.Webhook{}).Where("user_id = ? AND id = ? AND sequence = ? AND off_at IS NULL", w.UserID, w.ID, read).
			UpdateColumns(map[string]any{
				"sequence": w.Sequence, "fingerprint": append([]byte{}, w.Fingerprint...), "delivered": w.Delivered, "attempts": w.Attempts,
				"next_attempt_at": dbTime(w.NextAttemptAt), "delivered_at": dbTimeOrNil(w.DeliveredAt), "failing_since": dbTimeOrNil(w.FailingSince),
				"failure": w.Failure, "off_at": dbTimeOrNil(w.OffAt),
			})
		if done.Error == nil && done.RowsAffected == 0 {
			return &songspy.Error{Code: songspy.CodeConflict, Message: "The webhook has changed."}
		}
		return done.Error
	})
}

// DeleteWebhook deletes the user's webhook. It returns CodeNotFound if there is none.
func (s *Store) DeleteWebhook(ctx context.Context, id songspy.UserID) error {
	return withLockedUser(ctx, s.inErasureTx, id, func(tx *gorm.DB) error {
		if err := requireOneRow(tx.Where("user_id = ?", id).Delete(&songspy.Webhook{})); err != nil {
			return err
		}
		return s.addAuditEvent(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditWebhookDeleted, Actor: songspy.ActorSelf})
	})
}
