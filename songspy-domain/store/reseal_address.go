package store

import (
	"context"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// addresses is a table in which e-mail addresses lie sealed, one of a person,
// and the column that names the person.
type addresses struct{ table, person string }

var (
	mailAddresses = addresses{songspy.User{}.TableName(), "id"}
	seatAddresses = addresses{songspy.Seat{}.TableName(), "user_id"}
)

// AddressCount is how many people's addresses are kept.
func (s *Store) AddressCount(ctx context.Context) (int64, error) {
	return s.countAddresses(ctx, mailAddresses)
}

// ResealAddresses is Reseal for the addresses of people, by ascending person.
func (s *Store) ResealAddresses(ctx context.Context, after songspy.UserID, limit int) (Resealed, error) {
	return s.resealAddresses(ctx, mailAddresses, after, limit)
}

// SeatAddressCount is how many addresses wait to be entered in a Spotify app.
func (s *Store) SeatAddressCount(ctx context.Context) (int64, error) {
	return s.countAddresses(ctx, seatAddresses)
}

// ResealSeatAddresses is Reseal for the addresses that wait to be entered.
func (s *Store) ResealSeatAddresses(ctx context.Context, after songspy.UserID, limit int) (Resealed, error) {
	return s.resealAddresses(ctx, seatAddresses, after, limit)
}

func (s *Store) countAddresses(ctx context.Context, of addresses) (n int64, err error) {
	return n, translate(s.query(ctx).Table(of.table).Where("length(email_sealed) > 0").Count(&n).Error)
}

func (s *Store) resealAddresses(ctx context.Context, of addresses, after songspy.UserID, limit int) (r Resealed, err error) {
	r = Resealed{Last: after, By: map[string]int{}}
	var rows []struct {
		Person      songspy.UserID
		EmailSealed []byte
	}
	err = s.query(ctx).Table(of.table).Select(of.person+" AS person, email_sealed").
		Where(of.person+" > ? AND length(email_sealed) > 0", after).Order(of.person).Limit(limit).Find(&rows).Error
	if err != nil {
		return r, translate(err)
	}
	for _, row := range rows {
		r.Last, r.Seen = row.Person, r.Seen+1
		by := sealedBy(row.EmailSealed)
		r.By[by]++
		if by == s.sealer.primary {
			continue
		}
		won, err := s.resealAddress(ctx, of, row.Person, row.EmailSealed)
		if err := r.note(row.Person, won, err); err != nil {
			return r, err
		}
	}
	return r, nil
}

// resealAddress seals an address anew; false if it has been replaced since.
func (s *Store) resealAddress(ctx context.Context, of addresses, person songspy.UserID, former []byte) (won bool, err error) {
	place := placeIn(of.table, "email_sealed", person)
	address, err := s.sealer.open(former, place)
	if err != nil {
		return false, err
	}
	sealed, err := s.sealer.seal(address, place)
	if err != nil {
		return false, err
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		done := tx.Table(of.table).Where(of.person+" = ? AND email_sealed = ?", person, former).UpdateColumn("email_sealed", sealed)
		won = done.RowsAffected == 1
		return done.Error
	})
	return won && err == nil, err
}
