package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// noticeRow is the table of notices, for what is deleted by person.
type notificationRow struct{}

// TableName is the table of notices.
func (notificationRow) TableName() string { return "notices" }

// noticeColumns are those that make a songspy.Notice, and noticeInto where a row of them goes.
const notificationColumns = `id, user_id, app, kind, occurrence, channel, due_at, created_at, seen_at`

func notificationDest(n *songspy.Notification) []any {
	return []any{
		&n.ID, (*int64)(&n.UserID), &n.App, (*string)(&n.Kind), &n.Occurrence, (*string)(&n.Channel), &n.DueAt, &n.CreatedAt, &n.SeenAt,
	}
}

// NoticeLinks returns, by ascending user after the given one, up to limit links
// that somebody may have to be told of: those that do not work, and those
// authorized before the time, whose consent will end. They have no tokens. Fewer
// than limit means that there are no more.
func (s *Store) NotificationLinks(ctx context.Context, authorizedBefore time.Time, after songspy.UserID, limit int) (links []songspy.NotifiableLink, err error) {
	err = queryRows(ctx, s.pool, scanNotificationLinks(&links), selectNotificationLinks+`
		WHERE l.user_id > $1 AND (l.state IN ('reauth_required', 'not_registered') OR l.authorized_at <= $2) ORDER BY l.user_id LIMIT $3`,
		int64(after), authorizedBefore, limit)
	return links, translate(err)
}

// NoticeLinksByID returns the links of those of the people who have one, whatever
// its state, by ascending user.
func (s *Store) NotificationLinksByID(ctx context.Context, ids []songspy.UserID) (links []songspy.NotifiableLink, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.queryRowset(ctx, s.pool, userIDRowset(ids), selectNotificationLinks+` WHERE l.user_id IN (SELECT user_id FROM v) ORDER BY l.user_id`, scanNotificationLinks(&links))
	return links, translate(err)
}

// toldByMail is whether the person of the row u can be told by mail, and wants to be.
const mailEnabledCondition = `NOT u.mail_off AND length(u.email_sealed) > 0`

const selectNotificationLinks = `SELECT l.user_id, l.app, l.state, l.state_since, l.authorized_at, l.generation, ` + mailEnabledCondition + `
	FROM spotify_links l JOIN users u ON u.id = l.user_id`

func scanNotificationLinks(links *[]songspy.NotifiableLink) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var n songspy.NotifiableLink
		l := &n.Link
		err := rows.Scan((*int64)(&l.UserID), &l.App, (*string)(&l.State), &l.StateSince, &l.AuthorizedAt, &l.Generation, &n.CanMail)
		*links = append(*links, n)
		return err
	}
}

// NoticeSeats returns the seats that somebody may have to be told of, first come
// first: those that wait for nothing but the operator or their person.
func (s *Store) NotificationSeats(ctx context.Context) (seats []songspy.NotifiableSeat, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var n songspy.NotifiableSeat
		err := rows.Scan((*int64)(&n.Seat.UserID), &n.Seat.App, (*string)(&n.Seat.State), &n.Seat.AskedAt, &n.Seat.StateSince, &n.CanMail)
		seats = append(seats, n)
		return err
	}, `SELECT s.user_id, s.app, s.state, s.asked_at, s.state_since, `+mailEnabledCondition+`
		FROM spotify_seats s JOIN users u ON u.id = s.user_id WHERE s.state <> 'waiting' ORDER BY s.asked_at, s.user_id LIMIT $1`, waitingListMax)
	return seats, translate(err)
}

// FileNotices notes what is wanted now. What is new is told once it is due; what
// is filed already, told or not, is noted as seen, unless it was within the
// given time. A person who is gone is passed over.
func (s *Store) QueueNotifications(ctx context.Context, notifications []songspy.Notification, again time.Duration) (err error) {
	now := s.now()
	since := now.Add(-again)
	// Nearly all was seen lately, and nothing need be locked to see that.
	if notifications, err = s.unseenNotifications(ctx, notifications, since); err != nil || len(notifications) == 0 {
		return translate(err)
	}
	return s.inTx(ctx, func(tx *gorm.DB) error {
		conn := tx.Statement.ConnPool
		notifications, err := s.ofExistingUsers(ctx, conn, notifications)
		if err != nil || len(notifications) == 0 {
			return err
		}
		return s.insertNotifications(ctx, conn, notifications, now)
	})
}

// unseenNotices are those that are not filed, or were not seen since the time.
func (s *Store) unseenNotifications(ctx context.Context, notifications []songspy.Notification, since time.Time) (unseen []songspy.Notification, err error) {
	if len(notifications) == 0 {
		return nil, nil
	}
	type row = songspy.Notification
	v := notificationNameRowset(notifications)
	index := -1
	addColumn(v, notifications, "nr", "bigint", func(*row) int64 { index++; return int64(index) })
	addColumn(v, notifications, "since", "timestamptz", func(*row) time.Time { return since })
	err = s.queryRowset(ctx, s.pool, v, `SELECT v.nr FROM v WHERE NOT EXISTS (SELECT 1 FROM notices n
		WHERE n.user_id = v.user_id AND n.kind = v.kind AND n.app = v.app AND n.occurrence = v.occurrence AND n.channel = v.channel AND n.seen_at > v.since)
		ORDER BY v.nr`, func(rows *sql.Rows) error {
		var index int
		err := rows.Scan(&index)
		if err == nil {
			unseen = append(unseen, notifications[index])
		}
		return err
	})
	return unseen, err
}

// ofThosePresent drops the notices about people who are gone, and keeps the
// others from being erased until the transaction ends.
func (s *Store) ofExistingUsers(ctx context.Context, conn gorm.ConnPool, notifications []songspy.Notification) (present []songspy.Notification, err error) {
	ids := make([]songspy.UserID, 0, len(notifications))
	for _, n := range notifications {
		if n.UserID != 0 {
			ids = append(ids, n.UserID)
		}
	}
	exists := map[songspy.UserID]bool{0: true}
	if len(ids) > 0 {
		err = s.queryRowset(ctx, conn, userIDRowset(ids), `SELECT u.id FROM users u WHERE u.id IN (SELECT user_id FROM v) ORDER BY u.id`+s.engine.forKeyShare(),
			func(rows *sql.Rows) error {
				var id songspy.UserID
				err := rows.Scan((*int64)(&id))
				exists[id] = true
				return err
			})
	}
	for _, n := range notifications {
		if exists[n.UserID] {
			present = append(present, n)
		}
	}
	return present, err
}

// named is the relation of what names notices.
func notificationNameRowset(notifications []songspy.Notification) *rowset {
	type row = songspy.Notification
	v := &rowset{}
	addColumn(v, notifications, "user_id", "bigint", func(n *row) int64 { return int64(n.UserID) })
	addColumn(v, notifications, "app", "text", func(n *row) string { return n.App })
	addColumn(v, notifications, "kind", "text", func(n *row) string { return string(n.Kind) })
	addColumn(v, notifications, "occurrence", "text", func(n *row) string { return n.Occurrence })
	addColumn(v, notifications, "channel", "text", func(n *row) string { return string(n.Channel) })
	return v
}

func (s *Store) insertNotifications(ctx context.Context, conn gorm.ConnPool, notifications []songspy.Notification, now time.Time) error {
	type row = songspy.Notification
	v := notificationNameRowset(notifications)
	addColumn(v, notifications, "due_at", "timestamptz", func(n *row) time.Time { return later(n.DueAt, now) })
	addColumn(v, notifications, "created_at", "timestamptz", func(*row) time.Time { return now })
	return s.execRowset(ctx, conn, v, `INSERT INTO notices
		(user_id, app, kind, occurrence, channel, message, tries, outcome, created_at, seen_at, due_at, lease_until)
		SELECT v.user_id, v.app, v.kind, v.occurrence, v.channel, '', 0, '', v.created_at, v.created_at, v.due_at, v.created_at FROM v
		WHERE true ORDER BY v.user_id, v.kind, v.channel
		ON CONFLICT (user_id, kind, app, occurrence, channel) DO UPDATE SET seen_at = excluded.seen_at`)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// EndNotices forgets what is filed of an app (empty: of every app) and a kind
// about no person, and was last seen to be wanted before the time: that state is
// over, and the next of its name will be told again. Of each that had been told,
// then is filed, by the same channel; an empty then files nothing.
func (s *Store) ResolveNotifications(ctx context.Context, kind songspy.NotificationKind, app string, seenBefore time.Time, followUp songspy.NotificationKind) error {
	const which = ` FROM notices WHERE user_id = 0 AND kind = $1 AND ($2 = '' OR app = $2) AND seen_at < $3`
	args := []any{string(kind), app, seenBefore}
	// It is asked every minute, and nearly always in vain.
	var found bool
	err := queryRows(ctx, s.pool, func(rows *sql.Rows) error { return rows.Scan(&found) }, `SELECT count(*) > 0`+which, args...)
	if err != nil || !found {
		return translate(err)
	}
	return s.inTx(ctx, func(tx *gorm.DB) error {
		conn, now := tx.Statement.ConnPool, s.now()
		var reported []songspy.Notification
		err := queryRows(ctx, conn, func(rows *sql.Rows) error {
			var n songspy.Notification
			var outcome string
			if err := rows.Scan(append(notificationDest(&n), &outcome)...); err != nil {
				return err
			}
			if outcome == "sent" {
				reported = append(reported, n)
			}
			return nil
		}, `DELETE`+which+` RETURNING `+notificationColumns+`, outcome`, args...)
		if err != nil || followUp == "" || len(reported) == 0 {
			return err
		}
		for i, n := range reported {
			reported[i] = songspy.Notification{App: n.App, Kind: followUp, Occurrence: n.CreatedAt.Format(time.RFC3339Nano), Channel: n.Channel}
		}
		return s.insertNotifications(ctx, conn, reported, now)
	})
}

// PruneNotices forgets what has not been seen to be wanted since the time, and
// says how many that were: what comes back after that is told again.
func (s *Store) PruneNotifications(ctx context.Context, seenBefore time.Time) (pruned int64, err error) {
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		tx = tx.Where("seen_at < ?", seenBefore).Delete(&notificationRow{})
		pruned = tx.RowsAffected
		return tx.Error
	})
	return pruned, err
}
