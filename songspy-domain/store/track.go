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

// trackColumns are the columns of tracks AS t that need no other table.
const trackColumns = `t.id, t.public_id, t.uri, t.kind, t.title, t.artists, t.album, t.image_url, t.url, t.preview_url, t.duration_ms, t.isrc, t.created_at`

// trackDest returns the scan destinations of trackColumns.
func trackDest(t *songspy.Track) []any {
	return []any{
		&t.ID, &t.PublicID, &t.URI, &t.Kind, &t.Title, &t.Artists, &t.Album, &t.ImageURL, &t.URL, &t.PreviewURL, &t.DurationMS, &t.ISRC, &t.CreatedAt,
	}
}

// joinAlbum is the SQL text that joins the album AS b to tracks AS t.
const joinAlbum = ` LEFT JOIN albums b ON b.uri = t.album_uri `

// identityColumns returns the columns that select the artists and the album of tracks AS t.
// The query must contain joinAlbum.
func identityColumns(e engine) string {
	return `(` + e.jsonRows(`a.uri, a.name, a.url`, `track_artists ta JOIN artists a ON a.uri = ta.artist_uri WHERE ta.track_id = t.id`, `ta.position`) + `),
	COALESCE(b.uri, ''), COALESCE(b.name, ''), COALESCE(b.url, ''), COALESCE(b.image_url, '')`
}

// identityDest returns the scan destinations of identityColumns.
func identityDest(t *songspy.Track) []any {
	return []any{
		jsonRows[songspy.Artist]{&t.ArtistRefs, func(r jsonRow) songspy.Artist {
			return songspy.Artist{URI: r.text(0), Name: r.text(1), URL: r.text(2)}
		}},
		&t.AlbumRef.URI, &t.AlbumRef.Name, &t.AlbumRef.URL, &t.AlbumRef.ImageURL,
	}
}

// storedTrack is what a transaction needs to know about a stored track.
type storedTrack struct {
	id songspy.TrackID
	// identified says that the track's artists and album are stored as well. It is always
	// false for a local file.
	identified bool
}

// hasIdentity reports whether the artists or the album of the track are known by their
// URIs. Those of a local file never are.
func hasIdentity(t *songspy.Track) bool {
	return !songspy.IsLocal(t.URI) && (len(t.ArtistRefs) > 0 || t.AlbumRef.URI != "")
}

// ensureTracks returns the stored tracks by URI. It inserts those of the parameter tracks
// that are new. If an older release stored a track without artists and album, ensureTracks
// adds them. The parameter known has further URIs to look up, for which the caller has no
// track. If such a URI is not stored, it is missing from the result.
//
// A local file can be deleted together with its last user (see deleteUnusedLocalTracks). So
// local files are always looked up, and their rows stay locked until the transaction ends.
// Call cacheTracks with the result once the transaction has committed.
func (s *Store) ensureTracks(ctx context.Context, conn gorm.ConnPool, tracks map[string]songspy.Track, known []string) (map[string]storedTrack, error) {
	stored := make(map[string]storedTrack, len(tracks)+len(known))
	var missing []string
	for _, uri := range slices.Concat(slices.Collect(maps.Keys(tracks)), known) {
		if t, ok := s.tracks.Get(uri); ok {
			stored[uri] = t
		} else {
			missing = append(missing, uri)
		}
	}
	if err := s.findTracks(ctx, conn, missing, stored); err != nil {
		return nil, err
	}
	if err := s.lockLocalTracks(ctx, conn, missing, stored); err != nil {
		return nil, err
	}
	var fresh, unidentified []songspy.Track
	for uri, t := range tracks {
		t.URI = uri
		switch known, ok := stored[uri]; {
		case !ok:
			fresh = append(fresh, t)
		case !known.identified && hasIdentity(&t):
			t.ID = known.id
			unidentified = append(unidentified, t)
		}
	}
	if err := s.insertArtistsAndAlbums(ctx, conn, slices.Concat(fresh, unidentified)); err != nil {
		return nil, err
	}
	inserted, err := s.insertTracks(ctx, conn, fresh, stored)
	if err != nil {
		return nil, err
	}
	// The insert skips tracks that another transaction has inserted since the lookup. That
	// transaction has committed, so they are visible now. Look them up again.
	var late []string
	for _, t := range fresh {
		if _, ok := stored[t.URI]; !ok {
			late = append(late, t.URI)
		}
	}
	if err := s.findTracks(ctx, conn, late, stored); err != nil {
		return nil, err
	}
	if err := s.lockLocalTracks(ctx, conn, late, stored); err != nil {
		return nil, err
	}
	return stored, s.identifyTracks(ctx, conn, inserted, unidentified, stored)
}

// lockLocalTracks locks the stored local files among the URIs, so that no other transaction
// deletes them until this one ends. It removes from the map stored those that were deleted
// since the lookup.
func (s *Store) lockLocalTracks(ctx context.Context, conn gorm.ConnPool, uris []string, stored map[string]storedTrack) error {
	var local []string
	for _, uri := range uris {
		if _, found := stored[uri]; found && songspy.IsLocal(uri) {
			local = append(local, uri)
			delete(stored, uri)
		}
	}
	if len(local) == 0 {
		return nil
	}
	r := &rowset{}
	addColumn(r, local, "uri", "text", func(uri *string) string { return *uri })
	return s.queryRowset(ctx, conn, r, `SELECT t.id, t.uri, false FROM tracks t WHERE t.uri IN (SELECT uri FROM v) ORDER BY t.uri`+s.engine.forKeyShare(), scanStoredTrack(stored))
}

// cacheTracks adds the tracks of a committed transaction to the cache, except local files,
// because any process can delete these.
func (s *Store) cacheTracks(stored map[string]storedTrack) {
	for uri, t := range stored {
		if !songspy.IsLocal(uri) {
			s.tracks.Add(uri, t)
		}
	}
}

func (s *Store) findTracks(ctx context.Context, conn gorm.ConnPool, uris []string, stored map[string]storedTrack) error {
	if len(uris) == 0 {
		return nil
	}
	r := &rowset{}
	addColumn(r, uris, "uri", "text", func(uri *string) string { return *uri })
	return s.queryRowset(ctx, conn, r, `SELECT id, uri, album_uri IS NOT NULL FROM tracks WHERE uri IN (SELECT uri FROM v)`, scanStoredTrack(stored))
}

// insertTracks inserts the tracks in the order of their URIs, so that two transactions that
// insert the same tracks cannot deadlock. It adds the inserted tracks to the map stored,
// and returns them with their ids. Tracks that another transaction has inserted meanwhile
// are skipped.
func (s *Store) insertTracks(ctx context.Context, conn gorm.ConnPool, tracks []songspy.Track, stored map[string]storedTrack) (inserted []songspy.Track, err error) {
	if len(tracks) == 0 {
		return nil, nil
	}
	slices.SortFunc(tracks, func(a, b songspy.Track) int { return cmp.Compare(a.URI, b.URI) })
	type row = songspy.Track
	now := s.now()
	r := &rowset{}
	addColumn(r, tracks, "public_id", "bigint", func(*row) int64 { return int64(songspy.NewPublicID()) })
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
	addColumn(r, tracks, "album_uri", "text", func(t *row) *string {
		if !hasIdentity(t) {
			return nil
		}
		return &t.AlbumRef.URI
	})
	err = s.queryRowset(ctx, conn, r, `INSERT INTO tracks (`+r.columnNames()+`) SELECT `+r.columnNames()+` FROM v WHERE true
		ON CONFLICT (uri) DO NOTHING RETURNING id, uri, album_uri IS NOT NULL`, scanStoredTrack(stored))
	for _, t := range tracks {
		if s, ok := stored[t.URI]; ok {
			t.ID = s.id
			inserted = append(inserted, t)
		}
	}
	return inserted, err
}

func scanStoredTrack(stored map[string]storedTrack) func(*sql.Rows) error {
	return func(rows *sql.Rows) error {
		var t storedTrack
		var uri string
		if err := rows.Scan(&t.id, &uri, &t.identified); err != nil {
			return err
		}
		stored[uri] = t
		return nil
	}
}

// insertArtistsAndAlbums inserts the artists and albums of the tracks. It skips artists and
// albums that are already stored. It inserts both in the order of their URIs, so that two
// transactions cannot deadlock.
func (s *Store) insertArtistsAndAlbums(ctx context.Context, conn gorm.ConnPool, tracks []songspy.Track) error {
	artists, albums := map[string]songspy.Artist{}, map[string]songspy.Album{}
	for i := range tracks {
		if !hasIdentity(&tracks[i]) {
			continue
		}
		for _, a := range tracks[i].ArtistRefs {
			artists[cleanText(a.URI)] = a
		}
		if b := tracks[i].AlbumRef; b.URI != "" {
			albums[cleanText(b.URI)] = b
		}
	}
	if len(artists) > 0 {
		rows := sortedValues(artists)
		r := &rowset{}
		addColumn(r, rows, "uri", "text", func(a *songspy.Artist) string { return a.URI })
		addColumn(r, rows, "name", "text", func(a *songspy.Artist) string { return a.Name })
		addColumn(r, rows, "url", "text", func(a *songspy.Artist) string { return a.URL })
		if err := s.insertNew(ctx, conn, r, `artists`, `uri`); err != nil {
			return err
		}
	}
	if len(albums) == 0 {
		return nil
	}
	rows := sortedValues(albums)
	r := &rowset{}
	addColumn(r, rows, "uri", "text", func(b *songspy.Album) string { return b.URI })
	addColumn(r, rows, "name", "text", func(b *songspy.Album) string { return b.Name })
	addColumn(r, rows, "url", "text", func(b *songspy.Album) string { return b.URL })
	addColumn(r, rows, "image_url", "text", func(b *songspy.Album) string { return b.ImageURL })
	return s.insertNew(ctx, conn, r, `albums`, `uri`)
}

// sortedValues returns the values in the order of their keys.
func sortedValues[T any](m map[string]T) []T {
	values := make([]T, 0, len(m))
	for _, key := range slices.Sorted(maps.Keys(m)) {
		values = append(values, m[key])
	}
	return values
}

// insertNew inserts the rows that are not in the table yet. The parameter key lists the
// columns of the table's unique key. A row whose key is already in the table is not
// inserted.
func (s *Store) insertNew(ctx context.Context, conn gorm.ConnPool, r *rowset, table, key string) error {
	return s.execRowset(ctx, conn, r, `INSERT INTO `+table+` (`+r.columnNames()+`) SELECT `+r.columnNames()+` FROM v WHERE true ON CONFLICT (`+key+`) DO NOTHING`)
}

// identifyTracks links the inserted tracks to their artists, by rows of track_artists. It
// links the unidentified tracks, which an older release stored without artists and album,
// to their artists and to their album.
func (s *Store) identifyTracks(ctx context.Context, conn gorm.ConnPool, inserted, unidentified []songspy.Track, stored map[string]storedTrack) error {
	if len(unidentified) > 0 {
		r := &rowset{}
		addColumn(r, unidentified, "id", "bigint", func(t *songspy.Track) int64 { return int64(t.ID) })
		addColumn(r, unidentified, "album_uri", "text", func(t *songspy.Track) string { return t.AlbumRef.URI })
		if lock := s.engine.forUpdate(); lock != "" {
			if err := s.execRowset(ctx, conn, r, `SELECT t.id FROM tracks t WHERE t.id IN (SELECT id FROM v) ORDER BY t.id`+lock); err != nil {
				return err
			}
		}
		err := s.execRowset(ctx, conn, r, `UPDATE tracks SET album_uri = v.album_uri FROM v WHERE tracks.id = v.id AND tracks.album_uri IS NULL`)
		if err != nil {
			return err
		}
		for _, t := range unidentified {
			stored[t.URI] = storedTrack{id: t.ID, identified: true}
		}
	}
	type trackArtist struct {
		track    songspy.TrackID
		position int16
		uri      string
	}
	var rows []trackArtist
	for _, t := range slices.Concat(inserted, unidentified) {
		if !hasIdentity(&t) {
			continue
		}
		for i, a := range t.ArtistRefs {
			rows = append(rows, trackArtist{t.ID, int16(i), a.URI})
		}
	}
	if len(rows) == 0 {
		return nil
	}
	slices.SortFunc(rows, func(a, b trackArtist) int {
		return cmp.Or(cmp.Compare(a.track, b.track), cmp.Compare(a.position, b.position))
	})
	r := &rowset{}
	addColumn(r, rows, "track_id", "bigint", func(a *trackArtist) int64 { return int64(a.track) })
	addColumn(r, rows, "position", "smallint", func(a *trackArtist) int16 { return a.position })
	addColumn(r, rows, "artist_uri", "text", func(a *trackArtist) string { return a.uri })
	return s.insertNew(ctx, conn, r, `track_artists`, `track_id, position`)
}
