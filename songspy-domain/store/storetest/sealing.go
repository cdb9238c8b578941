package storetest

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// sealing checks that tokens are stored sealed and that keys can be rotated.
func sealing() suite {
	withKeys := func(ids ...string) func(*store.Options) {
		return func(o *store.Options) {
			o.SealKeys = nil
			for _, id := range ids {
				o.SealKeys = append(o.SealKeys, Key(id))
			}
		}
	}
	return suite{
		"Tokens_AreStoredSealed": func(t *testing.T, b *fixture) {
			b.newLinkedUser(t)
			var access, refresh []byte
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT access_token_sealed, refresh_token_sealed FROM spotify_links").Scan(&access, &refresh))
			if bytes.Contains(access, []byte("access-of")) || bytes.Contains(refresh, []byte("refresh-of")) {
				t.Fatal("a token is stored in plain text")
			}
		},
		"Tokens_AreDecryptedWithAnyKeyAndSealedWithTheFirst": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			rotated := b.openAnother(t, withKeys("new", "test"))
			value[songspy.Link](t)(rotated.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.AccessToken = "access-new"
				l.RefreshToken = "refresh-new"
				return nil
			}))
			only := b.openAnother(t, withKeys("new"))
			requireTokens(t, value[songspy.Link](t)(only.Link(t.Context(), l.UserID)), "new")
		},
		"Tokens_OfAnUnknownKeyFailWithItsName": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			_, err := b.openAnother(t, withKeys("new")).Link(t.Context(), l.UserID)
			RequireCode(t, err, songspy.CodeInternal)
			if !strings.Contains(err.Error(), `"test"`) {
				t.Fatalf("the error names no key: %v", err)
			}
		},
		"Tokens_CannotBeDecryptedInAnotherUsersRow": func(t *testing.T, b *fixture) {
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			_, err := b.sql(t).ExecContext(t.Context(), `UPDATE spotify_links SET access_token_sealed =
				(SELECT access_token_sealed FROM spotify_links WHERE user_id = $1) WHERE user_id = $2`, int64(one.UserID), int64(two.UserID))
			must(t, err)
			_, err = b.Link(t.Context(), two.UserID)
			RequireCode(t, err, songspy.CodeInternal)
		},
		"ResealLinks_SealsEveryLinkWithTheFirstKey": func(t *testing.T, b *fixture) {
			var all []songspy.Link
			for range 5 {
				all = append(all, b.newLinkedUser(t))
			}
			value[int64](t)(b.PruneTokens(t.Context(), start)) // deletes no tokens, because no link is broken
			broken := all[2]
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_links SET refresh_token_sealed = $1 WHERE user_id = $2", []byte("broken"), int64(broken.UserID))
			must(t, err)
			rotated := b.openAnother(t, withKeys("new", "test"))
			same(t, "links", value[int64](t)(rotated.LinkCount(t.Context())), 5)
			first := value[songspy.ResealResult](t)(rotated.ResealLinks(t.Context(), 0, 2))
			same(t, "the first page", first, songspy.ResealResult{LastUserID: all[1].UserID, Processed: 2, Resealed: 2, ByKey: map[string]int{"test": 2}})
			second := value[songspy.ResealResult](t)(rotated.ResealLinks(t.Context(), first.LastUserID, 10))
			same(t, "the rest", second, songspy.ResealResult{
				LastUserID: all[4].UserID, Processed: 3, Resealed: 2, ByKey: map[string]int{"test": 2, "(damaged)": 1}, Undecryptable: []songspy.UserID{broken.UserID},
			})
			again := value[songspy.ResealResult](t)(rotated.ResealLinks(t.Context(), 0, 2))
			same(t, "again", again, songspy.ResealResult{LastUserID: all[1].UserID, Processed: 2, ByKey: map[string]int{"new": 2}})
			only := b.openAnother(t, withKeys("new"))
			for _, l := range []songspy.Link{all[0], all[1], all[3], all[4]} {
				got := value[songspy.Link](t)(only.Link(t.Context(), l.UserID))
				same(t, "the link, its version too", got, l)
			}
		},
		"Tokens_ThatCannotBeDecryptedDoNotBlockOtherUsers": func(t *testing.T, b *fixture) {
			broken, one, two := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_links SET refresh_token_sealed = $1 WHERE user_id = $2", []byte("broken"), int64(broken.UserID))
			must(t, err)
			var log bytes.Buffer
			s := b.openAnother(t, func(o *store.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			requireLogged := func(what string, got ...songspy.UserID) {
				same(t, what, got, []songspy.UserID{one.UserID, two.UserID})
				if !strings.Contains(log.String(), "first_user_id=1") {
					t.Fatalf("%s: the log does not name the user: %s", what, log.String())
				}
				log.Reset()
			}
			polled := value[[]songspy.PolledUser](t)(s.PolledUsersByID(t.Context(), []songspy.UserID{broken.UserID, one.UserID, two.UserID}))
			requireLogged("the polled users", polled[0].Link.UserID, polled[1].Link.UserID)
			page := value[[]songspy.Link](t)(s.LinksToRenew(t.Context(), start.Add(24*time.Hour), 0, 2))
			requireLogged("a full page of links to renew", page[0].UserID, page[1].UserID)
		},
	}
}
