package storetest

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// seals holds that tokens lie sealed and that keys can be rotated.
func seals() suite {
	withKeys := func(ids ...string) func(*store.Options) {
		return func(o *store.Options) {
			o.SealKeys = nil
			for _, id := range ids {
				o.SealKeys = append(o.SealKeys, Key(id))
			}
		}
	}
	return suite{
		"Tokens_LieSealed": func(t *testing.T, b *bundle) {
			b.listener(t)
			var access, refresh []byte
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT access_token_sealed, refresh_token_sealed FROM spotify_links").Scan(&access, &refresh))
			if bytes.Contains(access, []byte("access-of")) || bytes.Contains(refresh, []byte("refresh-of")) {
				t.Fatal("a token lies open")
			}
		},
		"Tokens_OpenWithAnyKeyAndAreSealedWithTheFirst": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			rotated := b.another(t, withKeys("new", "test"))
			value[songspy.Link](t)(rotated.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.AccessToken = "access-new"
				l.RefreshToken = "refresh-new"
				return nil
			}))
			only := b.another(t, withKeys("new"))
			sameTokens(t, value[songspy.Link](t)(only.Link(t.Context(), l.UserID)), "new")
		},
		"Tokens_OfAnUnknownKeyNameIt": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			_, err := b.another(t, withKeys("new")).Link(t.Context(), l.UserID)
			Code(t, err, songspy.CodeInternal)
			if !strings.Contains(err.Error(), `"test"`) {
				t.Fatalf("the error names no key: %v", err)
			}
		},
		"Tokens_DoNotOpenInAnotherPersonsRow": func(t *testing.T, b *bundle) {
			one, two := b.listener(t), b.listener(t)
			_, err := b.sql(t).ExecContext(t.Context(), `UPDATE spotify_links SET access_token_sealed =
				(SELECT access_token_sealed FROM spotify_links WHERE user_id = $1) WHERE user_id = $2`, int64(one.UserID), int64(two.UserID))
			must(t, err)
			_, err = b.Link(t.Context(), two.UserID)
			Code(t, err, songspy.CodeInternal)
		},
		"Tokens_ThatDoNotOpenStopNobodyElse": func(t *testing.T, b *bundle) {
			broken, one, two := b.listener(t), b.listener(t), b.listener(t)
			_, err := b.sql(t).ExecContext(t.Context(), "UPDATE spotify_links SET refresh_token_sealed = $1 WHERE user_id = $2", []byte("broken"), int64(broken.UserID))
			must(t, err)
			var log bytes.Buffer
			s := b.another(t, func(o *store.Options) { o.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
			page := value[[]songspy.Listener](t)(s.Listeners(t.Context(), 0, 2))
			same(t, "a full page", []songspy.UserID{page[0].Link.UserID, page[1].Link.UserID}, []songspy.UserID{one.UserID, two.UserID})
			if !strings.Contains(log.String(), "first_user_id=1") {
				t.Fatalf("the log does not say whose: %s", log.String())
			}
		},
	}
}
