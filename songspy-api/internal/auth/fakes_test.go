package auth

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/viewercache"
)

// annsMail is an address that must not be logged.
const annsMail = "ann@example.org"

type fakeGoogle struct{}

func (fakeGoogle) Profile(_ context.Context, access songspy.Secret) (songspy.GoogleProfile, error) {
	if access != "good" {
		return songspy.GoogleProfile{}, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "GOOGLE_TOKEN_FOREIGN"}
	}
	return songspy.GoogleProfile{Subject: "g-1", Name: "Ann", Email: annsMail}, nil
}

// fakeStore implements Users, Sessions and Addresses in memory.
type fakeStore struct {
	signIns int
	touches int // how often a last use was written
	reads   int // how often a session was read
	// viewers is notified of sessions that end, as the real store notifies it by OnChanges.
	viewers      *viewercache.Cache
	sessions     map[int64]songspy.Session
	now          func() time.Time
	beforeRotate func()
	failing      bool
	condition    songspy.SignUpCondition // the condition of the last sign-in
	refusal      error                   // returned by every sign-in, unless it is nil
	addresses    map[songspy.UserID]songspy.Secret
	attempts     []songspy.AuthorizationAttempt
	audience     songspy.Audience // the audience of the last sign-in
}

func (f *fakeStore) SaveAddress(_ context.Context, id songspy.UserID, address songspy.Secret) error {
	f.addresses = map[songspy.UserID]songspy.Secret{id: address}
	return nil
}

func (f *fakeStore) SignInOrUp(_ context.Context, _ songspy.GoogleProfile, a songspy.Audience, t songspy.SignUpCondition) (songspy.User, bool, error) {
	f.condition, f.audience = t, a
	if f.signIns == 0 && t.Refusal != nil {
		return songspy.User{}, false, t.Refusal
	}
	if f.refusal != nil {
		return songspy.User{}, false, f.refusal
	}
	f.signIns++
	return songspy.User{ID: 1, PublicID: publicIDOfUser1}, false, nil
}

// publicIDOfUser1 is the public id of the only user.
const publicIDOfUser1 = 5001

func (f *fakeStore) User(_ context.Context, id songspy.UserID) (songspy.User, error) {
	return songspy.User{ID: id, PublicID: publicIDOfUser1}, nil
}

func (f *fakeStore) CreateSession(_ context.Context, s songspy.Session) (songspy.Session, error) {
	s.ID = int64(len(f.sessions) + 1)
	if s.Family == 0 {
		s.Family = s.ID
	}
	f.sessions[s.ID] = s
	return s, nil
}

func (f *fakeStore) find(match func(songspy.Session) bool) (songspy.Session, error) {
	f.reads++
	if f.failing {
		return songspy.Session{}, &songspy.Error{Code: songspy.CodeUnavailable, Err: errors.New("down")}
	}
	for _, s := range f.sessions {
		if match(s) {
			return s, nil
		}
	}
	return songspy.Session{}, &songspy.Error{Code: songspy.CodeNotFound}
}

func (f *fakeStore) Session(_ context.Context, id int64) (songspy.Session, error) {
	return f.find(func(s songspy.Session) bool { return s.ID == id })
}

func (f *fakeStore) SessionBySecret(_ context.Context, hash []byte) (songspy.Session, error) {
	return f.find(func(s songspy.Session) bool { return bytes.Equal(s.SecretHash, hash) })
}

func (f *fakeStore) RotateSession(ctx context.Context, id int64, successor songspy.Session) (songspy.Session, error) {
	if before := f.beforeRotate; before != nil {
		f.beforeRotate = nil
		before()
	}
	old, ok := f.sessions[id]
	if !ok {
		return songspy.Session{}, &songspy.Error{Code: songspy.CodeNotFound}
	}
	if old.RotatedAt != nil || old.RevokedAt != nil {
		return songspy.Session{}, &songspy.Error{Code: songspy.CodeConflict}
	}
	at := f.now()
	old.RotatedAt = &at
	f.sessions[id] = old
	return f.CreateSession(ctx, successor)
}

func (f *fakeStore) Sessions(_ context.Context, user songspy.UserID, at time.Time, _ int) ([]songspy.Session, error) {
	var active []songspy.Session
	for _, s := range f.sessions {
		if s.UserID == user && s.RotatedAt == nil && s.IsActive(at) {
			active = append(active, s)
		}
	}
	slices.SortFunc(active, func(a, b songspy.Session) int { return b.LastUsedAt.Compare(a.LastUsedAt) })
	return active, nil
}

func (f *fakeStore) TouchSession(_ context.Context, id int64, at time.Time) error {
	f.touches++
	s := f.sessions[id]
	s.LastUsedAt = at
	f.sessions[id] = s
	return nil
}

func (f *fakeStore) RevokeSessions(ctx context.Context, user songspy.UserID, family int64) error {
	found := false
	for _, s := range f.sessions {
		if s.UserID == user && (family == 0 || s.Family == family) && s.RevokedAt == nil {
			found = true
			if err := f.RevokeFamily(ctx, s.Family, songspy.ActorSelf); err != nil {
				return err
			}
		}
	}
	if !found {
		return &songspy.Error{Code: songspy.CodeNotFound}
	}
	return nil
}

func (f *fakeStore) RevokeFamily(_ context.Context, family int64, _ songspy.AuditActor) error {
	at := f.now()
	for id, s := range f.sessions {
		if s.Family == family {
			s.RevokedAt = &at
			f.sessions[id] = s
			f.viewers.Apply([]songspy.Change{{UserID: s.UserID, Kind: songspy.ChangeSession}})
		}
	}
	return nil
}
