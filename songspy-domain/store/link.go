package store

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// linkRow is a user's link to Spotify as the database stores it, with encrypted
// tokens.
type linkRow struct {
	songspy.Link
	AccessTokenSealed  []byte
	RefreshTokenSealed []byte
}

// ReasonNotLinked is the Reason of the error that says that the user has not linked a
// Spotify account.
const ReasonNotLinked = "SPOTIFY_NOT_LINKED"

func notLinkedError() error {
	return &songspy.Error{Code: songspy.CodeNotFound, Reason: ReasonNotLinked, Message: "No Spotify account is linked. Link one first."}
}

// linkColumns lists the columns of the table spotify_links, with the alias l, for a SELECT.
// pollableCondition is the SQL condition for the links through which users are polled.
const (
	linkColumns = `l.user_id, l.app, l.account_id, l.legacy_id, l.auth_method, l.access_token_sealed, l.refresh_token_sealed,
	l.scope, l.access_expires_at, l.authorized_at, l.state, l.state_since, l.polls_refused_since, l.generation, l.version, l.shard, l.created_at, l.updated_at`
	pollableCondition = `l.state IN ('active', 'suspect')`
)

// scanDest returns the scan destinations of linkColumns.
func (r *linkRow) scanDest() []any {
	return []any{
		&r.UserID, &r.App, &r.AccountID, &r.LegacyID, &r.AuthMethod, &r.AccessTokenSealed, &r.RefreshTokenSealed,
		&r.Scope, &r.AccessExpiresAt, &r.AuthorizedAt, &r.State, &r.StateSince, &r.PollsRefusedSince, &r.Generation, &r.Version, &r.Shard, &r.CreatedAt, &r.UpdatedAt,
	}
}

// SealTokens returns the tokens of the link in encrypted form, as the database stores them.
func (s *Store) SealTokens(l songspy.Link) (access, refresh []byte, err error) {
	if access, err = s.sealer.seal(l.AccessToken, linkAAD("access_token_sealed", l.UserID)); err != nil {
		return nil, nil, err
	}
	refresh, err = s.sealer.seal(l.RefreshToken, linkAAD("refresh_token_sealed", l.UserID))
	return access, refresh, err
}

// seal encrypts the tokens of r.Link, and stores the results in the two sealed columns of
// r.
func (s *Store) seal(r *linkRow) (err error) {
	r.AccessTokenSealed, r.RefreshTokenSealed, err = s.SealTokens(r.Link)
	return err
}

// open returns the link with its tokens decrypted.
func (s *Store) open(r *linkRow) (l songspy.Link, err error) {
	l = r.Link
	if len(r.RefreshTokenSealed) == 0 {
		return l, nil // PruneTokens has deleted them
	}
	if l.AccessToken, err = s.sealer.open(r.AccessTokenSealed, linkAAD("access_token_sealed", r.UserID)); err != nil {
		return songspy.Link{}, err
	}
	l.RefreshToken, err = s.sealer.open(r.RefreshTokenSealed, linkAAD("refresh_token_sealed", r.UserID))
	return l, err
}

// Link returns the user's link with its tokens. It returns CodeNotFound and the reason
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

// UpdateLink lets fn change the tokens, the scope and the state of a link, and increments
// Version. The link's row stays locked while fn runs, so fn must be quick and must not call
// Spotify. If fn changes the state, UpdateLink publishes a change, and sets StateSince to
// now unless fn has set it. If the new state stops the polls or lets them resume, UpdateLink
// also begins or ends a gap (a time without recorded plays): see updateLinkGap. UpdateLink
// writes nothing if fn returns an error or does not change the link.
//
// It returns CodeNotFound and the reason SPOTIFY_NOT_LINKED if there is no link.
func (s *Store) UpdateLink(ctx context.Context, id songspy.UserID, fn func(*songspy.Link) error) (l songspy.Link, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		row, err := findLink(forChange(tx), id)
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
	return l, err
}

// PruneTokens deletes the tokens of links that entered the state reauth_required before the
// given time, and returns the number of these links. Only a new consent of the user repairs
// such a link, so its tokens are of no use any more.
func (s *Store) PruneTokens(ctx context.Context, before time.Time) (deleted int64, err error) {
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		return affectedRows(tx.Model(&linkRow{}).
			Where("state = ? AND state_since < ? AND length(refresh_token_sealed) > 0", songspy.LinkReauthRequired, before).
			Updates(map[string]any{
				"access_token_sealed": []byte{}, "refresh_token_sealed": []byte{}, "version": gorm.Expr("version + 1"), "updated_at": s.now(),
			}), &deleted)
	})
	return deleted, err
}

// restoreIdentity undoes changes to fields of l that the function passed to UpdateLink must
// not change: the ids of user and account, generation, version, shard, and the times of
// creation and update. It sets them to the values that the parameter before has.
func restoreIdentity(l *songspy.Link, before songspy.Link) {
	l.UserID, l.AccountID, l.LegacyID = before.UserID, before.AccountID, before.LegacyID
	l.Generation, l.Version, l.Shard = before.Generation, before.Version, before.Shard
	l.CreatedAt, l.UpdatedAt = before.CreatedAt, before.UpdatedAt
}

// LinksToRenew returns the polled links (active or suspect) whose access token expires
// before the given time. It returns up to limit links, in ascending order of their users'
// ids, starting after the given user. Fewer than limit means that there are no more.
//
// It logs and skips a link whose tokens cannot be decrypted.
func (s *Store) LinksToRenew(ctx context.Context, before time.Time, after songspy.UserID, limit int) (links []songspy.Link, err error) {
	// Read on until limit links have been decrypted or there are no more rows. Otherwise a
	// page with skipped rows would have fewer than limit links and look like the last one.
	for limit > len(links) {
		var sealed undecryptableLinks
		want, read := limit-len(links), 0
		err := queryRows(ctx, s.pool, func(rows *sql.Rows) error {
			var r linkRow
			if err := rows.Scan(r.scanDest()...); err != nil {
				return err
			}
			read, after = read+1, r.UserID
			if l, err := s.open(&r); err != nil {
				sealed.add(r.UserID, err)
			} else {
				links = append(links, l)
			}
			return nil
		}, `SELECT `+linkColumns+` FROM spotify_links l
			WHERE l.user_id > $1 AND `+pollableCondition+` AND l.access_expires_at < $2 ORDER BY l.user_id LIMIT $3`,
			int64(after), before, want)
		sealed.log(ctx, s.log)
		if err != nil {
			return nil, translate(err)
		}
		if read < want {
			break
		}
	}
	return links, nil
}

// NotRegisteredUsers returns up to limit users whose links entered the state not_registered
// before the given time, the earliest first. It also returns, last, users whose links seem
// to have entered the state more than ClockSkewMax in the future: a process with a fast
// clock stored that time.
func (s *Store) NotRegisteredUsers(ctx context.Context, before time.Time, limit int) (ids []songspy.UserID, err error) {
	ids, err = queryColumn[songspy.UserID](ctx, s.pool, `SELECT user_id FROM spotify_links WHERE state = $1 AND (state_since < $2 OR state_since > $3) ORDER BY state_since, user_id LIMIT $4`,
		string(songspy.LinkNotRegistered), before, s.now().Add(songspy.ClockSkewMax), limit)
	return ids, translate(err)
}

// ReasonLinkedElsewhere is the Reason of the error that says that another user of Songspy
// has linked the Spotify account.
const ReasonLinkedElsewhere = "SPOTIFY_LINKED_ELSEWHERE"

// linkingUser holds the columns of the table users that linking needs.
type linkingUser struct {
	ID             songspy.UserID
	LinkGeneration int64
	LinkVersion    int64
}

// SaveLink links the user to the Spotify account, or links the user again. It replaces the
// tokens, sets the state to active and increments the generation of the link, which makes
// results of earlier polls outdated. If the user links the same account again (one of its
// two ids is equal), the open (unfinished) play continues. If the user links another
// account, the open play ends. If n.Move is true and another user has linked the account,
// SaveLink unlinks that user, as Unlink does.
//
// It returns CodeNotFound if the user does not exist. It returns CodeConflict with the
// reason SPOTIFY_LINKED_ELSEWHERE if another user has linked the account and n.Move is
// false, or with the reason SPOTIFY_NO_SEAT if the Spotify app has no free seat (place for
// another user). It returns CodeGone if n.IfVersion is set and the stored link does not have
// that version. It returns CodeInvalid if n lacks the access token, the refresh token or
// both ids of the account.
func (s *Store) SaveLink(ctx context.Context, n songspy.NewLink) (l songspy.Link, err error) {
	if n.Grant.AccessToken == "" || n.Grant.RefreshToken == "" || (n.Account.AccountID == "" && n.Account.ID == "") {
		return l, &songspy.Error{
			Code:    songspy.CodeInvalid,
			Message: "A link needs an access token, a refresh token and the id of the account.",
		}
	}
	if n.ConsentedAt.IsZero() {
		n.ConsentedAt = s.now()
	}
	n.Account.AccountID, n.Account.ID = cleanText(n.Account.AccountID), cleanText(n.Account.ID)
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		l, err = s.saveLink(tx, n)
		return err
	})
	if songspy.CodeOf(err) == songspy.CodeConflict && songspy.ReasonOf(err) != ReasonNoSeat {
		return songspy.Link{}, linkedElsewhereError(err)
	}
	return l, err
}

// SavePendingGrant stores the encrypted tokens of a user that the app's owner still has to
// register. The link is in the state not_registered, and its Spotify account is unknown;
// SaveLink completes it later. SavePendingGrant does not replace a link whose account is
// known, even if that link is broken, because that link takes the user's seat in the app,
// and keeps other users from linking the account.
//
// It returns the link that is stored afterwards; if the account of that link is known, the
// grant was not stored. It returns CodeNotFound if the user does not exist, CodeGone under
// the same condition as SaveLink, and CodeInvalid if n lacks the access token or the refresh
// token.
func (s *Store) SavePendingGrant(ctx context.Context, n songspy.NewLink) (l songspy.Link, err error) {
	if n.Grant.AccessToken == "" || n.Grant.RefreshToken == "" {
		return l, &songspy.Error{Code: songspy.CodeInvalid, Message: "A link needs an access token and a refresh token."}
	}
	if n.ConsentedAt.IsZero() {
		n.ConsentedAt = s.now()
	}
	n.Account = songspy.SpotifyAccount{}
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockUsers(tx, n.UserID); err != nil {
			return err
		}
		if err := checkLinkVersion(tx, n); err != nil {
			return err
		}
		var user linkingUser
		if err := tx.Table("users").Where("id = ?", n.UserID).Take(&user).Error; err != nil {
			return err
		}
		old, err := findLink(tx, n.UserID)
		switch {
		case err == nil && (old.State.IsPolled() || old.HasAccount()):
			l, err = s.open(&old)
			return err
		case err != nil && songspy.CodeOf(err) != songspy.CodeNotFound:
			return err
		}
		row, _, err := s.replaceLink(tx, n, user)
		if err != nil {
			return err
		}
		l = row.Link
		return s.publishChanges(tx, songspy.ChangeLink, n.UserID)
	})
	return l, err
}

// checkLinkVersion returns CodeGone if n.IfVersion is set, and the user has no stored link
// or the stored link has another version. The user must be locked.
func checkLinkVersion(tx *gorm.DB, n songspy.NewLink) error {
	if n.IfVersion == 0 {
		return nil
	}
	old, err := findLink(tx.Clauses(clause.Locking{Strength: "UPDATE"}), n.UserID)
	if err != nil && songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	if err != nil || old.Version != n.IfVersion {
		return &songspy.Error{Code: songspy.CodeGone, Message: "The link is gone or was changed meanwhile."}
	}
	return nil
}

func linkedElsewhereError(cause error) error {
	return &songspy.Error{
		Code: songspy.CodeConflict, Reason: ReasonLinkedElsewhere, Err: cause,
		Message: "This Spotify account is linked to another user. Move it here or choose another account.",
	}
}

func (s *Store) saveLink(tx *gorm.DB, n songspy.NewLink) (l songspy.Link, err error) {
	// The other users that have linked the account are read twice: first to know which
	// users to lock, then again when they are locked. If a third user links the account in
	// between, the unique index rejects the new link.
	others, err := accountHolders(tx, n)
	if err != nil {
		return l, err
	}
	if err := lockUsers(tx, append(slices.Clone(others), n.UserID)...); err != nil {
		return l, err
	}
	if err := checkLinkVersion(tx, n); err != nil {
		return l, err
	}
	var user linkingUser
	if err := tx.Table("users").Where("id = ?", n.UserID).Take(&user).Error; err != nil {
		return l, err
	}
	locked := others
	if others, err = accountHolders(tx, n); err != nil {
		return l, err
	}
	others = slices.DeleteFunc(others, func(id songspy.UserID) bool { return !slices.Contains(locked, id) })
	if len(others) > 0 && !n.Move {
		return l, linkedElsewhereError(nil)
	}
	for _, other := range others {
		if _, err := s.unlink(tx, other, songspy.ActorSystem); err != nil {
			return l, err
		}
	}
	row, hadSeat, err := s.replaceLink(tx, n, user)
	if err != nil {
		return l, err
	}
	if err := s.addAuditEvent(tx, songspy.AuditEvent{UserID: n.UserID, Kind: songspy.AuditLinked, Actor: songspy.ActorSelf}); err != nil {
		return l, err
	}
	if err := s.publishChanges(tx, songspy.ChangeLink, append(others, n.UserID)...); err != nil {
		return l, err
	}
	// publishChanges keeps the row of the table feed locked until the commit. So
	// transactions that link users decide about seats one after the other, and
	// checkSeatLimit counts exactly.
	if err := deleteSeat(tx, n.UserID); err != nil {
		return l, err
	}
	return row.Link, checkSeatLimit(tx, n, hadSeat)
}

// accountHolders returns the users other than n.UserID that have linked the Spotify account
// n.Account, by either of its ids.
func accountHolders(tx *gorm.DB, n songspy.NewLink) (ids []songspy.UserID, err error) {
	err = tx.Model(&songspy.Link{}).
		Where("user_id <> ? AND ((account_id = ? AND account_id <> '') OR (legacy_id = ? AND legacy_id <> ''))",
			n.UserID, n.Account.AccountID, n.Account.ID).
		Order("user_id").Pluck("user_id", &ids).Error
	return ids, err
}

// replaceLink writes the user's link, and replaces the old link if there is one. sameApp
// reports whether the old link was through the same app and its account was known: then the
// user already takes a seat in that app.
func (s *Store) replaceLink(tx *gorm.DB, n songspy.NewLink, user linkingUser) (row linkRow, sameApp bool, err error) {
	old, err := findLink(tx.Clauses(clause.Locking{Strength: "UPDATE"}), n.UserID)
	fresh := songspy.CodeOf(err) == songspy.CodeNotFound
	if err != nil && !fresh {
		return row, sameApp, err
	}
	now := s.now()
	row.Link = songspy.Link{
		UserID: n.UserID, App: n.App,
		AccountID: nilIfEmpty(n.Account.AccountID), LegacyID: nilIfEmpty(n.Account.ID),
		AuthMethod: n.Grant.Auth, AccessToken: n.Grant.AccessToken, RefreshToken: n.Grant.RefreshToken,
		Scope: n.Grant.Scope, AccessExpiresAt: dbTime(n.Grant.ExpiresAt), AuthorizedAt: dbTime(n.ConsentedAt),
		State: songspy.LinkActive, StateSince: now,
		Generation: user.LinkGeneration + 1, Version: max(user.LinkVersion, old.Version) + 1,
		Shard: songspy.ShardOf(n.UserID), CreatedAt: now, UpdatedAt: now,
	}
	if !row.HasAccount() {
		row.State = songspy.LinkNotRegistered
	}
	if !fresh {
		sameApp = old.App == n.App && old.HasAccount()
		if sameAccount(old.Link, n.Account) {
			row.AccountID, row.LegacyID = cmp.Or(row.AccountID, old.AccountID), cmp.Or(row.LegacyID, old.LegacyID)
			row.CreatedAt = old.CreatedAt
		} else if err := s.closeOpenPlay(tx, n.UserID, user.LinkGeneration+1, dbTime(n.ConsentedAt)); err != nil {
			return row, sameApp, err
		}
		if err := s.updateLinkGap(tx, old.Link, row.Link); err != nil {
			return row, sameApp, err
		}
		if err := tx.Where("user_id = ?", n.UserID).Delete(&linkRow{}).Error; err != nil {
			return row, sameApp, err
		}
	}
	if err := s.seal(&row); err != nil {
		return row, sameApp, err
	}
	if err := tx.Create(&row).Error; err != nil {
		return row, sameApp, err
	}
	return row, sameApp, setGeneration(tx, n.UserID, row.Generation, row.Version)
}

func setGeneration(tx *gorm.DB, id songspy.UserID, generation, version int64) error {
	return requireOneRow(tx.Table("users").Where("id = ?", id).
		Updates(map[string]any{"link_generation": generation, "link_version": version}))
}

// sameAccount reports whether the link is to the given Spotify account, that
// is, whether either id is the same.
func sameAccount(l songspy.Link, a songspy.SpotifyAccount) bool {
	return (l.AccountID != nil && *l.AccountID == a.AccountID) || (l.LegacyID != nil && *l.LegacyID == a.ID)
}

// nilIfEmpty returns a pointer to the id, or nil if it is empty because Spotify did
// not send it.
func nilIfEmpty(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

// Unlink deletes the link and everything that came through it: tokens, the player's state,
// plays, the user's tracks, and local files that no other user has. It returns what it
// deleted. A play that the user had already deleted keeps its times and the hashes of its
// track, so that neither Spotify's history nor an import adds the play again.
//
// It returns CodeNotFound and the reason SPOTIFY_NOT_LINKED if there is no link.
func (s *Store) Unlink(ctx context.Context, id songspy.UserID) (e songspy.Erasure, err error) {
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockUsers(tx, id); err != nil {
			return err
		}
		if e, err = s.unlink(tx, id, songspy.ActorSelf); err != nil {
			return err
		}
		return s.publishChanges(tx, songspy.ChangeLink, id)
	})
	return e, err
}

// unlink does the work of Unlink in the transaction tx, but does not publish a change. The
// user must be locked. The parameter by is the actor that the audit log records: ActorSelf
// if the user unlinks Spotify, ActorSystem if the Spotify account moves to another user.
func (s *Store) unlink(tx *gorm.DB, id songspy.UserID, by songspy.AuditActor) (songspy.Erasure, error) {
	link, err := findLink(tx.Clauses(clause.Locking{Strength: "UPDATE"}), id)
	if err != nil {
		return songspy.Erasure{}, err
	}
	if err := setGeneration(tx, id, link.Generation+1, link.Version); err != nil {
		return songspy.Erasure{}, err
	}
	e, err := s.erasePlaybackData(tx, id)
	if err != nil {
		return songspy.Erasure{}, err
	}
	return e, s.addAuditEvent(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditUnlinked, Actor: by, Detail: fmt.Sprintf("plays: %d", e.Plays)})
}

// LinkGroups counts all links by state and by the day (UTC) of consent. It reads the whole
// table (a million links in 0.6 s on Postgres), because an index on the state would slow
// down every renewal. So do not call it at every scrape of the metrics.
func (s *Store) LinkGroups(ctx context.Context) (groups []songspy.LinkGroup, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var g songspy.LinkGroup
		var day int64
		err := rows.Scan(&g.State, &day, &g.Count)
		g.ConsentedOn = time.Unix(day*24*60*60, 0).UTC()
		groups = append(groups, g)
		return err
	}, `SELECT state, `+s.engine.dayExpression("authorized_at")+` AS day, count(*) FROM spotify_links GROUP BY 1, 2 ORDER BY 1, 2`)
	return groups, translate(err)
}
