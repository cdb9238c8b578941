package store

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// recordResealed adds the result of resealing (encrypting again) one row to r. The argument
// resealed says that the row was written; otherwise another transaction had changed the row
// since it was read. If err says that the row cannot be decrypted, recordResealed adds the
// user to r.Undecryptable and returns nil. It returns any other error, because such an error
// concerns more than this row.
func recordResealed(r *songspy.ResealResult, id songspy.UserID, resealed bool, err error) error {
	switch {
	case songspy.CodeOf(err) == songspy.CodeInternal:
		r.Undecryptable = append(r.Undecryptable, id)
	case err != nil:
		return err
	case resealed:
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

// ResealLinks encrypts the tokens of links with the first seal key, if they are encrypted
// with another key. It processes up to limit links, in ascending order of their users' ids,
// starting after the given user. If Processed is less than limit, there are no more links.
// It can run at any time: if a link's tokens are renewed after ResealLinks has read them,
// the link keeps the new tokens.
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
		return affectedOne(tx.Model(&linkRow{}).
			Where("user_id = ? AND access_token_sealed = ? AND refresh_token_sealed = ?", row.UserID, previous[0], previous[1]).
			UpdateColumns(map[string]any{"access_token_sealed": row.AccessTokenSealed, "refresh_token_sealed": row.RefreshTokenSealed}), &replaced)
	})
	return replaced && err == nil, err
}

// sealKeyOf returns the id of the key with which the text was encrypted, in a printable
// form, or "(damaged)" if the text contains no id.
func sealKeyOf(sealed []byte) string {
	id, _, ok := parseSealed(sealed)
	if !ok {
		return "(damaged)"
	}
	return strings.Trim(strconv.Quote(strings.ToValidUTF8(id, "?")), `"`)
}

// SealedColumn identifies a column that holds an encrypted value for each user: by the
// table, the column of that table with the user's id, and the encrypted column itself.
type SealedColumn struct{ table, userColumn, column string }

// These are the sealed columns that ResealColumn can reseal. The tokens of links are
// missing, because ResealLinks reseals them. The sealed columns of authorization attempts
// are missing, because the attempts expire after ten minutes.
var (
	MailAddresses = SealedColumn{songspy.User{}.TableName(), "id", "email_sealed"}
	SeatAddresses = SealedColumn{songspy.Seat{}.TableName(), "user_id", "email_sealed"} // the e-mail addresses with which users requested seats in Spotify apps
	DeletionKeys  = SealedColumn{songspy.User{}.TableName(), "id", "deletion_key_sealed"}
	WebhookURLs   = SealedColumn{songspy.Webhook{}.TableName(), "user_id", "url_sealed"}
	WebhookKeys   = SealedColumn{songspy.Webhook{}.TableName(), "user_id", "key_sealed"}
)

// CountSealed returns the number of rows that have a value in the column.
func (s *Store) CountSealed(ctx context.Context, of SealedColumn) (n int64, err error) {
	return n, translate(s.query(ctx).Table(of.table).Where("length(" + of.column + ") > 0").Count(&n).Error)
}

// ResealColumn does for the values of a column what ResealLinks does for the
// tokens of links.
func (s *Store) ResealColumn(ctx context.Context, of SealedColumn, after songspy.UserID, limit int) (r songspy.ResealResult, err error) {
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
func (s *Store) resealValue(ctx context.Context, of SealedColumn, id songspy.UserID, previous []byte) (replaced bool, err error) {
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
		return affectedOne(tx.Table(of.table).Where(of.userColumn+" = ? AND "+of.column+" = ?", id, previous).UpdateColumn(of.column, sealed), &replaced)
	})
	return replaced && err == nil, err
}
