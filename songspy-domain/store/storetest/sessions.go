package storetest

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// session is a session to create; label stands for its refresh token.
func session(id songspy.UserID, label string) songspy.Session {
	return songspy.Session{UserID: id, RefreshHash: []byte("hash of " + label), CreatedAt: start, ExpiresAt: start.Add(24 * time.Hour)}
}

func sessions() suite {
	create := func(t *testing.T, b *bundle, label string) songspy.Session {
		t.Helper()
		return value[songspy.Session](t)(b.CreateSession(t.Context(), session(b.person(t).ID, label)))
	}
	return suite{
		"CreateSession_BeginsAFamily": func(t *testing.T, b *bundle) {
			first := create(t, b, "one")
			same(t, "the family", first.Family, first.ID)
			same(t, "the session, read", value[songspy.Session](t)(b.Session(t.Context(), first.ID)), first)
			same(t, "the session, by its token", value[songspy.Session](t)(b.SessionByRefresh(t.Context(), first.RefreshHash)), first)
		},
		"CreateSession_ForAnErasedPersonIsNotFound": func(t *testing.T, b *bundle) {
			u := b.person(t)
			value[store.Erased](t)(b.EraseUser(t.Context(), u.ID))
			_, err := b.CreateSession(t.Context(), session(u.ID, "one"))
			Code(t, err, songspy.CodeNotFound)
		},
		"CreateSession_RefusesATokenThatIsInUse": func(t *testing.T, b *bundle) {
			first := create(t, b, "one")
			_, err := b.CreateSession(t.Context(), session(first.UserID, "one"))
			Code(t, err, songspy.CodeConflict)
		},
		"Session_EndsWithItsPerson": func(t *testing.T, b *bundle) {
			first := create(t, b, "one")
			value[store.Erased](t)(b.EraseUser(t.Context(), first.UserID))
			_, err := b.Session(t.Context(), first.ID)
			Code(t, err, songspy.CodeNotFound)
			_, err = b.SessionByRefresh(t.Context(), first.RefreshHash)
			Code(t, err, songspy.CodeNotFound)
		},
		"RotateSession_HandsOnOnce": func(t *testing.T, b *bundle) {
			first := create(t, b, "one")
			b.clock.advance(time.Minute)
			next := value[songspy.Session](t)(b.RotateSession(t.Context(), first.ID, session(0, "two")))
			same(t, "the person and the family", []int64{int64(next.UserID), next.Family}, []int64{int64(first.UserID), first.Family})
			same(t, "rotated at", *value[songspy.Session](t)(b.Session(t.Context(), first.ID)).RotatedAt, start.Add(time.Minute))
			_, err := b.RotateSession(t.Context(), first.ID, session(0, "three"))
			Code(t, err, songspy.CodeConflict)
			_, err = b.SessionByRefresh(t.Context(), session(0, "three").RefreshHash)
			Code(t, err, songspy.CodeNotFound)
		},
		"RotateSession_OfNobodyIsNotFound": func(t *testing.T, b *bundle) {
			_, err := b.RotateSession(t.Context(), 404, session(0, "two"))
			Code(t, err, songspy.CodeNotFound)
		},
		"RevokeFamily_EndsEverySessionOfIt": func(t *testing.T, b *bundle) {
			first, other := create(t, b, "one"), create(t, b, "other")
			next := value[songspy.Session](t)(b.RotateSession(t.Context(), first.ID, session(0, "two")))
			must(t, b.RevokeFamily(t.Context(), first.Family))
			for _, s := range []songspy.Session{first, next} {
				same(t, "alive", value[songspy.Session](t)(b.Session(t.Context(), s.ID)).Alive(start), false)
			}
			same(t, "another family's, alive", value[songspy.Session](t)(b.Session(t.Context(), other.ID)).Alive(start), true)
			_, err := b.RotateSession(t.Context(), next.ID, session(0, "three"))
			Code(t, err, songspy.CodeConflict)
		},
		"PruneSessions_DeletesWhatHasExpired": func(t *testing.T, b *bundle) {
			first := create(t, b, "one")
			same(t, "pruned", value[int64](t)(b.PruneSessions(t.Context(), first.ExpiresAt)), 0)
			same(t, "pruned", value[int64](t)(b.PruneSessions(t.Context(), first.ExpiresAt.Add(time.Microsecond))), 1)
			_, err := b.Session(t.Context(), first.ID)
			Code(t, err, songspy.CodeNotFound)
		},
	}
}
