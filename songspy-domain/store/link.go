package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// linkRow is a link as its table holds it: with the tokens sealed.
type linkRow struct {
	songspy.Link
	AccessTokenSealed  []byte
	RefreshTokenSealed []byte
}

// ReasonNotLinked is the reason of the error for a person without a link.
const ReasonNotLinked = "SPOTIFY_NOT_LINKED"

func notLinkedError() error {
	return &songspy.Error{Code: songspy.CodeNotFound, Reason: ReasonNotLinked, Message: "No Spotify account is linked; link one first."}
}

// The columns and the states that what follows asks for.
const (
	linkColumns = `l.user_id, l.app, l.account_id, l.legacy_id, l.auth_method, l.access_token_sealed, l.refresh_token_sealed,
	l.scope, l.access_expires_at, l.authorized_at, l.state, l.state_since, l.polls_refused_since, l.generation, l.version, l.shard, l.created_at, l.updated_at`
	pollableCondition = `l.state IN ('active', 'suspect')`
)

// into lists where a row of linkColumns is scanned to.
func (r *linkRow) scanDest() []any {
	return []any{
		&r.UserID, &r.App, &r.AccountID, &r.LegacyID, &r.AuthMethod, &r.AccessTokenSealed, &r.RefreshTokenSealed,
		&r.Scope, &r.AccessExpiresAt, &r.AuthorizedAt, &r.State, &r.StateSince, &r.PollsRefusedSince, &r.Generation, &r.Version, &r.Shard, &r.CreatedAt, &r.UpdatedAt,
	}
}

// seal fills the sealed columns from the tokens.
func (s *Store) seal(r *linkRow) (err error) {
	if r.AccessTokenSealed, err = s.sealer.seal(r.AccessToken, linkAAD("access_token_sealed", r.UserID)); err != nil {
		return err
	}
	r.RefreshTokenSealed, err = s.sealer.seal(r.RefreshToken, linkAAD("refresh_token_sealed", r.UserID))
	return err
}

// open is the link with its tokens.
func (s *Store) open(r *linkRow) (l songspy.Link, err error) {
	l = r.Link
	if len(r.RefreshTokenSealed) == 0 {
		return l, nil // thrown away by ForgetTokens
	}
	if l.AccessToken, err = s.sealer.open(r.AccessTokenSealed, linkAAD("access_token_sealed", r.UserID)); err != nil {
		return songspy.Link{}, err
	}
	if l.RefreshToken, err = s.sealer.open(r.RefreshTokenSealed, linkAAD("refresh_token_sealed", r.UserID)); err != nil {
		return songspy.Link{}, err
	}
	return l, nil
}

// Link returns the person's link with its tokens; CodeNotFound and the reason
// SPOTIFY_NOT_LINKED if there is none.
func (s *Store) Link(ctx context.Context, id songspy.UserID) (songspy.Link, error) {
	row, err := findLink(s.query(ctx), id)
	if err != nil {
		return songspy.Link{}, translate(err)
	}
	return s.open(&row)
}

func findLink(db *gorm.DB, id songspy.UserID) (row linkRow, err error) {
	err = translate(db.Where("user_id = ?", id).Take(&row).Error)
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		err = notLinkedError()
	}
	return row, err
}

// UpdateLink lets fn change the link's tokens, scope and state, whose row is
// locked meanwhile, and raises Version. A new state is a change that viewers
// hear of, and gets the present time if fn set none. An error of fn leaves all
// as it was; so does a fn that changes nothing. fn must not call a provider.
//
// It returns CodeNotFound and the reason SPOTIFY_NOT_LINKED if there is no link.
func (s *Store) UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (l songspy.Link, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		row, err := findLink(tx.Clauses(clause.Locking{Strength: "NO KEY UPDATE"}), id)
		if err != nil {
			return err
		}
		before, err := s.open(&row)
		if err != nil {
			return err
		}
		l = before
		if err := fn(&l); err != nil {
			return err
		}
		restoreIdentity(&l, before)
		if l == before {
			return nil
		}
		if l.State != before.State && l.StateSince.Equal(before.StateSince) {
			l.StateSince = s.now()
		}
		l.Version, l.UpdatedAt = before.Version+1, s.now()
		l.AccessExpiresAt, l.AuthorizedAt, l.StateSince = dbTime(l.AccessExpiresAt), dbTime(l.AuthorizedAt), dbTime(l.StateSince)
		l.PollsRefusedSince = dbTimeOrNil(l.PollsRefusedSince)
		row.Link = l
		if l.AccessToken != before.AccessToken || l.RefreshToken != before.RefreshToken {
			if err := s.seal(&row); err != nil {
				return err
			}
		}
		if err := requireOneRow(tx.Model(&linkRow{}).Where("user_id = ?", id).Select("*").Omit("user_id").Updates(&row)); err != nil {
			return err
		}
		if l.State == before.State {
			return nil
		}
		if err := s.updateLinkGap(tx, before, l); err != nil {
			return err
		}
		return s.publishChanges(tx, songspy.ChangeLink, id)
	})
	if err != nil {
		return songspy.Link{}, err
	}
	return l, nil
}

// ForgetTokens throws the tokens away of links that have needed their person
// since before that time, and says how many.
func (s *Store) PruneTokens(ctx context.Context, before time.Time) (forgotten int64, err error) {
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		done := tx.Model(&linkRow{}).
			Where("state = ? AND state_since < ? AND length(refresh_token_sealed) > 0", songspy.LinkReauthRequired, before).
			Updates(map[string]any{
				"access_token_sealed": []byte{}, "refresh_token_sealed": []byte{}, "version": gorm.Expr("version + 1"), "updated_at": s.now(),
			})
		forgotten = done.RowsAffected
		return done.Error
	})
	return forgotten, err
}

// keepIdentity undoes what only linking may change.
func restoreIdentity(l *songspy.Link, before songspy.Link) {
	l.UserID, l.AccountID, l.LegacyID = before.UserID, before.AccountID, before.LegacyID
	l.Generation, l.Version, l.Shard = before.Generation, before.Version, before.Shard
	l.CreatedAt, l.UpdatedAt = before.CreatedAt, before.UpdatedAt
}

// LinksToRenew returns, by ascending user after the given one, up to limit
// links that may be asked (active or suspect) and whose access token dies
// before the time. Fewer than limit means that there are no more.
//
// A link whose tokens do not open is logged and passed over.
func (s *Store) LinksToRenew(ctx context.Context, before time.Time, after songspy.UserID, limit int) ([]songspy.Link, error) {
	return readPages(limit, after, func(after songspy.UserID, limit int) (links []songspy.Link, read int, last songspy.UserID, err error) {
		var sealed undecryptableLinks
		err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
			var r linkRow
			if err := rows.Scan(r.scanDest()...); err != nil {
				return err
			}
			read, last = read+1, r.UserID
			if l, err := s.open(&r); err != nil {
				sealed.add(r.UserID, err)
			} else {
				links = append(links, l)
			}
			return nil
		}, `SELECT `+linkColumns+` FROM spotify_links l
			WHERE l.user_id > $1 AND `+pollableCondition+` AND l.access_expires_at < $2 ORDER BY l.user_id LIMIT $3`,
			int64(after), before, limit)
		sealed.log(ctx, s.log)
		return links, read, last, translate(err)
	})
}

// NotRegistered returns up to limit people whose links have been refused since
// before the time because the app's owner had not entered them, longest first;
// at last those who were refused, it seems, by a clock that ran ahead.
func (s *Store) NotRegisteredUsers(ctx context.Context, before time.Time, limit int) (ids []songspy.UserID, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var id songspy.UserID
		if err := rows.Scan(&id); err != nil {
			return err
		}
		ids = append(ids, id)
		return nil
	}, `SELECT user_id FROM spotify_links WHERE state = $1 AND (state_since < $2 OR state_since > $3) ORDER BY state_since, user_id LIMIT $4`,
		string(songspy.LinkNotRegistered), before, s.now().Add(songspy.ClockSkewMax), limit)
	return ids, translate(err)
}
