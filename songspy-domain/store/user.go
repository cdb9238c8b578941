package store

import (
	"context"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// SignIn is SignInOrUp with a condition that lets every user sign up.
func (s *Store) SignIn(ctx context.Context, p songspy.GoogleProfile, a songspy.Audience) (u songspy.User, linked bool, err error) {
	return s.SignInOrUp(ctx, p, a, songspy.SignUpCondition{})
}

// SignInOrUp returns the user with the Google subject of the profile p, and updates the
// user's name and picture from p. If there is no such user and the condition t permits a
// sign-up, it creates a user whose data is shared with the audience a. linked reports
// whether the user has a Spotify link in any state; a pending grant (a link whose account is
// not known yet) does not count. If the condition t has an invite, a use of that invite is
// taken only if a user is created.
//
// It returns CodeInvalid for a profile without a subject or for an invalid audience. For a
// new user it returns t.Refusal if that is set, and ErrInviteInvalid if the invite is
// unknown, revoked, expired or used up.
func (s *Store) SignInOrUp(ctx context.Context, p songspy.GoogleProfile, a songspy.Audience, t songspy.SignUpCondition) (u songspy.User, linked bool, err error) {
	if p.Subject == "" || !a.IsValid() {
		return u, false, &songspy.Error{Code: songspy.CodeInvalid, Message: "A user needs Google's subject and a valid audience."}
	}
	p.Name, p.PictureURL = cleanText(p.Name), cleanText(p.PictureURL)
	u, err = s.userBySubject(s.query(ctx), p.Subject)
	switch {
	case songspy.CodeOf(err) == songspy.CodeNotFound && t.Refusal != nil:
		err = t.Refusal
	case songspy.CodeOf(err) == songspy.CodeNotFound:
		u, err = s.createUser(ctx, p, a, t.InviteHash)
	case err == nil && (u.GoogleName != p.Name || u.PictureURL != p.PictureURL):
		u, err = s.UpdateUser(ctx, u.ID, func(u *songspy.User) error {
			u.GoogleName, u.PictureURL = p.Name, p.PictureURL
			return nil
		})
	}
	if err != nil {
		return songspy.User{}, false, err
	}
	var links int64
	err = s.query(ctx).Model(&songspy.Link{}).Where("user_id = ? AND "+accountKnownCondition, u.ID).Count(&links).Error
	return u, links > 0, translate(err)
}

func (s *Store) userBySubject(db *gorm.DB, subject string) (u songspy.User, err error) {
	err = takeUser(db.Where("google_sub = ?", subject), &u)
	return u, translate(err)
}

// takeUser reads the user that the query finds into u. It also sets the audience and the
// time until which everything is hidden, from the sharing settings that are in force now.
func takeUser(query *gorm.DB, u *songspy.User) error {
	if err := query.Take(u).Error; err != nil {
		return err
	}
	p, err := presentSharing(query.Session(&gorm.Session{NewDB: true}), u.ID)
	u.Audience, u.SharingPausedUntil = p.Now, p.HiddenUntil
	return err
}

// createUser creates the user, or finds the one that a concurrent sign-up created. The
// sign-up that creates the user takes a use of the invite, if one is given.
func (s *Store) createUser(ctx context.Context, p songspy.GoogleProfile, a songspy.Audience, invite []byte) (u songspy.User, err error) {
	now := s.now()
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		created := songspy.User{
			PublicID: songspy.NewPublicID(), GoogleSub: p.Subject, GoogleName: p.Name, PictureURL: p.PictureURL,
			CreatedAt: now, UpdatedAt: now,
		}
		once := clause.OnConflict{Columns: []clause.Column{{Name: "google_sub"}}, DoNothing: true}
		inserted := tx.Clauses(once).Create(&created)
		if inserted.Error != nil {
			return inserted.Error
		}
		if inserted.RowsAffected > 0 {
			sharing := songspy.NewSharing(created.ID, a, now)
			if err := tx.Create(&sharing).Error; err != nil {
				return err
			}
			if err := s.addAuditEvent(tx, songspy.AuditEvent{UserID: created.ID, Kind: songspy.AuditSignedUp, Actor: songspy.ActorSelf}); err != nil {
				return err
			}
			if invite != nil {
				if err := useInvite(tx, invite, now); err != nil {
					return err
				}
			}
		}
		u, err = s.userBySubject(tx, p.Subject)
		return err
	})
	return u, err
}

// User returns the user. It returns CodeNotFound if there is none.
func (s *Store) User(ctx context.Context, id songspy.UserID) (u songspy.User, err error) {
	err = takeUser(s.query(ctx).Where("id = ?", id), &u)
	return u, translate(err)
}

// UpdateUser lets fn change the user while the user's row is locked, and publishes a
// change. fn cannot change the ids, Google's subject, the sharing settings, or whether the
// operator hides the user: UpdateUser restores these. It writes and publishes nothing if fn
// returns an error or changes nothing.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) UpdateUser(ctx context.Context, id songspy.UserID, fn func(*songspy.User) error) (u songspy.User, err error) {
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := takeUser(forChange(tx).Where("id = ?", id), &u); err != nil {
			return err
		}
		before := u
		if err := fn(&u); err != nil {
			return err
		}
		u.ID, u.PublicID, u.GoogleSub, u.CreatedAt, u.UpdatedAt = before.ID, before.PublicID, before.GoogleSub, before.CreatedAt, before.UpdatedAt
		u.Audience, u.SharingPausedUntil, u.HiddenByOperator = before.Audience, before.SharingPausedUntil, before.HiddenByOperator
		if sameUser(before, u) {
			u = before
			return nil
		}
		u.UpdatedAt = s.now()
		if err := requireOneRow(tx.Model(&songspy.User{}).Where("id = ?", id).Select("*").Omit("id", "google_sub", "created_at").Updates(&u)); err != nil {
			return err
		}
		if err := updateNickKey(tx, &u); err != nil {
			return err
		}
		if err := takeUser(tx.Where("id = ?", id), &u); err != nil {
			return err
		}
		return s.publishChanges(tx, songspy.ChangeUser, id)
	})
	return u, err
}

// updateNickKey updates the nick key of the user (the nickname as search compares it) after
// a change of the nickname. If the user's settings do not let search find the user, it
// changes nothing, because the nick key is empty then. The user must be locked.
func updateNickKey(tx *gorm.DB, u *songspy.User) error {
	p, err := presentSharing(tx, u.ID)
	if err != nil || !p.Findable {
		return err
	}
	return setNickKey(tx, u, true)
}

func sameUser(a, b songspy.User) bool {
	sameName := samePointer(a.NickName, b.NickName, func(x, y string) bool { return x == y })
	a.NickName = b.NickName
	return sameName && a == b
}

func samePointer[T any](a, b *T, same func(T, T) bool) bool {
	if a == nil || b == nil {
		return a == b
	}
	return same(*a, *b)
}

// EraseUser deletes all data of the user in one transaction. docs/erasure.md lists the
// exceptions. It returns what it deleted: whether there was a link, and how many plays and
// tracks. Playback updates of the user that are not written yet will be dropped, because
// the user no longer exists.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) EraseUser(ctx context.Context, id songspy.UserID) (e songspy.Erasure, err error) {
	err = s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockUsers(tx, id); err != nil {
			return err
		}
		if e, err = s.erasePlaybackData(tx, id); err != nil {
			return err
		}
		if err := tx.Where("user_id = ?", id).Delete(&songspy.Play{}).Error; err != nil { // the plays that the user had deleted
			return err
		}
		if err := tx.Where("user_id = ?", id).Delete(&notificationRow{}).Error; err != nil {
			return err
		}
		if err := erasePeople(tx, id); err != nil {
			return err
		}
		if err := requireOneRow(tx.Where("id = ?", id).Delete(&songspy.User{})); err != nil {
			return err
		}
		if err := s.publishChanges(tx, songspy.ChangeUser, id); err != nil {
			return err
		}
		return deleteSeat(tx, id)
	})
	return e, err
}

// lockUsers locks the users FOR UPDATE, in ascending order of their ids. It waits for
// running transactions that write playback updates of these users. Later transactions of
// that kind wait until this transaction ends.
func lockUsers(tx *gorm.DB, ids ...songspy.UserID) error {
	var locked []songspy.UserID
	return tx.Model(&songspy.User{}).Clauses(clause.Locking{Strength: "UPDATE"}).
		Where("id IN ?", ids).Order("id").Pluck("id", &locked).Error
}
