package store

import (
	"context"
	"database/sql"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// snapshotTolerance limits which open plays BoardSnapshot reads for the board (the live
// list of listening users). It leaves out a play whose predicted end, start of its pause
// and last poll that showed it are all longer ago than this. The board never shows such a
// play. If its user plays again, the change feed reports that.
const snapshotTolerance = time.Hour

const userColumns = `u.id, u.public_id, u.google_sub, u.nick_name, u.google_name, u.picture_url, u.show_picture, u.hidden_by_operator,
	u.created_at, u.updated_at`

// userDest returns the scan destinations of userColumns.
func userDest(u *songspy.User) []any {
	return []any{
		&u.ID, &u.PublicID, &u.GoogleSub, &u.NickName, &u.GoogleName, &u.PictureURL, &u.ShowPicture, &u.HiddenByOperator,
		&u.CreatedAt, &u.UpdatedAt,
	}
}

// openPlays is the part of a query that selects the open (unfinished) plays. The aliases
// are n for now_playing, u for their users and t for their tracks.
const openPlays = ` FROM now_playing n JOIN users u ON u.id = n.user_id JOIN tracks t ON t.id = n.track_id` + joinAlbum + `
	WHERE n.state IN ('playing', 'paused') `

func selectBoard(e engine) string {
	return `SELECT ` + userColumns + `, ` + nowPlayingColumns + `, ` + trackColumns + `, ` + identityColumns(e) + `, ` +
		ruleColumns(e, "n.started_at") + openPlays
}

// scanBoardEntry scans a row of selectBoard.
func scanBoardEntry(rows *sql.Rows) (b songspy.BoardEntry, err error) {
	dest := append(userDest(&b.User), nowPlayingDest(&b.Playing)...)
	dest = append(append(dest, trackDest(&b.Track)...), identityDest(&b.Track)...)
	err = rows.Scan(append(dest, ruleDest(&b.Rule)...)...)
	finishRule(&b.Rule, &b.User)
	return b, err
}

// BoardSnapshot calls fn, in no particular order, for every user with an open play that
// the board may have to show. That includes plays that their users hide now, because the
// time until which they are hidden may pass without a change in the change feed.
//
// BoardSnapshot returns the number of a change: the snapshot contains this and all
// earlier changes, so the caller must read the change feed from the next number on. If
// fn returns an error, BoardSnapshot stops and returns that error.
func (s *Store) BoardSnapshot(ctx context.Context, fn func(songspy.BoardEntry) error) (number int64, err error) {
	if _, number, err = s.FeedBounds(ctx); err != nil {
		return 0, err
	}
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		b, err := scanBoardEntry(rows)
		if err != nil {
			return err
		}
		return fn(b)
	}, s.selects.board+`AND (n.ends_at > $1 OR n.paused_since > $1 OR n.seen_at > $1)`, s.now().Add(-snapshotTolerance))
	return number, translate(err)
}

// BoardEntries returns the board entries of those users in ids that have an open play, in
// no particular order. The board must remove the other users in ids, because they play
// nothing.
func (s *Store) BoardEntries(ctx context.Context, ids []songspy.UserID) (board []songspy.BoardEntry, err error) {
	if len(ids) == 0 {
		return nil, nil
	}
	err = s.queryRowset(ctx, s.pool, userIDRowset(ids), s.selects.board+`AND n.user_id IN (SELECT user_id FROM v)`, func(rows *sql.Rows) error {
		b, err := scanBoardEntry(rows)
		board = append(board, b)
		return err
	})
	return board, translate(err)
}
