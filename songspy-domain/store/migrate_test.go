package store

import (
	"path/filepath"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// TestSQLite_MigrationKeepsTracksWhenChaptersAreAdded migrates a SQLite database of version
// 10 of the schema. The migration to version 11 creates the table of tracks again, to
// accept chapters, and copies the rows. The tracks must keep their ids, so that the
// players' states still refer to them. No id may be given a second time, and URIs must stay
// unique.
func TestSQLite_MigrationKeepsTracksWhenChaptersAreAdded(t *testing.T) {
	s, err := Open(t.Context(), Options{URL: "sqlite:" + filepath.Join(t.TempDir(), "songspy.db"), SealKeys: []SealKey{{ID: "k", Key: make([]byte, 32)}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	provider, err := s.migrations()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), 10); err != nil {
		t.Fatal(err)
	}
	exec := func(sql string, args ...any) {
		t.Helper()
		if _, err := s.engine.sql().ExecContext(t.Context(), sql, args...); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	track := `INSERT INTO tracks (id, uri, kind, title, artists, album, image_url, url, preview_url, duration_ms, isrc, created_at)
		VALUES (?, ?, ?, 'T', 'A', 'B', 'i', 'u', 'p', 5, 'isrc', 7)`
	exec(track, 3, "spotify:track:a", "track")
	exec(track, 9, "spotify:track:b", "local")
	exec(`DELETE FROM tracks WHERE id = 9`) // the track is gone, but no later track may get the id 9
	seen := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC).UnixMicro()
	exec(`INSERT INTO now_playing (user_id, state, track_id, track_uri, duration_ms, started_at, observed_at, seen_at, progress_ms, listened_ms, paused_ms,
		elsewhere_at, provisional, skips, generation) VALUES (1, 'playing', 3, 'spotify:track:a', 5, ?, ?, ?, 1, 1, 0, ?, false, 0, 1)`, seen, seen, seen, seen)
	if err := s.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	var title string
	var id int64
	var opened time.Time
	row := s.engine.sql().QueryRowContext(t.Context(), `SELECT t.title, n.opened_at FROM tracks t JOIN now_playing n ON n.track_id = t.id WHERE t.id = 3 AND t.isrc = 'isrc'`)
	if err := row.Scan(&title, &opened); err != nil || title != "T" || opened.UnixMicro() != seen {
		t.Errorf("the track is %q, first seen at %v: %v", title, opened, err)
	}
	exec(`INSERT INTO tracks (uri, kind, title, artists, album, image_url, url, preview_url, duration_ms, isrc, created_at)
		VALUES ('spotify:chapter:c', ?, 'T', 'A', 'B', 'i', 'u', 'p', 5, '', 7)`, songspy.KindChapter)
	if err := s.engine.sql().QueryRowContext(t.Context(), `SELECT id FROM tracks WHERE kind = 'chapter'`).Scan(&id); err != nil || id != 10 {
		t.Errorf("the new track has the id %d, want 10: %v", id, err)
	}
	if _, err := s.engine.sql().ExecContext(t.Context(), track, 11, "spotify:track:a", "track"); err == nil {
		t.Error("one URI names two tracks")
	}
}
