package store

import (
	"context"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// AcquireLease gives the named lease (the right to do some work for a time) to the owner, or
// extends it if the owner already has it. The lease then ends after the given length. held
// is false if another owner has the lease. The database's clock decides whether a lease has
// expired, so that the clocks of the processes need not agree.
func (s *Store) AcquireLease(ctx context.Context, name, owner string, length time.Duration) (held bool, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		now, err := s.databaseTime(tx)
		if err != nil {
			return err
		}
		// If a stored lease ends more than ClockSkewMax after the end of the new lease, it
		// was stored before the clock was set back. It counts as expired.
		until := now.Add(length)
		return affectedOne(tx.Exec(`UPDATE leases SET owner = ?, lease_until = ? WHERE name = ? AND (owner = ? OR lease_until <= ? OR lease_until > ?)`,
			owner, until, name, owner, now, until.Add(songspy.ClockSkewMax)), &held)
	})
	return held && err == nil, err
}

// ReleaseLease ends the named lease if the owner has it, so that another owner can acquire
// it at once. If another owner has the lease, nothing changes.
func (s *Store) ReleaseLease(ctx context.Context, name, owner string) error {
	return s.inTx(ctx, func(tx *gorm.DB) error {
		now, err := s.databaseTime(tx)
		if err != nil {
			return err
		}
		return tx.Exec(`UPDATE leases SET owner = '', lease_until = ? WHERE name = ? AND owner = ?`, now, name, owner).Error
	})
}
