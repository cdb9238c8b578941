package storetest

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

func linking() suite {
	return suite{
		"SaveLink_IsReadBackWhole": func(t *testing.T, b *bundle) {
			u := b.person(t)
			l := b.link(t, u.ID, "ada")
			accountID, legacyID := "account-ada", "legacy-ada"
			same(t, "the link", l, songspy.Link{
				UserID: u.ID, App: "main", AccountID: &accountID, LegacyID: &legacyID, AuthMethod: songspy.AuthBasic,
				AccessToken: "a", RefreshToken: "r", Scope: l.Scope, AccessExpiresAt: start.Add(time.Hour), AuthorizedAt: start,
				State: songspy.LinkActive, StateSince: start, Generation: 1, Version: 1, Shard: songspy.ShardOf(u.ID),
				CreatedAt: start, UpdatedAt: start,
			})
			got := value[songspy.Link](t)(b.Link(t.Context(), u.ID))
			same(t, "the link, read", got, l)
			sameTokens(t, got, "ada")
		},
		"KeepGrant_WaitsNotRegisteredUntilItIsCompleted": func(t *testing.T, b *bundle) {
			u := b.person(t)
			value[songspy.Link](t)(b.KeepGrant(t.Context(), store.NewLink{UserID: u.ID, App: "main", Grant: grant("ada"), Account: account("nobody's"), At: start}))
			kept := value[songspy.Link](t)(b.Link(t.Context(), u.ID))
			_, linked, err := b.SignIn(t.Context(), songspy.GoogleProfile{Subject: "google-1", Name: u.GoogleName}, songspy.AudienceEveryone)
			must(t, err)
			same(t, "signing in reports a link", linked, false)
			sameTokens(t, kept, "ada")
			same(t, "state", kept.State, songspy.LinkNotRegistered)
			same(t, "the account is known", kept.AccountKnown(), false)
			same(t, "marks", len(value[[]songspy.LinkMark](t)(b.LinkMarks(t.Context(), 0, 10))), 0)
			same(t, "gaps", b.count(t, "gaps", u.ID), 0)
			b.clock.advance(time.Hour)
			l := b.link(t, u.ID, "ada")
			same(t, "state, completed", l.State, songspy.LinkActive)
			same(t, "the account", *l.AccountID, "account-ada")
			same(t, "linked at", l.CreatedAt, start.Add(time.Hour))
			if l.Generation <= kept.Generation {
				t.Fatalf("generation %d did not rise", l.Generation)
			}
		},
		"KeepGrant_LeavesALinkWhoseAccountIsKnown": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			keep := store.NewLink{UserID: l.UserID, App: "other", Grant: grant("new"), At: start}
			for _, state := range []songspy.LinkState{songspy.LinkActive, songspy.LinkReauthRequired, songspy.LinkNotRegistered} {
				before := value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
					l.State = state
					return nil
				}))
				same(t, "what is returned", value[songspy.Link](t)(b.KeepGrant(t.Context(), keep)), before)
				same(t, "the link", value[songspy.Link](t)(b.Link(t.Context(), l.UserID)), before)
			}
		},
		"KeepGrant_ReplacesAGrantThatWasKept": func(t *testing.T, b *bundle) {
			u := b.person(t)
			old := value[songspy.Link](t)(b.KeepGrant(t.Context(), store.NewLink{UserID: u.ID, App: "main", Grant: grant("old"), At: start}))
			kept := value[songspy.Link](t)(b.KeepGrant(t.Context(), store.NewLink{UserID: u.ID, App: "other", Grant: grant("new"), At: start, IfVersion: old.Version}))
			sameTokens(t, kept, "new")
			same(t, "the link", value[songspy.Link](t)(b.Link(t.Context(), u.ID)), kept)
			same(t, "app, state", []string{kept.App, string(kept.State)}, []string{"other", string(songspy.LinkNotRegistered)})
		},
		"IfVersion_StoresNothingOverALinkThatWasChangedOrRemoved": func(t *testing.T, b *bundle) {
			u := b.person(t)
			kept := value[songspy.Link](t)(b.KeepGrant(t.Context(), store.NewLink{UserID: u.ID, App: "main", Grant: grant("kept"), At: start}))
			late := store.NewLink{UserID: u.ID, App: "main", Grant: grant("kept"), Account: account("kept"), At: start, IfVersion: kept.Version}
			neither := func(what string) {
				t.Helper()
				_, err := b.SaveLink(t.Context(), late)
				same(t, "SaveLink "+what, songspy.CodeOf(err), songspy.CodeGone)
				_, err = b.KeepGrant(t.Context(), late)
				same(t, "KeepGrant "+what, songspy.CodeOf(err), songspy.CodeGone)
			}
			value[store.Erased](t)(b.Unlink(t.Context(), u.ID))
			neither("after an unlink")
			_, err := b.Link(t.Context(), u.ID)
			Code(t, err, songspy.CodeNotFound)
			newer := b.link(t, u.ID, "newer")
			neither("after another linking")
			same(t, "the newer link", value[songspy.Link](t)(b.Link(t.Context(), u.ID)), newer)
			late.IfVersion = newer.Version
			value[songspy.Link](t)(b.SaveLink(t.Context(), late))
		},
		"KeepGrant_RefusesWhoIsGoneAndHalfAGrant": func(t *testing.T, b *bundle) {
			_, err := b.KeepGrant(t.Context(), store.NewLink{UserID: 4711, App: "main", Grant: grant("x")})
			same(t, "somebody who is gone", songspy.CodeOf(err), songspy.CodeNotFound)
			_, err = b.KeepGrant(t.Context(), store.NewLink{UserID: b.person(t).ID, App: "main", Grant: songspy.Grant{AccessToken: "a"}})
			same(t, "no refresh token", songspy.CodeOf(err), songspy.CodeInvalid)
		},
		"SaveLink_TellsViewers": func(t *testing.T, b *bundle) {
			u := b.person(t)
			before := b.last(t)
			b.link(t, u.ID, "ada")
			same(t, "changes", b.changesAfter(t, before), []string{"link 1"})
		},
		"SaveLink_AgainReplacesTheTokensAndHeals": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.State = songspy.LinkReauthRequired
				return nil
			}))
			b.clock.advance(time.Hour)
			again := value[songspy.Link](t)(b.SaveLink(t.Context(), store.NewLink{
				UserID: l.UserID, App: "main", Grant: grant("new"), Account: songspy.Account{AccountID: *l.AccountID},
			}))
			sameTokens(t, value[songspy.Link](t)(b.Link(t.Context(), l.UserID)), "new")
			same(t, "state", again.State, songspy.LinkActive)
			same(t, "consented at", again.AuthorizedAt, start.Add(time.Hour))
			same(t, "linked at", again.CreatedAt, start)
			same(t, "the older id, not sent this time", again.LegacyID, l.LegacyID)
			if again.Generation <= l.Generation || again.Version <= l.Version {
				t.Fatalf("generation %d and version %d did not rise", again.Generation, again.Version)
			}
		},
		"SaveLink_OfTheSameAccountKeepsWhatIsPlaying": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			b.write(t, hears(l, song(1), start))
			again := value[songspy.Link](t)(b.SaveLink(t.Context(), store.NewLink{
				UserID: l.UserID, App: "main", Grant: grant("new"), Account: songspy.Account{ID: *l.LegacyID},
			}))
			same(t, "the song", b.playing(t, l.UserID).TrackURI, song(1).URI)
			same(t, "plays", b.count(t, "plays", l.UserID), 0)
			b.write(t, hears(again, song(1), start.Add(time.Minute)))
		},
		"SaveLink_OfAnotherAccountClosesTheOpenPlay": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			b.write(t, hears(l, song(1), start))
			b.clock.advance(30 * time.Second)
			b.link(t, l.UserID, "other")
			n := b.playing(t, l.UserID)
			same(t, "the player", n.State, songspy.PlayerIdle)
			same(t, "nothing can have begun before", n.ElsewhereAt.Equal(value[songspy.Link](t)(b.Link(t.Context(), l.UserID)).AuthorizedAt), true)
			var listened, counted int64
			db := b.sql(t)
			must(t, db.QueryRowContext(t.Context(), "SELECT listened_ms FROM plays WHERE user_id = $1", int64(l.UserID)).Scan(&listened))
			must(t, db.QueryRowContext(t.Context(), "SELECT plays FROM user_tracks WHERE user_id = $1", int64(l.UserID)).Scan(&counted))
			same(t, "proven ms and plays of the track", []int64{listened, counted}, []int64{60_000, 1})
		},
		"SaveLink_RefusesAnAccountOfSomebodyElse": func(t *testing.T, b *bundle) {
			l, u := b.listener(t), b.person(t)
			for _, a := range []songspy.Account{
				{AccountID: *l.AccountID, ID: *l.LegacyID},
				{AccountID: *l.AccountID, ID: "new"},
				{AccountID: "new", ID: *l.LegacyID},
				{ID: *l.LegacyID},
			} {
				_, err := b.SaveLink(t.Context(), store.NewLink{UserID: u.ID, App: "main", Grant: grant("u"), Account: a})
				refused(t, err, songspy.CodeConflict, "SPOTIFY_LINKED_ELSEWHERE")
			}
			_, err := b.Link(t.Context(), u.ID)
			Code(t, err, songspy.CodeNotFound)
			sameTokens(t, value[songspy.Link](t)(b.Link(t.Context(), l.UserID)), "of-1")
		},
		"SaveLink_MovesTheAccountAndErasesItsFormerPersonsListening": func(t *testing.T, b *bundle) {
			l, u := b.listener(t), b.person(t)
			h := hears(l, song(1), start)
			h.Plays = []songspy.Play{played(song(1), start.Add(-time.Hour))}
			b.write(t, h)
			before := b.last(t)
			moved := value[songspy.Link](t)(b.SaveLink(t.Context(), store.NewLink{
				UserID: u.ID, App: "main", Grant: grant("u"), Account: songspy.Account{AccountID: *l.AccountID, ID: *l.LegacyID}, Move: true,
			}))
			same(t, "the account", moved.AccountID, l.AccountID)
			_, err := b.Link(t.Context(), l.UserID)
			refused(t, err, songspy.CodeNotFound, "SPOTIFY_NOT_LINKED")
			for _, table := range []string{"now_playing", "plays", "user_tracks"} {
				same(t, table, b.count(t, table, l.UserID), 0)
			}
			same(t, "changes", b.changesAfter(t, before), []string{"link 1", "link 2"})
		},
		"SaveLink_KeepsAccountsWithoutIdsApart": func(t *testing.T, b *bundle) {
			for _, name := range []string{"one", "two"} {
				value[songspy.Link](t)(b.SaveLink(t.Context(), store.NewLink{
					UserID: b.person(t).ID, App: "main", Grant: grant(name), Account: songspy.Account{ID: name},
				}))
			}
		},
		"SaveLink_ForAnErasedPersonIsNotFound": func(t *testing.T, b *bundle) {
			u := b.person(t)
			value[store.Erased](t)(b.EraseUser(t.Context(), u.ID))
			_, err := b.SaveLink(t.Context(), store.NewLink{UserID: u.ID, App: "main", Grant: grant("u"), Account: account("u")})
			Code(t, err, songspy.CodeNotFound)
		},
		"SaveLink_RefusesAGrantThatCannotBeRenewed": func(t *testing.T, b *bundle) {
			g := grant("u")
			g.RefreshToken = ""
			_, err := b.SaveLink(t.Context(), store.NewLink{UserID: b.person(t).ID, App: "main", Grant: g, Account: account("u")})
			Code(t, err, songspy.CodeInvalid)
		},
		"Unlink_ErasesWhatCameFromSpotify": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(1), start)
			h.Plays = []songspy.Play{played(song(1), start.Add(-time.Hour))}
			b.write(t, h)
			before := b.last(t)
			same(t, "erased", value[store.Erased](t)(b.Unlink(t.Context(), l.UserID)), store.Erased{Link: true, Plays: 1, Tracks: 1})
			for _, table := range []string{"spotify_links", "now_playing", "plays", "user_tracks"} {
				same(t, table, b.count(t, table, l.UserID), 0)
			}
			value[songspy.User](t)(b.User(t.Context(), l.UserID))
			same(t, "changes", b.changesAfter(t, before), []string{"link 1"})
			_, err := b.Unlink(t.Context(), l.UserID)
			refused(t, err, songspy.CodeNotFound, "SPOTIFY_NOT_LINKED")
		},
		"Unlink_NeverLetsAGenerationOrAVersionComeBack": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			generations, versions := map[int64]bool{}, map[int64]bool{}
			for range 3 {
				l = value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
					l.AccessToken += "!"
					return nil
				}))
				if generations[l.Generation] || versions[l.Version] {
					t.Fatalf("generation %d or version %d came back", l.Generation, l.Version)
				}
				generations[l.Generation], versions[l.Version] = true, true
				value[store.Erased](t)(b.Unlink(t.Context(), l.UserID))
				l = b.link(t, l.UserID, "again")
			}
		},
	}
}

// sameTokens fails the test unless the link's tokens are those of grant(label).
func sameTokens(t *testing.T, l songspy.Link, label string) {
	t.Helper()
	same(t, "the tokens", []string{l.AccessToken.Reveal(), l.RefreshToken.Reveal()}, []string{"access-" + label, "refresh-" + label})
}
