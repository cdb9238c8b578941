package store

import (
	"context"
	"database/sql"
	"log/slog"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// LinkVersions returns the versions of links that are polled (active or suspect). By
// comparing them with the versions that it has, the caller finds out which links have
// changed. LinkVersions returns up to limit versions, in ascending order of the users' ids,
// starting after the given user. Fewer than limit means that there are no more.
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

// PolledUsersByID returns those of the given users whose links are polled (active or
// suspect), with their tokens and the stored states of their players, in ascending order of
// their ids.
//
// It logs and skips a link whose tokens cannot be decrypted.
func (s *Store) PolledUsersByID(ctx context.Context, ids []songspy.UserID) (polled []songspy.PolledUser, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	r := &polledUserReader{s: s}
	r.dest = append(append(r.link.scanDest(), nullableNowPlayingDest(&r.user.Playing)...), &r.user.PartialPlays.Listed, &r.user.PartialPlays.Unlisted)
	err = s.queryRowset(ctx, s.pool, userIDRowset(ids), selectPolledUsers+` WHERE l.user_id IN (SELECT user_id FROM v) AND `+pollableCondition+` ORDER BY l.user_id`, r.scan)
	r.log(ctx, s.log)
	return r.users, translate(err)
}

var selectPolledUsers = `SELECT ` + linkColumns + `, ` + nowPlayingColumns + `, COALESCE(h.listed, 0), COALESCE(h.unlisted, 0)
	FROM spotify_links l LEFT JOIN now_playing n ON n.user_id = l.user_id LEFT JOIN history_habits h ON h.user_id = l.user_id`

// userIDRowset returns a rowset with the ids in the column user_id.
func userIDRowset(ids []songspy.UserID) *rowset {
	r := &rowset{}
	addColumn(r, ids, "user_id", "bigint", func(id *songspy.UserID) int64 { return int64(*id) })
	return r
}

// polledUserReader scans the rows of selectPolledUsers. It scans every row into the same
// variables, because the batch reads a million users when it starts, and new variables for
// each row would cost memory.
type polledUserReader struct {
	s     *Store
	link  linkRow
	user  songspy.PolledUser
	dest  []any
	users []songspy.PolledUser
	undecryptableLinks
}

// scan scans one row and appends its user. If the tokens cannot be decrypted, it adds the
// link to undecryptableLinks instead.
func (r *polledUserReader) scan(rows *sql.Rows) error {
	r.link, r.user = linkRow{}, songspy.PolledUser{}
	if err := rows.Scan(r.dest...); err != nil {
		return err
	}
	l, err := r.s.open(&r.link)
	if err != nil {
		r.add(r.link.UserID, err)
		return nil
	}
	r.user.Link = l
	r.users = append(r.users, r.user)
	return nil
}

// undecryptableLinks counts the links whose tokens cannot be decrypted, and keeps the first
// user and error, for one log message.
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
		log.ErrorContext(ctx, "links skipped: their tokens cannot be decrypted",
			"count", l.count, "first_user_id", int64(l.first), logkey.Error, l.err)
	}
}
