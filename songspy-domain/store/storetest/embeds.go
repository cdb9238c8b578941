package storetest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// embeds tests embed tokens (secrets in addresses of embeds), webhooks and leases.
func embeds() suite {
	newToken := func(t *testing.T, b *fixture, id songspy.UserID, purpose songspy.EmbedPurpose, hash string) songspy.EmbedToken {
		t.Helper()
		return value[songspy.EmbedToken](t)(b.CreateEmbedToken(t.Context(), songspy.EmbedToken{UserID: id, Purpose: purpose, Label: "my page", Hash: []byte(hash)}))
	}
	return suite{
		"EmbedTokens_AreListedNewestFirstAndRevoked": func(t *testing.T, b *fixture) {
			u, other := b.newUser(t).ID, b.newUser(t).ID
			first := newToken(t, b, u, songspy.EmbedImage, "hash one")
			b.clock.advance(time.Minute)
			second := newToken(t, b, u, songspy.EmbedOverlay, "hash two")
			newToken(t, b, other, songspy.EmbedImage, "hash three")
			same(t, "tokens", value[[]songspy.EmbedToken](t)(b.EmbedTokens(t.Context(), u)), []songspy.EmbedToken{second, first})
			same(t, "the owner", value[songspy.UserID](t)(b.EmbedTokenOwner(t.Context(), songspy.EmbedImage, first.Hash)), u)
			number := b.lastChange(t)
			RequireCode(t, b.DeleteEmbedToken(t.Context(), other, first.ID), songspy.CodeNotFound)
			must(t, b.DeleteEmbedToken(t.Context(), u, first.ID))
			RequireCode(t, b.DeleteEmbedToken(t.Context(), u, first.ID), songspy.CodeNotFound)
			_, err := b.EmbedTokenOwner(t.Context(), songspy.EmbedImage, first.Hash)
			RequireCode(t, err, songspy.CodeNotFound)
			same(t, "tokens after the revocation", value[[]songspy.EmbedToken](t)(b.EmbedTokens(t.Context(), u)), []songspy.EmbedToken{second})
			same(t, "changes", b.changesAfter(t, number), []string{fmt.Sprintf("user %d", u)})
		},
		"EmbedTokenOwner_FindsATokenByItsPurposeOnly": func(t *testing.T, b *fixture) {
			u := b.newUser(t).ID
			token := newToken(t, b, u, songspy.EmbedOverlay, "hash")
			_, err := b.EmbedTokenOwner(t.Context(), songspy.EmbedImage, token.Hash)
			RequireCode(t, err, songspy.CodeNotFound)
			_, err = b.EmbedTokenOwner(t.Context(), songspy.EmbedOverlay, []byte("another hash"))
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"CreateEmbedToken_RefusesMoreThanTheLimitAndUnknownUsers": func(t *testing.T, b *fixture) {
			u := b.newUser(t).ID
			for i := range songspy.EmbedTokensMax {
				newToken(t, b, u, songspy.EmbedImage, fmt.Sprint("hash ", i))
			}
			_, err := b.CreateEmbedToken(t.Context(), songspy.EmbedToken{UserID: u, Purpose: songspy.EmbedImage, Hash: []byte("one more")})
			RequireCode(t, err, songspy.CodeUnprocessable)
			same(t, "reason", songspy.ReasonOf(err), "TOO_MANY_EMBEDS")
			_, err = b.CreateEmbedToken(t.Context(), songspy.EmbedToken{UserID: 404, Purpose: songspy.EmbedImage, Hash: []byte("of nobody")})
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"Webhook_IsReplacedAndDeleted": func(t *testing.T, b *fixture) {
			u := b.newUser(t).ID
			_, err := b.Webhook(t.Context(), u)
			RequireCode(t, err, songspy.CodeNotFound)
			first := value[songspy.Webhook](t)(b.SaveWebhook(t.Context(), u, "https://one.example/", "key one"))
			same(t, "the first", value[songspy.Webhook](t)(b.Webhook(t.Context(), u)), first)
			second := value[songspy.Webhook](t)(b.SaveWebhook(t.Context(), u, "https://two.example/", "key two"))
			same(t, "the second", value[songspy.Webhook](t)(b.Webhook(t.Context(), u)), second)
			same(t, "whether the id is new", first.ID != second.ID, true)
			same(t, "the ids", value[map[songspy.UserID]songspy.PublicID](t)(b.WebhookIDs(t.Context())), map[songspy.UserID]songspy.PublicID{u: second.ID})
			same(t, "by user", value[[]songspy.Webhook](t)(b.WebhooksByUser(t.Context(), []songspy.UserID{u, 404})), []songspy.Webhook{second})
			must(t, b.DeleteWebhook(t.Context(), u))
			RequireCode(t, b.DeleteWebhook(t.Context(), u), songspy.CodeNotFound)
			_, err = b.SaveWebhook(t.Context(), 404, "https://one.example/", "key")
			RequireCode(t, err, songspy.CodeNotFound)
		},
		"UpdateWebhook_StoresTheStateUnlessTheWebhookHasChanged": func(t *testing.T, b *fixture) {
			u := b.newUser(t).ID
			w := value[songspy.Webhook](t)(b.SaveWebhook(t.Context(), u, "https://one.example/", "key"))
			failing := start.Add(time.Minute)
			w.Sequence, w.Fingerprint, w.Delivered, w.Attempts, w.NextAttemptAt = 1, []byte("said"), false, 3, start.Add(time.Hour)
			w.FailingSince, w.DeliveredAt, w.Failure = &failing, &start, songspy.WebhookTimeout
			must(t, b.UpdateWebhook(t.Context(), w, 0))
			same(t, "the webhook", value[songspy.Webhook](t)(b.Webhook(t.Context(), u)), w)
			RequireCode(t, b.UpdateWebhook(t.Context(), w, 0), songspy.CodeConflict)
			w.Fingerprint = nil // nothing plays
			must(t, b.UpdateWebhook(t.Context(), w, 1))
			same(t, "the webhook without a track", value[songspy.Webhook](t)(b.Webhook(t.Context(), u)), w)
			off := start.Add(2 * time.Hour)
			w.OffAt = &off
			must(t, b.UpdateWebhook(t.Context(), w, 1))
			RequireCode(t, b.UpdateWebhook(t.Context(), w, 1), songspy.CodeConflict)
			same(t, "ids of those that are on", value[map[songspy.UserID]songspy.PublicID](t)(b.WebhookIDs(t.Context())), map[songspy.UserID]songspy.PublicID{})
			value[songspy.Webhook](t)(b.SaveWebhook(t.Context(), u, "https://one.example/", "key"))
			RequireCode(t, b.UpdateWebhook(t.Context(), w, 1), songspy.CodeConflict)
			same(t, "whether it is on again", value[songspy.Webhook](t)(b.Webhook(t.Context(), u)).OffAt == nil, true)
		},
		"Webhooks_AreStoredSealedAndOneThatCannotBeDecryptedBlocksNoUser": func(t *testing.T, b *fixture) {
			one, two := b.newUser(t).ID, b.newUser(t).ID
			for _, u := range []songspy.UserID{one, two} {
				value[songspy.Webhook](t)(b.SaveWebhook(t.Context(), u, "https://hook.example/secret", "signing key"))
			}
			var url, key []byte
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT url_sealed, key_sealed FROM webhooks WHERE user_id = $1", int64(one)).Scan(&url, &key))
			if bytes.Contains(url, []byte("hook.example")) || bytes.Contains(key, []byte("signing")) {
				t.Fatal("a webhook is stored in plain text")
			}
			b.exec(t, "UPDATE webhooks SET key_sealed = $1 WHERE user_id = $2", []byte("broken"), int64(one))
			left := value[[]songspy.Webhook](t)(b.WebhooksByUser(t.Context(), []songspy.UserID{one, two}))
			same(t, "webhooks", []any{len(left), left[0].UserID}, []any{1, two})
		},
		"ResealWebhooks_SealsAddressesAndKeysWithTheFirstKey": func(t *testing.T, b *fixture) {
			u := b.newUser(t).ID
			w := value[songspy.Webhook](t)(b.SaveWebhook(t.Context(), u, "https://hook.example/", "signing key"))
			rotated := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new"), Key("test")} })
			same(t, "webhooks", value[int64](t)(rotated.CountSealed(t.Context(), store.WebhookURLs)), 1)
			want := songspy.ResealResult{LastUserID: u, Processed: 1, Resealed: 1, ByKey: map[string]int{"test": 1}}
			same(t, "addresses", value[songspy.ResealResult](t)(rotated.ResealColumn(t.Context(), store.WebhookURLs, 0, 10)), want)
			same(t, "keys", value[songspy.ResealResult](t)(rotated.ResealColumn(t.Context(), store.WebhookKeys, 0, 10)), want)
			only := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new")} })
			same(t, "the webhook", value[songspy.Webhook](t)(only.Webhook(t.Context(), u)), w)
		},
		"Lease_HasOneOwnerUntilItExpiresOrIsReleased": func(t *testing.T, b *fixture) {
			acquire := func(owner string) bool {
				return value[bool](t)(b.AcquireLease(t.Context(), "webhooks", owner, time.Minute))
			}
			same(t, "the first", acquire("one"), true)
			same(t, "another", acquire("two"), false)
			same(t, "a renewal", acquire("one"), true)
			must(t, b.ReleaseLease(t.Context(), "webhooks", "two")) // changes nothing, because "one" has the lease
			same(t, "another, after it released nothing", acquire("two"), false)
			must(t, b.ReleaseLease(t.Context(), "webhooks", "one"))
			same(t, "another, after the release", acquire("two"), true)
			if strings.HasPrefix(b.db.Engine, SQLite) { // on Postgres, the server's clock decides about leases, and the test cannot set it
				b.clock.advance(time.Minute)
				same(t, "the first, after the lease expired", acquire("one"), true)
				b.clock.advance(-time.Hour)
				same(t, "another, after the clock was set back", acquire("two"), true)
			}
		},
	}
}
