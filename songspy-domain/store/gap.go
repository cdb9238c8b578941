package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Gaps returns up to limit of the user's gaps, newest first. It begins with the gap that
// follows the given gap in this order, or with the newest if the given gap is zero. Fewer
// than limit means that there are no more.
func (s *Store) Gaps(ctx context.Context, id songspy.UserID, after songspy.Gap, limit int) (gaps []songspy.Gap, err error) {
	q := s.query(ctx).Where("user_id = ?", id)
	if !after.BeganAt.IsZero() {
		q = q.Where("(began_at, reason) < (?, ?)", after.BeganAt, after.Reason)
	}
	err = q.Order("began_at DESC, reason DESC").Limit(limit).Find(&gaps).Error
	return gaps, translate(err)
}

// insertGaps adds the gaps. If a gap with the same user, beginning and reason is stored
// already, the stored gap stays unchanged.
func (s *Store) insertGaps(ctx context.Context, conn gorm.ConnPool, gaps []songspy.Gap) error {
	if len(gaps) == 0 {
		return nil
	}
	type row = songspy.Gap
	v := &rowset{}
	addColumn(v, gaps, "user_id", "bigint", func(g *row) int64 { return int64(g.UserID) })
	addColumn(v, gaps, "began_at", "timestamptz", func(g *row) time.Time { return g.BeganAt })
	addColumn(v, gaps, "ended_at", "timestamptz", func(g *row) *time.Time { return g.EndedAt })
	addColumn(v, gaps, "reason", "text", func(g *row) string { return string(g.Reason) })
	return s.queryRowset(ctx, conn, v, `INSERT INTO gaps (`+v.columnNames()+`) SELECT `+v.columnNames()+` FROM v WHERE true
		ON CONFLICT (user_id, began_at, reason) DO NOTHING RETURNING reason`, func(rows *sql.Rows) error {
		var reason songspy.GapReason
		err := rows.Scan(&reason)
		recordedBy(conn).addGap(reason)
		return err
	})
}

// updateLinkGap begins or ends a gap (a time without recorded plays) when the state of a
// user's link to Spotify changes. The arguments before and after are the link before and
// after the change. A gap begins when the link breaks (see isBroken), or earlier, when polls
// began to fail. The user's open gaps end when a broken link works again. The link must be
// locked.
func (s *Store) updateLinkGap(tx *gorm.DB, before, after songspy.Link) error {
	switch was, is := isBroken(before), isBroken(after); {
	case is && !was:
		began := after.StateSince
		if before.State == songspy.LinkSuspect && before.AccessExpiresAt.Before(began) {
			began = before.AccessExpiresAt // after the access token had expired, no poll can have succeeded
		}
		if since := before.PollsRefusedSince; since != nil && since.Before(began) {
			began = *since
		}
		gap := songspy.Gap{UserID: after.UserID, BeganAt: dbTime(began), Reason: songspy.GapLinkBroken}
		return s.insertGaps(tx.Statement.Context, tx.Statement.ConnPool, []songspy.Gap{gap})
	case was && !is:
		return closeGaps(tx, after.UserID, after.StateSince)
	}
	return nil
}

// isBroken reports whether the user cannot be polled until the user or the
// operator repairs the link to Spotify.
func isBroken(l songspy.Link) bool {
	return l.State == songspy.LinkReauthRequired || l.State == songspy.LinkNotRegistered
}

// closeGaps ends the user's open gaps at the given time. A gap that begins later was written
// by a process whose clock was ahead. Such a gap ends when it begins, or is deleted if it
// begins more than songspy.ClockSkewMax after the given time.
func closeGaps(tx *gorm.DB, id songspy.UserID, at time.Time) error {
	err := tx.Where("user_id = ? AND ended_at IS NULL AND began_at > ?", id, at.Add(songspy.ClockSkewMax)).Delete(&songspy.Gap{}).Error
	if err != nil {
		return err
	}
	return tx.Model(&songspy.Gap{}).Where("user_id = ? AND ended_at IS NULL", id).
		Update("ended_at", gorm.Expr("CASE WHEN began_at > ? THEN began_at ELSE ? END", at, at)).Error
}

// RecordHeartbeat stores the current time under the name of a part of the batch, to show
// that this part works.
func (s *Store) RecordHeartbeat(ctx context.Context, name string) error {
	now := s.now()
	return s.inTx(ctx, func(tx *gorm.DB) error {
		return tx.Exec(`INSERT INTO heartbeats (name, at) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET at = excluded.at`, name, now).Error
	})
}

// LastHeartbeat returns when the named part of the batch last called RecordHeartbeat; the
// zero time if it never did.
func (s *Store) LastHeartbeat(ctx context.Context, name string) (at time.Time, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error { return rows.Scan(&at) },
		`SELECT at FROM heartbeats WHERE name = $1`, name)
	return at, translate(err)
}
