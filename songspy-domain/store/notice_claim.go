package store

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

const (
	// gatherFor is how long after one message of a gathered kind the next one
	// of the same app waits, and gathers.
	groupInterval = time.Hour
	// gatherMost is how many notices one message tells of.
	groupMax = 10_000
)

// ClaimNotice gives one message that is due by one of the channels, and keeps
// others from it for the lease, however many processes ask; false if there is
// none. A kind that is gathered is told of everybody who is due, and then not
// for an hour. What is in a message and how it is named stays, however often it
// is tried.
func (s *Store) ClaimNotification(ctx context.Context, channels []songspy.NotificationChannel, lease time.Duration) (m songspy.NotificationMessage, ok bool, err error) {
	c := claimTx{s: s, ctx: ctx, now: s.now()}
	c.condition, c.args = dueCondition(channels, c.now, lease)
	// Nearly always there is nothing, and nothing need be locked to see it.
	if err := c.findDue(s.pool); err != nil || !c.found {
		return m, false, translate(err)
	}
	err = s.inTx(ctx, func(tx *gorm.DB) error {
		conn := tx.Statement.ConnPool
		// Whoever claims takes this row first: they take turns, and no two ever
		// gather from the same notices.
		_, err := conn.ExecContext(ctx, `INSERT INTO heartbeats (name, at) VALUES ('notices', $1) ON CONFLICT (name) DO UPDATE SET at = excluded.at`, c.now)
		if err != nil {
			return err
		}
		if err := c.findDue(conn); err != nil || !c.found {
			return err
		}
		m, err = c.lease(conn, lease)
		return err
	})
	if err != nil {
		return songspy.NotificationMessage{}, false, err
	}
	return m, c.found, nil
}

// dueNotices is the condition of what may be told now.
//
// A lease that ends later than any can was given before the clock was set back,
// and holds nobody off.
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
	return due + `) OR NOT EXISTS (SELECT 1 FROM notices f WHERE f.kind = n.kind AND f.app = n.app AND f.channel = n.channel
		AND f.message <> '' AND (f.done_at IS NULL OR f.done_at > $2)))`, args
}

// claiming is one claim.
type claimTx struct {
	s         *Store
	ctx       context.Context
	now       time.Time
	condition string
	args      []any
	found     bool
	head      songspy.Notification // the first that is due
	messageID string               // of its message; empty before the first try
}

// first finds what is due longest.
func (c *claimTx) findDue(conn gorm.ConnPool) error {
	c.found = false
	return queryRows(c.ctx, conn, func(rows *sql.Rows) error {
		c.found = true
		return rows.Scan(append(notificationDest(&c.head), &c.messageID)...)
	}, `SELECT `+notificationColumns+`, message FROM notices n WHERE `+c.condition+` ORDER BY n.due_at, n.id LIMIT 1`, c.args...)
}

// take names the lead's message, if it has no name yet, and leases all that is in it.
func (c *claimTx) lease(conn gorm.ConnPool, lease time.Duration) (m songspy.NotificationMessage, err error) {
	if c.messageID == "" {
		c.messageID = messageID(c.head)
		with, args := `id = $2`, []any{c.messageID, c.head.ID}
		if c.head.Kind.IsGrouped() {
			with = fmt.Sprintf(`id IN (SELECT id FROM notices WHERE kind = $2 AND app = $3 AND channel = $4 AND message = ''
				AND done_at IS NULL AND due_at <= $5 ORDER BY due_at, id LIMIT %d)`, groupMax)
			args = []any{c.messageID, string(c.head.Kind), c.head.App, string(c.head.Channel), c.now}
		}
		if _, err := conn.ExecContext(c.ctx, `UPDATE notices SET message = $1 WHERE `+with, args...); err != nil {
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
	}, `UPDATE notices SET lease_until = $1, tries = tries + 1 WHERE message = $2 AND done_at IS NULL
		RETURNING `+notificationColumns+`, tries`, c.now.Add(lease), c.messageID)
	return m, err
}

// messageID names a message by its first notice. When that was filed is part of
// it: a state that comes back much later is another.
func messageID(n songspy.Notification) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%d %q %q %q %q %d", n.UserID, n.App, n.Kind, n.Occurrence, n.Channel, n.CreatedAt.UnixMicro()))
	return "notice_" + hex.EncodeToString(sum[:16])
}

// NoticesDone notes that the notices have been told, or will never be.
func (s *Store) CompleteNotifications(ctx context.Context, ids []int64, reported bool) error {
	outcome := "given_up"
	if reported {
		outcome = "sent"
	}
	return s.updateNotifications(ctx, ids, `UPDATE notices SET outcome = $1, done_at = $2 WHERE done_at IS NULL AND id IN `, outcome, s.now())
}

// NoticesAgain has the notices told at the time, and not before.
func (s *Store) RetryNotifications(ctx context.Context, ids []int64, at time.Time) error {
	return s.updateNotifications(ctx, ids, `UPDATE notices SET due_at = $1, lease_until = $1 WHERE done_at IS NULL AND id IN `, dbTime(at))
}

// NoticesPassed forgets the notices, whose state has passed before it was told.
func (s *Store) DropNotifications(ctx context.Context, ids []int64) error {
	return s.updateNotifications(ctx, ids, `DELETE FROM notices WHERE done_at IS NULL AND id IN `)
}

func (s *Store) updateNotifications(ctx context.Context, ids []int64, statement string, args ...any) error {
	if len(ids) == 0 {
		return nil
	}
	return s.inTx(ctx, func(tx *gorm.DB) error {
		for len(ids) > 0 {
			page := ids[:min(len(ids), 500)]
			ids = ids[len(page):]
			list, all := "(", append([]any{}, args...)
			for i, id := range page {
				if i > 0 {
					list += ", "
				}
				all = append(all, id)
				list += fmt.Sprintf("$%d", len(all))
			}
			if _, err := tx.Statement.ConnPool.ExecContext(ctx, statement+list+")", all...); err != nil {
				return err
			}
		}
		return nil
	})
}
