package store

import (
	"cmp"
	"context"
	"database/sql"
	"maps"
	"slices"
	"time"

	"gorm.io/gorm"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// ensureTracks returns the ids of the tracks by URI and inserts the tracks that are
// new. known are URIs that are looked up but not inserted: the caller does not have
// their tracks. A URI that is neither cached nor stored is missing from the result.
//
// Local files are always looked up, and their rows stay locked until the transaction
// ends: a local file can be deleted with its last user, see deleteUnusedLocalTracks.
// Call cacheTracks with the ids once the transaction has committed.
func (s *Store) ensureTracks(ctx context.Context, conn gorm.ConnPool, tracks map[string]songspy.Track, known []string) (map[string]songspy.TrackID, error) {
	ids := make(map[string]songspy.TrackID, len(tracks)+len(known))
	var missing []string
	for _, uri := range slices.Concat(slices.Collect(maps.Keys(tracks)), known) {
		if id, ok := s.trackIDs.Get(uri); ok {
			ids[uri] = id
		} else {
			missing = append(missing, uri)
		}
	}
	if err := s.findTracks(ctx, conn, missing, ids); err != nil {
		return nil, err
	}
	if err := s.lockLocalTracks(ctx, conn, missing, ids); err != nil {
		return nil, err
	}
	var fresh []songspy.Track
	for uri, t := range tracks {
		if _, ok := ids[uri]; !ok {
			t.URI = uri
			fresh = append(fresh, t)
		}
	}
	if err := s.insertTracks(ctx, conn, fresh, ids); err != nil {
		return nil, err
	}
	// Tracks that another transaction inserted meanwhile are visible now.
	var late []string
	for _, t := range fresh {
		if _, ok := ids[t.URI]; !ok {
			late = append(late, t.URI)
		}
	}
	if err := s.findTracks(ctx, conn, late, ids); err != nil {
		return nil, err
	}
	return ids, s.lockLocalTracks(ctx, conn, late, ids)
}

// lockLocalTracks keeps the local files among the URIs from being deleted until the
// transaction ends. It removes from ids those that were deleted before.
func (s *Store) lockLocalTracks(ctx context.Context, conn gorm.ConnPool, uris []string, ids map[string]songspy.TrackID) error {
	var local []string
	for _, uri := range uris {
		if _, found := ids[uri]; found && songspy.IsLocal(uri) {
			local = append(local, uri)
			delete(ids, uri)
		}
	}
	if len(local) == 0 {
		return nil
	}
	r := &rowset{}
	addColumn(r, local, "uri", "text", func(uri *string) string { return *uri })
	return s.queryRowset(ctx, conn, r, `SELECT t.id, t.uri FROM tracks t WHERE t.uri IN (SELECT uri FROM v) ORDER BY t.uri`+s.engine.forKeyShare(), scanTrackID(ids))
}

// cacheTracks caches the ids of a committed transaction, except for local files: any
// process can delete them.
func (s *Store) cacheTracks(ids map[string]songspy.TrackID) {
	for uri, id := range ids {
		if !songspy.IsLocal(uri) {
			s.trackIDs.Add(uri, id)
		}
	}
}

func (s *Store) findTracks(ctx context.Context, conn gorm.ConnPool, uris []string, ids map[string]songspy.TrackID) error {
	if len(uris) == 0 {
		return nil
	}
	r := &rowset{}
	addColumn(r, uris, "uri", "text", func(uri *string) string { return *uri })
	return s.queryRowset(ctx, conn, r, `SELECT id, uri FROM tracks WHERE uri IN (SELECT uri FROM v)`, scanTrackID(ids))
}

// insertTracks inserts the tracks sorted by URI, so that two transactions that insert
// the same tracks cannot deadlock.
func (s *Store) insertTracks(ctx context.Context, conn gorm.ConnPool, tracks []songspy.Track, ids map[string]songspy.TrackID) error {
	if len(tracks) == 0 {
		return nil
	}
	slices.SortFunc(tracks, func(a, b songspy.Track) int { return cmp.Compare(a.URI, b.URI) })
	type row = songspy.Track
	now := s.now()
	r := &rowset{}
	addColumn(r, tracks, "uri", "text", func(t *row) string { return t.URI })
	addColumn(r, tracks, "kind", "text", func(t *row) string { return string(t.Kind) })
	addColumn(r, tracks, "title", "text", func(t *row) string { return t.Title })
	addColumn(r, tracks, "artists", "text", func(t *row) string { return t.Artists })
	addColumn(r, tracks, "album", "text", func(t *row) string { return t.Album })
	addColumn(r, tracks, "image_url", "text", func(t *row) string { return t.ImageURL })
	addColumn(r, tracks, "url", "text", func(t *row) string { return t.URL })
	addColumn(r, tracks, "preview_url", "text", func(t *row) string { return t.PreviewURL })
	addColumn(r, tracks, "duration_ms", "bigint", func(t *row) int64 { return t.DurationMS })
	addColumn(r, tracks, "isrc", "text", func(t *row) string { return t.ISRC })
	addColumn(r, tracks, "created_at", "timestamptz", func(*row) time.Time { return now })
	return s.queryRowset(ctx, conn, r, `INSERT INTO tracks (`+r.columnNames()+`) SELECT `+r.columnNames()+` FROM v WHERE true
		ON CONFLICT (uri) DO NOTHING RETURNING id, uri`, scanTrackID(ids))
}

func scanTrackID(ids map[string]songspy.TrackID) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var id songspy.TrackID
		var uri string
		if err := rows.Scan(&id, &uri); err != nil {
			return err
		}
		ids[uri] = id
		return nil
	}
}
