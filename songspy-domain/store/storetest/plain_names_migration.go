package storetest

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
)

// olderNames maps present names to the names in an older version of the schema: of tables,
// of columns, and of stored values. The key of a column is its present table and name, such
// as "gaps.reason".
type olderNames struct {
	tables, columns map[string]string
	values          map[string]*strings.Replacer
}

// namesBefore19 are the names and values that versions before 19 used.
var namesBefore19 = olderNames{
	tables: map[string]string{"breakers": "doors", "history_items": "play_ledger", "notifications": "notices"},
	columns: map[string]string{
		"history_items.played_at": "heard_at", "user_tracks.first_played_at": "first_heard_at", "user_tracks.last_played_at": "last_heard_at",
		"now_playing.idle_since": "nothing_since", "now_playing.other_seen_at": "elsewhere_at",
		"shards.polled_until": "done_until", "replicas.lease_until": "seen_until",
	},
	// The key of values is a column. Each replacer replaces the present values in that
	// column with the older ones.
	values: map[string]*strings.Replacer{
		"changes.kind":       strings.NewReplacer("user", "person"),
		"gaps.reason":        strings.NewReplacer("app_blocked", "door_closed"),
		"notifications.kind": strings.NewReplacer("app_blocked", "door_closed", "needs_user", "needs_person", "outage_ended", "outage_over"),
		"heartbeats.name":    strings.NewReplacer("poller", "sweep", "notifications", "notices"),
		"breakers.state": strings.NewReplacer(`"cause"`, `"why"`, `"rate_limited"`, `"throttled"`, `"openedAt"`, `"closedAt"`,
			`"openUntil"`, `"closedUntil"`, `"learned"`, `"learnt"`),
	},
}

// allRows returns the columns of a table and all its rows, sorted by the first three
// columns. The parameter table may also be a subquery with an alias.
func (b *fixture) allRows(t *testing.T, table string) (columns []string, all [][]any) {
	t.Helper()
	columns = columnsOf(t, b.sql(t), table)
	rows := value[*sql.Rows](t)(b.sql(t).QueryContext(t.Context(), "SELECT * FROM "+table+" ORDER BY "+strings.Join(columns[:min(3, len(columns))], ", ")))
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		row, dest := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			dest[i] = &row[i]
		}
		must(t, rows.Scan(dest...))
		all = append(all, row)
	}
	must(t, rows.Err())
	return columns, all
}

// usersBefore20 is a subquery that selects the users as versions before 20 stored them:
// with the sharing settings that are in force now in columns of the table users.
const usersBefore20 = `(SELECT u.*, p.now_audience AS audience, p.hidden_until AS sharing_paused_until FROM users u JOIN sharing_periods p ON p.user_id = u.id
	WHERE p.began_at = (SELECT MAX(l.began_at) FROM sharing_periods l WHERE l.user_id = u.id)) AS users`

// shardsBefore26 is a subquery that selects the leased shards as versions before 26 stored them: each
// with the end of its own lease.
const shardsBefore26 = `(SELECT s.*, r.lease_until FROM shards s JOIN replicas r ON r.owner = s.owner) AS shards`

// copyAsOlder copies the rows of one database (parameter from) to another (parameter to),
// which has an older version of the schema. The parameter names has the names and values of
// that version. Tables and columns that the older version lacks are left out. copyAsOlder
// returns the copied tables, users first, and the copied columns of each table, both by
// their present names.
func copyAsOlder(t *testing.T, from, to *fixture, names olderNames) (copied []string, columnsOfTable map[string][]string) {
	t.Helper()
	from.exec(t, `DELETE FROM changes WHERE kind IN ('relation', 'session')`) // the older version does not have these kinds
	columnsOfTable = map[string][]string{}
	present := slices.DeleteFunc(from.tables(t), func(table string) bool { return table == "goose_db_version" || table == "users" })
	for _, table := range slices.Insert(present, 0, "users") { // users first: the other tables refer to it
		oldTable, source := cmp.Or(names.tables[table], table), table
		if !slices.Contains(to.tables(t), oldTable) {
			continue
		}
		switch table {
		case "users":
			source = usersBefore20
		case "shards":
			source = shardsBefore26
		}
		columns, rows := from.allRows(t, source)
		existing := columnsOf(t, to.sql(t), oldTable)
		var kept, oldColumns, places []string
		var positions []int
		for i, column := range columns {
			old := cmp.Or(names.columns[table+"."+column], column)
			if slices.Contains(existing, old) {
				kept, oldColumns, positions = append(kept, column), append(oldColumns, old), append(positions, i)
				places = append(places, fmt.Sprintf("$%d", len(kept)))
			}
		}
		copied, columnsOfTable[table] = append(copied, table), kept
		to.exec(t, "DELETE FROM "+oldTable) // deletes the rows that the migrations insert
		for _, row := range rows {
			values := make([]any, len(kept))
			for i, position := range positions {
				values[i] = row[position]
				old, changed := names.values[table+"."+kept[i]]
				if text, isText := values[i].(string); isText && changed {
					values[i] = old.Replace(text)
				} else if text, isBytes := values[i].([]byte); isBytes && changed {
					values[i] = old.Replace(string(text))
				} else if isBytes {
					values[i] = append([]byte{}, text...) // SQLite's driver reads an empty value as nil and writes nil as NULL
				}
			}
			to.exec(t, "INSERT INTO "+oldTable+" ("+strings.Join(oldColumns, ", ")+") VALUES ("+strings.Join(places, ", ")+")", values...)
		}
	}
	return copied, columnsOfTable
}

// requireKept fails the test unless the migrated database has the same tables as the
// original, and in every copied table the same rows. It compares those of the copied columns
// that the original still has. tables and columnsOfTable are the results of copyAsOlder.
func requireKept(t *testing.T, migrated, original *fixture, tables []string, columnsOfTable map[string][]string) {
	t.Helper()
	same(t, "tables", migrated.tables(t), original.tables(t))
	for _, table := range tables {
		present := columnsOf(t, original.sql(t), table)
		kept := slices.DeleteFunc(columnsOfTable[table], func(column string) bool { return !slices.Contains(present, column) })
		source := "(SELECT " + strings.Join(kept, ", ") + " FROM " + table + ") AS " + table
		rows := original.rowsAsJSON(t, source)
		if len(rows) == 0 {
			t.Errorf("the table %s has no row: this test does not see whether it keeps its rows", table)
		}
		same(t, "rows of "+table, migrated.rowsAsJSON(t, source), rows)
	}
}

// fillForMigration writes rows to every table that version 18 of the schema had, so that a
// test sees whether a migration keeps them. It returns the user that plantUser has created,
// and a notification that was sent.
func fillForMigration(t *testing.T, b *fixture) (p plantedUser, sent songspy.Notification) {
	t.Helper()
	ctx := t.Context()
	p = b.plantUser(t, "somebody")
	value[bool](t)(b.SwapBreakers(ctx, "app", 0, open20h))
	sent = relinkNotification(b.newUser(t).ID)
	b.queueNotifications(t, sent, songspy.Notification{App: "app", Kind: songspy.NotificationNeedsUser, Channel: songspy.ChannelWebhook})
	for range 2 { // two e-mails are due: for the notification above, and for the one that plantUser has queued
		m, _ := claimNotification(t, b.Store, mailChannels)
		must(t, b.CompleteNotifications(ctx, notificationIDs(m), true))
	}
	must(t, b.RecordHeartbeat(ctx, "poller"))
	claim := songspy.ShardClaim{Owner: "replica", TTL: 10_000 * time.Hour}
	claim.Loaded, claim.PolledUntil = value[songspy.ShardLease](t)(b.LeaseShards(ctx, claim)).Held, start.Add(-time.Second)
	value[songspy.ShardLease](t)(b.LeaseShards(ctx, claim))
	claim.Loaded = claim.Loaded[1:] // stores the time of the first shard in the table shards
	value[songspy.ShardLease](t)(b.LeaseShards(ctx, claim))
	value[songspy.Invite](t)(b.CreateInvite(ctx, songspy.Invite{CodeHash: []byte("hash"), Uses: 2, ExpiresAt: start.Add(time.Hour)}))
	b.exec(t, `INSERT INTO gaps (user_id, began_at, reason) VALUES ($1, $2, 'app_blocked')`, int64(p.UserID), start.Add(-time.Hour))
	return p, sent
}

// open20h is the shared state of a Spotify app's circuit breakers: the breaker of the
// API is open for 20 hours.
var open20h = breaker.SharedBreakers{
	Accounts: breaker.SharedBreaker{Epoch: 3},
	API: breaker.SharedBreaker{
		Cause: breaker.CauseRateLimited, OpenedAt: start.Add(-time.Hour), OpenUntil: start.Add(20 * time.Hour), BackoffStep: 2,
		ProbeUntil: start.Add(time.Microsecond), Epoch: 7, Learned: 12.5,
	},
}

// rowsAsJSON returns the rows of a table, each as its values by column, in a form in which
// the rows of two databases can be compared. The JSON in the column state of breakers is
// parsed, so that the order of its keys does not matter.
func (b *fixture) rowsAsJSON(t *testing.T, table string) (all []map[string]any) {
	t.Helper()
	columns, rows := b.allRows(t, table)
	for _, row := range rows {
		named := map[string]any{}
		for i, column := range columns {
			named[column] = row[i]
			if column == "state" && strings.HasSuffix(table, "breakers") {
				var state any
				must(t, json.Unmarshal(fmt.Appendf(nil, "%s", row[i]), &state))
				named[column] = state
			}
		}
		all = append(all, named)
	}
	return all
}

// version19Suite tests that the migration to version 19, which renames tables,
// columns and values, keeps every row.
func version19Suite() suite {
	return suite{
		"Migrate_19_KeepsEveryRow": func(t *testing.T, b *fixture) {
			ctx := t.Context()
			p, sent := fillForMigration(t, b)
			old := openAtVersion(t, b.db.Engine, 18)
			tables, columns := copyAsOlder(t, b, old, namesBefore19)
			old.clock.advance(b.clock.Now().Sub(start))
			old.Store = old.openAnother(t)
			must(t, old.Migrate(ctx))

			requireKept(t, old, b, tables, columns)
			same(t, "the breaker that is open for 20 hours", value[breaker.Stored](t)(old.Breakers(ctx, "app")), breaker.Stored{Version: 1, Shared: open20h})
			link := value[songspy.Link](t)(old.Link(ctx, p.UserID))
			same(t, "the access token", link.AccessToken.Reveal(), p.AccessToken.Reveal())
			old.clock.advance(24 * time.Hour)
			old.queueNotifications(t, sent)
			_, userIDs := claimNotification(t, old.Store, mailChannels)
			same(t, "users that are notified again", userIDs, "")
			number := old.lastChange(t)
			value[songspy.User](t)(old.UpdateUser(ctx, p.UserID, func(u *songspy.User) error { u.ShowPicture = !u.ShowPicture; return nil }))
			same(t, "the next change", old.changesAfter(t, number), []string{fmt.Sprintf("user %d", p.UserID)})
			if b.db.Engine == SQLite {
				var broken int
				must(t, old.sql(t).QueryRowContext(ctx, "SELECT count(*) FROM pragma_foreign_key_check").Scan(&broken))
				same(t, "broken references", broken, 0)
			}
			must(t, old.CheckSchema(ctx))
		},
		"Migrate_19_TranslatesStoredValues": func(t *testing.T, b *fixture) {
			ctx := t.Context()
			b = openAtVersion(t, b.db.Engine, 18)
			insertOldUsers(t, b)
			b.exec(t, `UPDATE feed SET last = 3`)
			for i, kind := range []string{"person", "link", "playing"} {
				b.exec(t, `INSERT INTO changes (number, user_id, kind, at) VALUES ($1, 1, $2, $3)`, i+1, kind, start)
			}
			for i, reason := range []string{"link_broken", "door_closed", "provider_down", "batch_down", "unseen"} {
				b.exec(t, `INSERT INTO gaps (user_id, began_at, ended_at, reason) VALUES (1, $1, $2, $3)`,
					start.Add(-time.Duration(i+2)*time.Hour), start.Add(-time.Duration(i+1)*time.Hour), reason)
			}
			for _, part := range []string{"sweep", "notices", "another"} {
				b.exec(t, `INSERT INTO heartbeats (name, at) VALUES ($1, $2)`, part, start.Add(-time.Minute))
			}
			for i, kind := range []string{"door_closed", "needs_person", "outage_over", "relink", "seat_asked"} {
				b.exec(t, `INSERT INTO notices (user_id, app, kind, occurrence, channel, message, tries, outcome, created_at, seen_at, due_at, lease_until)
					VALUES (0, 'app', $1, 'api', 'webhook', '', 0, '', $2, $2, $3, $2)`, kind, start.Add(-time.Hour), start.Add(time.Duration(i-10)*time.Minute))
			}
			b.exec(t, `INSERT INTO doors (app, version, state, updated_at) VALUES ('app', 4, $1, $2), ('quota', 1, $3, $2), ('empty', 1, '{}', $2)`,
				`{"accounts":{"epoch":3},"api":{"why":"throttled","closedAt":"2026-03-01T11:00:00Z","closedUntil":"2026-03-02T08:00:00Z","step":2,
				"probeUntil":"2026-03-01T12:00:00.000001Z","epoch":7,"learnt":12.5}}`,
				start, `{"accounts":{"why":"quota_exceeded","closedUntil":"2026-03-02T08:00:00Z","epoch":1},"api":{}}`)
			b.exec(t, `UPDATE shards SET done_until = $1 WHERE shard = 5`, start.Add(-time.Minute))
			b.exec(t, `INSERT INTO play_ledger (user_id, heard_at, play_id) VALUES (1, $1, 0)`, start.Add(-5*time.Minute))
			b.Store = b.openAnother(t)
			must(t, b.Migrate(ctx))

			same(t, "changes", b.changesAfter(t, 0), []string{"user 1", "link 1", "playing 1"})
			var reasons []songspy.GapReason
			for _, g := range value[[]songspy.Gap](t)(b.Gaps(ctx, 1, songspy.Gap{}, 10)) {
				reasons = append(reasons, g.Reason)
			}
			same(t, "reasons of gaps", reasons, []songspy.GapReason{
				songspy.GapLinkBroken, songspy.GapAppBlocked, songspy.GapProviderDown, songspy.GapBatchDown, songspy.GapUnseen,
			})
			for _, part := range []string{"poller", "notifications", "another"} {
				same(t, "heartbeat of "+part, value[time.Time](t)(b.LastHeartbeat(ctx, part)).UTC(), start.Add(-time.Minute))
			}
			for app, want := range map[string]breaker.Stored{
				"app": {Version: 4, Shared: open20h}, "empty": {Version: 1},
				"quota": {Version: 1, Shared: breaker.SharedBreakers{Accounts: breaker.SharedBreaker{Cause: breaker.CauseQuota, OpenUntil: start.Add(20 * time.Hour), Epoch: 1}}},
			} {
				same(t, "breakers of "+app, value[breaker.Stored](t)(b.Breakers(ctx, app)), want)
			}
			for _, kind := range []songspy.NotificationKind{
				songspy.NotificationAppBlocked, songspy.NotificationNeedsUser, songspy.NotificationOutageEnded, songspy.NotificationRelink, songspy.NotificationSeatRequested,
			} {
				m, _ := claimNotification(t, b.Store, webhookChannels)
				same(t, "the next notification", m.Kind, kind)
			}
			same(t, "the shard's time", value[songspy.ShardLease](t)(b.LeaseShards(ctx, songspy.ShardClaim{Owner: "one", TTL: time.Hour})).Acquired[5].UTC(), start.Add(-time.Minute))
			stored := storedPlaysOf(t, b.Store, songspy.Link{UserID: 1, Generation: 1}, historyItem(song(1), start.Add(-5*time.Minute)))
			same(t, "history items", stored.ProcessedAt, []time.Time{start.Add(-5 * time.Minute)})
			if _, err := b.sql(t).ExecContext(ctx, `INSERT INTO gaps (user_id, began_at, reason) VALUES (2, $1, 'door_closed')`, start); err == nil {
				t.Error("the table of gaps accepts a reason of the older release")
			}
			if _, err := b.sql(t).ExecContext(ctx, `INSERT INTO changes (number, user_id, kind, at) VALUES (4, 2, 'person', $1)`, start); err == nil {
				t.Error("the table of changes accepts a kind of the older release")
			}
		},
	}
}
