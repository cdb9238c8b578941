package store

import (
	"context"
	"database/sql"
	"log/slog"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Listeners returns, by ascending user after the given one, up to limit people
// whose links may be asked (active or suspect), with their tokens and what is
// known of their players. Fewer than limit means that there are no more.
//
// A link whose tokens do not open is logged and passed over.
func (s *Store) Listeners(ctx context.Context, after songspy.UserID, limit int) ([]songspy.Listener, error) {
	return paged(limit, after, func(after songspy.UserID, limit int) (listeners []songspy.Listener, read int, last songspy.UserID, err error) {
		listeners = make([]songspy.Listener, 0, min(limit, 1<<16))
		var sealed sealedLinks
		err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
			id, err := s.scanListener(rows, &listeners, &sealed)
			read, last = read+1, id
			return err
		}, selectListeners+` WHERE l.user_id > $1 AND `+askable+` ORDER BY l.user_id LIMIT $2`, int64(after), limit)
		sealed.log(ctx, s.log)
		return listeners, read, last, translate(err)
	})
}

// LinkMarks returns, by ascending user after the given one, up to limit marks
// of the links that Listeners would return, for a reader who wants to know what
// changed and not everything. Fewer than limit means that there are no more.
func (s *Store) LinkMarks(ctx context.Context, after songspy.UserID, limit int) (marks []songspy.LinkMark, err error) {
	marks = make([]songspy.LinkMark, 0, min(limit, 1<<16))
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var m songspy.LinkMark
		if err := rows.Scan((*int64)(&m.UserID), &m.Generation, &m.Version); err != nil {
			return err
		}
		marks = append(marks, m)
		return nil
	}, `SELECT l.user_id, l.generation, l.version FROM spotify_links l
		WHERE l.user_id > $1 AND `+askable+` ORDER BY l.user_id LIMIT $2`, int64(after), limit)
	return marks, translate(err)
}

// ListenersByID returns those of the people whose links may be asked, by
// ascending user.
//
// A link whose tokens do not open is logged and passed over.
func (s *Store) ListenersByID(ctx context.Context, ids []songspy.UserID) (listeners []songspy.Listener, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var sealed sealedLinks
	err = s.queryWith(ctx, s.pool, people(ids), selectListeners+` WHERE l.user_id IN (SELECT user_id FROM v) AND `+askable+` ORDER BY l.user_id`,
		func(rows *sql.Rows) error {
			_, err := s.scanListener(rows, &listeners, &sealed)
			return err
		})
	sealed.log(ctx, s.log)
	return listeners, translate(err)
}

const selectListeners = `SELECT ` + linkColumns + `, ` + playingColumns + `, COALESCE(h.listed, 0), COALESCE(h.unlisted, 0)
	FROM spotify_links l LEFT JOIN now_playing n ON n.user_id = l.user_id LEFT JOIN history_habits h ON h.user_id = l.user_id`

// people is the relation of the ids alone.
func people(ids []songspy.UserID) *relation {
	r := &relation{}
	column(r, ids, "user_id", "bigint", func(id *songspy.UserID) int64 { return int64(*id) })
	return r
}

// scanListener appends the listener of the row unless its tokens do not open.
func (s *Store) scanListener(rows *sql.Rows, to *[]songspy.Listener, sealed *sealedLinks) (songspy.UserID, error) {
	var r linkRow
	var n nullPlaying
	var habit songspy.HistoryHabit
	if err := rows.Scan(append(append(r.into(), n.into()...), &habit.Listed, &habit.Unlisted)...); err != nil {
		return 0, err
	}
	l, err := s.open(&r)
	if err != nil {
		sealed.add(r.UserID, err)
		return r.UserID, nil
	}
	*to = append(*to, songspy.Listener{Link: l, Playing: n.value(), Habit: habit})
	return r.UserID, nil
}

// paged reads on until limit items have come or no more rows do, so that items
// passed over do not make a page look like the last.
func paged[T any](limit int, after songspy.UserID,
	read func(after songspy.UserID, limit int) (items []T, rows int, last songspy.UserID, err error),
) (page []T, err error) {
	for limit > len(page) {
		want := limit - len(page)
		items, rows, last, err := read(after, want)
		if err != nil {
			return nil, err
		}
		if page == nil {
			page = items
		} else {
			page = append(page, items...)
		}
		if rows < want {
			break
		}
		after = last
	}
	return page, nil
}

// sealedLinks gathers the links whose tokens do not open, for one line of the log.
type sealedLinks struct {
	count int
	first songspy.UserID
	err   error
}

func (l *sealedLinks) add(id songspy.UserID, err error) {
	if l.count == 0 {
		l.first, l.err = id, err
	}
	l.count++
}

func (l *sealedLinks) log(ctx context.Context, log *slog.Logger) {
	if l.count > 0 {
		log.ErrorContext(ctx, "links passed over: their tokens do not open",
			"count", l.count, "first_user_id", int64(l.first), "error", l.err)
	}
}
