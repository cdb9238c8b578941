package storetest

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func playbackUpdates() suite {
	return suite{
		"WritePlaybackUpdates_StoresEveryStateOfAPlayer": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			at := start
			rapid.Check(t, func(rt *rapid.T) {
				at = at.Add(time.Microsecond)
				n := drawNowPlaying(rt, l, at)
				w := b.write(t, songspy.PlaybackUpdate{Playing: n, Tracks: []songspy.Track{song(1)}})
				n.TrackID = 0
				if n.IsOpen() {
					n.TrackID = w[0].TrackID
				}
				same(t, "the player", b.nowPlaying(t, l.UserID), n)
			})
		},
		"WritePlaybackUpdates_StoresATrackOnce": func(t *testing.T, b *fixture) {
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			w := b.write(t, playingUpdate(one, song(1), start), playingUpdate(two, song(1), start))
			same(t, "the ids", w[0].TrackID, w[1].TrackID)
			again := b.openAnother(t) // its cache of tracks is empty
			update := playingUpdate(one, song(1), start.Add(time.Second))
			w2 := value[[]songspy.PlaybackUpdateResult](t)(again.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}))
			same(t, "the id, of another process", w2[0].TrackID, w[0].TrackID)
		},
		"WritePlaybackUpdates_FindsATrackThatTheUpdateOnlyNames": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			w := b.write(t, playingUpdate(l, song(1), start))
			update := playingUpdate(l, song(1), start.Add(time.Second))
			update.Tracks = nil
			w2 := value[[]songspy.PlaybackUpdateResult](t)(b.openAnother(t).WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}))
			same(t, "the id", w2[0].TrackID, w[0].TrackID)
		},
		"WritePlaybackUpdates_StoresAnyTextOfATrack": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			odd := song(1)
			odd.URI, odd.Title, odd.Artists = "spotify:local:\x00a\xff", "\x00 \xc3\x28 \u2028 '; --", "\U0001F3A7 \\ \""
			b.write(t, playingUpdate(l, odd, start))
			board := value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{l.UserID}))
			same(t, "uri, title, artists", []string{board[0].Track.URI, board[0].Track.Title, board[0].Track.Artists},
				[]string{"spotify:local:a\uFFFD", " \uFFFD( \u2028 '; --", "\U0001F3A7 \\ \""})
			b.write(t, playingUpdate(l, odd, start.Add(time.Second)))
		},
		"WritePlaybackUpdates_NeverGoesBackInTime": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, song(2), start))
			late := playingUpdate(l, song(1), start.Add(-time.Second))
			late.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			before := b.lastChange(t)
			w := value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{late}))
			same(t, "dropped", w[0].Dropped, true)
			same(t, "the song", b.nowPlaying(t, l.UserID).TrackURI, song(2).URI)
			same(t, "plays", b.countRows(t, "plays", l.UserID), 0)
			same(t, "the last change", b.lastChange(t), before)
		},
		"WritePlaybackUpdates_WritesAfterTheClockWasSetBack": func(t *testing.T, b *fixture) {
			const ahead = 9 * time.Hour
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			b.clock.advance(ahead)
			b.write(t, playingUpdate(one, song(1), start.Add(ahead)), playingUpdate(two, song(1), start.Add(ahead)))
			b.clock.advance(-ahead + time.Minute)
			update := playingUpdate(one, song(2), start.Add(time.Minute))
			update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
			update.Tracks = append(update.Tracks, song(1))
			w := b.write(t, update, playingUpdate(two, song(3), start.Add(time.Minute)))
			same(t, "dropped", w[0].Dropped || w[1].Dropped, false)
			same(t, "the songs", []string{b.nowPlaying(t, one.UserID).TrackURI, b.nowPlaying(t, two.UserID).TrackURI}, []string{song(2).URI, song(3).URI})
			same(t, "plays", b.countRows(t, "plays", one.UserID), 1)
			same(t, "observed at", b.nowPlaying(t, one.UserID).ObservedAt, start.Add(time.Minute))
			late := value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{playingUpdate(one, song(1), start)}))
			same(t, "an older update is dropped", late[0].Dropped, true)
		},
		"WritePlaybackUpdates_TwiceIsOnce": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start.Add(123*time.Nanosecond))
			update.Plays = []songspy.Play{finishedPlay(song(2), start.Add(-time.Hour))}
			update.Tracks = append(update.Tracks, song(2))
			first := b.write(t, update)
			before := b.lastChange(t)
			same(t, "the second result", b.write(t, update), first)
			same(t, "plays", b.countRows(t, "plays", l.UserID), 1)
			same(t, "the last change", b.lastChange(t), before)
		},
		"WritePlaybackUpdates_DropsUpdatesOfAFormerLink": func(t *testing.T, b *fixture) {
			relinked, unlinked, erased, stays := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			b.link(t, relinked.UserID, "new")
			value[songspy.Erasure](t)(b.Unlink(t.Context(), unlinked.UserID))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), erased.UserID))
			var updates []songspy.PlaybackUpdate
			for _, l := range []songspy.Link{relinked, unlinked, erased, stays} {
				update := playingUpdate(l, song(1), start)
				update.Plays = []songspy.Play{finishedPlay(song(1), start.Add(-time.Hour))}
				updates = append(updates, update)
			}
			w := value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), updates))
			same(t, "dropped", []bool{w[0].Dropped, w[1].Dropped, w[2].Dropped, w[3].Dropped}, []bool{true, true, true, false})
			for _, table := range []string{"now_playing", "plays", "user_tracks"} {
				for _, l := range []songspy.Link{relinked, unlinked, erased} {
					same(t, table+" of the dropped", b.countRows(t, table, l.UserID), 0)
				}
				same(t, table+" of the other", b.countRows(t, table, stays.UserID), 1)
			}
		},
		"WritePlaybackUpdates_RejectsInvalidRowsAndWritesTheOthers": func(t *testing.T, b *fixture) {
			var updates []songspy.PlaybackUpdate
			bad := map[int]bool{3: true, 4: true, 11: true}
			for i := range 16 {
				l := b.newLinkedUser(t)
				update := playingUpdate(l, song(i), start)
				p := finishedPlay(song(i), start.Add(-time.Hour))
				if bad[i] {
					p.EndedAt = p.StartedAt.Add(-time.Second) // a CHECK constraint rejects this
				}
				update.Plays = []songspy.Play{p}
				updates = append(updates, update)
			}
			written := value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), updates))
			for i, w := range written {
				id, want := updates[i].Playing.UserID, 1
				if bad[i] {
					want = 0
					RequireCode(t, w.Err, songspy.CodeInvalid)
				} else {
					must(t, w.Err)
				}
				for _, table := range []string{"now_playing", "plays", "user_tracks"} {
					same(t, fmt.Sprint(table, " of update ", i), b.countRows(t, table, id), want)
				}
			}
		},
		"WritePlaybackUpdates_RejectsUnknownTracks": func(t *testing.T, b *fixture) {
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			lost := playingUpdate(one, song(1), start)
			lost.Tracks = nil
			w := value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{lost, playingUpdate(two, song(2), start)}))
			RequireCode(t, w[0].Err, songspy.CodeInvalid)
			must(t, w[1].Err)
			same(t, "of the rejected update", b.countRows(t, "now_playing", one.UserID), 0)
		},
		"WritePlaybackUpdates_WritesSeveralUpdatesOfOneUserInOrder": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, song(1), start), playingUpdate(l, song(2), start.Add(time.Second)), playingUpdate(l, song(3), start.Add(2*time.Second)))
			same(t, "the song", b.nowPlaying(t, l.UserID).TrackURI, song(3).URI)
		},
		"WritePlaybackUpdates_PublishesVisibleUpdates": func(t *testing.T, b *fixture) {
			one, two, three := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			hidden := playingUpdate(two, song(1), start)
			hidden.Visible = false
			before := b.lastChange(t)
			b.write(t, playingUpdate(three, song(1), start), hidden, playingUpdate(one, song(1), start))
			same(t, "changes", b.changesAfter(t, before), []string{"playing 1", "playing 3"})
		},
	}
}

// drawNowPlaying draws a random state of the user's player that was observed at the given
// time.
func drawNowPlaying(t *rapid.T, l songspy.Link, at time.Time) songspy.NowPlaying {
	randomTime := func(label string) time.Time {
		return start.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, label)) * time.Microsecond)
	}
	maybeTime := func(label string) *time.Time {
		if rapid.Bool().Draw(t, label+"?") {
			m := randomTime(label)
			return &m
		}
		return nil
	}
	ms := rapid.Int64Range(-1, 1<<40)
	return songspy.NowPlaying{
		UserID: l.UserID, Generation: l.Generation,
		State:      rapid.SampledFrom([]songspy.PlayerState{songspy.PlayerIdle, songspy.PlayerPlaying, songspy.PlayerPaused}).Draw(t, "state"),
		TrackURI:   song(1).URI,
		DurationMS: ms.Draw(t, "duration"), ProgressMS: ms.Draw(t, "progress"), ListenedMS: ms.Draw(t, "listened"), PausedMS: ms.Draw(t, "paused"),
		StartedAt: randomTime("started"), ObservedAt: at, SeenAt: randomTime("seen"), OtherSeenAt: randomTime("elsewhere"),
		PausedSince: maybeTime("paused since"), IdleSince: maybeTime("nothing since"), EndsAt: maybeTime("ends"),
		Provisional: rapid.Bool().Draw(t, "provisional"), Skips: rapid.Int16().Draw(t, "skips"),
		OpenedAt: randomTime("opened"), Polls: rapid.Int16().Draw(t, "polls"), Speed: rapid.Int32().Draw(t, "speed"), LastSpeed: rapid.Int32().Draw(t, "last speed"),
		DoubtedAt: maybeTime("doubted"), DoubtedURI: rapid.SampledFrom([]string{"", song(2).URI}).Draw(t, "doubted track"), Unmoved: rapid.Bool().Draw(t, "unmoved"), Stalled: rapid.Bool().Draw(t, "stalled"), Advertisement: rapid.Bool().Draw(t, "advertisement"), HidesProgress: rapid.Bool().Draw(t, "hides progress"),
	}
}
