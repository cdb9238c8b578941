package store

import (
	"context"
	"database/sql"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// changeWaitMax limits how long WaitForChange waits.
const changeWaitMax = 750 * time.Millisecond

// publishChanges adds one numbered change for each user to the change feed. Other
// processes then read these users again. It locks the only row of the table feed, which
// holds the last number, until the commit, so that numbers become visible in ascending
// order. Call it after the transaction has locked all its other rows, so that no two
// transactions deadlock. Only rows of spotify_seats are locked later: see lockFeed.
func (s *Store) publishChanges(tx *gorm.DB, kind songspy.ChangeKind, ids ...songspy.UserID) error {
	if len(ids) == 0 {
		return nil
	}
	ctx, conn := tx.Statement.Context, tx.Statement.ConnPool
	if err := s.engine.notifyChange(ctx, conn); err != nil {
		return err
	}
	now := s.now()
	var last int64
	next := conn.QueryRowContext(ctx, `UPDATE feed SET last = last + $1 WHERE id = 1 RETURNING last`, len(ids))
	if err := next.Scan(&last); err != nil {
		return err
	}
	changes := make([]songspy.Change, len(ids))
	for i, id := range ids {
		changes[i] = songspy.Change{Number: last - int64(len(ids)) + int64(i) + 1, UserID: id, Kind: kind, At: now}
	}
	type row = songspy.Change
	r := &rowset{}
	if tx, ok := conn.(*txPool); ok {
		tx.changes = append(tx.changes, changes...)
	}
	addColumn(r, changes, "number", "bigint", func(c *row) int64 { return c.Number })
	addColumn(r, changes, "user_id", "bigint", func(c *row) int64 { return int64(c.UserID) })
	addColumn(r, changes, "kind", "text", func(c *row) string { return string(c.Kind) })
	addColumn(r, changes, "at", "timestamptz", func(c *row) time.Time { return c.At })
	return s.execRowset(ctx, conn, r, `INSERT INTO changes (`+r.columnNames()+`) SELECT `+r.columnNames()+` FROM v`)
}

// Changes returns up to limit changes whose numbers are greater than the given number, in
// ascending order. A reader that always continues with the last number that it has read
// misses no change, unless changes were deleted in the meantime: see FeedBounds.
func (s *Store) Changes(ctx context.Context, after int64, limit int) (changes []songspy.Change, err error) {
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var c songspy.Change
		if err := rows.Scan(&c.Number, &c.UserID, &c.Kind, &c.At); err != nil {
			return err
		}
		changes = append(changes, c)
		return nil
	}, `SELECT number, user_id, kind, at FROM changes WHERE number > $1 ORDER BY number LIMIT $2`, after, limit)
	return changes, translate(err)
}

// FeedBounds returns the number of the oldest stored change (0 if there never was one)
// and the number of the last change. A reader compares them with the last number that it
// has read. It has to start again with BoardSnapshot in two cases: its number is greater
// than last, because the database was restored from a backup, or its number is less than
// oldest - 1, because changes were pruned before it read them.
func (s *Store) FeedBounds(ctx context.Context) (oldest, last int64, err error) {
	err = s.pool.QueryRowContext(ctx, `SELECT COALESCE((SELECT MIN(number) FROM changes), 0), last FROM feed WHERE id = 1`).Scan(&oldest, &last)
	return oldest, last, translate(err)
}

// WaitForChange returns nil as soon as the number of the last change differs from the
// number after. If that does not happen, it returns nil within a second. It returns the
// context's error when the context ends, and CodeUnavailable if the store is closed or
// the database does not respond.
func (s *Store) WaitForChange(ctx context.Context, after int64) error {
	waitCtx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(s.closing, cancel)()
	deadline := time.Now().Add(changeWaitMax)
	for {
		_, last, err := s.FeedBounds(waitCtx)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.closing.Err() != nil {
			return errClosed
		}
		left := time.Until(deadline)
		if err != nil || last != after || left <= 0 {
			return err
		}
		s.engine.waitForChange(waitCtx, left)
	}
}

// PruneChanges deletes the changes that were made before the given time and returns how
// many it deleted. It never deletes the last change: the number of the oldest stored change
// shows a reader that changes were deleted before it read them (see FeedBounds).
func (s *Store) PruneChanges(ctx context.Context, before time.Time) (pruned int64, err error) {
	return deleteRows[songspy.Change](ctx, s.inTx, "at < ? AND number < (SELECT last FROM feed WHERE id = 1)", before)
}
