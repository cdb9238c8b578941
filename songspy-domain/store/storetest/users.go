package storetest

import (
	"errors"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func users() suite {
	profile := songspy.GoogleProfile{Subject: "google-sub", Name: "Ada", PictureURL: "https://g.example/ada"}
	return suite{
		"IDs_OfErasedUsersAreNotGivenAgain": func(t *testing.T, b *fixture) { // because caches may still hold relations of the erased id
			erased := b.newUser(t)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), erased.ID))
			if next := b.newUser(t); next.ID <= erased.ID {
				t.Errorf("the next user has the id %d, the erased one had %d", next.ID, erased.ID)
			}
		},
		"SignIn_CreatesAUserOnce": func(t *testing.T, b *fixture) {
			first, linked, err := b.SignIn(t.Context(), profile, songspy.AudienceFollowers)
			must(t, err)
			same(t, "linked", linked, false)
			same(t, "the user", first, songspy.User{
				ID: first.ID, PublicID: first.PublicID, GoogleSub: "google-sub", GoogleName: "Ada", PictureURL: "https://g.example/ada",
				Audience: songspy.AudienceFollowers, CreatedAt: start, UpdatedAt: start,
			})
			b.clock.advance(time.Hour)
			again, _, err := b.SignIn(t.Context(), profile, songspy.AudienceEveryone)
			must(t, err)
			same(t, "the user, found again", again, first)
		},
		"SignIn_UpdatesNameAndPicture": func(t *testing.T, b *fixture) {
			first, _, err := b.SignIn(t.Context(), profile, songspy.AudienceEveryone)
			must(t, err)
			b.clock.advance(time.Hour)
			changed := songspy.GoogleProfile{Subject: "google-sub", Name: "Ada L."}
			again, _, err := b.SignIn(t.Context(), changed, songspy.AudienceEveryone)
			must(t, err)
			first.GoogleName, first.PictureURL, first.UpdatedAt = "Ada L.", "", start.Add(time.Hour)
			same(t, "the user", again, first)
		},
		"SignIn_ReportsWhetherALinkExists": func(t *testing.T, b *fixture) {
			u, _, err := b.SignIn(t.Context(), profile, songspy.AudienceEveryone)
			must(t, err)
			b.link(t, u.ID, "ada")
			_, linked, err := b.SignIn(t.Context(), profile, songspy.AudienceEveryone)
			must(t, err)
			same(t, "linked", linked, true)
		},
		"SignIn_StoresAnyName": func(t *testing.T, b *fixture) {
			odd := songspy.GoogleProfile{Subject: "odd", Name: "A\x00d\xffa 🎧"}
			for range 2 {
				u, _, err := b.SignIn(t.Context(), odd, songspy.AudienceEveryone)
				must(t, err)
				same(t, "the name", u.GoogleName, "Ad\uFFFDa 🎧")
				same(t, "changed at", u.UpdatedAt, start)
			}
		},
		"SignIn_RejectsAProfileWithoutSubject": func(t *testing.T, b *fixture) {
			_, _, err := b.SignIn(t.Context(), songspy.GoogleProfile{Name: "Ada"}, songspy.AudienceEveryone)
			RequireCode(t, err, songspy.CodeInvalid)
		},
		"User_OfAnUnknownIDIsNotFound": func(t *testing.T, b *fixture) {
			_, err := b.User(t.Context(), 404)
			RequireCode(t, err, songspy.CodeNotFound)
			_, err = b.UpdateUser(t.Context(), 404, func(*songspy.User) error { return nil })
			RequireCode(t, err, songspy.CodeNotFound)
			_, err = b.EraseUser(t.Context(), 404)
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"UpdateUser_WritesZeroValuesToo": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			name := "nick"
			_, err := b.UpdateUser(t.Context(), u.ID, func(u *songspy.User) error {
				u.NickName, u.ShowPicture = &name, true
				return nil
			})
			must(t, err)
			got := value[songspy.User](t)(b.User(t.Context(), u.ID))
			same(t, "nickname", got.PublicName(), "nick")
			same(t, "shows the picture", got.ShowPicture, true)
			back := value[songspy.User](t)(b.UpdateUser(t.Context(), u.ID, func(u *songspy.User) error {
				u.NickName, u.ShowPicture = nil, false
				return nil
			}))
			same(t, "the user, unchanged", back, u)
			same(t, "the user, read", value[songspy.User](t)(b.User(t.Context(), u.ID)), u)
		},
		"UpdateUser_PublishesRealChangesOnly": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			before := b.lastChange(t)
			rename := func(u *songspy.User) error {
				name := "nick"
				u.NickName = &name
				return nil
			}
			for range 2 {
				value[songspy.User](t)(b.UpdateUser(t.Context(), u.ID, rename))
			}
			same(t, "changes", b.changesAfter(t, before), []string{"user 1"})
		},
		"UpdateUser_WritesNothingOnAnError": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			boom := errors.New("boom")
			_, err := b.UpdateUser(t.Context(), u.ID, func(u *songspy.User) error {
				u.GoogleName = "changed"
				return boom
			})
			if !errors.Is(err, boom) {
				t.Fatalf("the error is %v", err)
			}
			same(t, "the user", value[songspy.User](t)(b.User(t.Context(), u.ID)), u)
		},
		"UpdateUser_ChangesNeitherIdentityNorVisibility": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			got := value[songspy.User](t)(b.UpdateUser(t.Context(), u.ID, func(u *songspy.User) error {
				u.ID, u.PublicID, u.GoogleSub, u.CreatedAt = 99, 99, "somebody", start.Add(time.Hour)
				u.Audience, u.HiddenByOperator = songspy.AudienceNobody, true
				return nil
			}))
			same(t, "the user", got, u)
		},
		"EraseUser_LeavesNothing": func(t *testing.T, b *fixture) {
			gone, stays := b.newLinkedUser(t), b.newLinkedUser(t)
			for _, l := range []songspy.Link{gone, stays} {
				update := playingUpdate(l, song(1), start)
				update.Plays = []songspy.Play{finishedPlay(song(2), start.Add(-time.Hour)), finishedPlay(song(2), start.Add(-2*time.Hour))}
				update.Tracks = append(update.Tracks, song(2))
				b.write(t, update)
				value[songspy.Session](t)(b.CreateSession(t.Context(), newSession(l.UserID, l.App+string(rune('a'+l.UserID)))))
				b.queueNotifications(t, relinkNotification(l.UserID))
			}
			before := b.lastChange(t)
			same(t, "erased", value[songspy.Erasure](t)(b.EraseUser(t.Context(), gone.UserID)), songspy.Erasure{Link: true, Plays: 2, Tracks: 2})
			for _, table := range []string{"users", "spotify_links", "sessions", "now_playing", "plays", "history_items", "user_tracks", "notifications"} {
				same(t, table+" of the erased", b.countRows(t, table, gone.UserID), 0)
				if table != "history_items" && b.countRows(t, table, stays.UserID) == 0 {
					t.Errorf("%s of another user was erased too", table)
				}
			}
			same(t, "changes", b.changesAfter(t, before), []string{"user 1"})
		},
	}
}
