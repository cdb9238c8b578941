package storetest

import (
	"errors"
	"fmt"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func links() suite {
	return suite{
		"PruneTokens_OfLinksThatStayBroken": func(t *testing.T, b *fixture) {
			broken, lately, suspect := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			setState := func(l songspy.Link, state songspy.LinkState) {
				t.Helper()
				value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
					l.State = state
					return nil
				}))
			}
			setState(broken, songspy.LinkReauthRequired)
			setState(suspect, songspy.LinkSuspect)
			b.clock.advance(24 * time.Hour)
			setState(lately, songspy.LinkReauthRequired)
			for _, want := range []int64{1, 0} {
				same(t, "deleted", value[int64](t)(b.PruneTokens(t.Context(), start.Add(time.Hour))), want)
			}
			same(t, "the broken link", value[songspy.Link](t)(b.Link(t.Context(), broken.UserID)).RefreshToken, "")
			same(t, "its state", value[songspy.Link](t)(b.Link(t.Context(), broken.UserID)).State, songspy.LinkReauthRequired)
			for _, l := range []songspy.Link{lately, suspect} {
				same(t, "another's", value[songspy.Link](t)(b.Link(t.Context(), l.UserID)).RefreshToken, l.RefreshToken)
			}
			b.link(t, broken.UserID, "again") // linking again repairs it
			same(t, "after linking again", value[songspy.Link](t)(b.Link(t.Context(), broken.UserID)).RefreshToken, songspy.Secret("refresh-again"))
		},
		"UpdateLink_IncrementsTheVersionAndSealsTheTokens": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			before := b.lastChange(t)
			b.clock.advance(time.Minute)
			got := value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.AccessToken, l.RefreshToken, l.AccessExpiresAt = "access-new", "refresh-new", start.Add(2*time.Hour)
				return nil
			}))
			l.AccessExpiresAt, l.Version, l.UpdatedAt = start.Add(2*time.Hour), l.Version+1, start.Add(time.Minute)
			same(t, "the link", got, l)
			read := value[songspy.Link](t)(b.Link(t.Context(), l.UserID))
			same(t, "the link, read", read, l)
			requireTokens(t, read, "new")
			same(t, "changes without the renewal", b.changesAfter(t, before), []string(nil))
		},
		"UpdateLink_PublishesANewState": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			before := b.lastChange(t)
			b.clock.advance(time.Minute)
			got := value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.State = songspy.LinkSuspect
				return nil
			}))
			same(t, "since", got.StateSince, start.Add(time.Minute))
			same(t, "changes", b.changesAfter(t, before), []string{"link 1"})
		},
		"UpdateLink_WritesNothingOnAnError": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			moved := errors.New("the version moved on")
			_, err := b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.AccessToken = "lost"
				return moved
			})
			if !errors.Is(err, moved) {
				t.Fatalf("the error is %v", err)
			}
			requireTokens(t, value[songspy.Link](t)(b.Link(t.Context(), l.UserID)), "of-1")
		},
		"UpdateLink_DoesNotChangeTheUser": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			got := value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.UserID, l.Generation, l.Version, l.AccountID = 9, 9, 9, nil
				return nil
			}))
			same(t, "the link", got, l)
		},
		"UpdateLink_OfAnUnlinkedUserIsNotFound": func(t *testing.T, b *fixture) {
			_, err := b.UpdateLink(t.Context(), b.newUser(t).ID, func(*songspy.Link) error { return nil })
			requireError(t, err, songspy.CodeNotFound, "SPOTIFY_NOT_LINKED")
		},
		"NotRegisteredUsers_AreReturnedLongestFirst": func(t *testing.T, b *fixture) {
			refusedAt := func(at time.Time) songspy.UserID {
				l := b.newLinkedUser(t)
				value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
					l.State, l.StateSince = songspy.LinkNotRegistered, at
					return nil
				}))
				return l.UserID
			}
			b.newLinkedUser(t) // must not be returned: its link is active
			late, early, middle := refusedAt(start), refusedAt(start.Add(-3*time.Hour)), refusedAt(start.Add(-2*time.Hour))
			before := func(at time.Time, limit int) []songspy.UserID {
				return value[[]songspy.UserID](t)(b.NotRegisteredUsers(t.Context(), at, limit))
			}
			same(t, "rejected before", before(start, 10), []songspy.UserID{early, middle})
			same(t, "the longest", before(start.Add(time.Hour), 1), []songspy.UserID{early})
			same(t, "all", before(start.Add(time.Hour), 10), []songspy.UserID{early, middle, late})
			ahead := refusedAt(start.Add(9 * time.Hour)) // as if stored while the clock was ahead
			same(t, "rejected in the future", before(start, 10), []songspy.UserID{early, middle, ahead})
		},
		"LinksToRenew_AreThoseThatExpireBeforeInPages": func(t *testing.T, b *fixture) {
			var want []songspy.UserID
			for i := range 7 {
				l := b.newLinkedUser(t)
				value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
					switch i {
					case 1:
						l.State = songspy.LinkReauthRequired
					case 2:
						l.State = songspy.LinkNotRegistered
					case 3:
						l.State = songspy.LinkSuspect
					case 4:
						l.AccessExpiresAt = start.Add(2 * time.Hour)
					}
					return nil
				}))
				if i != 1 && i != 2 && i != 4 {
					want = append(want, l.UserID)
				}
			}
			var got []songspy.UserID
			for after := songspy.UserID(0); ; {
				page := value[[]songspy.Link](t)(b.LinksToRenew(t.Context(), start.Add(90*time.Minute), after, 3))
				for _, l := range page {
					requireTokens(t, l, fmt.Sprint("of-", l.UserID))
					got, after = append(got, l.UserID), l.UserID
				}
				if len(page) < 3 {
					break
				}
			}
			same(t, "links", got, want)
		},
	}
}

func polledUsers() suite {
	return suite{
		"LinkVersions_AreOfPollableLinksAndFollowEveryChange": func(t *testing.T, b *fixture) {
			first, second := b.newLinkedUser(t), b.newLinkedUser(t)
			gone := b.newLinkedUser(t)
			b.newUser(t) // must not be returned: this user has no link
			value[songspy.Link](t)(b.UpdateLink(t.Context(), gone.UserID, func(l *songspy.Link) error {
				l.State = songspy.LinkReauthRequired
				return nil
			}))
			renewed := value[songspy.Link](t)(b.UpdateLink(t.Context(), second.UserID, func(l *songspy.Link) error {
				l.AccessToken = "renewed"
				return nil
			}))
			linkVersion := func(l songspy.Link) songspy.LinkVersion {
				return songspy.LinkVersion{UserID: l.UserID, Generation: l.Generation, Version: l.Version}
			}
			same(t, "all versions", value[[]songspy.LinkVersion](t)(b.LinkVersions(t.Context(), 0, 10)), []songspy.LinkVersion{linkVersion(first), linkVersion(renewed)})
			same(t, "a page", value[[]songspy.LinkVersion](t)(b.LinkVersions(t.Context(), first.UserID, 1)), []songspy.LinkVersion{linkVersion(renewed)})
		},
		"PolledUsers_ArePollableInPages": func(t *testing.T, b *fixture) {
			var want []songspy.UserID
			for i := range 5 {
				l := b.newLinkedUser(t)
				if i == 2 {
					value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
						l.State = songspy.LinkNotRegistered
						return nil
					}))
					continue
				}
				want = append(want, l.UserID)
			}
			b.newUser(t) // must not be returned: this user has no link
			var got []songspy.UserID
			for after := songspy.UserID(0); ; {
				page := value[[]songspy.LinkVersion](t)(b.LinkVersions(t.Context(), after, 2))
				for _, l := range page {
					got, after = append(got, l.UserID), l.UserID
				}
				if len(page) < 2 {
					break
				}
			}
			same(t, "polled users", got, want)
			for _, p := range value[[]songspy.PolledUser](t)(b.PolledUsersByID(t.Context(), got)) {
				requireTokens(t, p.Link, fmt.Sprint("of-", p.Link.UserID))
			}
			byID := value[[]songspy.PolledUser](t)(b.PolledUsersByID(t.Context(), []songspy.UserID{5, 3, 1, 404}))
			same(t, "polled users by id", []songspy.UserID{byID[0].Link.UserID, byID[1].Link.UserID}, []songspy.UserID{1, 5})
			same(t, "how many", len(byID), 2)
		},
		"PolledUsers_HaveThePlayersState": func(t *testing.T, b *fixture) {
			l, silent := b.newLinkedUser(t), b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Playing.TrackID = b.write(t, update)[0].TrackID
			got := value[[]songspy.PolledUser](t)(b.PolledUsersByID(t.Context(), []songspy.UserID{l.UserID, silent.UserID}))
			same(t, "the link", got[0].Link, l)
			same(t, "the player", got[0].Playing, update.Playing)
			same(t, "the idle user's link", got[1].Link, silent)
			same(t, "the idle user's player", got[1].Playing, songspy.NowPlaying{})
		},
	}
}

func linking() suite {
	return suite{
		"SaveLink_StoresEveryField": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
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
			requireTokens(t, got, "ada")
		},
		"SavePendingGrant_WaitsNotRegisteredUntilItIsCompleted": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			value[songspy.Link](t)(b.SavePendingGrant(t.Context(), songspy.NewLink{UserID: u.ID, App: "main", Grant: grant("ada"), Account: account("nobody's"), ConsentedAt: start}))
			kept := value[songspy.Link](t)(b.Link(t.Context(), u.ID))
			_, linked, err := b.SignIn(t.Context(), songspy.GoogleProfile{Subject: "google-1", Name: u.GoogleName}, songspy.AudienceEveryone)
			must(t, err)
			same(t, "signing in reports a link", linked, false)
			requireTokens(t, kept, "ada")
			same(t, "state", kept.State, songspy.LinkNotRegistered)
			same(t, "whether the account is known", kept.HasAccount(), false)
			same(t, "versions", len(value[[]songspy.LinkVersion](t)(b.LinkVersions(t.Context(), 0, 10))), 0)
			same(t, "gaps", b.countRows(t, "gaps", u.ID), 0)
			b.clock.advance(time.Hour)
			l := b.link(t, u.ID, "ada")
			same(t, "state, completed", l.State, songspy.LinkActive)
			same(t, "the account", *l.AccountID, "account-ada")
			same(t, "linked at", l.CreatedAt, start.Add(time.Hour))
			if l.Generation <= kept.Generation {
				t.Fatalf("generation %d is not greater than before", l.Generation)
			}
		},
		"SavePendingGrant_KeepsALinkWhoseAccountIsKnown": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			keep := songspy.NewLink{UserID: l.UserID, App: "other", Grant: grant("new"), ConsentedAt: start}
			for _, state := range []songspy.LinkState{songspy.LinkActive, songspy.LinkReauthRequired, songspy.LinkNotRegistered} {
				before := value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
					l.State = state
					return nil
				}))
				same(t, "what is returned", value[songspy.Link](t)(b.SavePendingGrant(t.Context(), keep)), before)
				same(t, "the link", value[songspy.Link](t)(b.Link(t.Context(), l.UserID)), before)
			}
		},
		"SavePendingGrant_ReplacesAPendingGrant": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			old := value[songspy.Link](t)(b.SavePendingGrant(t.Context(), songspy.NewLink{UserID: u.ID, App: "main", Grant: grant("old"), ConsentedAt: start}))
			kept := value[songspy.Link](t)(b.SavePendingGrant(t.Context(), songspy.NewLink{UserID: u.ID, App: "other", Grant: grant("new"), ConsentedAt: start, IfVersion: old.Version}))
			requireTokens(t, kept, "new")
			same(t, "the link", value[songspy.Link](t)(b.Link(t.Context(), u.ID)), kept)
			same(t, "app, state", []string{kept.App, string(kept.State)}, []string{"other", string(songspy.LinkNotRegistered)})
		},
		"IfVersion_KeepsALinkThatWasChangedOrRemoved": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			kept := value[songspy.Link](t)(b.SavePendingGrant(t.Context(), songspy.NewLink{UserID: u.ID, App: "main", Grant: grant("kept"), ConsentedAt: start}))
			late := songspy.NewLink{UserID: u.ID, App: "main", Grant: grant("kept"), Account: account("kept"), ConsentedAt: start, IfVersion: kept.Version}
			requireGone := func(what string) {
				t.Helper()
				_, err := b.SaveLink(t.Context(), late)
				same(t, "SaveLink "+what, songspy.CodeOf(err), songspy.CodeGone)
				_, err = b.SavePendingGrant(t.Context(), late)
				same(t, "SavePendingGrant "+what, songspy.CodeOf(err), songspy.CodeGone)
			}
			value[songspy.Erasure](t)(b.Unlink(t.Context(), u.ID))
			requireGone("after an unlink")
			_, err := b.Link(t.Context(), u.ID)
			RequireCode(t, err, songspy.CodeNotFound)
			newer := b.link(t, u.ID, "newer")
			requireGone("after another linking")
			same(t, "the newer link", value[songspy.Link](t)(b.Link(t.Context(), u.ID)), newer)
			late.IfVersion = newer.Version
			value[songspy.Link](t)(b.SaveLink(t.Context(), late))
		},
		"SavePendingGrant_RejectsErasedUsersAndIncompleteGrants": func(t *testing.T, b *fixture) {
			_, err := b.SavePendingGrant(t.Context(), songspy.NewLink{UserID: 4711, App: "main", Grant: grant("x")})
			same(t, "an erased user", songspy.CodeOf(err), songspy.CodeNotFound)
			_, err = b.SavePendingGrant(t.Context(), songspy.NewLink{UserID: b.newUser(t).ID, App: "main", Grant: songspy.Grant{AccessToken: "a"}})
			same(t, "no refresh token", songspy.CodeOf(err), songspy.CodeInvalid)
		},
		"SaveLink_PublishesAChange": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			before := b.lastChange(t)
			b.link(t, u.ID, "ada")
			same(t, "changes", b.changesAfter(t, before), []string{"link 1"})
		},
		"SaveLink_AgainReplacesTheTokensAndRepairsTheLink": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.State = songspy.LinkReauthRequired
				return nil
			}))
			b.clock.advance(time.Hour)
			again := value[songspy.Link](t)(b.SaveLink(t.Context(), songspy.NewLink{
				UserID: l.UserID, App: "main", Grant: grant("new"), Account: songspy.SpotifyAccount{AccountID: *l.AccountID},
			}))
			requireTokens(t, value[songspy.Link](t)(b.Link(t.Context(), l.UserID)), "new")
			same(t, "state", again.State, songspy.LinkActive)
			same(t, "consented at", again.AuthorizedAt, start.Add(time.Hour))
			same(t, "linked at", again.CreatedAt, start)
			same(t, "the legacy id, which is missing now", again.LegacyID, l.LegacyID)
			if again.Generation <= l.Generation || again.Version <= l.Version {
				t.Fatalf("generation %d and version %d are not greater than before", again.Generation, again.Version)
			}
		},
		"SaveLink_OfTheSameAccountKeepsWhatIsPlaying": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, song(1), start))
			again := value[songspy.Link](t)(b.SaveLink(t.Context(), songspy.NewLink{
				UserID: l.UserID, App: "main", Grant: grant("new"), Account: songspy.SpotifyAccount{ID: *l.LegacyID},
			}))
			same(t, "the song", b.nowPlaying(t, l.UserID).TrackURI, song(1).URI)
			same(t, "plays", b.countRows(t, "plays", l.UserID), 0)
			b.write(t, playingUpdate(again, song(1), start.Add(time.Minute)))
		},
		"SaveLink_OfAnotherAccountClosesTheOpenPlay": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, song(1), start))
			b.clock.advance(30 * time.Second)
			b.link(t, l.UserID, "other")
			n := b.nowPlaying(t, l.UserID)
			same(t, "the player", n.State, songspy.PlayerIdle)
			same(t, "the earliest start of a play", n.OtherSeenAt.Equal(value[songspy.Link](t)(b.Link(t.Context(), l.UserID)).AuthorizedAt), true)
			var listened, counted int64
			db := b.sql(t)
			must(t, db.QueryRowContext(t.Context(), "SELECT listened_ms FROM plays WHERE user_id = $1", int64(l.UserID)).Scan(&listened))
			must(t, db.QueryRowContext(t.Context(), "SELECT plays FROM user_tracks WHERE user_id = $1", int64(l.UserID)).Scan(&counted))
			same(t, "proven ms and plays of the track", []int64{listened, counted}, []int64{60_000, 1})
		},
		"SaveLink_RejectsAnAccountOfAnotherUser": func(t *testing.T, b *fixture) {
			l, u := b.newLinkedUser(t), b.newUser(t)
			for _, a := range []songspy.SpotifyAccount{
				{AccountID: *l.AccountID, ID: *l.LegacyID},
				{AccountID: *l.AccountID, ID: "new"},
				{AccountID: "new", ID: *l.LegacyID},
				{ID: *l.LegacyID},
			} {
				_, err := b.SaveLink(t.Context(), songspy.NewLink{UserID: u.ID, App: "main", Grant: grant("u"), Account: a})
				requireError(t, err, songspy.CodeConflict, "SPOTIFY_LINKED_ELSEWHERE")
			}
			_, err := b.Link(t.Context(), u.ID)
			RequireCode(t, err, songspy.CodeNotFound)
			requireTokens(t, value[songspy.Link](t)(b.Link(t.Context(), l.UserID)), "of-1")
		},
		"SaveLink_MovesTheAccountAndErasesItsFormerUsersPlays": func(t *testing.T, b *fixture) {
			l, u := b.newLinkedUser(t), b.newUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			before := b.lastChange(t)
			moved := value[songspy.Link](t)(b.SaveLink(t.Context(), songspy.NewLink{
				UserID: u.ID, App: "main", Grant: grant("u"), Account: songspy.SpotifyAccount{AccountID: *l.AccountID, ID: *l.LegacyID}, Move: true,
			}))
			same(t, "the account", moved.AccountID, l.AccountID)
			_, err := b.Link(t.Context(), l.UserID)
			requireError(t, err, songspy.CodeNotFound, "SPOTIFY_NOT_LINKED")
			for _, table := range []string{"now_playing", "plays", "user_tracks"} {
				same(t, table, b.countRows(t, table, l.UserID), 0)
			}
			same(t, "changes", b.changesAfter(t, before), []string{"link 1", "link 2"})
		},
		"SaveLink_TreatsAccountsWithoutIDsAsDifferent": func(t *testing.T, b *fixture) {
			for _, name := range []string{"one", "two"} {
				value[songspy.Link](t)(b.SaveLink(t.Context(), songspy.NewLink{
					UserID: b.newUser(t).ID, App: "main", Grant: grant(name), Account: songspy.SpotifyAccount{ID: name},
				}))
			}
		},
		"SaveLink_ForAnErasedUserIsNotFound": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), u.ID))
			_, err := b.SaveLink(t.Context(), songspy.NewLink{UserID: u.ID, App: "main", Grant: grant("u"), Account: account("u")})
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"SaveLink_RejectsAGrantThatCannotBeRenewed": func(t *testing.T, b *fixture) {
			g := grant("u")
			g.RefreshToken = ""
			_, err := b.SaveLink(t.Context(), songspy.NewLink{UserID: b.newUser(t).ID, App: "main", Grant: g, Account: account("u")})
			RequireCode(t, err, songspy.CodeInvalid)
		},
		"Unlink_ErasesWhatCameFromSpotify": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			before := b.lastChange(t)
			same(t, "erased", value[songspy.Erasure](t)(b.Unlink(t.Context(), l.UserID)), songspy.Erasure{Link: true, Plays: 1, Tracks: 1})
			for _, table := range []string{"spotify_links", "now_playing", "plays", "user_tracks"} {
				same(t, table, b.countRows(t, table, l.UserID), 0)
			}
			value[songspy.User](t)(b.User(t.Context(), l.UserID))
			same(t, "changes", b.changesAfter(t, before), []string{"link 1"})
			_, err := b.Unlink(t.Context(), l.UserID)
			requireError(t, err, songspy.CodeNotFound, "SPOTIFY_NOT_LINKED")
		},
		"Unlink_NeverReusesAGenerationOrAVersion": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			generations, versions := map[int64]bool{}, map[int64]bool{}
			for range 3 {
				l = value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
					l.AccessToken += "!"
					return nil
				}))
				if generations[l.Generation] || versions[l.Version] {
					t.Fatalf("generation %d or version %d was used again", l.Generation, l.Version)
				}
				generations[l.Generation], versions[l.Version] = true, true
				value[songspy.Erasure](t)(b.Unlink(t.Context(), l.UserID))
				l = b.link(t, l.UserID, "again")
			}
		},
	}
}

// requireTokens fails the test unless the link's tokens are those of grant(label).
func requireTokens(t *testing.T, l songspy.Link, label string) {
	t.Helper()
	same(t, "the tokens", []string{l.AccessToken.Reveal(), l.RefreshToken.Reveal()}, []string{"access-" + label, "refresh-" + label})
}
