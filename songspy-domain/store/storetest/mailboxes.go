package storetest

import (
	"bytes"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// mailboxes tests that the e-mail addresses of users are stored sealed and can be deleted
// and resealed.
func mailboxes() suite {
	const ada = songspy.Secret("ada@example.org")
	mailbox := func(t *testing.T, s *store.Store, id songspy.UserID) songspy.Mailbox {
		t.Helper()
		return value[songspy.Mailbox](t)(s.Mailbox(t.Context(), id))
	}
	kept := func(t *testing.T, s *store.Store, id songspy.UserID, want songspy.Secret) {
		t.Helper()
		if got := mailbox(t, s, id).Address; got != want {
			t.Fatalf("the address is %q, want %q", got.Reveal(), want.Reveal())
		}
	}
	return suite{
		"SaveAddress_SealsTheAddressAndReplacesTheFormerOne": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			kept(t, b.Store, u.ID, "")
			must(t, b.SaveAddress(t.Context(), u.ID, "former@example.org"))
			must(t, b.SaveAddress(t.Context(), u.ID, ada))
			kept(t, b.Store, u.ID, ada)
			var sealed []byte
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT email_sealed FROM users WHERE id = $1", int64(u.ID)).Scan(&sealed))
			if len(sealed) == 0 || bytes.Contains(sealed, []byte("example.org")) {
				t.Fatalf("the address is stored in plain text: %q", sealed)
			}
			must(t, b.SaveAddress(t.Context(), u.ID, ""))
			kept(t, b.Store, u.ID, "")
		},
		"SaveAddress_StoresNoInvalidAddress": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			for _, odd := range []songspy.Secret{"ada", "Ada <ada@example.org>", "ada@example.org\r\nBcc: eve@example.org"} {
				must(t, b.SaveAddress(t.Context(), u.ID, odd))
				kept(t, b.Store, u.ID, "")
			}
		},
		"SaveAddress_OfTheStoredAddressWritesNothing": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			must(t, b.SaveAddress(t.Context(), u.ID, ada))
			requireNoWrites(t, b.statements.recordDuring(func() { must(t, b.SaveAddress(t.Context(), u.ID, ada)) }))
		},
		"SaveAddress_PublishesNoChange": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			before := b.lastChange(t)
			must(t, b.SaveAddress(t.Context(), u.ID, ada))
			value[songspy.Mailbox](t)(b.SetMailOff(t.Context(), u.ID, true))
			same(t, "changes", b.changesAfter(t, before), []string(nil))
		},
		"Addresses_CannotBeDecryptedInAnotherUsersRow": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t), b.newUser(t)
			must(t, b.SaveAddress(t.Context(), one.ID, ada))
			_, err := b.sql(t).ExecContext(t.Context(), `UPDATE users SET email_sealed = (SELECT email_sealed FROM users WHERE id = $1) WHERE id = $2`, int64(one.ID), int64(two.ID))
			must(t, err)
			kept(t, b.Store, two.ID, "")
			same(t, "whether mail is off", value[songspy.Mailbox](t)(b.SetMailOff(t.Context(), two.ID, true)), songspy.Mailbox{OptedOut: true})
			must(t, b.SaveAddress(t.Context(), two.ID, "two@example.org")) // the next sign-in of the user does this
			kept(t, b.Store, two.ID, "two@example.org")
		},
		"SetMailOff_SurvivesAnUpdateOfTheUser": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			must(t, b.SaveAddress(t.Context(), u.ID, ada))
			off := value[songspy.Mailbox](t)(b.SetMailOff(t.Context(), u.ID, true))
			same(t, "whether mail is off", off.OptedOut, true)
			value[songspy.User](t)(b.UpdateUser(t.Context(), u.ID, func(u *songspy.User) error {
				u.ShowPicture = true
				return nil
			}))
			same(t, "after an edit", mailbox(t, b.Store, u.ID).OptedOut, true)
			kept(t, b.Store, u.ID, ada)
			same(t, "on again", value[songspy.Mailbox](t)(b.SetMailOff(t.Context(), u.ID, false)).OptedOut, false)
		},
		"Mailbox_OfAnUnknownUserIsNotFound": func(t *testing.T, b *fixture) {
			_, err := b.Mailbox(t.Context(), 404)
			RequireCode(t, err, songspy.CodeNotFound)
			_, err = b.SetMailOff(t.Context(), 404, true)
			RequireCode(t, err, songspy.CodeNotFound)
			RequireCode(t, b.SaveAddress(t.Context(), 404, ada), songspy.CodeNotFound)
		},
		"DeleteAddresses_LeavesNone": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t), b.newUser(t)
			for _, u := range []songspy.User{one, two} {
				must(t, b.SaveAddress(t.Context(), u.ID, ada))
			}
			same(t, "deleted", value[int64](t)(b.DeleteAddresses(t.Context())), 2)
			kept(t, b.Store, one.ID, "")
			requireNoWrites(t, b.statements.recordDuring(func() { value[int64](t)(b.DeleteAddresses(t.Context())) }))
		},
		"ResealAddresses_SealsEachWithTheFirstKey": func(t *testing.T, b *fixture) {
			var all []songspy.User
			for range 5 {
				u := b.newUser(t)
				all = append(all, u)
				must(t, b.SaveAddress(t.Context(), u.ID, ada))
			}
			without := b.newUser(t)
			must(t, b.SaveAddress(t.Context(), without.ID, ""))
			broken := all[2].ID
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE users SET email_sealed = $1 WHERE id = $2", []byte("broken"), int64(broken))
			must(t, err)
			rotated := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new"), Key("test")} })
			same(t, "addresses", value[int64](t)(rotated.CountSealed(t.Context(), store.MailAddresses)), 5)
			first := value[songspy.ResealResult](t)(rotated.ResealColumn(t.Context(), store.MailAddresses, 0, 2))
			same(t, "the first page", first, songspy.ResealResult{LastUserID: all[1].ID, Processed: 2, Resealed: 2, ByKey: map[string]int{"test": 2}})
			rest := value[songspy.ResealResult](t)(rotated.ResealColumn(t.Context(), store.MailAddresses, first.LastUserID, 10))
			same(t, "the rest", rest, songspy.ResealResult{
				LastUserID: all[4].ID, Processed: 3, Resealed: 2, ByKey: map[string]int{"test": 2, "(damaged)": 1}, Undecryptable: []songspy.UserID{broken},
			})
			only := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new")} })
			kept(t, only, all[0].ID, ada)
			kept(t, only, all[4].ID, ada)
		},
	}
}
