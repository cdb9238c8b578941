package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"slices"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// notificationRow tells GORM the name of the table of notifications. It is only used to
// delete rows.
type notificationRow struct{}

func (notificationRow) TableName() string { return "notifications" }

// notificationColumns are the columns of a songspy.Notification; notificationDest
// returns their scan destinations.
const notificationColumns = `id, user_id, app, kind, occurrence, channel, due_at, created_at, seen_at`

func notificationDest(n *songspy.Notification) []any {
	return []any{
		&n.ID, (*int64)(&n.UserID), &n.App, (*string)(&n.Kind), &n.Occurrence, (*string)(&n.Channel), &n.DueAt, &n.CreatedAt, &n.SeenAt,
	}
}

// NotificationLinks returns up to limit links that may need a notification: links that are
// broken (reauth_required or not_registered), and links that were authorized at the time
// authorizedBefore or earlier, so that their consent ends soon. They are in ascending order
// of their users' ids, starting after the given user, and do not have their tokens. Fewer
// than limit means that there are no more.
func (s *Store) NotificationLinks(ctx context.Context, authorizedBefore time.Time, after songspy.UserID, limit int) (links []songspy.NotifiableLink, err error) {
	err = queryRows(ctx, s.pool, scanNotificationLinks(&links), selectNotificationLinks+`
		WHERE l.user_id > $1 AND (l.state IN ('reauth_required', 'not_registered') OR l.authorized_at <= $2) ORDER BY l.user_id LIMIT $3`,
		int64(after), authorizedBefore, limit)
	return links, translate(err)
}

// NotificationLinksByID returns the links of the given users in any state, in ascending
// order of the users. Users without a link are left out.
func (s *Store) NotificationLinksByID(ctx context.Context, ids []songspy.UserID) (links []songspy.NotifiableLink, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.queryRowset(ctx, s.pool, userIDRowset(ids), selectNotificationLinks+` WHERE l.user_id IN (SELECT user_id FROM v) ORDER BY l.user_id`, scanNotificationLinks(&links))
	return links, translate(err)
}

// mailEnabledCondition is the SQL condition that a user of users AS u has an e-mail address
// and has not switched e-mails off.
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

// NotificationSeats returns the seats (users' places in Spotify apps) that may need a
// notification, in the order in which they were requested; at most waitingListMax. If a
// seat is held, the operator must register the user. If it is entered, the user can link
// Spotify now. Users who still wait for a seat are left out.
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

// QueueNotifications stores the notifications, so that they are sent. A notification that
// is stored already, whether it was sent or not, is not queued a second time: only its
// SeenAt is set to now. To save writes, a SeenAt that lies less than the given duration in
// the past stays unchanged. QueueNotifications skips notifications about users that no
// longer exist.
func (s *Store) QueueNotifications(ctx context.Context, notifications []songspy.Notification, again time.Duration) (err error) {
	now := s.now()
	since := now.Add(-again)
	// Read without a lock first: nearly all notifications are stored and were seen
	// recently, and then no write is needed.
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

// unseenNotifications returns those of the notifications that are not stored, or whose
// stored SeenAt is not after the parameter since.
func (s *Store) unseenNotifications(ctx context.Context, notifications []songspy.Notification, since time.Time) (unseen []songspy.Notification, err error) {
	if len(notifications) == 0 {
		return nil, nil
	}
	type row = songspy.Notification
	v := notificationNameRowset(notifications)
	index := -1
	addColumn(v, notifications, "nr", "bigint", func(*row) int64 { index++; return int64(index) })
	addColumn(v, notifications, "since", "timestamptz", func(*row) time.Time { return since })
	err = s.queryRowset(ctx, s.pool, v, `SELECT v.nr FROM v WHERE NOT EXISTS (SELECT 1 FROM notifications n
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

// ofExistingUsers returns the notifications that concern no user (UserID 0) or
// a user that exists. It locks these users, so that they cannot be erased before
// the transaction ends.
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

// notificationNameRowset returns a rowset with one row for each notification. Its columns
// together identify a notification: user, app, kind, occurrence and channel.
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
	return s.execRowset(ctx, conn, v, `INSERT INTO notifications
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

// ResolveNotifications deletes the notifications about incidents that have ended: those of
// the kind and the app that concern no user and were last seen before the given time. An
// empty app means every app. If the same incident occurs again later, a notification about
// it is sent again. For each deleted notification that had been sent, ResolveNotifications
// queues a notification of the kind followUp about the same app on the same channel. If
// followUp is empty, it queues none.
func (s *Store) ResolveNotifications(ctx context.Context, kind songspy.NotificationKind, app string, seenBefore time.Time, followUp songspy.NotificationKind) error {
	const which = ` FROM notifications WHERE user_id = 0 AND kind = $1 AND ($2 = '' OR app = $2) AND seen_at < $3`
	args := []any{string(kind), app, seenBefore}
	// Read first, without a transaction: this runs every minute and nearly
	// always finds nothing.
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

// PruneNotifications deletes the notifications that were last seen before the given time,
// and returns how many it deleted. If the same cause occurs again later, the notification
// is sent again.
func (s *Store) PruneNotifications(ctx context.Context, seenBefore time.Time) (pruned int64, err error) {
	return deleteRows[notificationRow](ctx, s.inTx, "seen_at < ?", seenBefore)
}

const (
	// groupInterval is the shortest time between two messages of the same grouped kind
	// (NotificationKind.IsGrouped) about the same app on the same channel. Notifications
	// that become due in between are sent together in the next message.
	groupInterval = time.Hour
	// groupMax limits the notifications in one message.
	groupMax = 10_000
)

// ClaimNotification returns one message that is due on one of the channels. For the duration
// of the parameter lease, no other process can claim the message. ok is false if no message
// is due. A message of a grouped kind contains all due notifications of that kind about the
// same app and channel, at most groupMax; the next such message is due at the earliest
// groupInterval after the previous one was completed. If sending fails and the message is
// claimed again, it has the same ID and no new notifications.
func (s *Store) ClaimNotification(ctx context.Context, channels []songspy.NotificationChannel, lease time.Duration) (m songspy.NotificationMessage, ok bool, err error) {
	c := claimTx{s: s, ctx: ctx, now: s.now()}
	c.condition, c.args = dueCondition(channels, c.now, lease)
	// Read without a lock first, because a message is seldom due.
	if err := c.findDue(s.pool); err != nil || !c.found {
		return m, false, translate(err)
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		conn := tx.Statement.ConnPool
		// Writing this row makes the claims of all processes wait for each
		// other, so that no notification becomes part of two messages.
		_, err := conn.ExecContext(ctx, `INSERT INTO heartbeats (name, at) VALUES ('notifications', $1) ON CONFLICT (name) DO UPDATE SET at = excluded.at`, c.now)
		if err != nil {
			return err
		}
		if err := c.findDue(conn); err != nil || !c.found {
			return err
		}
		m, err = c.lease(conn, lease)
		return err
	})
	return m, c.found && err == nil, err
}

// dueCondition returns the SQL condition for rows of notifications AS n that may be sent
// now on one of the channels, and the arguments of the condition.
//
// If a stored lease ends more than ClockSkewMax later than a lease that is given now, it was
// stored before the clock was set back. It counts as expired.
func dueCondition(channels []songspy.NotificationChannel, now time.Time, lease time.Duration) (due string, args []any) {
	args = []any{now, now.Add(-groupInterval), now.Add(lease + songspy.ClockSkewMax)}
	list := func(text string) string {
		args = append(args, text)
		return fmt.Sprintf("$%d", len(args))
	}
	due = `n.done_at IS NULL AND n.due_at <= $1 AND (n.lease_until <= $1 OR n.lease_until > $3) AND n.channel IN (''`
	for _, c := range channels {
		due += ", " + list(string(c))
	}
	due += `) AND (n.message <> '' OR n.kind NOT IN (''`
	for _, k := range songspy.NotificationKinds() {
		if k.IsGrouped() {
			due += ", " + list(string(k))
		}
	}
	return due + `) OR NOT EXISTS (SELECT 1 FROM notifications f WHERE f.kind = n.kind AND f.app = n.app AND f.channel = n.channel
		AND f.message <> '' AND (f.done_at IS NULL OR f.done_at > $2)))`, args
}

// claimTx holds the state of one call of ClaimNotification. condition and args are the
// results of dueCondition. found is set by findDue: it says whether a notification is due.
type claimTx struct {
	s         *Store
	ctx       context.Context
	now       time.Time
	condition string
	args      []any
	found     bool
	head      songspy.Notification // the notification that has been due for the longest time
	messageID string               // the message that head belongs to; empty before the first attempt
}

// findDue sets head to the notification that has been due for the longest time, messageID
// to the message that contains head, and found to whether there is such a notification. The
// message that contains head is the one to send.
func (c *claimTx) findDue(conn gorm.ConnPool) error {
	c.found = false
	return queryRows(c.ctx, conn, func(rows *sql.Rows) error {
		c.found = true
		return rows.Scan(append(notificationDest(&c.head), &c.messageID)...)
	}, `SELECT `+notificationColumns+`, message FROM notifications n WHERE `+c.condition+` ORDER BY n.due_at, n.id LIMIT 1`, c.args...)
}

// lease gives this process the lease (the sole right to send for a time) of all
// notifications of the message that contains head, and returns the message. If head belongs
// to no message yet, lease makes one: from head and, if the kind of head is grouped, from
// the other due notifications of the same kind, app and channel.
func (c *claimTx) lease(conn gorm.ConnPool, lease time.Duration) (m songspy.NotificationMessage, err error) {
	if c.messageID == "" {
		c.messageID = messageID(c.head)
		with, args := `id = $2`, []any{c.messageID, c.head.ID}
		if c.head.Kind.IsGrouped() {
			with = fmt.Sprintf(`id IN (SELECT id FROM notifications WHERE kind = $2 AND app = $3 AND channel = $4 AND message = ''
				AND done_at IS NULL AND due_at <= $5 ORDER BY due_at, id LIMIT %d)`, groupMax)
			args = []any{c.messageID, string(c.head.Kind), c.head.App, string(c.head.Channel), c.now}
		}
		if _, err := conn.ExecContext(c.ctx, `UPDATE notifications SET message = $1 WHERE `+with, args...); err != nil {
			return m, err
		}
	}
	m = songspy.NotificationMessage{ID: c.messageID, Kind: c.head.Kind, App: c.head.App, Channel: c.head.Channel}
	err = queryRows(c.ctx, conn, func(rows *sql.Rows) error {
		var n songspy.Notification
		if err := rows.Scan(append(notificationDest(&n), &m.Attempts)...); err != nil {
			return err
		}
		if m.Since.IsZero() || n.CreatedAt.Before(m.Since) {
			m.Since = n.CreatedAt
		}
		m.Notifications = append(m.Notifications, n)
		return nil
	}, `UPDATE notifications SET lease_until = $1, tries = tries + 1 WHERE message = $2 AND done_at IS NULL
		RETURNING `+notificationColumns+`, tries`, c.now.Add(lease), c.messageID)
	return m, err
}

// messageID derives the ID of a message from its first notification, including the time at
// which that notification was created. So if the cause occurs again after the notification
// was deleted, the new message gets another ID.
func messageID(n songspy.Notification) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q %q %q %q %d", n.UserID, n.App, n.Kind, n.Occurrence, n.Channel, n.CreatedAt.UnixMicro()))
	return "notification_" + hex.EncodeToString(sum[:16])
}

// CompleteNotifications stores that the notifications were sent if the parameter reported is
// true, and that they were given up if it is false. In both cases they are not sent again.
func (s *Store) CompleteNotifications(ctx context.Context, ids []int64, reported bool) error {
	outcome := "given_up"
	if reported {
		outcome = "sent"
	}
	return s.updateNotifications(ctx, ids, `UPDATE notifications SET outcome = ?, done_at = ? WHERE done_at IS NULL AND id IN `, outcome, s.now())
}

// RetryNotifications postpones the notifications: they are due again at the given time, and
// any process can claim them from then on.
func (s *Store) RetryNotifications(ctx context.Context, ids []int64, at time.Time) error {
	return s.updateNotifications(ctx, ids, `UPDATE notifications SET due_at = ?, lease_until = ? WHERE done_at IS NULL AND id IN `, dbTime(at), dbTime(at))
}

// DropNotifications deletes those of the notifications that are not completed, because
// their cause has ended.
func (s *Store) DropNotifications(ctx context.Context, ids []int64) error {
	return s.updateNotifications(ctx, ids, `DELETE FROM notifications WHERE done_at IS NULL AND id IN `)
}

func (s *Store) updateNotifications(ctx context.Context, ids []int64, statement string, args ...any) error {
	if len(ids) == 0 {
		return nil
	}
	return s.inTx(ctx, func(tx *gorm.DB) error {
		for page := range slices.Chunk(ids, 500) {
			if err := tx.Exec(statement+"?", append(slices.Clone(args), page)...).Error; err != nil {
				return err
			}
		}
		return nil
	})
}
