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
		"ForgetTokens_OfLinksThatTheirPersonLeavesBroken": func(t *testing.T, b *fixture) {
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
				same(t, "forgotten", value[int64](t)(b.PruneTokens(t.Context(), start.Add(time.Hour))), want)
			}
			same(t, "the broken link's", value[songspy.Link](t)(b.Link(t.Context(), broken.UserID)).RefreshToken, "")
			same(t, "its state", value[songspy.Link](t)(b.Link(t.Context(), broken.UserID)).State, songspy.LinkReauthRequired)
			for _, l := range []songspy.Link{lately, suspect} {
				same(t, "another's", value[songspy.Link](t)(b.Link(t.Context(), l.UserID)).RefreshToken, l.RefreshToken)
			}
			b.link(t, broken.UserID, "anew") // heals it
			same(t, "once linked anew", value[songspy.Link](t)(b.Link(t.Context(), broken.UserID)).RefreshToken, songspy.Secret("refresh-anew"))
		},
		"UpdateLink_RaisesTheVersionAndResealsTokens": func(t *testing.T, b *fixture) {
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
			same(t, "changes: a renewal is none", b.changesAfter(t, before), []string(nil))
		},
		"UpdateLink_TellsOfANewState": func(t *testing.T, b *fixture) {
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
		"UpdateLink_LeavesAllAsItWasOnAnError": func(t *testing.T, b *fixture) {
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
		"UpdateLink_DoesNotChangeWhoseLinkItIs": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			got := value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.UserID, l.Generation, l.Version, l.AccountID = 9, 9, 9, nil
				return nil
			}))
			same(t, "the link", got, l)
		},
		"UpdateLink_OfAnUnlinkedPersonIsNotFound": func(t *testing.T, b *fixture) {
			_, err := b.UpdateLink(t.Context(), b.newUser(t).ID, func(*songspy.Link) error { return nil })
			requireError(t, err, songspy.CodeNotFound, "SPOTIFY_NOT_LINKED")
		},
		"NotRegistered_AreTheLongestRefusedFirst": func(t *testing.T, b *fixture) {
			refusedAt := func(at time.Time) songspy.UserID {
				l := b.newLinkedUser(t)
				value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
					l.State, l.StateSince = songspy.LinkNotRegistered, at
					return nil
				}))
				return l.UserID
			}
			b.newLinkedUser(t) // never refused
			late, early, middle := refusedAt(start), refusedAt(start.Add(-3*time.Hour)), refusedAt(start.Add(-2*time.Hour))
			before := func(at time.Time, limit int) []songspy.UserID {
				return value[[]songspy.UserID](t)(b.NotRegisteredUsers(t.Context(), at, limit))
			}
			same(t, "refused before", before(start, 10), []songspy.UserID{early, middle})
			same(t, "the longest", before(start.Add(time.Hour), 1), []songspy.UserID{early})
			same(t, "all", before(start.Add(time.Hour), 10), []songspy.UserID{early, middle, late})
			ahead := refusedAt(start.Add(9 * time.Hour)) // before the clock was set back
			same(t, "refused by a clock that ran ahead", before(start, 10), []songspy.UserID{early, middle, ahead})
		},
		"LinksToRenew_AreThoseThatDieBeforeInPages": func(t *testing.T, b *fixture) {
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
		"LinkMarks_AreOfTheAskableAndFollowEveryChange": func(t *testing.T, b *fixture) {
			first, second := b.newLinkedUser(t), b.newLinkedUser(t)
			gone := b.newLinkedUser(t)
			b.newUser(t) // without a link
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
			same(t, "all marks", value[[]songspy.LinkVersion](t)(b.LinkVersions(t.Context(), 0, 10)), []songspy.LinkVersion{linkVersion(first), linkVersion(renewed)})
			same(t, "a page", value[[]songspy.LinkVersion](t)(b.LinkVersions(t.Context(), first.UserID, 1)), []songspy.LinkVersion{linkVersion(renewed)})
		},
		"Listeners_AreTheAskableInPages": func(t *testing.T, b *fixture) {
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
			b.newUser(t) // without a link
			var got []songspy.UserID
			for after := songspy.UserID(0); ; {
				page := value[[]songspy.PolledUser](t)(b.PolledUsers(t.Context(), after, 2))
				for _, l := range page {
					requireTokens(t, l.Link, fmt.Sprint("of-", l.Link.UserID))
					got, after = append(got, l.Link.UserID), l.Link.UserID
				}
				if len(page) < 2 {
					break
				}
			}
			same(t, "listeners", got, want)
			byID := value[[]songspy.PolledUser](t)(b.PolledUsersByID(t.Context(), []songspy.UserID{5, 3, 1, 404}))
			same(t, "listeners by id", []songspy.UserID{byID[0].Link.UserID, byID[1].Link.UserID}, []songspy.UserID{1, 5})
			same(t, "how many", len(byID), 2)
		},
		"Listeners_BringWhatIsPlayingOrNothing": func(t *testing.T, b *fixture) {
			l, silent := b.newLinkedUser(t), b.newLinkedUser(t)
			h := playingUpdate(l, song(1), start)
			h.Playing.TrackID = b.write(t, h)[0].TrackID
			got := value[[]songspy.PolledUser](t)(b.PolledUsers(t.Context(), 0, 10))
			same(t, "the link", got[0].Link, l)
			same(t, "the player", got[0].Playing, h.Playing)
			same(t, "the silent one's link", got[1].Link, silent)
			same(t, "the silent one's player", got[1].Playing, songspy.NowPlaying{})
		},
	}
}
