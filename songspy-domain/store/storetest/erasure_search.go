package storetest

import (
	"bytes"
	"cmp"
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
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// secrets holds texts that tests search for in the database. The key of each says what the
// text is, such as "Google subject".
type secrets map[string][]byte

// plantedUser is a user with data in every table that has data of users.
type plantedUser struct {
	songspy.Link
	// untilErased are texts that the database may contain only until the user is
	// erased.
	untilErased secrets
	// deleted are texts that the database must not contain any more, because they
	// were deleted or replaced after they had been stored.
	deleted secrets
}

// plantUser creates a user with data in every table and column that may contain data of a
// user. Each text to search for contains the name, so that it differs from the texts of
// other users.
func (b *fixture) plantUser(t *testing.T, name string) plantedUser {
	t.Helper()
	ctx := t.Context()
	p := plantedUser{untilErased: secrets{}, deleted: secrets{}}
	addSecret := func(what string) string {
		text := strings.ReplaceAll(what, " ", "-") + "-of-" + name
		p.untilErased[what] = []byte(text)
		return text
	}
	email := songspy.Secret(addSecret("address") + "@mail.example")
	u, _, err := b.SignIn(ctx, songspy.GoogleProfile{
		Subject: addSecret("Google subject"), Name: addSecret("Google name"), PictureURL: "https://g.example/" + addSecret("picture"),
	}, songspy.AudienceEveryone)
	must(t, err)
	must(t, b.SaveAddress(ctx, u.ID, email))
	p.untilErased["public id"] = fmt.Append(nil, u.PublicID)
	if b.db.Engine == SQLite { // SQLite stores the integer in 6 or 8 bytes
		p.untilErased["public id"] = binary.BigEndian.AppendUint64(nil, uint64(u.PublicID))
		if u.PublicID < 1<<47 {
			p.untilErased["public id"] = p.untilErased["public id"][2:]
		}
	}
	for _, hidden := range []*time.Time{&songspy.HiddenForever, nil} {
		value[songspy.Sharing](t)(b.ChangeSharing(ctx, u.ID, func(s *songspy.Sharing) error {
			s.Findable, s.HiddenUntil = true, hidden
			return nil
		}))
	}
	for _, nick := range []string{"former-nickname-of-" + name, addSecret("nickname")} {
		value[songspy.User](t)(b.UpdateUser(ctx, u.ID, func(u *songspy.User) error { u.NickName = &nick; return nil }))
	}
	p.deleted["former nickname"] = []byte("former-nickname-of-" + name)
	app := songspy.UserApp(addSecret("client id"))
	p.Link = value[songspy.Link](t)(b.SaveLink(ctx, songspy.NewLink{
		UserID: u.ID, App: app, ConsentedAt: start, Grant: grant(addSecret("token")),
		Account: songspy.SpotifyAccount{AccountID: addSecret("account id"), ID: addSecret("Spotify id")},
	}))
	tripped := breaker.SharedBreakers{API: breaker.SharedBreaker{Cause: breaker.CauseRateLimited, OpenUntil: start.Add(time.Hour), Epoch: 1}}
	value[bool](t)(b.SwapBreakers(ctx, app, 0, tripped))
	value[[]quota.Bucket](t)(b.CountCalls(ctx, app, quota.Batch{Process: "process", Number: 1}, []quota.Bucket{{At: quota.BucketOf(start), Endpoint: quota.EndpointPlaying, Calls: 12}}, start))
	must(t, b.SaveRefusal(ctx, app, quota.Refusal{At: start, Endpoint: quota.EndpointPlaying, Quota: 12}))
	b.queueNotifications(t, songspy.Notification{App: app, Kind: songspy.NotificationAppBlocked, Occurrence: "api", Channel: songspy.ChannelWebhook})
	value[songspy.Seat](t)(b.AskSeat(ctx, u.ID, email, nil))
	value[songspy.Session](t)(b.CreateSession(ctx, newSession(u.ID, "session of "+name)))
	b.plantRelations(t, u.ID, addSecret)
	b.queueNotifications(t, relinkNotification(u.ID))

	began := func(what string, ago time.Duration) time.Time {
		at := start.Add(-ago + time.Duration(u.ID)*time.Millisecond)                                  // unique to this user
		p.untilErased[what] = []byte(strings.TrimRight(at.Format("2006-01-02 15:04:05.000000"), "0")) // as Postgres prints it
		if b.db.Engine == SQLite {
			p.untilErased[what] = binary.BigEndian.AppendUint64(nil, uint64(at.UnixMicro()))
		}
		return at
	}
	tape, lost := localFile(addSecret("tape")), localFile("lost-tape-of-"+name)
	p.deleted["deleted tape"] = []byte("lost-tape-of-" + name)
	update := playingUpdate(p.Link, tape, began("open play", time.Minute))
	update.Tracks = append(update.Tracks, lost, song(1))
	update.Plays = []songspy.Play{
		finishedPlay(lost, began("deleted play", 5*time.Hour)), finishedPlay(song(1), began("deleted song", 4*time.Hour)),
		finishedPlay(tape, began("play of a tape", 3*time.Hour)), finishedPlay(song(1), began("play", 2*time.Hour)),
	}
	doubted := began("doubt", 30*time.Second)
	update.Playing.DoubtedAt, update.Playing.DoubtedURI = &doubted, localFile(addSecret("doubted tape")).URI
	update.Gap = &songspy.Gap{BeganAt: began("gap", 10*time.Hour), EndedAt: &start, Reason: songspy.GapProviderDown}
	b.write(t, update)
	value[songspy.HiddenItem](t)(b.HideItem(ctx, u.ID, tape.URI))
	item := historyItem(song(2), began("history", 20*time.Hour))
	value[songspy.Reconciliation](t)(b.ReconcileHistory(ctx, u.ID, p.Generation, []songspy.HistoryItem{item}, addAll([]songspy.HistoryItem{item})))
	b.exec(t, `DELETE FROM history_habits WHERE user_id = $1`, int64(u.ID))
	b.exec(t, `INSERT INTO history_habits (user_id, listed, unlisted) VALUES ($1, 1, 1)`, int64(u.ID))
	for _, play := range value[[]songspy.PlayWithTrack](t)(b.Plays(ctx, u.ID, songspy.Play{}, 10)) {
		if play.Track.Title == lost.Title || play.Play.StartedAt.Equal(update.Plays[1].StartedAt) {
			must(t, b.DeletePlay(ctx, u.ID, play.Play.ID, start))
		}
	}
	for _, sealed := range []struct{ what, table, column string }{
		{"sealed token", "spotify_links", "access_token_sealed"},
		{"sealed address", "users", "email_sealed"},
		{"key of the deleted plays", "users", "deletion_key_sealed"},
		{"sealed address of a seat", "spotify_seats", "email_sealed"},
		{"hash of a session", "sessions", "refresh_hash"},
		{"hash of a share link", "share_links", "hash"},
		{"hash of an embed token", "embed_tokens", "hash"},
		{"sealed address of a webhook", "webhooks", "url_sealed"},
		{"sealed key of a webhook", "webhooks", "key_sealed"},
		{"sealed verifier", "authorization_attempts", "verifier_sealed"},
		{"hash of a browser", "authorization_attempts", "browser_hash"},
	} {
		column := "user_id"
		if sealed.table == "users" {
			column = "id"
		}
		v, _ := selectRow(t, b.sql(t), "SELECT "+sealed.column+" FROM "+sealed.table+" WHERE "+column+" = $1", int64(u.ID))[sealed.column].([]byte)
		if len(v) < 16 {
			t.Fatalf("nothing is planted in %s.%s", sealed.table, sealed.column)
		}
		p.untilErased[sealed.what] = v
	}
	return p
}

// plantRelations writes those rows of a planted user that plantUser does not write itself:
// follows, blocks, reports, audit events, a hidden artist, a share link, an embed token, a
// webhook and an authorization attempt. The function addSecret returns a text to store, and
// adds this text to the user's untilErased, with its argument as the key.
func (b *fixture) plantRelations(t *testing.T, id songspy.UserID, addSecret func(what string) string) {
	t.Helper()
	ctx := t.Context()
	friend, stranger := b.newUser(t).ID, b.newUser(t).ID
	for _, f := range [][2]songspy.UserID{{id, friend}, {friend, id}} {
		value[songspy.Follow](t)(b.RequestFollow(ctx, f[0], f[1]))
	}
	must(t, b.Block(ctx, id, stranger))
	must(t, b.Block(ctx, stranger, id))
	hash := func(what string) []byte { return []byte(fmt.Sprintf("hash of %s of user %d", what, id)) }
	value[songspy.ShareLink](t)(b.SaveShareLink(ctx, id, hash("the share link")))
	value[songspy.EmbedToken](t)(b.CreateEmbedToken(ctx, songspy.EmbedToken{
		UserID: id, Purpose: songspy.EmbedImage, Label: addSecret("embed"), Hash: hash("the embed token"),
	}))
	value[songspy.Webhook](t)(b.SaveWebhook(ctx, id, "https://hook.example/", "signing key"))
	value[songspy.Report](t)(b.CreateReport(ctx, songspy.Report{UserID: id, ReporterID: &friend, Reason: songspy.ReportName, Text: addSecret("report")}))
	value[songspy.Report](t)(b.CreateReport(ctx, songspy.Report{UserID: friend, ReporterID: &id, Reason: songspy.ReportName, Text: addSecret("own report")}))
	must(t, b.SetHiddenByOperator(ctx, id, true, addSecret("audit event")))
	must(t, b.SetHiddenByOperator(ctx, id, false, ""))
	value[songspy.HiddenItem](t)(b.HideItem(ctx, id, "spotify:artist:"+addSecret("hidden artist")))
	must(t, b.CreateAuthorizationAttempt(ctx, songspy.AuthorizationAttempt{
		StateHash: hash("the state"), BrowserHash: hash("the browser"), Provider: songspy.AuthorizationSpotify, UserID: id,
		Verifier: "verifier", ReturnPath: "/" + addSecret("return path"), ExpiresAt: start.Add(time.Minute),
	}))
}

// rawContents returns everything that the database contains. On SQLite it waits until the
// write-ahead log is empty, and returns the contents of all files of the database, by their
// names. On Postgres it returns a dump.
func (b *fixture) rawContents(t *testing.T) map[string][]byte {
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
		runtime.Gosched() // the store truncates the write-ahead log in the background
	}
	files := map[string][]byte{}
	for _, file := range value[[]string](t)(filepath.Glob(filepath.Join(filepath.Dir(path), "*"))) {
		files[filepath.Base(file)] = value[[]byte](t)(os.ReadFile(file))
	}
	return files
}

// dump returns a dump of the test's schema as text. It uses pg_dump, or COPY if no pg_dump
// is installed that can dump this server. In CI, it fails the test instead of using COPY.
func (b *fixture) dump(t *testing.T) []byte {
	t.Helper()
	u := value[*url.URL](t)(url.Parse(b.db.direct))
	q := u.Query()
	schema := cmp.Or(q.Get("search_path"), q.Get("user")) // a role that newRole creates has the schema's name
	q.Del("search_path")
	q.Set("options", "--timezone=UTC") // the test searches for times as texts in UTC, and the role may have another time zone
	u.RawQuery = q.Encode()
	command := strings.Fields(cmp.Or(os.Getenv(PgDump), "pg_dump"))
	cmd := exec.CommandContext(t.Context(), command[0], append(command[1:], "--schema="+schema, "--dbname="+u.String())...)
	var errs strings.Builder
	cmd.Stderr = &errs
	text, err := cmd.Output()
	if err == nil && bytes.Contains(text, []byte("COPY "+schema+".users ")) {
		return text
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s does not dump the test's schema, and CI must not use COPY instead: %v %s", strings.Join(command, " "), err, errs.String())
	}
	t.Logf("%s does not dump the test's schema, COPY is used: %v %s", strings.Join(command, " "), err, errs.String())
	conn := value[*pgx.Conn](t)(pgx.Connect(t.Context(), b.db.direct))
	defer func() { must(t, conn.Close(t.Context())) }()
	// Print times as pg_dump does, because the search compares texts. The role may
	// have another DateStyle or TimeZone.
	value[pgconn.CommandTag](t)(conn.Exec(t.Context(), "SET DateStyle = 'ISO'"))
	value[pgconn.CommandTag](t)(conn.Exec(t.Context(), "SET TimeZone = 'UTC'"))
	var copied bytes.Buffer
	for _, table := range b.tables(t) {
		_, err := conn.PgConn().CopyTo(t.Context(), &copied, "COPY "+table+" TO STDOUT")
		must(t, err)
	}
	return copied.Bytes()
}

// tables returns the names of the schema's tables, sorted.
func (b *fixture) tables(t *testing.T) (tables []string) {
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

// findSecrets returns which of the secrets occur in which of the given contents, each as
// the name of the secret and the name of the content: "nickname in songspy.db". It searches
// for the bytes themselves and for their hexadecimal form, in which dumps of Postgres show
// them.
func findSecrets(in map[string][]byte, what secrets) (found []string) {
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

// survivingTables are the tables whose rows stay when a user is erased. Each entry has the
// names of all columns of the table, and the reason why the rows do not identify the user:
// it says what the rows are about.
var survivingTables = map[string]struct{ columns, reason string }{
	"tracks": {
		"id public_id uri kind title artists album image_url url preview_url duration_ms isrc created_at album_uri",
		"Spotify's catalogue; a local file is deleted with the last user who has it",
	},
	"artists":        {"uri name url", "Spotify's catalogue; local files have none"},
	"albums":         {"uri name url image_url", "Spotify's catalogue; local files have none"},
	"track_artists":  {"track_id position artist_uri", "Spotify's catalogue; local files have none"},
	"changes":        {"number user_id kind at", "the id of the erased user, for an hour"},
	"feed":           {"id last", "a counter"},
	"breakers":       {"app version state updated_at", "apps; a user-supplied app is deleted with its user"},
	"quota_calls":    {"account bucket endpoint calls", "accounts and apps; a user-supplied app is deleted with its user"},
	"quota_batches":  {"account process number counted_at", "accounts and apps; a user-supplied app is deleted with its user"},
	"poll_counts":    {"bucket reason polls", "all users together"},
	"quota_refusals": {"account refused_at endpoint calls retry_after_ms quota", "accounts and apps; a user-supplied app is deleted with its user"},
	"invites":        {"id code_hash note uses uses_left created_at expires_at revoked_at", "the operator's; the users of an invite are not stored"},
	"heartbeats":     {"name at", "parts of the service"},
	"shards":         {"shard owner polled_until loaded", "replicas of the batch"},
	"leases":         {"name owner lease_until", "replicas of the API"},
	"replicas":       {"owner lease_until polled_until", "replicas of the batch"},
	"watches": {
		"viewer source own signed_in watched opened_at written_at until",
		"keyed hashes of viewers, for two minutes; the rows that name an erased user are deleted",
	},
	"goose_db_version": {"id version_id is_applied tstamp", "versions of the schema"},
}

// erasureSearchSuite searches the whole database for data of erased users.
func erasureSearchSuite() suite {
	return suite{
		// An unknown table fails this test. If the rows of a new table belong to users, give
		// the table a column user_id, delete its rows in EraseUser, and write a row to it in
		// plantUser. Otherwise list the table and its columns in survivingTables.
		"EraseUser_LeavesNoRowInAnyTable": func(t *testing.T, b *fixture) {
			p := b.plantUser(t, "somebody")
			owner := func(table string) string {
				if table == "users" {
					return "id"
				}
				return "user_id"
			}
			var theirs []string
			others := map[string]string{} // columns in which rows of other users have this user's id; the value is the table
			for _, table := range b.tables(t) {
				columns := columnsOf(t, b.sql(t), table)
				if rule, stays := survivingTables[table]; stays {
					want := strings.Fields(rule.columns)
					slices.Sort(columns)
					slices.Sort(want)
					same(t, "columns of "+table+", whose rows stay: check that no column identifies a user", columns, want)
					continue
				}
				if !slices.Contains(columns, owner(table)) {
					t.Errorf("what happens to %s when a user is erased? Give it a user_id, or list it in survivingTables", table)
					continue
				}
				for _, column := range columns {
					if slices.Contains([]string{"follower_id", "blocked_id", "reporter_id"}, column) {
						others[column] = table
						same(t, "whether "+column+" names the user", b.countWhere(t, table, column, p.UserID) > 0, true)
					}
				}
				if b.countRows(t, table, p.UserID) == 0 {
					t.Errorf("plantUser writes nothing to %s, so this test cannot see whether it stays", table)
				}
				theirs = append(theirs, table)
			}
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), p.UserID))
			for _, table := range theirs {
				same(t, "rows left in "+table, b.countRows(t, table, p.UserID), 0)
			}
			same(t, "columns that name other users", len(others), 3)
			for column, table := range others {
				same(t, "rows left by "+column, b.countWhere(t, table, column, p.UserID), 0)
			}
		},
		"EraseUser_LeavesNothingToBeFound": func(t *testing.T, b *fixture) {
			var before, after plantedUser
			const userCount = 40 // so many that the database splits pages, which leaves copies of rows
			for i := range userCount {
				switch p := b.plantUser(t, fmt.Sprintf("user-%02d", i)); i {
				case userCount / 2:
					before = p
				case userCount - 1:
					after = p
				}
			}
			delete(before.untilErased, "address") // the address and the token are stored only sealed, so the search cannot find them
			delete(before.untilErased, "token")
			var unseen []string
			at := b.rawContents(t)
			for what, secret := range before.untilErased {
				if len(findSecrets(at, secrets{what: secret})) == 0 {
					unseen = append(unseen, what)
				}
			}
			same(t, "planted but not found", unseen, []string(nil))
			same(t, "of the other users, in plain text", findSecrets(at, secrets{
				"address": after.untilErased["address"], "token": after.untilErased["token"],
			}), []string(nil))
			same(t, "found of the deleted and replaced texts", findSecrets(at, before.deleted), []string(nil))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), before.UserID))
			same(t, "of the erased user", findSecrets(b.rawContents(t), before.untilErased), []string(nil))
		},
		"Unlink_LeavesNothingOfSpotifyToBeFound": func(t *testing.T, b *fixture) {
			p := b.plantUser(t, "somebody")
			value[songspy.Erasure](t)(b.Unlink(t.Context(), p.UserID))
			spotify := secrets{}
			for _, what := range []string{"account id", "Spotify id", "client id", "tape", "doubted tape", "sealed token"} {
				spotify[what] = p.untilErased[what]
			}
			same(t, "of the link", findSecrets(b.rawContents(t), spotify), []string(nil))
		},
	}
}
