package store

import (
	"context"
	"slices"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// NewLink is what SaveLink ties together.
type NewLink struct {
	UserID songspy.UserID
	// App names the Spotify app that the grant was given to.
	App string
	// Seats is how many people the app admits; 0: as many as come.
	Seats   int
	Grant   songspy.Grant
	Account songspy.Account
	// Move takes the account from whoever has it now.
	Move bool
	// At is when the person consented; zero means now.
	At time.Time
	// IfVersion is the version that the stored link must still have; 0: any, or no link at all.
	IfVersion int64
}

// ReasonLinkedElsewhere is the reason of the error for an account that
// somebody else has linked.
const ReasonLinkedElsewhere = "SPOTIFY_LINKED_ELSEWHERE"

// person is what linking needs of a row of users.
type person struct {
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
	if n.At.IsZero() {
		n.At = s.now()
	}
	n.Account.AccountID, n.Account.ID = clean(n.Account.AccountID), clean(n.Account.ID)
	err = s.takingAway(ctx, func(tx *gorm.DB) error {
		l, err = s.saveLink(tx, n)
		return err
	})
	if songspy.CodeOf(err) == songspy.CodeConflict && songspy.ReasonOf(err) != ReasonNoSeat {
		return songspy.Link{}, linkedElsewhere(err)
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
func (s *Store) KeepGrant(ctx context.Context, n NewLink) (l songspy.Link, err error) {
	if n.Grant.AccessToken == "" || n.Grant.RefreshToken == "" {
		return l, &songspy.Error{Code: songspy.CodeInvalid, Message: "A link needs an access token and a refresh token."}
	}
	if n.At.IsZero() {
		n.At = s.now()
	}
	n.Account = songspy.Account{}
	err = s.takingAway(ctx, func(tx *gorm.DB) error {
		if err := lockPeople(tx, n.UserID); err != nil {
			return err
		}
		if err := unchanged(tx, n); err != nil {
			return err
		}
		var me person
		if err := tx.Table("users").Where("id = ?", n.UserID).Take(&me).Error; err != nil {
			return err
		}
		old, err := takeLink(tx, n.UserID)
		switch {
		case err == nil && (old.State.Asked() || old.AccountKnown()):
			l, err = s.open(&old)
			return err
		case err != nil && songspy.CodeOf(err) != songspy.CodeNotFound:
			return err
		}
		row, _, err := s.replaceLink(tx, n, me)
		if err != nil {
			return err
		}
		l = row.Link
		return s.announce(tx, songspy.ChangeLink, n.UserID)
	})
	if err != nil {
		return songspy.Link{}, err
	}
	return l, nil
}

// unchanged fails if the stored link no longer has the version that it must
// have. It expects the user to be locked.
func unchanged(tx *gorm.DB, n NewLink) error {
	if n.IfVersion == 0 {
		return nil
	}
	old, err := takeLink(tx.Clauses(clause.Locking{Strength: "UPDATE"}), n.UserID)
	if err != nil && songspy.CodeOf(err) != songspy.CodeNotFound {
		return err
	}
	if err != nil || old.Version != n.IfVersion {
		return &songspy.Error{Code: songspy.CodeGone, Message: "The link is gone, or was changed meanwhile."}
	}
	return nil
}

func linkedElsewhere(cause error) error {
	return &songspy.Error{
		Code: songspy.CodeConflict, Reason: ReasonLinkedElsewhere, Err: cause,
		Message: "This Spotify account is linked to another person; move it here, or choose another account.",
	}
}

func (s *Store) saveLink(tx *gorm.DB, n NewLink) (l songspy.Link, err error) {
	// Who has the account is asked twice: to know whom to lock, and again when
	// they are locked. One who came in between meets the unique index.
	others, err := holders(tx, n)
	if err != nil {
		return l, err
	}
	if err := lockPeople(tx, append(slices.Clone(others), n.UserID)...); err != nil {
		return l, err
	}
	if err := unchanged(tx, n); err != nil {
		return l, err
	}
	var me person
	if err := tx.Table("users").Where("id = ?", n.UserID).Take(&me).Error; err != nil {
		return l, err
	}
	locked := others
	if others, err = holders(tx, n); err != nil {
		return l, err
	}
	others = slices.DeleteFunc(others, func(id songspy.UserID) bool { return !slices.Contains(locked, id) })
	if len(others) > 0 && !n.Move {
		return l, linkedElsewhere(nil)
	}
	for _, other := range others {
		if _, err := s.unlink(tx, other); err != nil {
			return l, err
		}
	}
	row, hadSeat, err := s.replaceLink(tx, n, me)
	if err != nil {
		return l, err
	}
	if err := s.announce(tx, songspy.ChangeLink, append(others, n.UserID)...); err != nil {
		return l, err
	}
	// Whoever links now has announced it, one after another: the count holds.
	if err := dropSeat(tx, n.UserID); err != nil {
		return l, err
	}
	return row.Link, seated(tx, n, hadSeat)
}

// holders are the other people who have the account, by either of its ids.
func holders(tx *gorm.DB, n NewLink) (ids []songspy.UserID, err error) {
	err = tx.Model(&songspy.Link{}).
		Where("user_id <> ? AND ((account_id = ? AND account_id <> '') OR (legacy_id = ? AND legacy_id <> ''))",
			n.UserID, n.Account.AccountID, n.Account.ID).
		Order("user_id").Pluck("user_id", &ids).Error
	return ids, err
}

// replaceLink writes the person's link over the one that is there, if one is,
// and says whether that one was through the same app.
func (s *Store) replaceLink(tx *gorm.DB, n NewLink, me person) (row linkRow, sameApp bool, err error) {
	old, err := takeLink(tx.Clauses(clause.Locking{Strength: "UPDATE"}), n.UserID)
	fresh := songspy.CodeOf(err) == songspy.CodeNotFound
	if err != nil && !fresh {
		return row, sameApp, err
	}
	now := s.now()
	row.Link = songspy.Link{
		UserID: n.UserID, App: n.App,
		AccountID: known(n.Account.AccountID), LegacyID: known(n.Account.ID),
		AuthMethod: n.Grant.Auth, AccessToken: n.Grant.AccessToken, RefreshToken: n.Grant.RefreshToken,
		Scope: n.Grant.Scope, AccessExpiresAt: instant(n.Grant.ExpiresAt), AuthorizedAt: instant(n.At),
		State: songspy.LinkActive, StateSince: now,
		Generation: me.LinkGeneration + 1, Version: max(me.LinkVersion, old.Version) + 1,
		Shard: songspy.ShardOf(n.UserID), CreatedAt: now, UpdatedAt: now,
	}
	if !row.AccountKnown() {
		row.State = songspy.LinkNotRegistered
	}
	if !fresh {
		sameApp = old.App == n.App && old.AccountKnown()
		if sameAccount(old.Link, n.Account) {
			row.AccountID, row.LegacyID = cmpOr(row.AccountID, old.AccountID), cmpOr(row.LegacyID, old.LegacyID)
			row.CreatedAt = old.CreatedAt
		} else if err := s.closeOpenPlay(tx, n.UserID, me.LinkGeneration+1, instant(n.At)); err != nil {
			return row, sameApp, err
		}
		if err := s.followLink(tx, old.Link, row.Link); err != nil {
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
	return oneRow(tx.Table("users").Where("id = ?", id).
		Updates(map[string]any{"link_generation": generation, "link_version": version}))
}

// sameAccount reports whether the link is to the account: a match on either id.
func sameAccount(l songspy.Link, a songspy.Account) bool {
	return (l.AccountID != nil && *l.AccountID == a.AccountID) || (l.LegacyID != nil && *l.LegacyID == a.ID)
}

// known is nil for an id that Spotify did not send.
func known(id string) *string {
	if id == "" {
		return nil
	}
	return &id
}

func cmpOr(a, b *string) *string {
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
func (s *Store) Unlink(ctx context.Context, id songspy.UserID) (e Erased, err error) {
	err = s.takingAway(ctx, func(tx *gorm.DB) error {
		if err := lockPeople(tx, id); err != nil {
			return err
		}
		if e, err = s.unlink(tx, id); err != nil {
			return err
		}
		return s.announce(tx, songspy.ChangeLink, id)
	})
	if err != nil {
		return Erased{}, err
	}
	return e, nil
}

// unlink expects the person to be locked.
func (s *Store) unlink(tx *gorm.DB, id songspy.UserID) (Erased, error) {
	link, err := takeLink(tx.Clauses(clause.Locking{Strength: "UPDATE"}), id)
	if err != nil {
		return Erased{}, err
	}
	if err := setGeneration(tx, id, link.Generation+1, link.Version); err != nil {
		return Erased{}, err
	}
	return s.eraseListening(tx, id)
}
