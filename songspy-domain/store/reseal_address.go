package store

import (
	"bytes"
	"context"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// AddressCount is how many people's addresses are kept.
func (s *Store) AddressCount(ctx context.Context) (n int64, err error) {
	return n, translate(s.query(ctx).Model(&mailboxRow{}).Where("length(email_sealed) > 0").Count(&n).Error)
}

// ResealAddresses is Reseal for the addresses of people, by ascending person.
func (s *Store) ResealAddresses(ctx context.Context, after songspy.UserID, limit int) (r Resealed, err error) {
	r = Resealed{Last: after, By: map[string]int{}}
	var rows []mailboxRow
	if err := s.query(ctx).Where("id > ? AND length(email_sealed) > 0", after).Order("id").Limit(limit).Find(&rows).Error; err != nil {
		return r, translate(err)
	}
	for _, row := range rows {
		r.Last, r.Seen = row.ID, r.Seen+1
		by := sealedBy(row.EmailSealed)
		r.By[by]++
		if by == s.sealer.primary {
			continue
		}
		switch won, err := s.resealAddress(ctx, row); {
		case songspy.CodeOf(err) == songspy.CodeInternal:
			r.Broken = append(r.Broken, row.ID)
		case err != nil:
			return r, err
		case won:
			r.Anew++
		default:
			r.Overtaken++
		}
	}
	return r, nil
}

// resealAddress seals an address anew; false if it has been replaced since.
func (s *Store) resealAddress(ctx context.Context, row mailboxRow) (won bool, err error) {
	former := bytes.Clone(row.EmailSealed)
	m, err := s.openMailbox(row)
	if err != nil {
		return false, err
	}
	sealed, err := s.sealer.seal(m.Address, row.place())
	if err != nil {
		return false, err
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&mailboxRow{}).Where("id = ? AND email_sealed = ?", row.ID, former).UpdateColumn("email_sealed", sealed)
		won = done.RowsAffected == 1
		return done.Error
	})
	return won && err == nil, err
}
