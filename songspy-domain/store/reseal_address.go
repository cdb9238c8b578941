package store

import (
	"context"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

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
	err = s.query(ctx).Table(of.table).Select(of.userColumn+" AS person, "+of.column+" AS sealed").
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
