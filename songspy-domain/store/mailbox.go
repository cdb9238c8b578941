package store

import (
	"context"
	"log/slog"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// mailboxRow is what a row of users holds of the person's mail. It is no part
// of songspy.User: nobody who reads people comes across an address.
type mailboxRow struct {
	ID          songspy.UserID
	EmailSealed []byte
	MailOff     bool
}

// TableName is the table of users.
func (mailboxRow) TableName() string { return songspy.User{}.TableName() }

func (r mailboxRow) aad() []byte { return columnAAD(r.TableName(), "email_sealed", r.ID) }

func (s *Store) openMailbox(r mailboxRow) (m songspy.Mailbox, err error) {
	m.OptedOut = r.MailOff
	if len(r.EmailSealed) > 0 {
		m.Address, err = s.sealer.open(r.EmailSealed, r.aad())
	}
	return m, err
}

// legibleMailbox is openMailbox for whom an address that does not open is none:
// it must stop nobody else's mail, nor its person from switching theirs off.
func (s *Store) openMailboxOrNone(ctx context.Context, r mailboxRow) songspy.Mailbox {
	m, err := s.openMailbox(r)
	if err != nil {
		s.log.WarnContext(ctx, "an address does not open", slog.Int64("user_id", int64(r.ID)), slog.Any("error", err))
	}
	return m
}

// Mailbox is where the person is told by mail; CodeNotFound if there is no such
// person. An address that does not open is empty.
func (s *Store) Mailbox(ctx context.Context, id songspy.UserID) (songspy.Mailbox, error) {
	var row mailboxRow
	if err := s.query(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return songspy.Mailbox{}, translate(err)
	}
	return s.openMailboxOrNone(ctx, row), nil
}

// KeepAddress seals the person's address and keeps it in the place of any other.
// An empty one, or a text that is no address, is forgotten.
//
// It returns CodeNotFound if there is no such person.
func (s *Store) SaveAddress(ctx context.Context, id songspy.UserID, address songspy.Secret) error {
	if !songspy.IsEmail(address) {
		address = ""
	}
	var row mailboxRow
	if err := s.query(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return translate(err)
	}
	// One that does not open is replaced like any other.
	if m, err := s.openMailbox(row); err == nil && m.Address == address {
		return nil
	}
	row.EmailSealed = []byte{}
	if address != "" {
		var err error
		if row.EmailSealed, err = s.sealer.seal(address, row.aad()); err != nil {
			return err
		}
	}
	return s.inErasureTx(ctx, func(tx *gorm.DB) error {
		return requireOneRow(tx.Model(&mailboxRow{}).Where("id = ?", id).Update("email_sealed", row.EmailSealed))
	})
}

// SwitchMail turns the person's mail off or on.
//
// It returns CodeNotFound if there is no such person.
func (s *Store) SetMailOff(ctx context.Context, id songspy.UserID, off bool) (m songspy.Mailbox, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		var row mailboxRow
		if err := tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}).Where("id = ?", id).Take(&row).Error; err != nil {
			return err
		}
		if row.MailOff != off {
			if err := requireOneRow(tx.Model(&mailboxRow{}).Where("id = ?", id).Update("mail_off", off)); err != nil {
				return err
			}
		}
		row.MailOff = off
		m = s.openMailboxOrNone(ctx, row)
		return nil
	})
	return m, err
}

// ForgetAddresses forgets every person's address, and says how many were known.
func (s *Store) DeleteAddresses(ctx context.Context) (forgotten int64, err error) {
	// It is asked at each start, and nearly always in vain: nothing need be locked to see that.
	var known int64
	if err := s.query(ctx).Model(&mailboxRow{}).Where("length(email_sealed) > 0").Count(&known).Error; err != nil || known == 0 {
		return 0, translate(err)
	}
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&mailboxRow{}).Where("length(email_sealed) > 0").Update("email_sealed", []byte{})
		forgotten = done.RowsAffected
		return done.Error
	})
	return forgotten, err
}
