package store

import (
	"context"
	"database/sql"
	"slices"
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

// NewLink is what SaveLink ties together.
type NewLink struct {
	UserID songspy.UserID
	// App names the Spotify app that the grant was given to.
	App string
	// Seats is how many people the app admits; 0: as many as come.
	Seats   int
	Grant   songspy.Grant
	Account songspy.SpotifyAccount
	// Move takes the account from whoever has it now.
	Move bool
	// At is when the person consented; zero means now.
	ConsentedAt time.Time
	// IfVersion is the version that the stored link must still have; 0: any, or no link at all.
	IfVersion int64
}

// ReasonLinkedElsewhere is the reason of the error for an account that
// somebody else has linked.
const ReasonLinkedElsewhere = "SPOTIFY_LINKED_ELSEWHERE"

// person is what linking needs of a row of users.
type linkingUser struct {
	ID             songspy.UserID
	LinkGeneration int64
	LinkVersion    int64
}

// SaveLink links the person to the account, or links anew: the tokens are
// replaced, the state is active again, the generation rises. The same account
// (a match on either id) keeps what is playing; another one closes the open
// play first. With Move whoever had the account is unlinked, as Unlink does.
//
// It returns CodeNotFound if the person is gone, CodeConflict and the reason
// SPOTIFY_LINKED_ELSEWHERE if somebody else has the account and Move is not
// set, CodeGone if IfVersion is set and the link is gone or was changed, and
// CodeInvalid for a grant or an account that lacks what a link needs.
func (s *Store) SaveLink(ctx context.Context, n NewLink) (l songspy.Link, err error) {
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
	if err != nil {
		return songspy.Link{}, err
	}
	return l, nil
}

// KeepGrant keeps the grant of a user that the app does not know yet, sealed, as
// a link that is not registered and whose account is not known. SaveLink
// completes it. A link whose account is known stays instead, also a broken one:
// its seat and its claim to the account depend on it.
//
// It returns the link that is stored afterwards; if its account is known, the
// grant was not kept. It returns CodeNotFound if the user is gone, CodeGone as
// SaveLink does, and CodeInvalid for a grant that lacks what a link needs.
func (s *Store) SavePendingGrant(ctx context.Context, n NewLink) (l songspy.Link, err error) {
	if n.Grant.AccessToken == "" || n.Grant.RefreshToken == "" {
		return l, &songspy.Error{Code: songspy.CodeInvalid, Message: "A link needs an access token and a refresh token."}
	}
	if n.ConsentedAt.IsZero() {
		n.ConsentedAt = s.now()
	}
	n.Account = songspy.SpotifyAccount{}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
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
	if err != nil {
		return songspy.Link{}, err
	}
	return l, nil
}

// unchanged fails if the stored link no longer has the version that it must
// have. It expects the user to be locked.
func checkLinkVersion(tx *gorm.DB, n NewLink) error {
	if n.IfVersion == 0 {
		return nil
	}
	old, err := findLink(tx.Clauses(clause.Locking{Strength: "UPDATE"}), n.UserID)
	if err != nil && songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	if err != nil || old.Version != n.IfVersion {
		return &songspy.Error{Code: songspy.CodeGone, Message: "The link is gone, or was changed meanwhile."}
	}
	return nil
}

func linkedElsewhereError(cause error) error {
	return &songspy.Error{
		Code: songspy.CodeConflict, Reason: ReasonLinkedElsewhere, Err: cause,
		Message: "This Spotify account is linked to another person; move it here, or choose another account.",
	}
}

func (s *Store) saveLink(tx *gorm.DB, n NewLink) (l songspy.Link, err error) {
	// Who has the account is asked twice: to know whom to lock, and again when
	// they are locked. One who came in between meets the unique index.
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
		if _, err := s.unlink(tx, other); err != nil {
			return l, err
		}
	}
	row, hadSeat, err := s.replaceLink(tx, n, user)
	if err != nil {
		return l, err
	}
	if err := s.publishChanges(tx, songspy.ChangeLink, append(others, n.UserID)...); err != nil {
		return l, err
	}
	// Whoever links now has announced it, one after another: the count holds.
	if err := deleteSeat(tx, n.UserID); err != nil {
		return l, err
	}
	return row.Link, checkSeatLimit(tx, n, hadSeat)
}

// holders are the other people who have the account, by either of its ids.
func accountHolders(tx *gorm.DB, n NewLink) (ids []songspy.UserID, err error) {
	err = tx.Model(&songspy.Link{}).
		Where("user_id <> ? AND ((account_id = ? AND account_id <> '') OR (legacy_id = ? AND legacy_id <> ''))",
			n.UserID, n.Account.AccountID, n.Account.ID).
		Order("user_id").Pluck("user_id", &ids).Error
	return ids, err
}

// replaceLink writes the person's link over the one that is there, if one is,
// and says whether that one was through the same app.
func (s *Store) replaceLink(tx *gorm.DB, n NewLink, user linkingUser) (row linkRow, sameApp bool, err error) {
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
			row.AccountID, row.LegacyID = firstNonNil(row.AccountID, old.AccountID), firstNonNil(row.LegacyID, old.LegacyID)
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

// sameAccount reports whether the link is to the account: a match on either id.
func sameAccount(l songspy.Link, a songspy.SpotifyAccount) bool {
	return (l.AccountID != nil && *l.AccountID == a.AccountID) || (l.LegacyID != nil && *l.LegacyID == a.ID)
}

// known is nil for an id that Spotify did not send.
func nilIfEmpty(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

func firstNonNil(a, b *string) *string {
	if a != nil {
		return a
	}
	return b
}

// Unlink erases the link and all that came through it: tokens, what is
// playing, plays, the person's tracks, and local files that nobody else has. It
// says how much that was. The times of plays that the person deleted stay, so
// that no import brings one back.
//
// It returns CodeNotFound and the reason SPOTIFY_NOT_LINKED if there is no link.
func (s *Store) Unlink(ctx context.Context, id songspy.UserID) (e EraseResult, err error) {
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockUsers(tx, id); err != nil {
			return err
		}
		if e, err = s.unlink(tx, id); err != nil {
			return err
		}
		return s.publishChanges(tx, songspy.ChangeLink, id)
	})
	if err != nil {
		return EraseResult{}, err
	}
	return e, nil
}

// unlink expects the person to be locked.
func (s *Store) unlink(tx *gorm.DB, id songspy.UserID) (EraseResult, error) {
	link, err := findLink(tx.Clauses(clause.Locking{Strength: "UPDATE"}), id)
	if err != nil {
		return EraseResult{}, err
	}
	if err := setGeneration(tx, id, link.Generation+1, link.Version); err != nil {
		return EraseResult{}, err
	}
	return s.erasePlaybackData(tx, id)
}

// LinkCensus counts all links, by state and by the day of consent. It reads the
// whole table (a million links in 0.6 s, on Postgres), because an index on the
// state would cost every renewal: so it is not for every scrape.
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
