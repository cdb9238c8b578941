package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"gorm.io/gorm/schema"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

// schemas tests migrations and checks of the schema. Some tests create another database,
// because the database of the fixture is migrated.
func schemas() suite {
	return suite{
		"Tables_HaveTheColumnsOfTheEntities": func(t *testing.T, b *fixture) {
			db := b.sql(t)
			for _, e := range []struct {
				entity       any
				extraColumns string // columns that only the store uses
			}{
				{&songspy.User{}, "link_generation link_version email_sealed mail_off deletion_key_sealed nick_key"},
				{&songspy.Session{}, ""},
				{&songspy.Link{}, "access_token_sealed refresh_token_sealed"},
				{&songspy.Seat{}, "email_sealed"},
				{&songspy.Track{}, "album_uri"},
				{&songspy.Artist{}, ""},
				{&songspy.Album{}, ""},
				{&songspy.Sharing{}, ""},
				{&songspy.HiddenItem{}, ""},
				{&songspy.Follow{}, ""},
				{&songspy.Block{}, ""},
				{&songspy.ShareLink{}, ""},
				{&songspy.EmbedToken{}, ""},
				{&songspy.Webhook{}, "url_sealed key_sealed"},
				{&songspy.Report{}, ""},
				{&songspy.AuditEvent{}, ""},
				{&songspy.AuthorizationAttempt{}, "verifier_sealed invite_sealed"},
				{&songspy.UserTrack{}, ""},
				{&songspy.Play{}, "uri_hash isrc_hash"},
				{&songspy.NowPlaying{}, ""},
				{&songspy.Change{}, ""},
				{&songspy.Gap{}, ""},
				{&songspy.Invite{}, ""},
			} {
				s := value[*schema.Schema](t)(schema.Parse(e.entity, &sync.Map{}, schema.NamingStrategy{}))
				columns := columnsOf(t, db, s.Table)
				want := append(slices.Clone(s.DBNames), strings.Fields(e.extraColumns)...)
				slices.Sort(columns)
				slices.Sort(want)
				same(t, s.Table, columns, want)
			}
		},
		"Ready_RefusesAReadOnlyDatabase": func(t *testing.T, b *fixture) {
			must(t, b.Ready(t.Context()))
			for how, c := range b.readOnly(t) {
				s := c.db.Open(t)
				requireError(t, s.Ready(t.Context()), songspy.CodeUnavailable, "")
				answer := httptest.NewRecorder()
				telemetry.Readyz(s.Ready, nil).ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/readyz", http.NoBody))
				same(t, how+": status of /readyz", answer.Code, http.StatusServiceUnavailable)
				same(t, how+": words of /readyz", answer.Body.String(), c.words+"\n")
			}
		},
		"CheckSchema_NamesTheCommandThatRepairsIt": func(t *testing.T, b *fixture) {
			must(t, b.CheckSchema(t.Context()))
			s := New(t, b.db.Engine).Open(t)
			err := s.CheckSchema(t.Context())
			RequireCode(t, err, songspy.CodeUnavailable)
			if !strings.Contains(err.Error(), "songspy-api migrate") {
				t.Fatalf("the error names no command: %v", err)
			}
			must(t, s.Migrate(t.Context()))
			must(t, s.CheckSchema(t.Context()))
		},
		"CheckSchema_WritesNothing": func(t *testing.T, b *fixture) {
			empty := &fixture{db: New(t, b.db.Engine)}
			RequireCode(t, empty.db.Open(t).CheckSchema(t.Context()), songspy.CodeUnavailable)
			if _, err := empty.sql(t).ExecContext(t.Context(), "SELECT * FROM goose_db_version"); err == nil {
				t.Fatal("checking the schema created a table")
			}
		},
		"Migrate_RejectsANewerSchema": func(t *testing.T, b *fixture) {
			_, err := b.sql(t).ExecContext(t.Context(), "INSERT INTO goose_db_version (version_id, is_applied) VALUES (9999, true)")
			must(t, err)
			for what, err := range map[string]error{
				"migrating": b.Migrate(t.Context()), "checking": b.CheckSchema(t.Context()), "waiting": b.WaitForSchema(t.Context()),
			} {
				RequireCode(t, err, songspy.CodeConflict)
				if !strings.Contains(err.Error(), "9999") {
					t.Errorf("%s does not name the version: %v", what, err)
				}
			}
		},
		"Migrate_AgainChangesNothing": func(t *testing.T, b *fixture) {
			u := b.newUser(t)
			must(t, b.Migrate(t.Context()))
			same(t, "the user", value[songspy.User](t)(b.User(t.Context(), u.ID)), u)
		},
		"Migrate_TheFirstTimeFromSeveralProcessesAtOnce": func(t *testing.T, b *fixture) {
			d := New(t, b.db.Engine)
			results := make(chan error)
			const processes = 4
			for range processes {
				s := d.Open(t)
				go func() { results <- s.Migrate(t.Context()) }()
			}
			for range processes {
				if err := <-results; err != nil {
					t.Error(err)
				}
			}
			must(t, d.Open(t).CheckSchema(t.Context()))
		},
		"WaitForSchema_ReturnsOnceAnotherProcessHasMigrated": func(t *testing.T, b *fixture) {
			d := New(t, b.db.Engine)
			queryLog := &statementLog{}
			waiter, firstQuery := d.Open(t, func(o *store.Options) { o.Observe = queryLog.observe }), make(chan struct{})
			queryLog.runAfter("goose_db_version", func() { close(firstQuery) })
			done := make(chan error, 1)
			go func() { done <- waiter.WaitForSchema(t.Context()) }()
			<-firstQuery
			must(t, d.Open(t).Migrate(t.Context()))
			must(t, <-done)
		},
		"WaitForSchema_EndsWithItsContextAndReturnsTheCause": func(t *testing.T, b *fixture) {
			queryLog := &statementLog{}
			s := New(t, b.db.Engine).Open(t, func(o *store.Options) { o.Observe = queryLog.observe })
			ctx, cancel := context.WithCancel(t.Context())
			queries := 0
			queryLog.after = func(string) {
				if queries++; queries == 2 {
					cancel()
				}
			}
			err := s.WaitForSchema(ctx)
			if err == nil || !strings.Contains(fmt.Sprint(err), "songspy-api migrate") {
				t.Fatalf("the error is %v", err)
			}
		},
	}
}

// columnsOf lists the columns of a table.
func columnsOf(t *testing.T, db *sql.DB, table string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), "SELECT * FROM "+table+" LIMIT 0")
	must(t, err)
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	must(t, err)
	must(t, rows.Err())
	return columns
}

// readOnlyDatabase is a database that accepts no writes. words is the message that /readyz
// must show about it.
type readOnlyDatabase struct {
	db    Database
	words string
}

// readOnly returns read-only databases that are made from the fixture's database, by what
// makes them read-only. On Postgres it is a setting of the session. On SQLite there are two
// copies of the file: one with a read-only mode (unless the test runs as root), and one
// with a write version that SQLite does not know.
func (b *fixture) readOnly(t *testing.T) map[string]readOnlyDatabase {
	t.Helper()
	if b.db.Engine != SQLite {
		u := value[*url.URL](t)(url.Parse(b.db.direct)) // without the pooler, which rejects the parameter
		q := u.Query()
		q.Set("options", "--default_transaction_read_only=on")
		u.RawQuery = q.Encode()
		d := Database{Engine: b.db.Engine, URL: u.String(), direct: u.String()}
		return map[string]readOnlyDatabase{"a setting of the session": {d, "The database is read-only. Point SONGSPY_DATABASE_URL at the primary server, or lift its read-only mode."}}
	}
	_, err := b.sql(t).ExecContext(t.Context(), "PRAGMA wal_checkpoint(TRUNCATE)")
	must(t, err)
	content := value[[]byte](t)(os.ReadFile(b.db.Path()))
	save := func(name string, mode fs.FileMode) readOnlyDatabase {
		path := filepath.Join(t.TempDir(), name)
		must(t, os.WriteFile(path, content, mode))
		return readOnlyDatabase{Database{Engine: SQLite, URL: "sqlite:" + path}, "The database file is read-only. Give this user the right to write it and its folder."}
	}
	all := map[string]readOnlyDatabase{}
	if os.Geteuid() != 0 { // root can write a file of any mode
		all["the mode of the file"] = save("mode.db", 0o400)
	}
	// The byte at offset 18 of an SQLite file is its write version. SQLite opens a file
	// whose write version it does not know read-only, even as root.
	const writeVersion = 18
	content[writeVersion] = 3
	all["the version of the file"] = save("version.db", 0o600)
	return all
}
