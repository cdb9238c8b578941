package storetest

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/reconcile"
	"github.com/songspy/songspy/songspy-domain/store"
)

// localFile returns a local file with the title.
func localFile(title string) songspy.Track {
	return songspy.Track{
		URI: "spotify:local:A+Band:An+Album:" + title + ":180", Kind: songspy.KindLocal, Title: title, Artists: "A Band", DurationMS: 180_000,
	}
}

// trackTitles returns the titles of all stored tracks, in the order of their ids.
func (b *fixture) trackTitles(t *testing.T) (titles []string) {
	t.Helper()
	rows := value[*sql.Rows](t)(b.sql(t).QueryContext(t.Context(), "SELECT title FROM tracks ORDER BY id"))
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var title string
		must(t, rows.Scan(&title))
		titles = append(titles, title)
	}
	must(t, rows.Err())
	return titles
}

// deleteFirstPlay deletes the user's oldest play.
func (b *fixture) deleteFirstPlay(t *testing.T, id songspy.UserID) {
	t.Helper()
	must(t, b.DeletePlay(t.Context(), id, storedPlays(t, b.sql(t), id)[0].ID, b.clock.Now()))
}

// erasure tests that deleted data is gone from the tables and the database files.
func erasure() suite {
	s := suite{
		"LocalFile_IsDeletedWithItsLastUser": func(t *testing.T, b *fixture) {
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			b.write(t, playingUpdate(one, localFile("Shared"), start), playingUpdate(two, localFile("Shared"), start))
			b.write(t, playingUpdate(one, localFile("Mine"), start.Add(time.Second)))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), one.UserID))
			same(t, "titles", b.trackTitles(t), []string{"Shared"})
			value[songspy.Erasure](t)(b.Unlink(t.Context(), two.UserID))
			same(t, "titles without any user", b.trackTitles(t), []string(nil))
		},
		"LocalFile_IsStoredAgainByAProcessThatKnewItBeforeTheErasure": func(t *testing.T, b *fixture) {
			erased, stays := b.newLinkedUser(t), b.newLinkedUser(t)
			former := b.write(t, playingUpdate(erased, localFile("Tape"), start))[0].TrackID
			other := b.openAnother(t)
			value[songspy.Erasure](t)(other.EraseUser(t.Context(), erased.UserID))
			update := playingUpdate(stays, localFile("Tape"), start)
			update.Plays = []songspy.Play{finishedPlay(localFile("Tape"), start.Add(-time.Hour))}
			b.write(t, update)
			board := value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{stays.UserID}))
			same(t, "on the board", len(board), 1)
			same(t, "its title", board[0].Track.Title, "Tape")
			same(t, "a new id", board[0].Track.ID != former, true)
			same(t, "plays", len(value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), stays.UserID, songspy.Play{}, 10))), 1)
		},
		"LocalFile_IsResolvedByItsURIWhateverIDAnUpdateHas": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, localFile("Tape"), start)
			right := b.write(t, update)[0].TrackID
			update = playingUpdate(l, localFile("Tape"), start.Add(time.Second))
			update.Tracks, update.Playing.TrackID = nil, 4711
			same(t, "the id", b.write(t, update)[0].TrackID, right)
			update = playingUpdate(l, localFile("Unknown"), start.Add(2*time.Second))
			update.Tracks, update.Playing.TrackID = nil, 4711
			written := value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}))
			RequireCode(t, written[0].Err, songspy.CodeInvalid)
		},
		"LocalFile_IsDeletedWithItsLastPlay": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays, update.Tracks = []songspy.Play{finishedPlay(localFile("Tape"), start.Add(-time.Hour))}, append(update.Tracks, localFile("Tape"))
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			same(t, "titles", b.trackTitles(t), []string{song(1).Title})
		},
		"LocalFile_StaysWhileItPlays": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, localFile("Tape"), start)
			update.Plays = []songspy.Play{finishedPlay(localFile("Tape"), start.Add(-time.Hour))}
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			same(t, "on the board", len(value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{l.UserID}))), 1)
			same(t, "among the user's tracks", storedTracks(t, b.sql(t), l.UserID), []songspy.UserTrack{
				{FirstPlayedAt: start.Add(-time.Minute), LastPlayedAt: start},
			})
		},
		"PruneLocalTracks_DeletesFilesWithoutUsers": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, localFile("Kept"), start))
			late := playingUpdate(l, localFile("Late"), start.Add(-time.Second))
			value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{late}))
			same(t, "titles", b.trackTitles(t), []string{"Kept", "Late"})
			same(t, "pruned", value[int64](t)(b.PruneLocalTracks(t.Context())), 1)
			same(t, "titles after it", b.trackTitles(t), []string{"Kept"})
			same(t, "pruned again", value[int64](t)(b.PruneLocalTracks(t.Context())), 0)
		},
		"PruneBreakers_DeletesTheCallsOfUnusedUserApps": func(t *testing.T, b *fixture) {
			own, now := songspy.UserApp("0123456789abcdef0123456789abcdef"), quota.BucketOf(start)
			for _, ago := range []time.Duration{0, 3 * 24 * time.Hour} {
				value[[]quota.Bucket](t)(b.CountCalls(t.Context(), own, quota.Batch{}, []quota.Bucket{{At: now.Add(-ago), Endpoint: quota.EndpointPlaying, Calls: 5}}, now))
			}
			value[int64](t)(b.PruneBreakers(t.Context(), now.Add(-24*time.Hour)))
			same(t, "what is left", value[[]quota.Bucket](t)(b.CountCalls(t.Context(), own, quota.Batch{}, nil, time.Time{})),
				[]quota.Bucket{{At: now, Endpoint: quota.EndpointPlaying, Calls: 5}})
		},
		"PruneBreakers_DeletesTheBatchNumbersOfUnusedUserApps": func(t *testing.T, b *fixture) {
			calls := []quota.Bucket{{At: quota.BucketOf(start), Endpoint: quota.EndpointPlaying, Calls: 5}}
			for _, account := range []string{songspy.UserApp("0123456789abcdef0123456789abcdef"), "app"} {
				value[[]quota.Bucket](t)(b.CountCalls(t.Context(), account, quota.Batch{Process: "a process", Number: 1}, calls, start))
			}
			value[int64](t)(b.PruneBreakers(t.Context(), start.Add(time.Hour)))
			same(t, "accounts with a batch", selectRow(t, b.sql(t), `SELECT COUNT(*) AS n, MAX(account) AS account FROM quota_batches`), map[string]any{"n": int64(1), "account": "app"})
		},
		"DeletePlay_DropsATrackWithoutPlaysAndItsDates": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Tracks = append(update.Tracks, song(2))
			update.Plays = []songspy.Play{
				finishedPlay(song(2), start.Add(-3*time.Hour)), finishedPlay(song(2), start.Add(-2*time.Hour)), finishedPlay(song(2), start.Add(-time.Hour)),
			}
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			want := songspy.UserTrack{FirstPlayedAt: start.Add(-2 * time.Hour), LastPlayedAt: start.Add(-time.Hour + 3*time.Minute), Plays: 2}
			same(t, "after the first", storedTracks(t, b.sql(t), l.UserID)[1], want)
			for _, p := range storedPlays(t, b.sql(t), l.UserID)[1:] {
				must(t, b.DeletePlay(t.Context(), l.UserID, p.ID, start))
			}
			same(t, "tracks after the last", len(storedTracks(t, b.sql(t), l.UserID)), 1)
		},
		"DeletePlay_KeepsOnlyTimesAndKeyedHashes": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			// If the table plays gets a new column, and a deleted play has a value in it, this
			// test fails. Add the column here only if a deleted play may keep that value.
			kept := map[string]bool{
				"id": true, "user_id": true, "started_at": true, "ended_at": true, "listened_ms": true, "inferred_ms": true,
				"source": true, "provisional": true, "deleted_at": true, "uri_hash": true, "isrc_hash": true,
			}
			for column, v := range selectRow(t, b.sql(t), "SELECT * FROM plays WHERE user_id = $1", int64(l.UserID)) {
				if !kept[column] && v != nil && fmt.Sprint(v) != "0" && fmt.Sprint(v) != "false" && fmt.Sprint(v) != "" {
					t.Errorf("a deleted play keeps %s: %v", column, v)
				}
				if hash, ok := v.([]byte); strings.HasSuffix(column, "_hash") && (!ok || len(hash) != 32) {
					t.Errorf("%s is %v", column, v)
				}
			}
		},
		"DeletePlay_TruncatesTimesToMilliseconds": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			item := historyItem(song(1), songspy.HistoryItemKey(start.Add(-time.Hour), song(1)))
			next := finishedPlay(song(2), item.PlayedAt.Add(3*time.Minute))
			both := []songspy.HistoryItem{item, historyItem(song(2), songspy.HistoryItemKey(next.EndedAt, song(2)))}
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, both, func(songspy.StoredPlays) (r songspy.Reconciliation) {
				r = addAll(both)(songspy.StoredPlays{})
				next.Source = songspy.SourceHistory
				r.Added[1].Play = next
				return r
			}))
			b.deleteFirstPlay(t, l.UserID)
			k := b.storedPlays(t, l, both...)
			cut := item.PlayedAt.Truncate(time.Millisecond)
			gone := k.Plays[0]
			same(t, "its times", []time.Time{gone.Play.StartedAt, gone.Play.EndedAt, gone.PlayedAt}, []time.Time{cut, cut.Add(3 * time.Minute), cut})
			same(t, "the next one begins", k.Plays[1].Play.StartedAt, gone.Play.EndedAt)
			again := reconcile.Reconcile(k, reconcile.History{Items: both}, start)
			same(t, "history reports it again", again.IsEmpty(), true)
		},
		"DeletePlay_HashesDifferBetweenUsers": func(t *testing.T, b *fixture) {
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			var updates []songspy.PlaybackUpdate
			for _, l := range []songspy.Link{one, two} {
				update := playingUpdate(l, song(1), start)
				update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-2*time.Hour)), finishedPlay(song(1), start.Add(-time.Hour))}
				updates = append(updates, update)
			}
			b.write(t, updates...)
			for _, l := range []songspy.Link{one, two} {
				for _, p := range storedPlays(t, b.sql(t), l.UserID) {
					must(t, b.DeletePlay(t.Context(), l.UserID, p.ID, start))
				}
			}
			var uris, isrcs int
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT count(DISTINCT uri_hash), count(DISTINCT isrc_hash) FROM plays").Scan(&uris, &isrcs))
			same(t, "hashes", []int{uris, isrcs}, []int{2, 2})
		},
		"ReconcileHistory_RecognizesDeletedPlays": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(2), start)
			update.Plays, update.Tracks = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}, append(update.Tracks, song(1))
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			relinked, stranger := song(3), song(4)
			relinked.ISRC = strings.ToLower(song(1).ISRC)
			stranger.ISRC = "QZ0000000002"
			rotated := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new"), Key("test")} })
			value[songspy.ResealResult](t)(rotated.ResealColumn(t.Context(), store.DeletionKeys, 0, 10))
			only := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new")} })
			for _, s := range []*store.Store{rotated, only} {
				for _, c := range []struct{ item, want songspy.Track }{{song(1), song(1)}, {relinked, relinked}} {
					k := storedPlaysOf(t, s, l, historyItem(c.item, start.Add(-time.Hour)))
					same(t, "the track of "+c.item.URI, k.Plays[0].Track, c.want)
				}
				k := storedPlaysOf(t, s, l, historyItem(stranger, start.Add(-time.Hour)))
				same(t, "the title of a track that no item names", k.Plays[0].Track.Title, "")
				same(t, "a refused user", k.Plays[0].Track.URI == stranger.URI, false)
			}
		},
		"ReconcileHistory_WorksWithoutTheDeletionKey": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-2*time.Hour)), finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			lost := b.openAnother(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new")} })
			k := storedPlaysOf(t, lost, l, historyItem(song(1), start.Add(-2*time.Hour)))
			same(t, "deleted at", k.Plays[0].Play.DeletedAt, start)
			same(t, "its title", k.Plays[0].Track.Title, "")
			must(t, lost.DeletePlay(t.Context(), l.UserID, k.Plays[1].Play.ID, start))
			same(t, "plays", len(value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))), 0)
		},
		"DeletedPlay_SurvivesUnlinkingAndIsErasedWithTheUser": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-2*time.Hour)), finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			b.deleteFirstPlay(t, l.UserID)
			same(t, "plays that unlinking erased", value[songspy.Erasure](t)(b.Unlink(t.Context(), l.UserID)).Plays, 1)
			stored := storedPlays(t, b.sql(t), l.UserID)
			same(t, "what is left", []any{len(stored), stored[0].StartedAt, stored[0].TrackID}, []any{1, start.Add(-2 * time.Hour), 0})
			again := b.link(t, l.UserID, "again")
			same(t, "recognized after linking again", b.storedPlays(t, again, historyItem(song(1), start.Add(-2*time.Hour))).Plays[0].Track.URI, song(1).URI)
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), l.UserID))
			same(t, "plays of the erased user", b.countRows(t, "plays", l.UserID), 0)
		},
		"EraseUser_WaitsForAWriteOfItsLocalFile": func(t *testing.T, b *fixture) {
			erased, takes := b.newLinkedUser(t), b.newLinkedUser(t)
			b.write(t, playingUpdate(erased, localFile("Tape"), start))
			other, done := b.openAnother(t, func(o *store.Options) { o.Observe = nil }), make(chan error, 1)
			b.statements.runAfter("t.uri IN (SELECT uri FROM v)", func() {
				go func() {
					_, err := other.EraseUser(context.WithoutCancel(t.Context()), erased.UserID)
					done <- err
				}()
				b.waitForBlockedTx(t, func() bool { return len(done) > 0 })
			})
			b.write(t, playingUpdate(takes, localFile("Tape"), start))
			must(t, <-done)
			same(t, "on the board", len(value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{takes.UserID}))), 1)
		},
		"WritePlaybackUpdates_WaitsForAnErasureOfItsLocalFile": func(t *testing.T, b *fixture) {
			erased, takes := b.newLinkedUser(t), b.newLinkedUser(t)
			b.write(t, playingUpdate(erased, localFile("Tape"), start))
			other, done := b.openAnother(t, func(o *store.Options) { o.Observe = nil }), make(chan error, 1)
			b.statements.runAfter("DELETE FROM tracks", func() {
				go func() {
					written, err := other.WritePlaybackUpdates(context.WithoutCancel(t.Context()), []songspy.PlaybackUpdate{playingUpdate(takes, localFile("Tape"), start)})
					if err == nil {
						err = written[0].Err
					}
					done <- err
				}()
				b.waitForBlockedTx(t, func() bool { return len(done) > 0 })
			})
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), erased.UserID))
			must(t, <-done)
			same(t, "on the board", len(value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{takes.UserID}))), 1)
		},
	}
	maps.Copy(s, version15Suite())
	maps.Copy(s, version19Suite())
	maps.Copy(s, version20Suite())
	maps.Copy(s, erasureSearchSuite())
	return s
}

// storedPlaysOf returns the stored plays that ReconcileHistory passes to its function for
// the items. It changes nothing.
func storedPlaysOf(t *testing.T, s *store.Store, l songspy.Link, items ...songspy.HistoryItem) (kept songspy.StoredPlays) {
	t.Helper()
	value[songspy.Reconciliation](t)(s.ReconcileHistory(t.Context(), l.UserID, l.Generation, items, func(k songspy.StoredPlays) songspy.Reconciliation {
		kept = k
		return songspy.Reconciliation{}
	}))
	return kept
}

// selectRow returns the values of the first row of a query, by column.
func selectRow(t *testing.T, db *sql.DB, query string, args ...any) map[string]any {
	t.Helper()
	rows := value[*sql.Rows](t)(db.QueryContext(t.Context(), query, args...))
	defer func() { _ = rows.Close() }()
	columns := value[[]string](t)(rows.Columns())
	if !rows.Next() {
		t.Fatal("no row")
	}
	values, dest := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		dest[i] = &values[i]
	}
	must(t, rows.Scan(dest...))
	must(t, rows.Err())
	row := map[string]any{}
	for i, column := range columns {
		row[column] = values[i]
	}
	return row
}
