package storetest

import (
	"fmt"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// version20Suite tests the migration to version 20, which turns the sharing settings of
// users into sharing periods, and gives users and tracks public ids.
func version20Suite() suite {
	insertUser := func(t *testing.T, b *fixture, id int, audience songspy.Audience, pausedUntil *time.Time) {
		t.Helper()
		b.exec(t, `INSERT INTO users (id, google_sub, google_name, picture_url, show_picture, audience, sharing_paused_until, created_at, updated_at)
			VALUES ($1, $2, '', '', false, $3, $4, $5, $5)`, id, fmt.Sprint("google-", id), string(audience), pausedUntil, start.Add(time.Duration(id)*time.Hour))
	}
	insertTrack := func(t *testing.T, b *fixture, s songspy.Track) {
		t.Helper()
		b.exec(t, `INSERT INTO tracks (uri, kind, title, artists, album, image_url, url, preview_url, duration_ms, isrc, created_at)
			VALUES ($1, $2, $3, $4, $5, '', '', '', $6, '', $7)`, s.URI, string(s.Kind), s.Title, s.Artists, s.Album, s.DurationMS, start)
	}
	return suite{
		"Migrate_20_KeepsEveryRow": func(t *testing.T, b *fixture) {
			p, _ := fillForMigration(t, b)
			old := openAtVersion(t, b.db.Engine, 19)
			tables, columns := copyAsOlder(t, b, old, olderNames{columns: map[string]string{"replicas.lease_until": "alive_until"}})
			old.clock.advance(b.clock.Now().Sub(start))
			old.Store = old.openAnother(t)
			must(t, old.Migrate(t.Context()))
			requireKept(t, old, b, tables, columns)
			number := old.lastChange(t)
			must(t, old.SetHiddenByOperator(t.Context(), p.UserID, true, ""))
			same(t, "the next change", old.changesAfter(t, number), []string{fmt.Sprintf("user %d", p.UserID)})
			for _, session := range value[[]songspy.Session](t)(old.Sessions(t.Context(), p.UserID, start, 10)) {
				same(t, "the kind of a session", session.Kind, songspy.SessionBearer)
			}
			if b.db.Engine == SQLite {
				var broken int
				must(t, old.sql(t).QueryRowContext(t.Context(), "SELECT count(*) FROM pragma_foreign_key_check").Scan(&broken))
				same(t, "broken references", broken, 0)
			}
			must(t, old.CheckSchema(t.Context()))
		},
		"Migrate_20_MakesTheSettingsTheFirstSharingPeriod": func(t *testing.T, b *fixture) {
			b = openAtVersion(t, b.db.Engine, 19)
			over, until := start.Add(-time.Hour), start.Add(time.Hour+time.Microsecond)
			want := map[int]songspy.Sharing{}
			for id, settings := range map[int]struct {
				audience songspy.Audience
				paused   *time.Time
			}{
				1: {songspy.AudienceEveryone, nil}, 2: {songspy.AudienceFollowers, &over}, 3: {songspy.AudienceLink, &until}, 4: {songspy.AudienceNobody, nil},
			} {
				insertUser(t, b, id, settings.audience, settings.paused)
				want[id] = songspy.Sharing{
					UserID: songspy.UserID(id), BeganAt: start.Add(time.Duration(id) * time.Hour), Now: settings.audience, History: songspy.AudienceNobody,
					HiddenUntil: settings.paused, HideLocal: true,
				}
			}
			b.Store = b.openAnother(t)
			must(t, b.Migrate(t.Context()))
			for id, sharing := range want {
				same(t, fmt.Sprintf("settings of user %d", id), b.rule(t, songspy.UserID(id)), songspy.SharingRule{Owner: sharing.UserID, Periods: []songspy.Sharing{sharing}})
			}
		},
		"Migrate_20_GivesRandomPublicIDs": func(t *testing.T, b *fixture) {
			b = openAtVersion(t, b.db.Engine, 19)
			const rows = 200
			for i := 1; i <= rows; i++ {
				insertUser(t, b, i, songspy.AudienceEveryone, nil)
				insertTrack(t, b, song(i))
			}
			b.Store = b.openAnother(t)
			must(t, b.Migrate(t.Context()))
			for _, table := range []string{"users", "tracks"} {
				seen, large, ascending := map[any]bool{}, 0, 0
				var before int64
				_, all := b.allRows(t, "(SELECT public_id, id FROM "+table+" ORDER BY id) AS ids")
				for _, row := range all {
					id := row[0].(int64)
					same(t, "a valid id", songspy.PublicID(id).IsValid(), true)
					seen[id] = true
					if id > int64(songspy.PublicIDEnd)/2 {
						large++
					}
					if row[1].(int64) > before {
						ascending++
					}
					before = row[1].(int64)
				}
				same(t, "different ids of "+table, len(seen), rows)
				if large < rows/4 || large > 3*rows/4 {
					t.Errorf("%d of %d ids of %s are in the upper half", large, rows, table)
				}
				if ascending < rows/4 || ascending > 3*rows/4 { // the rows are sorted by public id
					t.Errorf("the public ids of %s betray the order of the rows: %d of %d ascend", table, ascending, rows)
				}
			}
		},
		"Migrate_20_ErasesUsersOfBeforeCompletely": func(t *testing.T, b *fixture) {
			b = openAtVersion(t, b.db.Engine, 19)
			insertUser(t, b, 1, songspy.AudienceEveryone, nil)
			b.Store = b.openAnother(t)
			must(t, b.Migrate(t.Context()))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), 1))
			same(t, "sharing periods", b.countRows(t, "sharing_periods", 1), 0)
		},
	}
}
