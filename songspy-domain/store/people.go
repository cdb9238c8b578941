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

// selectPeople returns the SELECT clause that reads a Person from users AS u.
func selectPeople(e engine) string { return `SELECT ` + userColumns + `, ` + ruleColumns(e, ``) }

// scanPerson scans a row of a query that begins with selectPeople. extra are
// the destinations of further columns.
func scanPerson(rows *sql.Rows, extra ...any) (p songspy.Person, err error) {
	err = rows.Scan(slices.Concat(userDest(&p.User), ruleDest(&p.Rule), extra)...)
	finishRule(&p.Rule, &p.User)
	return p, err
}

// queryPeople returns the people that a query selects. The parameter from is the SQL text
// after "FROM users u": joins, conditions and order.
func (s *Store) queryPeople(ctx context.Context, from string, args ...any) (people []songspy.Person, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		p, err := scanPerson(rows)
		people = append(people, p)
		return err
	}, s.selects.people+` FROM users u `+from, args...)
	return people, translate(err)
}

// queryPerson returns the first person that queryPeople returns. It returns CodeNotFound if
// there is none.
func (s *Store) queryPerson(ctx context.Context, from string, args ...any) (songspy.Person, error) {
	people, err := s.queryPeople(ctx, from, args...)
	if err == nil && len(people) == 0 {
		err = translate(gorm.ErrRecordNotFound)
	}
	if err != nil {
		return songspy.Person{}, err
	}
	return people[0], nil
}

// People returns those of the given users that exist, in ascending order of their ids.
func (s *Store) People(ctx context.Context, ids []songspy.UserID) (people []songspy.Person, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.queryRowset(ctx, s.pool, userIDRowset(ids), s.selects.people+` FROM users u WHERE u.id IN (SELECT user_id FROM v) ORDER BY u.id`, func(rows *sql.Rows) error {
		p, err := scanPerson(rows)
		people = append(people, p)
		return err
	})
	return people, translate(err)
}

// AllPeople returns up to limit users in the order of their ids, starting after the given
// id. Fewer than limit means that there are no more.
func (s *Store) AllPeople(ctx context.Context, after songspy.UserID, limit int) ([]songspy.Person, error) {
	return s.queryPeople(ctx, `WHERE u.id > $1 ORDER BY u.id LIMIT $2`, int64(after), limit)
}

// PersonByPublicID returns the user with the public id. It returns CodeNotFound if there is
// none.
func (s *Store) PersonByPublicID(ctx context.Context, id songspy.PublicID) (songspy.Person, error) {
	return s.queryPerson(ctx, `WHERE u.public_id = $1`, int64(id))
}

// PersonByShareLink returns the user whose share link (secret address) has the SHA-256 hash.
// It returns CodeNotFound if there is none.
func (s *Store) PersonByShareLink(ctx context.Context, hash []byte) (songspy.Person, error) {
	return s.queryPerson(ctx, `JOIN share_links l ON l.user_id = u.id WHERE l.hash = $1`, hash)
}

// afterAnyNick is a character that sorts after every character of a nickname. It is the
// largest code point, and Unicode never assigns it to a character.
const afterAnyNick = "\U0010FFFF"

// SearchPeople returns up to limit users that search may find and whose nickname begins
// with the prefix. It compares the NickKey of both, so that neither case nor the Unicode
// form matters. The users are sorted by NickKey and public id. They start after the given
// user, or with the first one if that is the zero User. Fewer than limit means that there
// are no more.
func (s *Store) SearchPeople(ctx context.Context, prefix string, after songspy.User, limit int) ([]songspy.Person, error) {
	prefix = NickKey(prefix)
	where, args := `WHERE u.nick_key <> '' AND u.nick_key >= $1 AND u.nick_key < $2 `, []any{prefix, prefix + afterAnyNick, limit}
	if after.PublicID != 0 {
		where, args = where+`AND (u.nick_key, u.public_id) > ($4, $5) `, append(args, NickKey(after.PublicName()), int64(after.PublicID))
	}
	return s.queryPeople(ctx, where+`ORDER BY u.nick_key, u.public_id LIMIT $3`, args...)
}

// Relations returns the follows and blocks that concern the viewer in either role: as
// follower or followed, as blocker or blocked. It includes requests to follow.
// visibility.NewRelations takes the results.
func (s *Store) Relations(ctx context.Context, viewer songspy.UserID) (follows []songspy.Follow, blocks []songspy.Block, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var owner, other songspy.UserID
		var state songspy.FollowState
		err := rows.Scan(&owner, &other, &state)
		if state == "" {
			blocks = append(blocks, songspy.Block{UserID: owner, BlockedID: other})
		} else {
			follows = append(follows, songspy.Follow{UserID: owner, FollowerID: other, State: state})
		}
		return err
	}, `SELECT user_id, follower_id, state FROM follows WHERE follower_id = $1
		UNION ALL SELECT user_id, follower_id, state FROM follows WHERE user_id = $1
		UNION ALL SELECT user_id, blocked_id, '' FROM blocks WHERE user_id = $1
		UNION ALL SELECT user_id, blocked_id, '' FROM blocks WHERE blocked_id = $1`, int64(viewer))
	return follows, blocks, translate(err)
}

// lockPair locks two users, in the order of their ids, so that their relation
// cannot be changed meanwhile. It returns CodeInvalid if both are the same
// user, and CodeNotFound unless both exist.
func lockPair(tx *gorm.DB, a, b songspy.UserID) error {
	if a == b {
		return &songspy.Error{Code: songspy.CodeInvalid, Message: "This needs another user than yourself."}
	}
	var locked []songspy.UserID
	err := forChange(tx).Model(&songspy.User{}).
		Where("id IN ?", []songspy.UserID{a, b}).Order("id").Pluck("id", &locked).Error
	if err == nil && len(locked) != 2 {
		err = gorm.ErrRecordNotFound
	}
	return err
}

// changeRelation runs fn in a transaction with the two users locked. If fn returns true, it
// publishes a change for each of the two users.
func (s *Store) changeRelation(ctx context.Context, a, b songspy.UserID, fn func(tx *gorm.DB) (changed bool, err error)) error {
	return s.inErasureTx(ctx, func(tx *gorm.DB) error {
		if err := lockPair(tx, a, b); err != nil {
			return err
		}
		if changed, err := fn(tx); err != nil || !changed {
			return err
		}
		return s.publishChanges(tx, songspy.ChangeRelation, a, b)
	})
}

// RequestFollow stores that the follower asks to follow the user. If the follower has asked
// already or already follows the user, nothing changes.
//
// It returns CodeNotFound if one of the two users does not exist or blocks the other.
func (s *Store) RequestFollow(ctx context.Context, id, follower songspy.UserID) (f songspy.Follow, err error) {
	err = s.changeRelation(ctx, id, follower, func(tx *gorm.DB) (bool, error) {
		var blocks int64
		err := tx.Model(&songspy.Block{}).Where("user_id = ? AND blocked_id = ? OR user_id = ? AND blocked_id = ?", id, follower, follower, id).Count(&blocks).Error
		if err == nil && blocks > 0 {
			err = gorm.ErrRecordNotFound
		}
		if err != nil {
			return false, err
		}
		asked := songspy.Follow{UserID: id, FollowerID: follower, State: songspy.FollowRequested, AskedAt: s.now()}
		inserted := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&asked)
		if inserted.Error != nil {
			return false, inserted.Error
		}
		return inserted.RowsAffected > 0, tx.Where("user_id = ? AND follower_id = ?", id, follower).Take(&f).Error
	})
	return f, err
}

// ApproveFollow approves the follower's request to follow the user. If the request is
// already approved, nothing changes. It returns CodeNotFound if there is neither a request
// nor a follow.
func (s *Store) ApproveFollow(ctx context.Context, id, follower songspy.UserID) (f songspy.Follow, err error) {
	err = s.changeRelation(ctx, id, follower, func(tx *gorm.DB) (bool, error) {
		approved := tx.Model(&songspy.Follow{}).Where("user_id = ? AND follower_id = ? AND state = ?", id, follower, songspy.FollowRequested).
			Updates(map[string]any{"state": songspy.FollowApproved, "approved_at": s.now()})
		if approved.Error != nil {
			return false, approved.Error
		}
		return approved.RowsAffected > 0, tx.Where("user_id = ? AND follower_id = ?", id, follower).Take(&f).Error
	})
	return f, err
}

// RemoveFollow ends a follow or a request: the follower withdraws it, or the user
// refuses or removes the follower. It returns CodeNotFound if there is none.
func (s *Store) RemoveFollow(ctx context.Context, id, follower songspy.UserID) error {
	return s.changeRelation(ctx, id, follower, func(tx *gorm.DB) (bool, error) {
		return true, requireOneRow(tx.Where("user_id = ? AND follower_id = ?", id, follower).Delete(&songspy.Follow{}))
	})
}

// Block hides the two users from each other and ends follows in both
// directions. If the user is blocked already, nothing changes.
//
// It returns CodeNotFound if one of the users does not exist.
func (s *Store) Block(ctx context.Context, id, blocked songspy.UserID) error {
	return s.changeRelation(ctx, id, blocked, func(tx *gorm.DB) (bool, error) {
		inserted := tx.Clauses(clause.OnConflict{DoNothing: true}).Create(&songspy.Block{UserID: id, BlockedID: blocked, At: s.now()})
		if inserted.Error != nil || inserted.RowsAffected == 0 {
			return false, inserted.Error
		}
		return true, tx.Where("user_id = ? AND follower_id = ? OR user_id = ? AND follower_id = ?", id, blocked, blocked, id).Delete(&songspy.Follow{}).Error
	})
}

// Unblock ends a block. Follows do not come back. It returns CodeNotFound if the user
// does not block the other one.
func (s *Store) Unblock(ctx context.Context, id, blocked songspy.UserID) error {
	return s.changeRelation(ctx, id, blocked, func(tx *gorm.DB) (bool, error) {
		return true, requireOneRow(tx.Where("user_id = ? AND blocked_id = ?", id, blocked).Delete(&songspy.Block{}))
	})
}

// Followers returns up to limit of the users who follow the user or ask to, the newest
// request first. They start after the given follow, or with the newest one if that is the
// zero Follow. Fewer than limit means that there are no more.
func (s *Store) Followers(ctx context.Context, id songspy.UserID, after songspy.Follow, limit int) ([]songspy.FollowingPerson, error) {
	return s.follows(ctx, `f.user_id`, `f.follower_id`, id, after.AskedAt, after.FollowerID, limit)
}

// Following returns the users that the user follows or asks to follow, sorted and paged as
// by Followers.
func (s *Store) Following(ctx context.Context, id songspy.UserID, after songspy.Follow, limit int) ([]songspy.FollowingPerson, error) {
	return s.follows(ctx, `f.follower_id`, `f.user_id`, id, after.AskedAt, after.UserID, limit)
}

func (s *Store) follows(ctx context.Context, own, other string, id songspy.UserID, afterAt time.Time, afterID songspy.UserID, limit int) (follows []songspy.FollowingPerson, err error) {
	where, args := ` WHERE `+own+` = $1 `, []any{int64(id), limit}
	if !afterAt.IsZero() {
		where, args = where+`AND (f.asked_at, `+other+`) < ($3, $4) `, append(args, afterAt, int64(afterID))
	}
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) (err error) {
		var f songspy.FollowingPerson
		f.Person, err = scanPerson(rows, &f.Follow.UserID, &f.Follow.FollowerID, &f.Follow.State, &f.Follow.AskedAt, &f.Follow.ApprovedAt)
		follows = append(follows, f)
		return err
	}, s.selects.people+`, f.user_id, f.follower_id, f.state, f.asked_at, f.approved_at FROM follows f JOIN users u ON u.id = `+other+where+
		`ORDER BY f.asked_at DESC, `+other+` DESC LIMIT $2`, args...)
	return follows, translate(err)
}

// Blocks returns up to limit of the users that the user blocks, the newest block first.
// They start after the given block, or with the newest one if that is the zero Block. Fewer
// than limit means that there are no more.
func (s *Store) Blocks(ctx context.Context, id songspy.UserID, after songspy.Block, limit int) (blocks []songspy.BlockedPerson, err error) {
	where, args := ` WHERE k.user_id = $1 `, []any{int64(id), limit}
	if !after.At.IsZero() {
		where, args = where+`AND (k.at, k.blocked_id) < ($3, $4) `, append(args, after.At, int64(after.BlockedID))
	}
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) (err error) {
		var b songspy.BlockedPerson
		b.Person, err = scanPerson(rows, &b.Block.UserID, &b.Block.BlockedID, &b.Block.At)
		blocks = append(blocks, b)
		return err
	}, s.selects.people+`, k.user_id, k.blocked_id, k.at FROM blocks k JOIN users u ON u.id = k.blocked_id`+where+`ORDER BY k.at DESC, k.blocked_id DESC LIMIT $2`, args...)
	return blocks, translate(err)
}

// SaveShareLink replaces the user's share link and publishes a change. hash is the SHA-256
// of the link's secret. The previous link is no longer valid.
//
// It returns CodeNotFound if there is no such user.
func (s *Store) SaveShareLink(ctx context.Context, id songspy.UserID, hash []byte) (l songspy.ShareLink, err error) {
	l = songspy.ShareLink{UserID: id, Hash: hash, CreatedAt: s.now()}
	err = withLockedUser(ctx, s.inErasureTx, id, func(tx *gorm.DB) error {
		if err := tx.Clauses(clause.OnConflict{UpdateAll: true}).Create(&l).Error; err != nil {
			return err
		}
		return s.auditAndPublish(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditShareLinkCreated, Actor: songspy.ActorSelf})
	})
	return l, err
}

// ShareLink returns the user's share link. It returns CodeNotFound if there is none.
func (s *Store) ShareLink(ctx context.Context, id songspy.UserID) (l songspy.ShareLink, err error) {
	err = s.query(ctx).Where("user_id = ?", id).Take(&l).Error
	return l, translate(err)
}

// DeleteShareLink revokes the user's share link and publishes a change. It returns
// CodeNotFound if there is none.
func (s *Store) DeleteShareLink(ctx context.Context, id songspy.UserID) error {
	return withLockedUser(ctx, s.inErasureTx, id, func(tx *gorm.DB) error {
		if err := requireOneRow(tx.Where("user_id = ?", id).Delete(&songspy.ShareLink{})); err != nil {
			return err
		}
		return s.auditAndPublish(tx, songspy.AuditEvent{UserID: id, Kind: songspy.AuditShareLinkRevoked, Actor: songspy.ActorSelf})
	})
}
