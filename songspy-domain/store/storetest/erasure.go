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
	"github.com/songspy/songspy/songspy-domain/listening"
	"github.com/songspy/songspy/songspy-domain/quota"
	"github.com/songspy/songspy/songspy-domain/store"
)

// file is a local file of that title.
func file(title string) songspy.Track {
	return songspy.Track{
		URI: "spotify:local:A+Band:An+Album:" + title + ":180", Kind: songspy.KindLocal, Title: title, Artists: "A Band", DurationMS: 180_000,
	}
}

// titles are the titles of all tracks that are kept, by id.
func (b *bundle) titles(t *testing.T) (titles []string) {
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

// deleteFirst deletes the user's oldest play.
func (b *bundle) deleteFirst(t *testing.T, id songspy.UserID) {
	t.Helper()
	must(t, b.DeletePlay(t.Context(), id, storedPlays(t, b.sql(t), id)[0].ID, b.clock.Now()))
}

// erasure holds that what is taken away is away.
func erasure() suite {
	s := suite{
		"LocalFile_GoesWithTheLastUserWhoHasIt": func(t *testing.T, b *bundle) {
			one, two := b.listener(t), b.listener(t)
			b.write(t, hears(one, file("Shared"), start), hears(two, file("Shared"), start))
			b.write(t, hears(one, file("Mine"), start.Add(time.Second)))
			value[store.Erased](t)(b.EraseUser(t.Context(), one.UserID))
			same(t, "titles", b.titles(t), []string{"Shared"})
			value[store.Erased](t)(b.Unlink(t.Context(), two.UserID))
			same(t, "titles, when nobody is left", b.titles(t), []string(nil))
		},
		"LocalFile_IsPlayedAgainInAProcessThatKnewItBeforeTheErasure": func(t *testing.T, b *bundle) {
			erased, stays := b.listener(t), b.listener(t)
			former := b.write(t, hears(erased, file("Tape"), start))[0].TrackID
			other := b.another(t)
			value[store.Erased](t)(other.EraseUser(t.Context(), erased.UserID))
			h := hears(stays, file("Tape"), start)
			h.Plays = []songspy.Play{played(file("Tape"), start.Add(-time.Hour))}
			b.write(t, h)
			board := value[[]songspy.OnBoard](t)(b.OnBoard(t.Context(), []songspy.UserID{stays.UserID}))
			same(t, "on the board", len(board), 1)
			same(t, "its title", board[0].Track.Title, "Tape")
			same(t, "a new id", board[0].Track.ID != former, true)
			same(t, "plays", len(value[[]songspy.PlayOf](t)(b.Plays(t.Context(), stays.UserID, songspy.Play{}, 10))), 1)
		},
		"LocalFile_IsResolvedByItsURIWhateverIdAHearingBrings": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, file("Tape"), start)
			right := b.write(t, h)[0].TrackID
			h = hears(l, file("Tape"), start.Add(time.Second))
			h.Tracks, h.Playing.TrackID = nil, 4711
			same(t, "the id", b.write(t, h)[0].TrackID, right)
			h = hears(l, file("Unknown"), start.Add(2*time.Second))
			h.Tracks, h.Playing.TrackID = nil, 4711
			written := value[[]songspy.Written](t)(b.WriteListening(t.Context(), []songspy.Hearing{h}))
			Code(t, written[0].Err, songspy.CodeInvalid)
		},
		"LocalFile_GoesWithItsLastPlay": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(1), start)
			h.Plays, h.Tracks = []songspy.Play{played(file("Tape"), start.Add(-time.Hour))}, append(h.Tracks, file("Tape"))
			b.write(t, h)
			b.deleteFirst(t, l.UserID)
			same(t, "titles", b.titles(t), []string{song(1).Title})
		},
		"LocalFile_StaysWhileItPlays": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, file("Tape"), start)
			h.Plays = []songspy.Play{played(file("Tape"), start.Add(-time.Hour))}
			b.write(t, h)
			b.deleteFirst(t, l.UserID)
			same(t, "on the board", len(value[[]songspy.OnBoard](t)(b.OnBoard(t.Context(), []songspy.UserID{l.UserID}))), 1)
			same(t, "among the user's tracks", storedTracks(t, b.sql(t), l.UserID), []songspy.UserTrack{
				{FirstHeardAt: start.Add(-time.Minute), LastHeardAt: start},
			})
		},
		"PruneLocalTracks_DeletesWhatNobodyHas": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			b.write(t, hears(l, file("Kept"), start))
			late := hears(l, file("Late"), start.Add(-time.Second))
			value[[]songspy.Written](t)(b.WriteListening(t.Context(), []songspy.Hearing{late}))
			same(t, "titles", b.titles(t), []string{"Kept", "Late"})
			same(t, "pruned", value[int64](t)(b.PruneLocalTracks(t.Context())), 1)
			same(t, "titles after it", b.titles(t), []string{"Kept"})
			same(t, "pruned again", value[int64](t)(b.PruneLocalTracks(t.Context())), 0)
		},
		"PruneDoors_ForgetsTheCallsOfAnAppThatNobodyUsesAnyMore": func(t *testing.T, b *bundle) {
			own, now := songspy.OwnApp("0123456789abcdef0123456789abcdef"), quota.BucketOf(start)
			for _, ago := range []time.Duration{0, 3 * 24 * time.Hour} {
				value[[]quota.Bucket](t)(b.CountCalls(t.Context(), own, quota.Batch{}, []quota.Bucket{{At: now.Add(-ago), Endpoint: quota.EndpointPlaying, Calls: 5}}, now))
			}
			value[int64](t)(b.PruneDoors(t.Context(), now.Add(-24*time.Hour)))
			same(t, "what is left", value[[]quota.Bucket](t)(b.CountCalls(t.Context(), own, quota.Batch{}, nil, time.Time{})),
				[]quota.Bucket{{At: now, Endpoint: quota.EndpointPlaying, Calls: 5}})
		},
		"DeletePlay_DropsATrackWithoutPlaysAndItsDates": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(1), start)
			h.Tracks = append(h.Tracks, song(2))
			h.Plays = []songspy.Play{
				played(song(2), start.Add(-3*time.Hour)), played(song(2), start.Add(-2*time.Hour)), played(song(2), start.Add(-time.Hour)),
			}
			b.write(t, h)
			b.deleteFirst(t, l.UserID)
			want := songspy.UserTrack{FirstHeardAt: start.Add(-2 * time.Hour), LastHeardAt: start.Add(-time.Hour + 3*time.Minute), Plays: 2}
			same(t, "after the first", storedTracks(t, b.sql(t), l.UserID)[1], want)
			for _, p := range storedPlays(t, b.sql(t), l.UserID)[1:] {
				must(t, b.DeletePlay(t.Context(), l.UserID, p.ID, start))
			}
			same(t, "tracks after the last", len(storedTracks(t, b.sql(t), l.UserID)), 1)
		},
		"DeletePlay_KeepsTimesAndKeyedHashesAlone": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(1), start)
			h.Plays = []songspy.Play{played(song(1), start.Add(-time.Hour))}
			b.write(t, h)
			b.deleteFirst(t, l.UserID)
			// A new column of plays is named here once it is known that a deleted play may keep it.
			kept := map[string]bool{
				"id": true, "user_id": true, "started_at": true, "ended_at": true, "listened_ms": true, "inferred_ms": true,
				"source": true, "provisional": true, "deleted_at": true, "uri_hash": true, "isrc_hash": true,
			}
			for column, v := range rowOf(t, b.sql(t), "SELECT * FROM plays WHERE user_id = $1", int64(l.UserID)) {
				if !kept[column] && v != nil && fmt.Sprint(v) != "0" && fmt.Sprint(v) != "false" && fmt.Sprint(v) != "" {
					t.Errorf("a deleted play keeps %s: %v", column, v)
				}
				if hash, ok := v.([]byte); strings.HasSuffix(column, "_hash") && (!ok || len(hash) != 32) {
					t.Errorf("%s is %v", column, v)
				}
			}
		},
		"DeletePlay_KeepsNoMicrosecondsWhichStandForItsTrack": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			item := told(song(1), songspy.PlayedAt(start.Add(-time.Hour), song(1)))
			next := played(song(2), item.PlayedAt.Add(3*time.Minute))
			both := []songspy.HistoryItem{item, told(song(2), songspy.PlayedAt(next.EndedAt, song(2)))}
			value[songspy.Reconciled](t)(b.UpdateHistory(t.Context(), l.UserID, l.Generation, both, func(songspy.Kept) (r songspy.Reconciled) {
				r = finds(both)(songspy.Kept{})
				next.Source = songspy.SourceHistory
				r.Found[1].Play = next
				return r
			}))
			b.deleteFirst(t, l.UserID)
			k := b.kept(t, l, both...)
			cut := item.PlayedAt.Truncate(time.Millisecond)
			gone := k.Plays[0]
			same(t, "its times", []time.Time{gone.Play.StartedAt, gone.Play.EndedAt, gone.HeardAt}, []time.Time{cut, cut.Add(3 * time.Minute), cut})
			same(t, "the next one begins", k.Plays[1].Play.StartedAt, gone.Play.EndedAt)
			again := listening.Reconcile(k, listening.Answer{Items: both}, start)
			same(t, "history tells of it again", again.Empty(), true)
		},
		"DeletePlay_HashesAlikeOfOneUserAndNeverOfTwo": func(t *testing.T, b *bundle) {
			one, two := b.listener(t), b.listener(t)
			var hearings []songspy.Hearing
			for _, l := range []songspy.Link{one, two} {
				h := hears(l, song(1), start)
				h.Plays = []songspy.Play{played(song(1), start.Add(-2*time.Hour)), played(song(1), start.Add(-time.Hour))}
				hearings = append(hearings, h)
			}
			b.write(t, hearings...)
			for _, l := range []songspy.Link{one, two} {
				for _, p := range storedPlays(t, b.sql(t), l.UserID) {
					must(t, b.DeletePlay(t.Context(), l.UserID, p.ID, start))
				}
			}
			var uris, isrcs int
			must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT count(DISTINCT uri_hash), count(DISTINCT isrc_hash) FROM plays").Scan(&uris, &isrcs))
			same(t, "hashes", []int{uris, isrcs}, []int{2, 2})
		},
		"UpdateHistory_RecognizesTheDeleted": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(2), start)
			h.Plays, h.Tracks = []songspy.Play{played(song(1), start.Add(-time.Hour))}, append(h.Tracks, song(1))
			b.write(t, h)
			b.deleteFirst(t, l.UserID)
			relinked, stranger := song(3), song(4)
			relinked.ISRC = strings.ToLower(song(1).ISRC)
			stranger.ISRC = "QZ0000000002"
			rotated := b.another(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new"), Key("test")} })
			value[store.Resealed](t)(rotated.ResealDeletionKeys(t.Context(), 0, 10))
			only := b.another(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new")} })
			for _, s := range []*store.Store{rotated, only} {
				for _, c := range []struct{ item, want songspy.Track }{{song(1), song(1)}, {relinked, relinked}} {
					k := keptBy(t, s, l, told(c.item, start.Add(-time.Hour)))
					same(t, "the track of "+c.item.URI, k.Plays[0].Track, c.want)
				}
				k := keptBy(t, s, l, told(stranger, start.Add(-time.Hour)))
				same(t, "the title, where nothing names the track", k.Plays[0].Track.Title, "")
				same(t, "a stranger", k.Plays[0].Track.URI == stranger.URI, false)
			}
		},
		"UpdateHistory_GoesOnWhereTheKeyOfTheDeletedIsLost": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(1), start)
			h.Plays = []songspy.Play{played(song(1), start.Add(-2*time.Hour)), played(song(1), start.Add(-time.Hour))}
			b.write(t, h)
			b.deleteFirst(t, l.UserID)
			lost := b.another(t, func(o *store.Options) { o.SealKeys = []store.SealKey{Key("new")} })
			k := keptBy(t, lost, l, told(song(1), start.Add(-2*time.Hour)))
			same(t, "deleted at", k.Plays[0].Play.DeletedAt, start)
			same(t, "its title", k.Plays[0].Track.Title, "")
			must(t, lost.DeletePlay(t.Context(), l.UserID, k.Plays[1].Play.ID, start))
			same(t, "plays", len(value[[]songspy.PlayOf](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))), 0)
		},
		"Deleted_StaysThroughUnlinkingAndGoesWithTheUser": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(1), start)
			h.Plays = []songspy.Play{played(song(1), start.Add(-2*time.Hour)), played(song(1), start.Add(-time.Hour))}
			b.write(t, h)
			b.deleteFirst(t, l.UserID)
			same(t, "plays that unlinking erased", value[store.Erased](t)(b.Unlink(t.Context(), l.UserID)).Plays, 1)
			stored := storedPlays(t, b.sql(t), l.UserID)
			same(t, "what is left", []any{len(stored), stored[0].StartedAt, stored[0].TrackID}, []any{1, start.Add(-2 * time.Hour), 0})
			again := b.link(t, l.UserID, "again")
			same(t, "recognized under a new link", b.kept(t, again, told(song(1), start.Add(-2*time.Hour))).Plays[0].Track.URI, song(1).URI)
			value[store.Erased](t)(b.EraseUser(t.Context(), l.UserID))
			same(t, "plays of the erased", b.count(t, "plays", l.UserID), 0)
		},
		"Erasing_WaitsForAWriteThatTakesALocalFileUp": func(t *testing.T, b *bundle) {
			erased, takes := b.listener(t), b.listener(t)
			b.write(t, hears(erased, file("Tape"), start))
			other, done := b.another(t, func(o *store.Options) { o.Observe = nil }), make(chan error, 1)
			b.statements.stepIn("t.uri IN (SELECT uri FROM v)", func() {
				go func() {
					_, err := other.EraseUser(context.WithoutCancel(t.Context()), erased.UserID)
					done <- err
				}()
				b.untilSomebodyWaits(t, func() bool { return len(done) > 0 })
			})
			b.write(t, hears(takes, file("Tape"), start))
			must(t, <-done)
			same(t, "on the board", len(value[[]songspy.OnBoard](t)(b.OnBoard(t.Context(), []songspy.UserID{takes.UserID}))), 1)
		},
		"WriteListening_WaitsForAnErasureThatTakesItsLocalFile": func(t *testing.T, b *bundle) {
			erased, takes := b.listener(t), b.listener(t)
			b.write(t, hears(erased, file("Tape"), start))
			other, done := b.another(t, func(o *store.Options) { o.Observe = nil }), make(chan error, 1)
			b.statements.stepIn("DELETE FROM tracks", func() {
				go func() {
					written, err := other.WriteListening(context.WithoutCancel(t.Context()), []songspy.Hearing{hears(takes, file("Tape"), start)})
					if err == nil {
						err = written[0].Err
					}
					done <- err
				}()
				b.untilSomebodyWaits(t, func() bool { return len(done) > 0 })
			})
			value[store.Erased](t)(b.EraseUser(t.Context(), erased.UserID))
			must(t, <-done)
			same(t, "on the board", len(value[[]songspy.OnBoard](t)(b.OnBoard(t.Context(), []songspy.UserID{takes.UserID}))), 1)
		},
	}
	maps.Copy(s, migrating15())
	maps.Copy(s, erasureSearch())
	return s
}

// keptBy is what a store shows to whoever reconciles the items.
func keptBy(t *testing.T, s *store.Store, l songspy.Link, items ...songspy.HistoryItem) (kept songspy.Kept) {
	t.Helper()
	value[songspy.Reconciled](t)(s.UpdateHistory(t.Context(), l.UserID, l.Generation, items, func(k songspy.Kept) songspy.Reconciled {
		kept = k
		return songspy.Reconciled{}
	}))
	return kept
}

// rowOf is the one row that a query yields, by column.
func rowOf(t *testing.T, db *sql.DB, query string, args ...any) map[string]any {
	t.Helper()
	rows := value[*sql.Rows](t)(db.QueryContext(t.Context(), query, args...))
	defer func() { _ = rows.Close() }()
	columns := value[[]string](t)(rows.Columns())
	if !rows.Next() {
		t.Fatal("no row")
	}
	values, into := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		into[i] = &values[i]
	}
	must(t, rows.Scan(into...))
	must(t, rows.Err())
	row := map[string]any{}
	for i, column := range columns {
		row[column] = values[i]
	}
	return row
}
