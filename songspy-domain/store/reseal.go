package store

import (
	"bytes"
	"context"
	"strconv"
	"strings"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Resealed is what became of some rows, one of a person, that were to be sealed anew.
type ResealResult struct {
	// Last is the last person who was dealt with, Seen how many were.
	LastUserID songspy.UserID
	Processed  int
	// By counts them by the key that sealed them before; those in which nothing
	// lies sealed are not among them.
	ByKey map[string]int
	// Anew were sealed with the primary key now; Overtaken were replaced meanwhile.
	Resealed, Replaced int
	// Broken are the people of those that do not open: sealed with a key that is
	// not given, or damaged. They are left as they are.
	Undecryptable []songspy.UserID
}

// note enters what became of one; an error that is not its own is given back.
func (r *ResealResult) record(id songspy.UserID, replaced bool, err error) error {
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

// LinkCount is how many links there are.
func (s *Store) LinkCount(ctx context.Context) (n int64, err error) {
	return n, translate(s.query(ctx).Model(&linkRow{}).Count(&n).Error)
}

// Reseal seals the tokens of up to limit links, by ascending person after the
// given one, with the primary key, where another has sealed them. It works
// beside everything else: a link that is renewed meanwhile keeps what the
// renewal wrote. Seen less than limit means that there are no more.
func (s *Store) ResealLinks(ctx context.Context, after songspy.UserID, limit int) (r ResealResult, err error) {
	r = ResealResult{LastUserID: after, ByKey: map[string]int{}}
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
		if err := r.record(row.UserID, replaced, err); err != nil {
			return r, err
		}
	}
	return r, nil
}

// resealOne seals a link's tokens anew; false if they have been replaced since.
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

// sealedBy names the key that sealed the text, fit to be printed.
func sealKeyOf(sealed []byte) string {
	id, _, ok := parseSealed(sealed)
	if !ok {
		return "(damaged)"
	}
	return strings.Trim(strconv.Quote(strings.ToValidUTF8(id, "?")), `"`)
}

// sealedColumn is a column in which something lies sealed, one of a person, and
// the column of its table that names the person.
type sealedColumn struct{ table, userColumn, column string }

var (
	mailAddresses = sealedColumn{songspy.User{}.TableName(), "id", "email_sealed"}
	seatAddresses = sealedColumn{songspy.Seat{}.TableName(), "user_id", "email_sealed"}
	deletionKeys  = sealedColumn{songspy.User{}.TableName(), "id", "deletion_key_sealed"}
)

// AddressCount is how many people's addresses are kept.
func (s *Store) AddressCount(ctx context.Context) (int64, error) {
	return s.countSealed(ctx, mailAddresses)
}

// ResealAddresses is Reseal for the addresses of people, by ascending person.
func (s *Store) ResealAddresses(ctx context.Context, after songspy.UserID, limit int) (ResealResult, error) {
	return s.resealColumn(ctx, mailAddresses, after, limit)
}

// SeatAddressCount is how many addresses wait to be entered in a Spotify app.
func (s *Store) SeatAddressCount(ctx context.Context) (int64, error) {
	return s.countSealed(ctx, seatAddresses)
}

// ResealSeatAddresses is Reseal for the addresses that wait to be entered.
func (s *Store) ResealSeatAddresses(ctx context.Context, after songspy.UserID, limit int) (ResealResult, error) {
	return s.resealColumn(ctx, seatAddresses, after, limit)
}

// DeletionKeyCount is how many users have a key for their deleted plays.
func (s *Store) DeletionKeyCount(ctx context.Context) (int64, error) {
	return s.countSealed(ctx, deletionKeys)
}

// ResealDeletionKeys is Reseal for the keys of users' deleted plays.
func (s *Store) ResealDeletionKeys(ctx context.Context, after songspy.UserID, limit int) (ResealResult, error) {
	return s.resealColumn(ctx, deletionKeys, after, limit)
}

func (s *Store) countSealed(ctx context.Context, of sealedColumn) (n int64, err error) {
	return n, translate(s.query(ctx).Table(of.table).Where("length(" + of.column + ") > 0").Count(&n).Error)
}

func (s *Store) resealColumn(ctx context.Context, of sealedColumn, after songspy.UserID, limit int) (r ResealResult, err error) {
	r = ResealResult{LastUserID: after, ByKey: map[string]int{}}
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
		if err := r.record(row.UserID, replaced, err); err != nil {
			return r, err
		}
	}
	return r, nil
}

// resealValue seals a value anew; false if it has been replaced since.
func (s *Store) resealValue(ctx context.Context, of sealedColumn, person songspy.UserID, previous []byte) (replaced bool, err error) {
	aad := columnAAD(of.table, of.column, person)
	value, err := s.sealer.open(previous, aad)
	if err != nil {
		return false, err
	}
	sealed, err := s.sealer.seal(value, aad)
	if err != nil {
		return false, err
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		done := tx.Table(of.table).Where(of.userColumn+" = ? AND "+of.column+" = ?", person, previous).UpdateColumn(of.column, sealed)
		replaced = done.RowsAffected == 1
		return done.Error
	})
	return replaced && err == nil, err
}
