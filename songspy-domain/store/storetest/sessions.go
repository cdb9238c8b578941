package storetest

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// newSession returns a session of the user for CreateSession or RotateSession. The label
// stands for the session's refresh token: sessions with the same label have the same
// SecretHash.
func newSession(id songspy.UserID, label string) songspy.Session {
	return songspy.Session{UserID: id, SecretHash: []byte("hash of " + label), Label: label, CreatedAt: start, SignedInAt: start, LastUsedAt: start, ExpiresAt: start.Add(24 * time.Hour)}
}

func sessions() suite {
	create := func(t *testing.T, b *fixture, label string) songspy.Session {
		t.Helper()
		return value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(b.newUser(t).ID, label)))
	}
	return suite{
		"CreateSession_BeginsAFamily": func(t *testing.T, b *fixture) {
			first := create(t, b, "one")
			same(t, "the family", first.Family, first.ID)
			same(t, "the session, read", value[songspy.Session](t)(b.Session(t.Context(), first.ID)), first)
			same(t, "the session, by its token", value[songspy.Session](t)(b.SessionBySecret(t.Context(), first.SecretHash)), first)
		},
		"CreateSession_ForAnErasedUserIsNotFound": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), u.ID))
			_, err := b.CreateSession(t.Context(), newSession(u.ID, "one"))
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"CreateSession_RejectsATokenThatIsInUse": func(t *testing.T, b *fixture) {
			first := create(t, b, "one")
			_, err := b.CreateSession(t.Context(), newSession(first.UserID, "one"))
			RequireCode(t, err, songspy.CodeConflict)
		},
		"Session_EndsWithItsUser": func(t *testing.T, b *fixture) {
			first := create(t, b, "one")
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), first.UserID))
			_, err := b.Session(t.Context(), first.ID)
			RequireCode(t, err, songspy.CodeNotFound)
			_, err = b.SessionBySecret(t.Context(), first.SecretHash)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"RotateSession_CreatesOneSuccessor": func(t *testing.T, b *fixture) {
			first := newSession(b.newUser(t).ID, "one")
			first.OperatorHash = []byte("hash")
			first = value[songspy.Session](t)(b.CreateSession(t.Context(), first))
			b.clock.advance(time.Minute)
			next := value[songspy.Session](t)(b.RotateSession(t.Context(), first.ID, newSession(0, "two")))
			same(t, "the user and the family", []int64{int64(next.UserID), next.Family}, []int64{int64(first.UserID), first.Family})
			same(t, "the label and the sign-in time", []any{next.Label, next.SignedInAt}, []any{"one", start})
			same(t, "the operator hash", value[songspy.Session](t)(b.Session(t.Context(), next.ID)).OperatorHash, []byte("hash"))
			same(t, "rotated at", *value[songspy.Session](t)(b.Session(t.Context(), first.ID)).RotatedAt, start.Add(time.Minute))
			_, err := b.RotateSession(t.Context(), first.ID, newSession(0, "three"))
			RequireCode(t, err, songspy.CodeConflict)
			_, err = b.SessionBySecret(t.Context(), newSession(0, "three").SecretHash)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"RotateSession_OfAnUnknownSessionIsNotFound": func(t *testing.T, b *fixture) {
			_, err := b.RotateSession(t.Context(), 404, newSession(0, "two"))
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"Sessions_KeepTheirKind": func(t *testing.T, b *fixture) {
			bearer := create(t, b, "one")
			same(t, "the kind of a session without one", bearer.Kind, songspy.SessionBearer)
			cookie := newSession(bearer.UserID, "cookie")
			cookie.Kind = songspy.SessionCookie
			cookie = value[songspy.Session](t)(b.CreateSession(t.Context(), cookie))
			next := value[songspy.Session](t)(b.RotateSession(t.Context(), cookie.ID, newSession(0, "next cookie")))
			same(t, "the kind of the successor", value[songspy.Session](t)(b.Session(t.Context(), next.ID)).Kind, songspy.SessionCookie)
			unknown := newSession(bearer.UserID, "unknown")
			unknown.Kind = "letter"
			_, err := b.CreateSession(t.Context(), unknown)
			RequireCode(t, err, songspy.CodeInvalid)
		},
		"RevokingSessions_PublishesAChange": func(t *testing.T, b *fixture) {
			one := create(t, b, "one")
			two := value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(one.UserID, "two")))
			number := b.lastChange(t)
			must(t, b.RevokeFamily(t.Context(), one.Family, songspy.ActorSelf))
			must(t, b.RevokeFamily(t.Context(), one.Family, songspy.ActorSelf)) // must publish no change: no session is left to revoke
			must(t, b.RevokeFamily(t.Context(), 404, songspy.ActorSelf))
			must(t, b.RevokeSessions(t.Context(), one.UserID, two.Family))
			RequireCode(t, b.RevokeSessions(t.Context(), one.UserID, 0), songspy.CodeNotFound)
			same(t, "changes", b.changesAfter(t, number), []string{"session 1", "session 1"})
		},
		"RevokeFamily_EndsEverySessionOfIt": func(t *testing.T, b *fixture) {
			first, other := create(t, b, "one"), create(t, b, "other")
			next := value[songspy.Session](t)(b.RotateSession(t.Context(), first.ID, newSession(0, "two")))
			must(t, b.RevokeFamily(t.Context(), first.Family, songspy.ActorSelf))
			for _, s := range []songspy.Session{first, next} {
				same(t, "active", value[songspy.Session](t)(b.Session(t.Context(), s.ID)).IsActive(start), false)
			}
			same(t, "the other family is active", value[songspy.Session](t)(b.Session(t.Context(), other.ID)).IsActive(start), true)
			_, err := b.RotateSession(t.Context(), next.ID, newSession(0, "three"))
			RequireCode(t, err, songspy.CodeConflict)
		},
		"Sessions_AreTheNewestOfEachActiveFamily": func(t *testing.T, b *fixture) {
			first, other := create(t, b, "one"), create(t, b, "other")
			next := value[songspy.Session](t)(b.RotateSession(t.Context(), first.ID, newSession(0, "two")))
			second := value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(first.UserID, "three")))
			ids := func(id songspy.UserID, at time.Time, limit int) (ids []int64) {
				for _, s := range value[[]songspy.Session](t)(b.Sessions(t.Context(), id, at, limit)) {
					ids = append(ids, s.ID)
				}
				return ids
			}
			must(t, b.TouchSession(t.Context(), second.ID, start.Add(time.Second)))
			same(t, "of the user", ids(first.UserID, start, 10), []int64{second.ID, next.ID})
			same(t, "of another user", ids(other.UserID, start, 10), []int64{other.ID})
			must(t, b.TouchSession(t.Context(), next.ID, start.Add(time.Minute)))
			must(t, b.TouchSession(t.Context(), next.ID, start))
			same(t, "the last used", ids(first.UserID, start, 1), []int64{next.ID})
			same(t, "last used at", value[songspy.Session](t)(b.Session(t.Context(), next.ID)).LastUsedAt, start.Add(time.Minute))
			same(t, "the predecessor, whose row is not locked", value[songspy.Session](t)(b.Session(t.Context(), first.ID)).LastUsedAt, start)
			same(t, "after they have expired", len(ids(first.UserID, next.ExpiresAt, 10)), 0)
			must(t, b.RevokeFamily(t.Context(), first.Family, songspy.ActorSelf))
			same(t, "after one is revoked", ids(first.UserID, start, 10), []int64{second.ID})
		},
		"RevokeSessions_RevokesOnlyThoseOfTheUser": func(t *testing.T, b *fixture) {
			first, other := create(t, b, "one"), create(t, b, "other")
			next := value[songspy.Session](t)(b.RotateSession(t.Context(), first.ID, newSession(0, "two")))
			second := value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(first.UserID, "three")))
			alive := func(id int64) bool { return value[songspy.Session](t)(b.Session(t.Context(), id)).IsActive(start) }
			RequireCode(t, b.RevokeSessions(t.Context(), first.UserID, other.Family), songspy.CodeNotFound)
			must(t, b.RevokeSessions(t.Context(), first.UserID, first.Family))
			same(t, "one family revoked", []bool{alive(first.ID), alive(next.ID), alive(second.ID), alive(other.ID)}, []bool{false, false, true, true})
			must(t, b.RevokeSessions(t.Context(), first.UserID, 0))
			same(t, "all revoked", []bool{alive(second.ID), alive(other.ID)}, []bool{false, true})
			RequireCode(t, b.RevokeSessions(t.Context(), first.UserID, 0), songspy.CodeNotFound)
		},
		"PruneSessions_DeletesWhatHasExpired": func(t *testing.T, b *fixture) {
			first := create(t, b, "one")
			same(t, "pruned", value[int64](t)(b.PruneSessions(t.Context(), first.ExpiresAt)), 0)
			same(t, "pruned", value[int64](t)(b.PruneSessions(t.Context(), first.ExpiresAt.Add(time.Microsecond))), 1)
			_, err := b.Session(t.Context(), first.ID)
			RequireCode(t, err, songspy.CodeNotFound)
		},
	}
}
