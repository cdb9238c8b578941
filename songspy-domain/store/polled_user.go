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
func (s *Store) PolledUsers(ctx context.Context, after songspy.UserID, limit int) ([]songspy.PolledUser, error) {
	return readPages(limit, after, func(after songspy.UserID, limit int) (polled []songspy.PolledUser, read int, last songspy.UserID, err error) {
		polled = make([]songspy.PolledUser, 0, min(limit, 1<<16))
		var sealed undecryptableLinks
		err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
			id, err := s.scanPolledUser(rows, &polled, &sealed)
			read, last = read+1, id
			return err
		}, selectPolledUsers+` WHERE l.user_id > $1 AND `+pollableCondition+` ORDER BY l.user_id LIMIT $2`, int64(after), limit)
		sealed.log(ctx, s.log)
		return polled, read, last, translate(err)
	})
}

// LinkMarks returns, by ascending user after the given one, up to limit marks
// of the links that Listeners would return, for a reader who wants to know what
// changed and not everything. Fewer than limit means that there are no more.
func (s *Store) LinkVersions(ctx context.Context, after songspy.UserID, limit int) (versions []songspy.LinkVersion, err error) {
	versions = make([]songspy.LinkVersion, 0, min(limit, 1<<16))
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var m songspy.LinkVersion
		if err := rows.Scan((*int64)(&m.UserID), &m.Generation, &m.Version); err != nil {
			return err
		}
		versions = append(versions, m)
		return nil
	}, `SELECT l.user_id, l.generation, l.version FROM spotify_links l
		WHERE l.user_id > $1 AND `+pollableCondition+` ORDER BY l.user_id LIMIT $2`, int64(after), limit)
	return versions, translate(err)
}

// ListenersByID returns those of the people whose links may be asked, by
// ascending user.
//
// A link whose tokens do not open is logged and passed over.
func (s *Store) PolledUsersByID(ctx context.Context, ids []songspy.UserID) (polled []songspy.PolledUser, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	var sealed undecryptableLinks
	err = s.queryRowset(ctx, s.pool, userIDRowset(ids), selectPolledUsers+` WHERE l.user_id IN (SELECT user_id FROM v) AND `+pollableCondition+` ORDER BY l.user_id`,
		func(rows *sql.Rows) error {
			_, err := s.scanPolledUser(rows, &polled, &sealed)
			return err
		})
	sealed.log(ctx, s.log)
	return polled, translate(err)
}

const selectPolledUsers = `SELECT ` + linkColumns + `, ` + nowPlayingColumns + `, COALESCE(h.listed, 0), COALESCE(h.unlisted, 0)
	FROM spotify_links l LEFT JOIN now_playing n ON n.user_id = l.user_id LEFT JOIN history_habits h ON h.user_id = l.user_id`

// people is the relation of the ids alone.
func userIDRowset(ids []songspy.UserID) *rowset {
	r := &rowset{}
	addColumn(r, ids, "user_id", "bigint", func(id *songspy.UserID) int64 { return int64(*id) })
	return r
}

// scanListener appends the listener of the row unless its tokens do not open.
func (s *Store) scanPolledUser(rows *sql.Rows, to *[]songspy.PolledUser, sealed *undecryptableLinks) (songspy.UserID, error) {
	var r linkRow
	var n nullableNowPlaying
	var habit songspy.PartialPlayCounts
	if err := rows.Scan(append(append(r.scanDest(), n.scanDest()...), &habit.Listed, &habit.Unlisted)...); err != nil {
		return 0, err
	}
	l, err := s.open(&r)
	if err != nil {
		sealed.add(r.UserID, err)
		return r.UserID, nil
	}
	*to = append(*to, songspy.PolledUser{Link: l, Playing: n.nowPlaying(), PartialPlays: habit})
	return r.UserID, nil
}

// paged reads on until limit items have come or no more rows do, so that items
// passed over do not make a page look like the last.
func readPages[T any](limit int, after songspy.UserID,
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
type undecryptableLinks struct {
	count int
	first songspy.UserID
	err   error
}

func (l *undecryptableLinks) add(id songspy.UserID, err error) {
	if l.count == 0 {
		l.first, l.err = id, err
	}
	l.count++
}

func (l *undecryptableLinks) log(ctx context.Context, log *slog.Logger) {
	if l.count > 0 {
		log.ErrorContext(ctx, "links passed over: their tokens do not open",
			"count", l.count, "first_user_id", int64(l.first), "error", l.err)
	}
}
