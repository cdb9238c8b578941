package storetest

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/gate"
	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/store"
)

// secrets is what must not be found, by what it is.
type secrets map[string][]byte

// planted is a user of whom every table knows something.
type planted struct {
	songspy.Link
	// lasting is what may be found until the user is erased.
	lasting secrets
	// deleted is what must not be found from now on: it was deleted or replaced.
	deleted secrets
}

// plant makes a user who leaves something in every table and every column.
func (b *bundle) plant(t *testing.T, name string) planted {
	t.Helper()
	ctx := t.Context()
	p := planted{lasting: secrets{}, deleted: secrets{}}
	lasting := func(what string) string {
		text := strings.ReplaceAll(what, " ", "-") + "-of-" + name
		p.lasting[what] = []byte(text)
		return text
	}
	email := songspy.Secret(lasting("address") + "@mail.example")
	u, _, err := b.SignIn(ctx, songspy.GoogleProfile{
		Subject: lasting("Google subject"), Name: lasting("Google name"), PictureURL: "https://g.example/" + lasting("picture"),
	}, songspy.AudienceEveryone)
	must(t, err)
	must(t, b.KeepAddress(ctx, u.ID, email))
	for _, nick := range []string{"former-nickname-of-" + name, lasting("nickname")} {
		value[songspy.User](t)(b.UpdateUser(ctx, u.ID, func(u *songspy.User) error { u.NickName = &nick; return nil }))
	}
	p.deleted["former nickname"] = []byte("former-nickname-of-" + name)
	app := songspy.OwnApp(lasting("client id"))
	p.Link = value[songspy.Link](t)(b.SaveLink(ctx, store.NewLink{
		UserID: u.ID, App: app, At: start, Grant: grant(lasting("token")),
		Account: songspy.Account{AccountID: lasting("account id"), ID: lasting("Spotify id")},
	}))
	shut := gate.Shared{API: gate.SharedDoor{Why: gate.WhyThrottled, ClosedUntil: start.Add(time.Hour), Epoch: 1}}
	value[bool](t)(b.SwapDoor(ctx, app, 0, shut))
	value[[]quota.Bucket](t)(b.CountCalls(ctx, app, quota.Batch{}, []quota.Bucket{{At: quota.BucketOf(start), Endpoint: quota.EndpointPlaying, Calls: 12}}, start))
	must(t, b.SaveRefusal(ctx, app, quota.Refusal{At: start, Endpoint: quota.EndpointPlaying, Quota: 12}))
	b.file(t, songspy.Notice{App: app, Kind: songspy.NoticeDoorClosed, Occurrence: "api", Channel: songspy.ChannelWebhook})
	value[songspy.Seat](t)(b.AskSeat(ctx, u.ID, email, nil))
	value[songspy.Session](t)(b.CreateSession(ctx, session(u.ID, "session of "+name)))
	b.file(t, relink(u.ID))

	began := func(what string, ago time.Duration) time.Time {
		at := start.Add(-ago + time.Duration(u.ID)*time.Millisecond)                              // nobody else's
		p.lasting[what] = []byte(strings.TrimRight(at.Format("2006-01-02 15:04:05.000000"), "0")) // as Postgres prints it
		if b.db.Engine == SQLite {
			p.lasting[what] = binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
		}
		return at
	}
	tape, lost := file(lasting("tape")), file("lost-tape-of-"+name)
	p.deleted["deleted tape"] = []byte("lost-tape-of-" + name)
	h := hears(p.Link, tape, began("open play", time.Minute))
	h.Tracks = append(h.Tracks, lost, song(1))
	h.Plays = []songspy.Play{
		played(lost, began("deleted play", 5*time.Hour)), played(song(1), began("deleted song", 4*time.Hour)),
		played(tape, began("play of a tape", 3*time.Hour)), played(song(1), began("play", 2*time.Hour)),
	}
	doubted := began("doubt", 30*time.Second)
	h.Playing.DoubtedAt, h.Playing.DoubtedURI = &doubted, file(lasting("doubted tape")).URI
	h.Gap = &songspy.Gap{BeganAt: began("gap", 10*time.Hour), EndedAt: &start, Reason: songspy.GapProviderDown}
	b.write(t, h)
	item := told(song(2), began("history", 20*time.Hour))
	value[songspy.Reconciled](t)(b.UpdateHistory(ctx, u.ID, p.Generation, []songspy.HistoryItem{item}, finds([]songspy.HistoryItem{item})))
	b.exec(t, `DELETE FROM history_habits WHERE user_id = $1`, int64(u.ID))
	b.exec(t, `INSERT INTO history_habits (user_id, listed, unlisted) VALUES ($1, 1, 1)`, int64(u.ID))
	for _, play := range value[[]songspy.PlayOf](t)(b.Plays(ctx, u.ID, songspy.Play{}, 10)) {
		if play.Track.Title == lost.Title || play.Play.StartedAt.Equal(h.Plays[1].StartedAt) {
			must(t, b.DeletePlay(ctx, u.ID, play.Play.ID, start))
		}
	}
	for _, sealed := range []struct{ what, table, column string }{
		{"sealed token", "spotify_links", "access_token_sealed"},
		{"sealed address", "users", "email_sealed"},
		{"key of the deleted plays", "users", "deletion_key_sealed"},
		{"sealed address of a seat", "spotify_seats", "email_sealed"},
		{"hash of a session", "sessions", "refresh_hash"},
	} {
		column := "user_id"
		if sealed.table == "users" {
			column = "id"
		}
		v, _ := rowOf(t, b.sql(t), "SELECT "+sealed.column+" FROM "+sealed.table+" WHERE "+column+" = $1", int64(u.ID))[sealed.column].([]byte)
		if len(v) < 16 {
			t.Fatalf("nothing is planted in %s.%s", sealed.table, sealed.column)
		}
		p.lasting[sealed.what] = v
	}
	return p
}

// everywhere is all that the database holds: every file of SQLite, once the
// write-ahead log is empty, and a dump of Postgres.
func (b *bundle) everywhere(t *testing.T) map[string][]byte {
	t.Helper()
	if b.db.Engine != SQLite {
		return map[string][]byte{"the dump": b.dump(t)}
	}
	path := strings.TrimPrefix(b.db.URL, "sqlite:")
	for {
		info, err := os.Stat(path + "-wal")
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.Size() == 0 {
			break
		}
		must(t, errors.Join(err, t.Context().Err()))
		runtime.Gosched() // it is emptied soon, and nobody waits for it
	}
	files := map[string][]byte{}
	for _, file := range value[[]string](t)(filepath.Glob(filepath.Join(filepath.Dir(path), "*"))) {
		files[filepath.Base(file)] = value[[]byte](t)(os.ReadFile(file))
	}
	return files
}

// dump is the text of a dump of the test's schema, by pg_dump where that is
// installed and fits the server, else by COPY.
func (b *bundle) dump(t *testing.T) []byte {
	t.Helper()
	u := value[*url.URL](t)(url.Parse(b.db.direct))
	q := u.Query()
	schema := q.Get("search_path")
	q.Del("search_path")
	u.RawQuery = q.Encode()
	if path, err := exec.LookPath("pg_dump"); err == nil {
		text, err := exec.CommandContext(t.Context(), path, "--schema="+schema, "--dbname="+u.String()).Output()
		if err == nil && bytes.Contains(text, []byte("COPY "+schema+".users ")) {
			return text
		}
		t.Logf("pg_dump does not fit this server, COPY is used: %v", err)
	}
	conn := value[*pgx.Conn](t)(pgx.Connect(t.Context(), b.db.direct))
	defer func() { must(t, conn.Close(t.Context())) }()
	// The planted times are written as pg_dump prints them; the role may prefer another style.
	value[pgconn.CommandTag](t)(conn.Exec(t.Context(), "SET DateStyle = 'ISO'"))
	value[pgconn.CommandTag](t)(conn.Exec(t.Context(), "SET TimeZone = 'UTC'"))
	var text bytes.Buffer
	for _, table := range b.tables(t) {
		_, err := conn.PgConn().CopyTo(t.Context(), &text, "COPY "+table+" TO STDOUT")
		must(t, err)
	}
	return text.Bytes()
}

// tables are the tables of the schema, by name.
func (b *bundle) tables(t *testing.T) (tables []string) {
	t.Helper()
	query := `SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1`
	if b.db.Engine == SQLite {
		query = `SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite~_%' ESCAPE '~' ORDER BY 1`
	}
	rows, err := b.sql(t).QueryContext(t.Context(), query)
	must(t, err)
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var table string
		must(t, rows.Scan(&table))
		tables = append(tables, table)
	}
	must(t, rows.Err())
	return tables
}

// found lists which of the secrets are anywhere.
func found(in map[string][]byte, what secrets) (found []string) {
	for name, secret := range what {
		for where, text := range in {
			if bytes.Contains(text, secret) || bytes.Contains(text, []byte(hex.EncodeToString(secret))) {
				found = append(found, fmt.Sprintf("%s in %s", name, where))
			}
		}
	}
	slices.Sort(found)
	return found
}

// outlives are the tables whose rows stay when a user is erased, each with all
// its columns, and why nothing in them names the user.
var outlives = map[string]struct{ columns, why string }{
	"tracks": {
		"id uri kind title artists album image_url url preview_url duration_ms isrc created_at",
		"the catalogue of Spotify; a local file goes with the last user who has it",
	},
	"changes":          {"number user_id kind at", "the number of a user who is gone, for an hour"},
	"feed":             {"id last", "a counter"},
	"doors":            {"app version state updated_at", "apps; one that a user brought goes with them"},
	"quota_calls":      {"account bucket endpoint calls", "accounts and apps; an app that a user brought goes with them"},
	"quota_batches":    {"account process number counted_at", "accounts and apps; an app that a user brought goes with them"},
	"quota_refusals":   {"account refused_at endpoint calls retry_after_ms quota", "accounts and apps; an app that a user brought goes with them"},
	"invites":          {"id code_hash note uses uses_left created_at expires_at revoked_at", "the operator's; who used one is not noted"},
	"heartbeats":       {"name at", "parts of the service"},
	"shards":           {"shard owner lease_until done_until", "replicas of the batch"},
	"replicas":         {"owner seen_until", "replicas of the batch"},
	"goose_db_version": {"id version_id is_applied tstamp", "versions of the schema"},
}

// erasureSearch holds that nothing of the erased is found, wherever it was.
func erasureSearch() suite {
	return suite{
		// A table that this test does not know fails it. If its rows are a user's, the
		// table has a column user_id, EraseUser deletes from it, and plant writes to it.
		// Else the table and its columns are listed in outlives.
		"EraseUser_LeavesNoRowInAnyTable": func(t *testing.T, b *bundle) {
			p := b.plant(t, "somebody")
			owner := func(table string) string {
				if table == "users" {
					return "id"
				}
				return "user_id"
			}
			var theirs []string
			for _, table := range b.tables(t) {
				columns := columnsOf(t, b.sql(t), table)
				if rule, stays := outlives[table]; stays {
					want := strings.Fields(rule.columns)
					slices.Sort(columns)
					slices.Sort(want)
					same(t, "columns of "+table+", which outlives users: does every one name nobody?", columns, want)
					continue
				}
				if !slices.Contains(columns, owner(table)) {
					t.Errorf("what becomes of %s when a user is erased? Give it a user_id, or list it in outlives", table)
					continue
				}
				if b.count(t, table, p.UserID) == 0 {
					t.Errorf("nothing of the user is planted in %s: this test would not see it stay", table)
				}
				theirs = append(theirs, table)
			}
			value[store.Erased](t)(b.EraseUser(t.Context(), p.UserID))
			for _, table := range theirs {
				same(t, "rows left in "+table, b.count(t, table, p.UserID), 0)
			}
		},
		"EraseUser_LeavesNothingToBeFound": func(t *testing.T, b *bundle) {
			var before, after planted
			const crowd = 40 // enough for pages to be split
			for i := range crowd {
				switch p := b.plant(t, fmt.Sprintf("user-%02d", i)); i {
				case crowd / 2:
					before = p
				case crowd - 1:
					after = p
				}
			}
			delete(before.lasting, "address") // sealed, so never in the clear
			delete(before.lasting, "token")
			var unseen []string
			at := b.everywhere(t)
			for what, secret := range before.lasting {
				if len(found(at, secrets{what: secret})) == 0 {
					unseen = append(unseen, what)
				}
			}
			same(t, "planted, but found nowhere", unseen, []string(nil))
			same(t, "of the living, in the clear", found(at, secrets{
				"address": after.lasting["address"], "token": after.lasting["token"],
			}), []string(nil))
			same(t, "of what was deleted or replaced", found(at, before.deleted), []string(nil))
			value[store.Erased](t)(b.EraseUser(t.Context(), before.UserID))
			same(t, "of the erased", found(b.everywhere(t), before.lasting), []string(nil))
		},
		"Unlink_LeavesNothingOfSpotifyToBeFound": func(t *testing.T, b *bundle) {
			p := b.plant(t, "somebody")
			value[store.Erased](t)(b.Unlink(t.Context(), p.UserID))
			spotify := secrets{}
			for _, what := range []string{"account id", "Spotify id", "client id", "tape", "doubted tape", "sealed token"} {
				spotify[what] = p.lasting[what]
			}
			same(t, "of the link", found(b.everywhere(t), spotify), []string(nil))
		},
	}
}
