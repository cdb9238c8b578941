package storetest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// invites tests that an invite with n uses lets n users sign up, until it expires or is
// revoked. Further sign-ins of these users take no use.
func invites() suite {
	hash := func(label string) []byte {
		sum := sha256.Sum256([]byte(label))
		return sum[:]
	}
	createInvite := func(t *testing.T, b *fixture, label string, uses int) songspy.Invite {
		t.Helper()
		return value[songspy.Invite](t)(b.CreateInvite(t.Context(), songspy.Invite{
			CodeHash: hash(label), Note: "for " + label, Uses: uses, ExpiresAt: start.Add(24 * time.Hour),
		}))
	}
	signUp := func(t *testing.T, s *store.Store, subject, label string) error {
		_, _, err := s.SignInOrUp(t.Context(), songspy.GoogleProfile{Subject: subject}, songspy.AudienceEveryone, songspy.SignUpCondition{InviteHash: hash(label)})
		return err
	}
	left := func(t *testing.T, b *fixture, id int64) int {
		t.Helper()
		for _, i := range value[[]songspy.Invite](t)(b.Invites(t.Context(), 100)) {
			if i.ID == id {
				return i.UsesLeft
			}
		}
		t.Fatalf("invite %d is not listed", id)
		return 0
	}
	countUsers := func(t *testing.T, b *fixture) (n int) {
		t.Helper()
		must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT count(*) FROM users").Scan(&n))
		return n
	}
	invalid := func(t *testing.T, err error) {
		t.Helper()
		requireError(t, err, songspy.CodeForbidden, "INVITE_INVALID")
	}
	return suite{
		"CreateInvite_IsListedNewestFirst": func(t *testing.T, b *fixture) {
			first := createInvite(t, b, "one", 1)
			b.clock.advance(time.Hour)
			second := createInvite(t, b, "two", 3)
			same(t, "the first", first, songspy.Invite{
				ID: first.ID, CodeHash: hash("one"), Note: "for one", Uses: 1, UsesLeft: 1, CreatedAt: start, ExpiresAt: start.Add(24 * time.Hour),
			})
			same(t, "the list", value[[]songspy.Invite](t)(b.Invites(t.Context(), 2)), []songspy.Invite{second, first})
			same(t, "the newest", value[[]songspy.Invite](t)(b.Invites(t.Context(), 1)), []songspy.Invite{second})
		},
		"CreateInvite_RejectsAnInviteThatAdmitsNoUser": func(t *testing.T, b *fixture) {
			good := songspy.Invite{CodeHash: hash("one"), Uses: 1, ExpiresAt: start.Add(time.Hour)}
			useless, over, open := good, good, good
			useless.Uses, over.ExpiresAt, open.CodeHash = 0, start, nil
			for _, i := range []songspy.Invite{useless, over, open} {
				_, err := b.CreateInvite(t.Context(), i)
				RequireCode(t, err, songspy.CodeInvalid)
			}
			value[songspy.Invite](t)(b.CreateInvite(t.Context(), good))
			_, err := b.CreateInvite(t.Context(), good)
			RequireCode(t, err, songspy.CodeConflict)
		},
		"SignInOrUp_TakesAUseForEachNewUserOnly": func(t *testing.T, b *fixture) {
			i := createInvite(t, b, "one", 2)
			for range 2 {
				must(t, signUp(t, b.Store, "ann", "one"))
				same(t, "uses left", left(t, b, i.ID), 1)
			}
			must(t, signUp(t, b.Store, "bob", "one"))
			invalid(t, signUp(t, b.Store, "eve", "one"))
			must(t, signUp(t, b.Store, "ann", "one"))
			must(t, signUp(t, b.Store, "bob", "there is none"))
			same(t, "users", countUsers(t, b), 2)
		},
		"SignInOrUp_WithAnInvalidInviteStoresNoUser": func(t *testing.T, b *fixture) {
			createInvite(t, b, "expires", 1)
			revoked := createInvite(t, b, "revoked", 1)
			value[songspy.Invite](t)(b.RevokeInvite(t.Context(), revoked.ID))
			invalid(t, signUp(t, b.Store, "ann", "unknown"))
			invalid(t, signUp(t, b.Store, "ann", "revoked"))
			b.clock.advance(24 * time.Hour)
			invalid(t, signUp(t, b.Store, "ann", "expires"))
			same(t, "users", countUsers(t, b), 0)
			same(t, "uses left", left(t, b, revoked.ID), 1)
		},
		"SignInOrUp_RefusesOnlyNewUsersAndStoresNothingOfThem": func(t *testing.T, b *fixture) {
			ann := b.newUser(t)
			closed := songspy.SignUpCondition{Refusal: &songspy.Error{Code: songspy.CodeForbidden, Reason: "SIGN_UP_CLOSED"}}
			known, _, err := b.SignInOrUp(t.Context(), songspy.GoogleProfile{Subject: ann.GoogleSub, Name: ann.GoogleName}, songspy.AudienceNobody, closed)
			must(t, err)
			same(t, "a user who signed up before", known, ann)
			executed := b.statements.recordDuring(func() {
				_, _, err = b.SignInOrUp(t.Context(), songspy.GoogleProfile{Subject: "eve"}, songspy.AudienceEveryone, closed)
			})
			requireError(t, err, songspy.CodeForbidden, "SIGN_UP_CLOSED")
			requireNoWrites(t, executed)
			same(t, "users", countUsers(t, b), 1)
		},
		"SignInOrUp_StoresNoAddress": func(t *testing.T, b *fixture) {
			profile := songspy.GoogleProfile{Subject: "ann", Name: "Ann", Email: "ann@example.org"}
			u, _, err := b.SignInOrUp(t.Context(), profile, songspy.AudienceEveryone, songspy.SignUpCondition{})
			must(t, err)
			for _, column := range columnsOf(t, b.sql(t), "users") {
				var found any
				must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT "+column+" FROM users WHERE id = $1", int64(u.ID)).Scan(&found))
				if strings.Contains(fmt.Sprint(found), "example.org") {
					t.Errorf("the address lies in %s", column)
				}
			}
		},
		"SignInOrUp_OfManyAtOnceAdmitsAsManyAsTheInviteHasUses": func(t *testing.T, b *fixture) {
			const uses, userCount = 3, 8
			i := createInvite(t, b, "one", uses)
			var calls []func() error
			for n := range userCount {
				s := b.openAnother(t)
				calls = append(calls, func() error { return signUp(t, s, fmt.Sprint("newcomer ", n), "one") })
			}
			in := 0
			for _, err := range runConcurrently(calls...) {
				if err == nil {
					in++
					continue
				}
				invalid(t, err)
			}
			same(t, "admitted, users stored, uses left", []int{in, countUsers(t, b), left(t, b, i.ID)}, []int{uses, uses, 0})
		},
		"SignInOrUp_OfOneUserManyTimesAtOnceTakesOneUse": func(t *testing.T, b *fixture) {
			i := createInvite(t, b, "one", 1)
			var calls []func() error
			for range 6 {
				s := b.openAnother(t)
				calls = append(calls, func() error { return signUp(t, s, "ann", "one") })
			}
			must(t, errors.Join(runConcurrently(calls...)...))
			same(t, "users stored, uses left", []int{countUsers(t, b), left(t, b, i.ID)}, []int{1, 0})
		},
		"SignInOrUp_WaitsForTheLastUseAndIsRefused": func(t *testing.T, b *fixture) {
			createInvite(t, b, "one", 1)
			other := b.db.Open(t, func(o *store.Options) { o.Now = b.clock.Now })
			late := make(chan error, 1)
			b.statements.runAfter("uses_left - 1", func() {
				go func() { late <- signUp(t, other, "late", "one") }()
				b.waitForBlockedTx(t, func() bool { return len(late) > 0 })
			})
			must(t, signUp(t, b.Store, "early", "one"))
			invalid(t, <-late)
			same(t, "users", countUsers(t, b), 1)
		},
		"RevokeInvite_IsFinal": func(t *testing.T, b *fixture) {
			i := createInvite(t, b, "one", 2)
			must(t, signUp(t, b.Store, "ann", "one"))
			b.clock.advance(time.Minute)
			revoked := value[songspy.Invite](t)(b.RevokeInvite(t.Context(), i.ID))
			same(t, "state", revoked.State(b.clock.Now()), songspy.InviteRevoked)
			b.clock.advance(time.Minute)
			same(t, "again", value[songspy.Invite](t)(b.RevokeInvite(t.Context(), i.ID)), revoked)
			invalid(t, signUp(t, b.Store, "bob", "one"))
			must(t, signUp(t, b.Store, "ann", "one"))
			_, err := b.RevokeInvite(t.Context(), 404)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"EraseUser_ReturnsNoUseOfAnInvite": func(t *testing.T, b *fixture) {
			i := createInvite(t, b, "one", 2)
			u, _, err := b.SignInOrUp(t.Context(), songspy.GoogleProfile{Subject: "ann"}, songspy.AudienceEveryone, songspy.SignUpCondition{InviteHash: hash("one")})
			must(t, err)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), u.ID))
			same(t, "uses left", left(t, b, i.ID), 1)
			must(t, signUp(t, b.Store, "ann", "one"))
			same(t, "uses left", left(t, b, i.ID), 0)
		},
		"PruneInvites_DeletesWhatHasExpired": func(t *testing.T, b *fixture) {
			i := createInvite(t, b, "one", 1)
			same(t, "pruned", value[int64](t)(b.PruneInvites(t.Context(), i.ExpiresAt)), 0)
			same(t, "pruned", value[int64](t)(b.PruneInvites(t.Context(), i.ExpiresAt.Add(time.Microsecond))), 1)
			same(t, "remaining invites", len(value[[]songspy.Invite](t)(b.Invites(t.Context(), 10))), 0)
		},
	}
}
