package storetest

import (
	"context"
	"database/sql"
	"io/fs"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/migrations"
)

// openAtVersion creates a database with the schema of an older release: it runs the
// migrations up to and including the given version. The returned fixture has no store yet.
func openAtVersion(t *testing.T, engine string, version int64) *fixture {
	t.Helper()
	b := &fixture{db: New(t, engine), clock: &clock{now: start}, statements: &statementLog{}}
	dialect, folder := goose.DialectPostgres, "postgres"
	if engine == SQLite {
		dialect, folder = goose.DialectSQLite3, "sqlite"
	}
	all := value[fs.FS](t)(fs.Sub(migrations.Files, folder))
	until := fstest.MapFS{}
	for _, path := range value[[]string](t)(fs.Glob(all, "*.sql")) {
		if n := value[int64](t)(goose.NumericComponent(path)); n <= version {
			until[path] = &fstest.MapFile{Data: value[[]byte](t)(fs.ReadFile(all, path))}
		}
	}
	if version >= 15 { // migration 15 is written in Go; in a database without deleted plays it executes only this SQL and deletes unused local files
		text := value[[]byte](t)(fs.ReadFile(migrations.DeletedPlays, "erased/"+folder+".sql"))
		until["00015_deleted_plays.sql"] = &fstest.MapFile{Data: append([]byte("-- +goose Up\n"), text...)}
	}
	provider := value[*goose.Provider](t)(goose.NewProvider(dialect, b.ownerDB(t), until, goose.WithDisableGlobalRegistry(true)))
	value[[]*goose.MigrationResult](t)(provider.Up(t.Context()))
	return b
}

// ownerDB opens the database without the store, but as the role that the store uses, so that
// this role owns the tables that the test creates.
func (b *fixture) ownerDB(t *testing.T) *sql.DB {
	t.Helper()
	if b.db.Engine == SQLite || b.db.Engine == Postgres {
		return b.sql(t)
	}
	db := value[*sql.DB](t)(sql.Open("pgx", b.db.direct))
	t.Cleanup(func() { must(t, db.Close()) })
	db.SetMaxOpenConns(1) // SET ROLE below has an effect only on one connection
	var name string
	must(t, db.QueryRowContext(t.Context(), "SELECT current_schema()").Scan(&name)) // the role has the schema's name
	_, err := db.ExecContext(t.Context(), "SET ROLE "+name)
	must(t, err)
	return db
}

// exec runs a statement without the store.
func (b *fixture) exec(t *testing.T, statement string, args ...any) {
	t.Helper()
	_, err := b.sql(t).ExecContext(context.WithoutCancel(t.Context()), statement, args...)
	must(t, err)
}

// fillVersion14 fills a database as releases before version 15 of the schema did. User 1
// has deleted the first of three plays of song 1, and the only play of song 2. User 2 has
// two local files, "Kept" and "Odd"; the URI of "Odd" lacks the prefix of local files. No
// user has the local file "Forgotten", which an erased user has left behind.
func fillVersion14(t *testing.T, b *fixture) {
	t.Helper()
	insertOldUsers(t, b)
	tracks := []songspy.Track{song(1), song(2), localFile("Kept"), localFile("Forgotten"), localFile("Odd")}
	tracks[4].URI = "spotify:odd:local"
	for i, s := range tracks {
		b.exec(t, `INSERT INTO tracks (id, uri, kind, title, artists, album, image_url, url, preview_url, duration_ms, isrc, created_at)
			VALUES ($1, $2, $3, $4, $5, '', '', '', '', $6, $7, $8)`, i+1, s.URI, string(s.Kind), s.Title, s.Artists, s.DurationMS, s.ISRC, start)
	}
	play := func(user, track, hoursAgo int, deleted bool) {
		at := start.Add(-time.Duration(hoursAgo) * time.Hour)
		var gone any
		if deleted {
			gone = start
		}
		b.exec(t, `INSERT INTO plays (user_id, track_id, started_at, ended_at, listened_ms, source, provisional, deleted_at)
			VALUES ($1, $2, $3, $4, 180000, 'live', false, $5)`, user, track, at, at.Add(3*time.Minute), gone)
	}
	set := func(user, track, firstHoursAgo, plays int) {
		b.exec(t, `INSERT INTO user_tracks (user_id, track_id, first_heard_at, last_heard_at, plays) VALUES ($1, $2, $3, $4, $5)`,
			user, track, start.Add(-time.Duration(firstHoursAgo)*time.Hour), start, plays)
	}
	play(1, 1, 5, true)
	play(1, 1, 4, false)
	play(1, 1, 3, false)
	play(1, 2, 2, true)
	play(2, 3, 2, false)
	play(2, 1, 1, false)
	set(1, 1, 5, 2)
	set(1, 2, 2, 0)
	set(2, 3, 2, 1)
	set(2, 1, 1, 1)
	set(2, 5, 1, 0)
}

// insertOldUsers inserts users 1 and 2 into a database of an older schema.
func insertOldUsers(t *testing.T, b *fixture) {
	t.Helper()
	for id := 1; id <= 2; id++ {
		b.exec(t, `INSERT INTO users (id, google_sub, google_name, picture_url, show_picture, audience, link_generation, created_at, updated_at)
			VALUES ($1, $2, '', '', false, 'everyone', 1, $3, $3)`, id, []string{"", "one", "two"}[id], start)
	}
}

// version15Suite checks that the migration to version 15 removes the tracks of
// deleted plays from an older database.
func version15Suite() suite {
	return suite{
		"Migrate_15_LeavesOnlyTimesAndHashesOfDeletedPlays": func(t *testing.T, b *fixture) {
			b = openAtVersion(t, b.db.Engine, 14)
			fillVersion14(t, b)
			b.Store = b.openAnother(t)
			must(t, b.Migrate(t.Context()))
			stored := storedPlays(t, b.sql(t), 1)
			same(t, "plays of the first user", len(stored), 4)
			for i, p := range stored {
				same(t, "whether it has a track", p.TrackID != 0, p.DeletedAt == nil)
				same(t, "began", p.StartedAt, start.Add(time.Duration(i-5)*time.Hour))
			}
			same(t, "plays of the other user", len(value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), 2, songspy.Play{}, 10))), 2)
			same(t, "tracks of the first user", storedTracks(t, b.sql(t), 1), []songspy.UserTrack{
				{FirstPlayedAt: start.Add(-4 * time.Hour), LastPlayedAt: start.Add(-3*time.Hour + 3*time.Minute), Plays: 2},
			})
			same(t, "tracks of the other user", len(storedTracks(t, b.sql(t), 2)), 3)
			same(t, "titles", b.trackTitles(t), []string{song(1).Title, song(2).Title, "Kept", "Odd"})
			other := songspy.Link{UserID: 2, Generation: 1}
			update := playingUpdate(other, localFile("Odd"), start)
			update.Tracks[0].URI = songspy.LocalURI("spotify:odd:local")
			update.Playing.TrackURI = update.Tracks[0].URI
			b.write(t, update)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), 2))
			same(t, "titles after the erasure", b.trackTitles(t), []string{song(1).Title, song(2).Title})

			first := songspy.Link{UserID: 1, Generation: 1}
			kept := b.storedPlays(t, first, historyItem(song(1), start.Add(-5*time.Hour)), historyItem(song(2), start.Add(-2*time.Hour)))
			var tracks []string
			for _, k := range kept.Plays {
				tracks = append(tracks, k.Track.Title)
			}
			same(t, "history recognizes them", tracks, []string{song(1).Title, song(1).Title, song(1).Title, song(2).Title})
		},
		"Migrate_15_RemovesWhatAnOlderReleaseLeft": func(t *testing.T, b *fixture) {
			b = openAtVersion(t, b.db.Engine, 14)
			fillVersion14(t, b)
			b.exec(t, `UPDATE users SET google_sub = $1 WHERE id = 1`, strings.Repeat("a-former-subject", 10))
			b.exec(t, `UPDATE users SET google_sub = 'one' WHERE id = 1`)
			left := secrets{"title": []byte("Forgotten"), "former subject": []byte("a-former-subject")}
			if b.db.Engine == SQLite {
				same(t, "before", findSecrets(b.rawContents(t), left), []string{"former subject in songspy.db", "title in songspy.db"})
			}
			b.Store = b.openAnother(t)
			must(t, b.Migrate(t.Context()))
			same(t, "after", findSecrets(b.rawContents(t), left), []string(nil))
		},
		"Migrate_15_ASecondTimeChangesNothing": func(t *testing.T, b *fixture) {
			b = openAtVersion(t, b.db.Engine, 14)
			fillVersion14(t, b)
			b.Store = b.openAnother(t)
			must(t, b.Migrate(t.Context()))
			before := selectRow(t, b.sql(t), "SELECT * FROM plays WHERE deleted_at IS NOT NULL ORDER BY id LIMIT 1")
			must(t, b.openAnother(t).Migrate(t.Context()))
			same(t, "the deleted play", selectRow(t, b.sql(t), "SELECT * FROM plays WHERE deleted_at IS NOT NULL ORDER BY id LIMIT 1"), before)
		},
	}
}
