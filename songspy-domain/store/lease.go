package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// AcquireLease gives owner the named lease until length from now, or extends the lease
// that owner has. held is false while another owner has the lease. The database's clock
// decides whether a lease has expired.
func (s *Store) AcquireLease(ctx context.Context, name, owner string, length time.Duration) (held bool, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		now, err := s.databaseTime(tx)
		if err != nil {
			return err
		}
		// A stored lease that ends later than until was given before the clock was set
		// back. It does not count.
		until := now.Add(length)
		return affectedOne(tx.Exec(`UPDATE leases SET owner = ?, lease_until = ? WHERE name = ? AND (owner = ? OR lease_until <= ? OR lease_until > ?)`,
			owner, until, name, owner, now, until.Add(songspy.ClockSkewMax)), &held)
	})
	return held && err == nil, err
}

// ReleaseLease ends the named lease if owner has it.
func (s *Store) ReleaseLease(ctx context.Context, name, owner string) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		now, err := s.databaseTime(tx)
		if err != nil {
			return err
		}
		return tx.Exec(`UPDATE leases SET owner = '', lease_until = ? WHERE name = ? AND owner = ?`, now, name, owner).Error
	})
}
