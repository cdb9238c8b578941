package store

import (
	"bytes"
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"gorm.io/gorm"
	"gorm.io/gorm/clause"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// watchRow is a row of the table watches: a watch (the users that one viewer watches), with
// its times converted to the clock that all processes share (databaseTime).
type watchRow struct {
	Viewer    []byte `gorm:"primaryKey"`
	Source    string `gorm:"primaryKey"`
	Own       bool   `gorm:"primaryKey"`
	SignedIn  bool
	Watched   string
	OpenedAt  time.Time
	WrittenAt time.Time
	Until     time.Time
}

// TableName returns the name of the table of watches.
func (watchRow) TableName() string { return "watches" }

// watchBatch is how many watches one statement writes.
const watchBatch = 500

// WriteWatches stores the watches. A watch replaces the stored one with the same Viewer,
// Source and Own. WriteWatches adds to the Users of a watch those of its Followed users
// that play nothing now and share with their followers. If a watch then has no users, it is
// stored as ended now.
func (s *Store) WriteWatches(ctx context.Context, watches []songspy.Watch) error {
	if len(watches) == 0 {
		return nil
	}
	now, err := s.databaseTime(s.query(ctx))
	if err != nil {
		return translate(err)
	}
	own := s.now()
	shares, err := s.shareWithFollowers(ctx, watches, own)
	if err != nil {
		return translate(err)
	}
	rows := make([]watchRow, len(watches))
	for i, w := range watches {
		for _, id := range w.Followed {
			if shares[id] && !slices.Contains(w.Users, id) {
				w.Users = append(slices.Clip(w.Users), id)
			}
		}
		rows[i] = watchRow{
			Viewer: w.Viewer[:], Source: w.Source, Own: w.Own, SignedIn: w.SignedIn, Watched: watchedText(w.Users),
			OpenedAt: dbTime(now.Add(w.OpenedAt.Sub(own))), WrittenAt: dbTime(now), Until: dbTime(now.Add(w.Until.Sub(own))),
		}
		if len(w.Users) == 0 {
			rows[i].Until = dbTime(now)
		}
	}
	slices.SortFunc(rows, compareWatches)
	return s.inTx(ctx, func(tx *gorm.DB) error {
		return tx.Clauses(clause.OnConflict{UpdateAll: true}).CreateInBatches(&rows, watchBatch).Error
	})
}

// compareWatches orders rows by their primary key: viewer, source, own. WriteWatches and
// deleteWatchesOf lock rows in this order, so that they cannot deadlock.
func compareWatches(a, b watchRow) int {
	order := cmp.Or(bytes.Compare(a.Viewer, b.Viewer), cmp.Compare(a.Source, b.Source))
	switch {
	case order != 0 || a.Own == b.Own:
		return order
	case b.Own: // as in SQL, false comes before true
		return -1
	}
	return 1
}

// followedBatch is how many users one statement of shareWithFollowers reads.
const followedBatch = 5000

// shareWithFollowers returns, for each user in Followed of the watches, whether the user
// plays nothing now and will be visible to followers after starting to play. It returns
// false for users that play something: they are in Watch.Users already, unless the viewer
// may not see them. The result only decides which users the batch polls for the viewer.
// Package visibility decides what the viewer sees.
func (s *Store) shareWithFollowers(ctx context.Context, watches []songspy.Watch, now time.Time) (map[songspy.UserID]bool, error) {
	shares := map[songspy.UserID]bool{}
	for _, w := range watches {
		for _, id := range w.Followed {
			shares[id] = false
		}
	}
	for ids := range slices.Chunk(slices.Sorted(maps.Keys(shares)), followedBatch) {
		var sharing []songspy.UserID
		err := s.query(ctx).Raw(`SELECT u.id FROM users u JOIN sharing_periods p ON p.user_id = u.id
			WHERE u.id IN ? AND NOT u.hidden_by_operator
			AND p.began_at = (SELECT MAX(l.began_at) FROM sharing_periods l WHERE l.user_id = u.id)
			AND p.now_audience <> 'nobody' AND (p.hidden_until IS NULL OR p.hidden_until <= ?)
			AND NOT EXISTS (SELECT 1 FROM now_playing n WHERE n.user_id = u.id AND n.state = 'playing')`, ids, dbTime(now)).Scan(&sharing).Error
		if err != nil {
			return nil, err
		}
		for _, id := range sharing {
			shares[id] = true
		}
	}
	return shares, nil
}

// WatchesSince returns the watches that were written at the given time or later, and the
// time of this read. All these times are by the clock that all processes share
// (databaseTime).
func (s *Store) WatchesSince(ctx context.Context, since time.Time) (watches []songspy.Watch, readAt time.Time, err error) {
	if readAt, err = s.databaseTime(s.query(ctx)); err != nil {
		return nil, readAt, translate(err)
	}
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var w songspy.Watch
		var viewer []byte
		var watched string
		if err := rows.Scan(&viewer, &w.Source, &w.Own, &w.SignedIn, &watched, &w.OpenedAt, &w.Until); err != nil {
			return err
		}
		copy(w.Viewer[:], viewer)
		w.Users = watchedUsers(watched)
		watches = append(watches, w)
		return nil
	}, `SELECT viewer, source, own, signed_in, watched, opened_at, until FROM watches WHERE written_at >= $1 ORDER BY written_at, viewer, source, own`, since)
	return watches, readAt, translate(err)
}

// PruneWatches deletes the watches that ended more than ten seconds ago, and returns how
// many it deleted.
func (s *Store) PruneWatches(ctx context.Context) (pruned int64, err error) {
	now, err := s.databaseTime(s.query(ctx))
	if err != nil {
		return 0, translate(err)
	}
	const read = 10 * time.Second // until then, the batch may not have read yet that the watch has ended
	return deleteRows[watchRow](ctx, s.inTx, "until < ?", now.Add(-read))
}

// deleteWatchesOf deletes the watches in which the user is watched. The API soon stores
// the watches of these viewers again, without the user.
func deleteWatchesOf(tx *gorm.DB, id songspy.UserID) error {
	var rows []watchRow
	about := tx.Where("watched LIKE ?", "%"+watchedText([]songspy.UserID{id})+"%")
	if err := about.Clauses(clause.Locking{Strength: "UPDATE"}).Order("viewer, source, own").Find(&rows).Error; err != nil || len(rows) == 0 {
		return err
	}
	return tx.Delete(&rows).Error
}

// watchedText returns the ids as text, each between commas: ",3,17,". So a search for
// ",3," finds the user 3 and no other.
func watchedText(ids []songspy.UserID) string {
	text := make([]byte, 0, 8*len(ids)+1)
	for _, id := range ids {
		text = append(text, ',')
		text = strconv.AppendInt(text, int64(id), 10)
	}
	return string(append(text, ','))
}

// watchedUsers is the inverse of watchedText.
func watchedUsers(text string) (ids []songspy.UserID) {
	for part := range strings.SplitSeq(strings.Trim(text, ","), ",") {
		if id, err := strconv.ParseInt(part, 10, 64); err == nil {
			ids = append(ids, songspy.UserID(id))
		}
	}
	return ids
}

// WatchStatus counts the viewers that watch users now, and the users that they watch.
type WatchStatus struct {
	Viewers  int64 `json:"viewers"`
	SignedIn int64 `json:"signedIn"` // the viewers who are signed in
	Users    int64 `json:"users"`    // the users that the viewers watch
}

// watchStatus counts the viewers and the users of the current watches. A watch is current until
// the time Until.
func (s *Store) watchStatus(ctx context.Context) (st WatchStatus, err error) {
	now, err := s.databaseTime(s.query(ctx))
	if err != nil {
		return st, err
	}
	signedIn, users := map[string]bool{}, map[songspy.UserID]bool{}
	err = queryRows(ctx, s.pool, func(rows *sql.Rows) error {
		var viewer []byte
		var is bool
		var watched string
		if err := rows.Scan(&viewer, &is, &watched); err != nil {
			return err
		}
		signedIn[string(viewer)] = is
		for _, id := range watchedUsers(watched) {
			users[id] = true
		}
		return nil
	}, `SELECT viewer, signed_in, watched FROM watches WHERE until > $1`, now)
	for _, is := range signedIn {
		st.Viewers++
		if is {
			st.SignedIn++
		}
	}
	st.Users = int64(len(users))
	return st, err
}
