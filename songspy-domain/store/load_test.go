package store_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
)

// manyUsers yields users 1 to n, each with a link.
func manyUsers(n int) iter.Seq2[songspy.User, songspy.Link] {
	now := time.Now()
	return func(yield func(songspy.User, songspy.Link) bool) {
		for id := range n {
			account := fmt.Sprint("account-", id+1)
			u := songspy.User{
				ID: songspy.UserID(id + 1), GoogleSub: fmt.Sprint("google-", id+1), Audience: songspy.AudienceEveryone,
				CreatedAt: now, UpdatedAt: now,
			}
			l := songspy.Link{
				App: "main", AccountID: &account, AuthMethod: songspy.AuthBasic,
				AccessToken: songspy.Secret(fmt.Sprint("access-", id+1)), RefreshToken: "refresh",
				AccessExpiresAt: now.Add(time.Hour), AuthorizedAt: now, State: songspy.LinkActive, StateSince: now,
				Generation: 1, Version: 1, CreatedAt: now, UpdatedAt: now,
			}
			if !yield(u, l) {
				return
			}
		}
	}
}

// allOf returns the ids of the users of manyUsers(n).
func allOf(n int) (ids []songspy.UserID) {
	for id := range n {
		ids = append(ids, songspy.UserID(id+1))
	}
	return ids
}

// openForLoad opens a migrated store on Postgres and a connection to its database.
func openForLoad(t *testing.T) (*store.Store, *pgx.Conn) {
	t.Helper()
	storetest.Server(t)
	d := storetest.Migrated(t, storetest.Postgres)
	conn, err := pgx.Connect(t.Context(), d.URL)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(context.WithoutCancel(t.Context())); err != nil {
			t.Error(err)
		}
	})
	return d.Open(t), conn
}

func TestLoad_CreatesUsersThatCanBePolled(t *testing.T) {
	s, conn := openForLoad(t)
	const users = 10_003 // more than one transaction of Load, which copies 10,000 users
	if err := storetest.Load(t.Context(), s, conn, manyUsers(users)); err != nil {
		t.Fatal(err)
	}
	polled, err := s.PolledUsersByID(t.Context(), allOf(users))
	if err != nil {
		t.Fatal(err)
	}
	if len(polled) != users {
		t.Fatalf("%d users are polled, want %d", len(polled), users)
	}
	for _, l := range polled {
		if want := songspy.Secret(fmt.Sprint("access-", l.Link.UserID)); l.Link.AccessToken != want {
			t.Fatalf("user %d was read with another's token", l.Link.UserID)
		}
	}
	last := polled[users-1].Link
	written, err := s.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{{
		Playing: songspy.NowPlaying{UserID: last.UserID, State: songspy.PlayerIdle, ObservedAt: time.Now(), Generation: last.Generation},
	}})
	if err != nil || written[0].Dropped || written[0].Err != nil {
		t.Errorf("the update of a loaded user is not written: %+v, %v", written, err)
	}
}

func TestLoad_NewUsersGetLaterIDs(t *testing.T) {
	s, conn := openForLoad(t)
	if err := storetest.Load(t.Context(), s, conn, manyUsers(3)); err != nil {
		t.Fatal(err)
	}
	u, _, err := s.SignIn(t.Context(), songspy.GoogleProfile{Subject: "somebody new"}, songspy.AudienceEveryone)
	if err != nil || u.ID <= 3 {
		t.Errorf("the next user has the id %d, %v; want an id after 3", u.ID, err)
	}
	err = storetest.Load(t.Context(), s, conn, manyUsers(1))
	if pgErr, ok := errors.AsType[*pgconn.PgError](err); !ok || pgErr.Code != "23505" {
		t.Errorf("loading a user that exists returns %v, want a unique violation", err)
	}
}
