package storetest

import (
	"context"
	"iter"

	"github.com/jackc/pgx/v5"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

// loadBatchSize is how many users one transaction of Load copies.
const loadBatchSize = 10_000

// Load adds users with their links by COPY, which is about a hundred times faster than
// signing them up: a million users in a minute. The caller chooses ids, generations and
// versions; the UserID of a link is taken from its user. Load publishes no changes, so
// processes that follow the change feed do not notice the new users until they read all
// users again.
//
// conn is a connection to the Postgres database of the store s. Each transaction copies up
// to 10,000 users. If one fails, the users of earlier transactions stay.
func Load(ctx context.Context, s *store.Store, conn *pgx.Conn, users iter.Seq2[songspy.User, songspy.Link]) error {
	l := bulkLoad{s: s, ctx: ctx, conn: conn}
	for u, link := range users {
		if err := l.add(u, link); err != nil {
			return err
		}
	}
	return l.finish()
}

// bulkLoad is one run of Load. users, sharing and links are the rows that are not copied
// yet.
type bulkLoad struct {
	s                     *store.Store
	ctx                   context.Context
	conn                  *pgx.Conn
	users, sharing, links [][]any
}

func (l *bulkLoad) add(u songspy.User, link songspy.Link) error {
	link.UserID = u.ID
	access, refresh, err := l.s.SealTokens(link)
	if err != nil {
		return err
	}
	l.users = append(l.users, []any{
		int64(u.ID), int64(songspy.NewPublicID()), u.GoogleSub, u.NickName, u.GoogleName, u.PictureURL, u.ShowPicture,
		link.Generation, link.Version, u.CreatedAt, u.UpdatedAt,
	})
	p := songspy.NewSharing(u.ID, u.Audience, u.CreatedAt)
	l.sharing = append(l.sharing, []any{
		int64(p.UserID), p.BeganAt, string(p.Now), string(p.History), u.SharingPausedUntil, p.MinSeconds, p.HideLocal, p.HideEpisodes, p.HideChapters, p.Findable,
	})
	l.links = append(l.links, []any{
		int64(u.ID), link.App, link.AccountID, link.LegacyID, string(link.AuthMethod), access, refresh,
		link.Scope, link.AccessExpiresAt, link.AuthorizedAt, string(link.State), link.StateSince,
		link.Generation, link.Version, songspy.ShardOf(u.ID), link.CreatedAt, link.UpdatedAt,
	})
	if len(l.users) < loadBatchSize {
		return nil
	}
	return l.copy()
}

func (l *bulkLoad) copy() error {
	err := pgx.BeginFunc(l.ctx, l.conn, func(tx pgx.Tx) error {
		_, err := tx.CopyFrom(l.ctx, pgx.Identifier{songspy.User{}.TableName()}, []string{
			"id", "public_id", "google_sub", "nick_name", "google_name", "picture_url", "show_picture",
			"link_generation", "link_version", "created_at", "updated_at",
		}, pgx.CopyFromRows(l.users))
		if err != nil {
			return err
		}
		_, err = tx.CopyFrom(l.ctx, pgx.Identifier{songspy.Sharing{}.TableName()}, []string{
			"user_id", "began_at", "now_audience", "history_audience", "hidden_until", "min_seconds", "hide_local", "hide_episodes", "hide_chapters", "findable",
		}, pgx.CopyFromRows(l.sharing))
		if err != nil {
			return err
		}
		_, err = tx.CopyFrom(l.ctx, pgx.Identifier{songspy.Link{}.TableName()}, []string{
			"user_id", "app", "account_id", "legacy_id", "auth_method", "access_token_sealed", "refresh_token_sealed",
			"scope", "access_expires_at", "authorized_at", "state", "state_since",
			"generation", "version", "shard", "created_at", "updated_at",
		}, pgx.CopyFromRows(l.links))
		return err
	})
	l.users, l.sharing, l.links = l.users[:0], l.sharing[:0], l.links[:0]
	return err
}

// finish copies the remaining rows and sets the sequence of user ids, so that the next user
// gets an id after those of the loaded users.
func (l *bulkLoad) finish() error {
	if err := l.copy(); err != nil {
		return err
	}
	_, err := l.conn.Exec(l.ctx, `SELECT setval(pg_get_serial_sequence('users', 'id'), max(id)) FROM users HAVING max(id) IS NOT NULL`)
	return err
}
