package store

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// recordResealed adds the result of resealing one row to r. It returns the
// error only if it concerns more than this row.
func recordResealed(r *songspy.ResealResult, id songspy.UserID, replaced bool, err error) error {
	switch {
	case songspy.CodeOf(err) == songspy.CodeInternal:
		r.Undecryptable = append(r.Undecryptable, id)
	case err != nil:
		return err
	case replaced:
		r.Resealed++
	default:
		r.Replaced++
	}
	return nil
}

// LinkCount returns the number of links.
func (s *Store) LinkCount(ctx context.Context) (n int64, err error) {
	return n, translate(s.query(ctx).Model(&linkRow{}).Count(&n).Error)
}

// ResealLinks encrypts the tokens of links with the first key, if they are
// encrypted with another key. It processes up to limit links in ascending order
// of their users, starting after the given user. If Processed is less than
// limit, there are no more links. It can run at any time: a link whose tokens
// are renewed meanwhile keeps the new tokens.
func (s *Store) ResealLinks(ctx context.Context, after songspy.UserID, limit int) (r songspy.ResealResult, err error) {
	r = songspy.ResealResult{LastUserID: after, ByKey: map[string]int{}}
	var rows []linkRow
	if err := s.query(ctx).Where("user_id > ?", after).Order("user_id").Limit(limit).Find(&rows).Error; err != nil {
		return r, translate(err)
	}
	for i := range rows {
		row := &rows[i]
		r.LastUserID, r.Processed = row.UserID, r.Processed+1
		if len(row.RefreshTokenSealed) == 0 {
			continue
		}
		by := sealKeyOf(row.AccessTokenSealed)
		if other := sealKeyOf(row.RefreshTokenSealed); other != s.sealer.primary {
			by = other
		}
		r.ByKey[by]++
		if by == s.sealer.primary {
			continue
		}
		replaced, err := s.resealLink(ctx, row)
		if err := recordResealed(&r, row.UserID, replaced, err); err != nil {
			return r, err
		}
	}
	return r, nil
}

// resealLink encrypts a link's tokens with the first key. It writes nothing
// and returns false if another transaction has replaced them meanwhile.
func (s *Store) resealLink(ctx context.Context, row *linkRow) (replaced bool, err error) {
	previous := [2][]byte{bytes.Clone(row.AccessTokenSealed), bytes.Clone(row.RefreshTokenSealed)}
	l, err := s.open(row)
	if err != nil {
		return false, err
	}
	row.Link = l
	if err := s.seal(row); err != nil {
		return false, err
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&linkRow{}).
			Where("user_id = ? AND access_token_sealed = ? AND refresh_token_sealed = ?", row.UserID, previous[0], previous[1]).
			UpdateColumns(map[string]any{"access_token_sealed": row.AccessTokenSealed, "refresh_token_sealed": row.RefreshTokenSealed})
		replaced = done.RowsAffected == 1
		return done.Error
	})
	return replaced && err == nil, err
}

// sealKeyOf returns the id of the key with which the text was encrypted, in a
// printable form.
func sealKeyOf(sealed []byte) string {
	id, _, ok := parseSealed(sealed)
	if !ok {
		return "(damaged)"
	}
	return strings.Trim(strconv.Quote(strings.ToValidUTF8(id, "?")), `"`)
}

// sealedColumn names a column with an encrypted value for each user, its table,
// and the column of that table with the user's id.
type sealedColumn struct{ table, userColumn, column string }

var (
	mailAddresses = sealedColumn{songspy.User{}.TableName(), "id", "email_sealed"}
	seatAddresses = sealedColumn{songspy.Seat{}.TableName(), "user_id", "email_sealed"}
	deletionKeys  = sealedColumn{songspy.User{}.TableName(), "id", "deletion_key_sealed"}
	webhookURLs   = sealedColumn{songspy.Webhook{}.TableName(), "user_id", "url_sealed"}
	webhookKeys   = sealedColumn{songspy.Webhook{}.TableName(), "user_id", "key_sealed"}
)

// AddressCount returns the number of stored addresses of users.
func (s *Store) AddressCount(ctx context.Context) (int64, error) {
	return s.countSealed(ctx, mailAddresses)
}

// ResealAddresses is ResealLinks for the users' addresses.
func (s *Store) ResealAddresses(ctx context.Context, after songspy.UserID, limit int) (songspy.ResealResult, error) {
	return s.resealColumn(ctx, mailAddresses, after, limit)
}

// SeatAddressCount returns the number of e-mail addresses that are stored with
// users' seats in Spotify apps.
func (s *Store) SeatAddressCount(ctx context.Context) (int64, error) {
	return s.countSealed(ctx, seatAddresses)
}

// ResealSeatAddresses does the same as ResealLinks for the e-mail addresses of
// seats in Spotify apps.
func (s *Store) ResealSeatAddresses(ctx context.Context, after songspy.UserID, limit int) (songspy.ResealResult, error) {
	return s.resealColumn(ctx, seatAddresses, after, limit)
}

// DeletionKeyCount returns the number of users that have a deletion key.
func (s *Store) DeletionKeyCount(ctx context.Context) (int64, error) {
	return s.countSealed(ctx, deletionKeys)
}

// ResealDeletionKeys does the same as ResealLinks for the deletion keys.
func (s *Store) ResealDeletionKeys(ctx context.Context, after songspy.UserID, limit int) (songspy.ResealResult, error) {
	return s.resealColumn(ctx, deletionKeys, after, limit)
}

// WebhookCount returns the number of users that have a webhook.
func (s *Store) WebhookCount(ctx context.Context) (int64, error) {
	return s.countSealed(ctx, webhookURLs)
}

// ResealWebhookURLs does the same as ResealLinks for the addresses of webhooks.
func (s *Store) ResealWebhookURLs(ctx context.Context, after songspy.UserID, limit int) (songspy.ResealResult, error) {
	return s.resealColumn(ctx, webhookURLs, after, limit)
}

// ResealWebhookKeys does the same as ResealLinks for the keys of webhooks.
func (s *Store) ResealWebhookKeys(ctx context.Context, after songspy.UserID, limit int) (songspy.ResealResult, error) {
	return s.resealColumn(ctx, webhookKeys, after, limit)
}

func (s *Store) countSealed(ctx context.Context, of sealedColumn) (n int64, err error) {
	return n, translate(s.query(ctx).Table(of.table).Where("length(" + of.column + ") > 0").Count(&n).Error)
}

func (s *Store) resealColumn(ctx context.Context, of sealedColumn, after songspy.UserID, limit int) (r songspy.ResealResult, err error) {
	r = songspy.ResealResult{LastUserID: after, ByKey: map[string]int{}}
	var rows []struct {
		UserID songspy.UserID
		Sealed []byte
	}
	err = s.query(ctx).Table(of.table).Select(of.userColumn+" AS user_id, "+of.column+" AS sealed").
		Where(of.userColumn+" > ? AND length("+of.column+") > 0", after).Order(of.userColumn).Limit(limit).Find(&rows).Error
	if err != nil {
		return r, translate(err)
	}
	for _, row := range rows {
		r.LastUserID, r.Processed = row.UserID, r.Processed+1
		by := sealKeyOf(row.Sealed)
		r.ByKey[by]++
		if by == s.sealer.primary {
			continue
		}
		replaced, err := s.resealValue(ctx, of, row.UserID, row.Sealed)
		if err := recordResealed(&r, row.UserID, replaced, err); err != nil {
			return r, err
		}
	}
	return r, nil
}

// resealValue encrypts one stored value with the first key. It writes nothing
// and returns false if another transaction has replaced it meanwhile.
func (s *Store) resealValue(ctx context.Context, of sealedColumn, id songspy.UserID, previous []byte) (replaced bool, err error) {
	aad := columnAAD(of.table, of.column, id)
	value, err := s.sealer.open(previous, aad)
	if err != nil {
		return false, err
	}
	sealed, err := s.sealer.seal(value, aad)
	if err != nil {
		return false, err
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		done := tx.Table(of.table).Where(of.userColumn+" = ? AND "+of.column+" = ?", id, previous).UpdateColumn(of.column, sealed)
		replaced = done.RowsAffected == 1
		return done.Error
	})
	return replaced && err == nil, err
}
