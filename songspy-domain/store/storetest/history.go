package storetest

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// historyItem returns a history item (an entry of Spotify's history) of the track with the
// given time as PlayedAt.
func historyItem(t songspy.Track, at time.Time) songspy.HistoryItem {
	return songspy.HistoryItem{Track: t, PlayedAt: at}
}

// addAll returns a function for ReconcileHistory that adds a play for each item, without
// regard to the stored plays.
func addAll(items []songspy.HistoryItem) func(songspy.StoredPlays) songspy.Reconciliation {
	return func(songspy.StoredPlays) (r songspy.Reconciliation) {
		for _, i := range items {
			p := finishedPlay(i.Track, i.PlayedAt)
			p.Source = songspy.SourceHistory
			r.Added = append(r.Added, songspy.StoredPlay{Play: p, Track: i.Track, PlayedAt: i.PlayedAt})
		}
		return r
	}
}

// storedPlays returns the stored plays that ReconcileHistory passes to its function for the
// items. It changes nothing.
func (b *fixture) storedPlays(t *testing.T, l songspy.Link, items ...songspy.HistoryItem) (kept songspy.StoredPlays) {
	t.Helper()
	value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, items, func(k songspy.StoredPlays) songspy.Reconciliation {
		kept = k
		return songspy.Reconciliation{}
	}))
	return kept
}

func history() suite {
	return suite{
		"ReconcileHistory_PassesThePlaysOfTheTimeAndTheHourAfter": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			for hour := range 6 {
				update.Plays = append(update.Plays, finishedPlay(song(1), start.Add(time.Duration(hour-6)*time.Hour)))
			}
			b.write(t, update)
			kept := b.storedPlays(t, l, historyItem(song(2), start.Add(-150*time.Minute)))
			var starts []time.Time
			for _, k := range kept.Plays[3:] { // the first four plays are from before the item; three of them are not checked here
				starts = append(starts, k.Play.StartedAt)
				same(t, "track", k.Track.URI, song(1).URI)
				same(t, "listened", k.PlayedAt.IsZero(), true)
			}
			// The second of these plays begins half an hour after the item. It must be passed
			// too, because a play that was paused before its first poll is stored with a start
			// that is too late.
			same(t, "starts", starts, []time.Time{start.Add(-3 * time.Hour), start.Add(-2 * time.Hour)})
			two := b.storedPlays(t, l, historyItem(song(2), start.Add(-150*time.Minute)), historyItem(song(2), start.Add(-119*time.Minute)))
			same(t, "plays around two items", len(two.Plays), 6)
			same(t, "the refused user's", b.storedPlays(t, b.newLinkedUser(t), historyItem(song(2), start)), songspy.StoredPlays{})
		},
		"ReconcileHistory_AddsPlaysOnceAndStoresProcessedItems": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			items := []songspy.HistoryItem{historyItem(song(1), start), historyItem(song(2), start.Add(3*time.Minute))}
			before := b.lastChange(t)
			for range 2 { // the two items come in two responses
				value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, items[:1], addAll(items[:1])))
				items = items[1:]
			}
			stored := storedPlays(t, b.sql(t), l.UserID)
			same(t, "plays", len(stored), 2)
			same(t, "source", stored[0].Source, songspy.SourceHistory)
			same(t, "tracks", len(storedTracks(t, b.sql(t), l.UserID)), 2)
			same(t, "the last change", b.lastChange(t), before)
			kept := b.storedPlays(t, l, historyItem(song(1), start))
			same(t, "sent", kept.ProcessedAt, []time.Time{start, start.Add(3 * time.Minute)})
			same(t, "the first", kept.Plays[0].PlayedAt, start)
			same(t, "the second", kept.Plays[1].PlayedAt, start.Add(3*time.Minute))
		},
		"ReconcileHistory_CorrectsConfirmedPlays": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			guess := finishedPlay(song(1), start.Add(-time.Hour))
			guess.Provisional, guess.ListenedMS = true, 61_000
			update.Plays = []songspy.Play{guess}
			b.write(t, update)
			item := historyItem(song(1), guess.StartedAt.Add(100*time.Second))
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{item}, func(k songspy.StoredPlays) (r songspy.Reconciliation) {
				c := k.Plays[0]
				c.Play.EndedAt, c.Play.ListenedMS, c.Play.Provisional, c.PlayedAt = item.PlayedAt, 100_000, false, item.PlayedAt
				return songspy.Reconciliation{Confirmed: []songspy.StoredPlay{c}, Unmatched: []songspy.HistoryItem{historyItem(song(3), start)}}
			}))
			stored := storedPlays(t, b.sql(t), l.UserID)
			same(t, "plays", len(stored), 1)
			same(t, "its end", stored[0].EndedAt, item.PlayedAt)
			same(t, "listened", stored[0].ListenedMS, 100_000)
			same(t, "provisional", stored[0].Provisional, false)
			kept := b.storedPlays(t, l, item, historyItem(song(3), start))
			same(t, "played at", kept.Plays[0].PlayedAt, item.PlayedAt)
			same(t, "sent", kept.ProcessedAt, []time.Time{item.PlayedAt, start})
		},
		"ReconcileHistory_MovesTheStartOfAPlay": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			began := start.Add(-59 * time.Minute)
			item := historyItem(song(1), began)
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{item}, func(k songspy.StoredPlays) (r songspy.Reconciliation) {
				moved := k.Plays[0]
				moved.Play.StartedAt, moved.PlayedAt = began, item.PlayedAt
				r.Confirmed = append(r.Confirmed, moved)
				return r
			}))
			page := value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))
			same(t, "plays", len(page), 1)
			same(t, "start", page[0].Play.StartedAt, began)
		},
		"ReconcileHistory_RemovesPlays": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			first, second := finishedPlay(song(1), start.Add(-time.Hour)), finishedPlay(song(1), start.Add(-30*time.Minute))
			second.InferredMS = 59_000
			update.Plays = []songspy.Play{first, second}
			b.write(t, update)
			item := historyItem(song(2), second.StartedAt.Add(2*time.Second))
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{item}, func(k songspy.StoredPlays) (r songspy.Reconciliation) {
				last := k.Plays[len(k.Plays)-1]
				same(t, "inferred", last.Play.InferredMS, 59_000)
				r = addAll([]songspy.HistoryItem{item})(k)
				r.Removed = []songspy.StoredPlay{last}
				return r
			}))
			stored := storedPlays(t, b.sql(t), l.UserID)
			same(t, "plays", len(stored), 2)
			same(t, "the first", stored[0].StartedAt, first.StartedAt)
			same(t, "the second", stored[1].Source, songspy.SourceHistory)
			tracks := storedTracks(t, b.sql(t), l.UserID)
			same(t, "plays of the track", tracks[0].Plays, 1)
		},
		"ReconcileHistory_MovesAnItemToItsPlay": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			seen := finishedPlay(song(1), start.Add(-time.Hour))
			update.Plays = []songspy.Play{seen}
			b.write(t, update)
			item, other := historyItem(song(1), seen.StartedAt.Add(-10*time.Minute)), historyItem(song(2), seen.StartedAt.Add(-10*time.Minute+time.Second))
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{item}, addAll([]songspy.HistoryItem{item})))
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{other}, func(k songspy.StoredPlays) (r songspy.Reconciliation) {
				same(t, "plays", len(k.Plays), 2)
				found, live := k.Plays[0], k.Plays[1]
				same(t, "PlayedAt of the added play", found.PlayedAt, item.PlayedAt)
				r = addAll([]songspy.HistoryItem{other})(k)
				r.Added[0].Play.StartedAt = found.Play.StartedAt // the added play begins when the removed play began
				live.PlayedAt, found.PlayedAt = item.PlayedAt, time.Time{}
				r.Confirmed, r.Removed = []songspy.StoredPlay{live}, []songspy.StoredPlay{found}
				return r
			}))
			kept := b.storedPlays(t, l, item, other)
			same(t, "plays", len(kept.Plays), 2)
			same(t, "instead of the added play", kept.Plays[0].PlayedAt, other.PlayedAt)
			same(t, "PlayedAt of the polled play", kept.Plays[1].PlayedAt, item.PlayedAt)
			same(t, "sent", kept.ProcessedAt, []time.Time{item.PlayedAt, other.PlayedAt})
		},
		"ReconcileHistory_AssignsItemsAmongPlaysWithTheSameStart": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			b.write(t, update)
			item := historyItem(song(2), update.Plays[0].StartedAt)
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{item}, addAll([]songspy.HistoryItem{item})))
			kept := b.storedPlays(t, l, item)
			same(t, "plays", len(kept.Plays), 2)
			for _, k := range kept.Plays {
				same(t, "PlayedAt of "+k.Track.Title, k.PlayedAt.Equal(item.PlayedAt), k.Play.Source == songspy.SourceHistory)
			}
		},
		"ReconcileHistory_PassesSomeEarlierPlays": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			for i := range 40 {
				update.Plays = append(update.Plays, finishedPlay(song(1), start.Add(-48*time.Hour+time.Duration(i)*10*time.Minute)))
			}
			b.write(t, update)
			kept := b.storedPlays(t, l, historyItem(song(1), start))
			same(t, "plays", len(kept.Plays), 30)
			same(t, "the last", kept.Plays[29].Play.StartedAt, update.Plays[39].StartedAt)
		},
		"ReconcileHistory_PassesDeletedPlays": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			gone := finishedPlay(song(1), start.Add(-time.Hour))
			update.Plays = []songspy.Play{gone}
			b.write(t, update)
			must(t, b.DeletePlay(t.Context(), l.UserID, storedPlays(t, b.sql(t), l.UserID)[0].ID, start))
			kept := b.storedPlays(t, l, historyItem(song(1), gone.StartedAt))
			same(t, "deleted at", kept.Plays[0].Play.DeletedAt, start)
			same(t, "shown", len(value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))), 0)
		},
		"ReconcileHistory_RejectsItemsOfAFormerLink": func(t *testing.T, b *fixture) {
			relinked, unlinked, erased := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			b.link(t, relinked.UserID, "new")
			value[songspy.Erasure](t)(b.Unlink(t.Context(), unlinked.UserID))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), erased.UserID))
			items := []songspy.HistoryItem{historyItem(song(1), start)}
			for _, l := range []songspy.Link{relinked, unlinked, erased} {
				_, err := b.ReconcileHistory(t.Context(), l.UserID, l.Generation, items, addAll(items))
				RequireCode(t, err, songspy.CodeGone)
				same(t, "plays", b.countRows(t, "plays", l.UserID), 0)
			}
		},
		"ReconcileHistory_OfNothingNewWritesNothing": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			requireNoWrites(t, b.statements.recordDuring(func() { b.storedPlays(t, l, historyItem(song(1), start)) }))
		},
		"ReconcileHistory_WaitsForARunningWrite": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(2), start.Add(-time.Hour))}
			update.Tracks = append(update.Tracks, song(2))
			kept := make(chan int)
			b.statements.runAfter("INSERT INTO now_playing", func() {
				other := b.openAnother(t)
				go func() {
					defer close(kept)
					_, err := other.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{historyItem(song(2), start.Add(-time.Hour))},
						func(k songspy.StoredPlays) songspy.Reconciliation {
							kept <- len(k.Plays)
							return songspy.Reconciliation{}
						})
					if err != nil {
						t.Error(err)
					}
				}()
			})
			b.write(t, update)
			same(t, "stored plays", <-kept, 1)
			<-kept
		},
		"EraseUser_DeletesTheHistory": func(t *testing.T, b *fixture) {
			unlinked, erased, stays := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			items := []songspy.HistoryItem{historyItem(song(1), start)}
			for _, l := range []songspy.Link{unlinked, erased, stays} {
				end := start
				value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, items, func(k songspy.StoredPlays) songspy.Reconciliation {
					r := addAll(items)(k)
					r.Gaps = []songspy.Gap{{BeganAt: start.Add(-time.Hour), EndedAt: &end, Reason: songspy.GapUnseen}}
					return r
				}))
			}
			value[songspy.Erasure](t)(b.Unlink(t.Context(), unlinked.UserID))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), erased.UserID))
			for _, table := range []string{"plays", "history_items", "user_tracks", "gaps"} {
				same(t, table+" of the unlinked", b.countRows(t, table, unlinked.UserID), 0)
				same(t, table+" of the erased", b.countRows(t, table, erased.UserID), 0)
				same(t, table+" of the other", b.countRows(t, table, stays.UserID), 1)
			}
		},
		"ReconcileHistory_StoresTheHabitOfTheAccount": func(t *testing.T, b *fixture) {
			l, other := b.newLinkedUser(t), b.newLinkedUser(t)
			items := []songspy.HistoryItem{historyItem(song(1), start), historyItem(song(2), start.Add(10*time.Minute))}
			for i, item := range items {
				value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, items[i:i+1], func(k songspy.StoredPlays) songspy.Reconciliation {
					r := addAll([]songspy.HistoryItem{item})(k)
					r.PartialPlays = songspy.PartialPlayCounts{Listed: 1, Unlisted: 2 * i}
					return r
				}))
			}
			want := songspy.PartialPlayCounts{Listed: 2, Unlisted: 2}
			same(t, "habit", b.storedPlays(t, l, items[0]).PartialPlays, want)
			for _, of := range value[[]songspy.PolledUser](t)(b.PolledUsersByID(t.Context(), []songspy.UserID{l.UserID, other.UserID})) {
				if of.Link.UserID == other.UserID {
					want = songspy.PartialPlayCounts{}
				}
				same(t, "habit of the polled user", of.PartialPlays, want)
			}
			value[songspy.Erasure](t)(b.Unlink(t.Context(), l.UserID))
			same(t, "rows of the unlinked user", b.countRows(t, "history_habits", l.UserID), 0)
		},
		"ReconcileHistory_CountsAProbablePlayOnceItIsConfirmed": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour)), finishedPlay(song(1), start.Add(-2*time.Hour)), finishedPlay(song(1), start.Add(-3*time.Hour))}
			for i := range update.Plays {
				update.Plays[i].Probable = true
			}
			b.write(t, update)
			page := value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))
			same(t, "plays", len(page), 3)
			same(t, "probable", page[0].Play.Probable, true)
			same(t, "counted", b.countedPlays(t, l.UserID), 0)
			item := historyItem(song(1), page[0].Play.StartedAt)
			for range 2 { // the same response again counts nothing twice
				value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{item}, func(k songspy.StoredPlays) (r songspy.Reconciliation) {
					for _, p := range k.Plays {
						if p.Play.StartedAt.Equal(item.PlayedAt) {
							p.Play.Probable, p.PlayedAt = false, item.PlayedAt
							r.Confirmed = append(r.Confirmed, p)
						}
					}
					return r
				}))
			}
			same(t, "counted once confirmed", b.countedPlays(t, l.UserID), 1)
			must(t, b.DeletePlay(t.Context(), l.UserID, page[1].Play.ID, start))
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), l.UserID, l.Generation, []songspy.HistoryItem{item}, func(k songspy.StoredPlays) (r songspy.Reconciliation) {
				for _, p := range k.Plays {
					if p.Play.ID == page[2].Play.ID {
						r.Removed = append(r.Removed, p)
					}
				}
				return r
			}))
			page = value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, songspy.Play{}, 10))
			same(t, "plays left", len(page), 1)
			same(t, "still probable", page[0].Play.Probable, false)
			same(t, "counted, after one deletion and one removal", b.countedPlays(t, l.UserID), 1)
		},
		"Plays_PageFromTheNewest": func(t *testing.T, b *fixture) {
			l, other := b.newLinkedUser(t), b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			for n := range 7 {
				update.Plays = append(update.Plays, finishedPlay(song(1), start.Add(time.Duration(n)*-10*time.Minute)))
			}
			theirs := playingUpdate(other, song(1), start)
			theirs.Plays = update.Plays
			b.write(t, update, theirs)
			var seen []time.Time
			var last songspy.Play
			for {
				page := value[[]songspy.PlayWithTrack](t)(b.Plays(t.Context(), l.UserID, last, 3))
				for _, p := range page {
					same(t, "the user", p.Play.UserID, l.UserID)
					same(t, "title", p.Track.Title, song(1).Title)
					seen = append(seen, p.Play.StartedAt)
				}
				if len(page) < 3 {
					break
				}
				last = page[len(page)-1].Play
			}
			same(t, "plays", len(seen), 7)
			for n, at := range seen {
				same(t, "start", at, start.Add(time.Duration(n)*-10*time.Minute))
			}
		},
	}
}

// countedPlays returns the sum of the play counts of all tracks of the user.
func (b *fixture) countedPlays(t *testing.T, id songspy.UserID) (plays int) {
	t.Helper()
	must(t, b.sql(t).QueryRowContext(t.Context(), "SELECT COALESCE(SUM(plays), 0) FROM user_tracks WHERE user_id = $1", int64(id)).Scan(&plays))
	return plays
}
