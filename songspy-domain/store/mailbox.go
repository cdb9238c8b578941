package store

import (
	"context"
	"log/slog"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// mailboxRow holds the columns of the table users that concern e-mail. They are not part of
// songspy.User, so that code that reads users never sees an address.
type mailboxRow struct {
	ID          songspy.UserID
	EmailSealed []byte
	MailOff     bool
}

func (mailboxRow) TableName() string { return songspy.User{}.TableName() }

func (r mailboxRow) aad() []byte { return columnAAD(r.TableName(), "email_sealed", r.ID) }

func (s *Store) openMailbox(r mailboxRow) (m songspy.Mailbox, err error) {
	m.OptedOut = r.MailOff
	if len(r.EmailSealed) > 0 {
		m.Address, err = s.sealer.open(r.EmailSealed, r.aad())
	}
	return m, err
}

// openMailboxOrNone returns the user's mailbox, without the address if it
// cannot be decrypted. Such an address must not stop the e-mails of other
// users, or keep this user from switching e-mails off.
func (s *Store) openMailboxOrNone(ctx context.Context, r mailboxRow) songspy.Mailbox {
	m, err := s.openMailbox(r)
	if err != nil {
		s.log.WarnContext(ctx, "the mail address of a user cannot be decrypted: the user gets no e-mail until that changes or the user signs in again", slog.Int64(logkey.UserID, int64(r.ID)), slog.Any(logkey.Error, err))
	}
	return m
}

// Mailbox returns the user's e-mail address, and whether the user has switched e-mails off.
// The address is empty if there is none or if it cannot be decrypted.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) Mailbox(ctx context.Context, id songspy.UserID) (songspy.Mailbox, error) {
	var row mailboxRow
	if err := s.query(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return songspy.Mailbox{}, translate(err)
	}
	return s.openMailboxOrNone(ctx, row), nil
}

// SaveAddress encrypts and stores the user's e-mail address. It replaces the stored
// address. If the new address is empty or invalid, it deletes the stored one.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) SaveAddress(ctx context.Context, id songspy.UserID, address songspy.Secret) error {
	if !songspy.IsEmail(address) {
		address = ""
	}
	var row mailboxRow
	if err := s.query(ctx).Where("id = ?", id).Take(&row).Error; err != nil {
		return translate(err)
	}
	// Write nothing if the same address is stored. An address that cannot be
	// decrypted is replaced.
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

// SetMailOff switches e-mails to the user off if the parameter off is true, and on
// otherwise. It returns the user's mailbox.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) SetMailOff(ctx context.Context, id songspy.UserID, off bool) (m songspy.Mailbox, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		var row mailboxRow
		if err := forChange(tx).Where("id = ?", id).Take(&row).Error; err != nil {
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

// DeleteAddresses deletes the address of every user and returns how many there were.
func (s *Store) DeleteAddresses(ctx context.Context) (deleted int64, err error) {
	// Count first, without a lock: the API calls this at every start if mail is not
	// configured, and there is nearly always no address to delete.
	var known int64
	if err := s.query(ctx).Model(&mailboxRow{}).Where("length(email_sealed) > 0").Count(&known).Error; err != nil || known == 0 {
		return 0, translate(err)
	}
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		return affectedRows(tx.Model(&mailboxRow{}).Where("length(email_sealed) > 0").Update("email_sealed", []byte{}), &deleted)
	})
	return deleted, err
}
