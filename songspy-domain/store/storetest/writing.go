package storetest

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

func writing() suite {
	return suite{
		"WriteListening_ReadsBackWhateverAPlayerMayBe": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			at := start
			rapid.Check(t, func(rt *rapid.T) {
				at = at.Add(time.Microsecond)
				n := anyPlayer(rt, l, at)
				w := b.write(t, songspy.Hearing{Playing: n, Tracks: []songspy.Track{song(1)}})
				n.TrackID = 0
				if n.Open() {
					n.TrackID = w[0].TrackID
				}
				same(t, "the player", b.playing(t, l.UserID), n)
			})
		},
		"WriteListening_KeepsOneRowForATrack": func(t *testing.T, b *bundle) {
			one, two := b.listener(t), b.listener(t)
			w := b.write(t, hears(one, song(1), start), hears(two, song(1), start))
			same(t, "the ids", w[0].TrackID, w[1].TrackID)
			again := b.another(t) // whose cache is empty
			h := hears(one, song(1), start.Add(time.Second))
			w2 := value[[]songspy.Written](t)(again.WriteListening(t.Context(), []songspy.Hearing{h}))
			same(t, "the id, of another process", w2[0].TrackID, w[0].TrackID)
		},
		"WriteListening_FindsATrackThatTheHearingOnlyNames": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			w := b.write(t, hears(l, song(1), start))
			h := hears(l, song(1), start.Add(time.Second))
			h.Tracks = nil
			w2 := value[[]songspy.Written](t)(b.another(t).WriteListening(t.Context(), []songspy.Hearing{h}))
			same(t, "the id", w2[0].TrackID, w[0].TrackID)
		},
		"WriteListening_TakesAnyTextOfATrack": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			odd := song(1)
			odd.URI, odd.Title, odd.Artists = "spotify:local:\x00a\xff", "\x00 \xc3\x28 \u2028 '; --", "\U0001F3A7 \\ \""
			b.write(t, hears(l, odd, start))
			board := value[[]songspy.OnBoard](t)(b.OnBoard(t.Context(), []songspy.UserID{l.UserID}))
			same(t, "uri, title, artists", []string{board[0].Track.URI, board[0].Track.Title, board[0].Track.Artists},
				[]string{"spotify:local:a\uFFFD", " \uFFFD( \u2028 '; --", "\U0001F3A7 \\ \""})
			b.write(t, hears(l, odd, start.Add(time.Second)))
		},
		"WriteListening_NeverGoesBackInTime": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			b.write(t, hears(l, song(2), start))
			late := hears(l, song(1), start.Add(-time.Second))
			late.Plays = []songspy.Play{played(song(1), start.Add(-time.Hour))}
			before := b.last(t)
			w := value[[]songspy.Written](t)(b.WriteListening(t.Context(), []songspy.Hearing{late}))
			same(t, "dropped", w[0].Dropped, true)
			same(t, "the song", b.playing(t, l.UserID).TrackURI, song(2).URI)
			same(t, "plays", b.count(t, "plays", l.UserID), 0)
			same(t, "the last change", b.last(t), before)
		},
		"WriteListening_TakesWhatIsSeenAfterTheClockWasSetBack": func(t *testing.T, b *bundle) {
			const ahead = 9 * time.Hour
			one, two := b.listener(t), b.listener(t)
			b.clock.advance(ahead)
			b.write(t, hears(one, song(1), start.Add(ahead)), hears(two, song(1), start.Add(ahead)))
			b.clock.advance(-ahead + time.Minute)
			h := hears(one, song(2), start.Add(time.Minute))
			h.Plays = []songspy.Play{played(song(1), start.Add(-time.Hour))}
			h.Tracks = append(h.Tracks, song(1))
			w := b.write(t, h, hears(two, song(3), start.Add(time.Minute)))
			same(t, "dropped", w[0].Dropped || w[1].Dropped, false)
			same(t, "the songs", []string{b.playing(t, one.UserID).TrackURI, b.playing(t, two.UserID).TrackURI}, []string{song(2).URI, song(3).URI})
			same(t, "plays", b.count(t, "plays", one.UserID), 1)
			same(t, "observed", b.playing(t, one.UserID).ObservedAt, start.Add(time.Minute))
			late := value[[]songspy.Written](t)(b.WriteListening(t.Context(), []songspy.Hearing{hears(one, song(1), start)}))
			same(t, "what is older still is dropped", late[0].Dropped, true)
		},
		"WriteListening_TwiceIsOnce": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			h := hears(l, song(1), start.Add(123*time.Nanosecond))
			h.Plays = []songspy.Play{played(song(2), start.Add(-time.Hour))}
			h.Tracks = append(h.Tracks, song(2))
			first := b.write(t, h)
			before := b.last(t)
			same(t, "the answer, the second time", b.write(t, h), first)
			same(t, "plays", b.count(t, "plays", l.UserID), 1)
			same(t, "the last change", b.last(t), before)
		},
		"WriteListening_DropsWhatWasLearntThroughAFormerLink": func(t *testing.T, b *bundle) {
			relinked, unlinked, erased, stays := b.listener(t), b.listener(t), b.listener(t), b.listener(t)
			b.link(t, relinked.UserID, "new")
			value[store.Erased](t)(b.Unlink(t.Context(), unlinked.UserID))
			value[store.Erased](t)(b.EraseUser(t.Context(), erased.UserID))
			var hearings []songspy.Hearing
			for _, l := range []songspy.Link{relinked, unlinked, erased, stays} {
				h := hears(l, song(1), start)
				h.Plays = []songspy.Play{played(song(1), start.Add(-time.Hour))}
				hearings = append(hearings, h)
			}
			w := value[[]songspy.Written](t)(b.WriteListening(t.Context(), hearings))
			same(t, "dropped", []bool{w[0].Dropped, w[1].Dropped, w[2].Dropped, w[3].Dropped}, []bool{true, true, true, false})
			for _, table := range []string{"now_playing", "plays", "user_tracks"} {
				for _, l := range []songspy.Link{relinked, unlinked, erased} {
					same(t, table+" of the dropped", b.count(t, table, l.UserID), 0)
				}
				same(t, table+" of the other", b.count(t, table, stays.UserID), 1)
			}
		},
		"WriteListening_SetsAsideTheRowsAtFaultAndWritesTheOthers": func(t *testing.T, b *bundle) {
			var hearings []songspy.Hearing
			bad := map[int]bool{3: true, 4: true, 11: true}
			for i := range 16 {
				l := b.listener(t)
				h := hears(l, song(i), start)
				p := played(song(i), start.Add(-time.Hour))
				if bad[i] {
					p.EndedAt = p.StartedAt.Add(-time.Second) // no table takes that
				}
				h.Plays = []songspy.Play{p}
				hearings = append(hearings, h)
			}
			written := value[[]songspy.Written](t)(b.WriteListening(t.Context(), hearings))
			for i, w := range written {
				id, want := hearings[i].Playing.UserID, 1
				if bad[i] {
					want = 0
					Code(t, w.Err, songspy.CodeInvalid)
				} else {
					must(t, w.Err)
				}
				for _, table := range []string{"now_playing", "plays", "user_tracks"} {
					same(t, fmt.Sprint(table, " of hearing ", i), b.count(t, table, id), want)
				}
			}
		},
		"WriteListening_SetsAsideWhoNamesATrackThatNobodyKnows": func(t *testing.T, b *bundle) {
			one, two := b.listener(t), b.listener(t)
			lost := hears(one, song(1), start)
			lost.Tracks = nil
			w := value[[]songspy.Written](t)(b.WriteListening(t.Context(), []songspy.Hearing{lost, hears(two, song(2), start)}))
			Code(t, w[0].Err, songspy.CodeInvalid)
			must(t, w[1].Err)
			same(t, "of the one set aside", b.count(t, "now_playing", one.UserID), 0)
		},
		"WriteListening_TakesOnePersonSeveralTimesInOrder": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			b.write(t, hears(l, song(1), start), hears(l, song(2), start.Add(time.Second)), hears(l, song(3), start.Add(2*time.Second)))
			same(t, "the song", b.playing(t, l.UserID).TrackURI, song(3).URI)
		},
		"WriteListening_TellsViewersOfWhatIsVisible": func(t *testing.T, b *bundle) {
			one, two, three := b.listener(t), b.listener(t), b.listener(t)
			hidden := hears(two, song(1), start)
			hidden.Visible = false
			before := b.last(t)
			b.write(t, hears(three, song(1), start), hidden, hears(one, song(1), start))
			same(t, "changes", b.changesAfter(t, before), []string{"playing 1", "playing 3"})
		},
	}
}

// anyPlayer draws what a player may be at the time.
func anyPlayer(t *rapid.T, l songspy.Link, at time.Time) songspy.NowPlaying {
	moment := func(label string) time.Time {
		return start.Add(time.Duration(rapid.Int64Range(-1e9, 1e9).Draw(t, label)) * time.Microsecond)
	}
	perhaps := func(label string) *time.Time {
		if rapid.Bool().Draw(t, label+"?") {
			m := moment(label)
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
		StartedAt: moment("started"), ObservedAt: at, SeenAt: moment("seen"), ElsewhereAt: moment("elsewhere"),
		PausedSince: perhaps("paused since"), NothingSince: perhaps("nothing since"), EndsAt: perhaps("ends"),
		Provisional: rapid.Bool().Draw(t, "provisional"), Skips: rapid.Int16().Draw(t, "skips"),
		OpenedAt: moment("opened"), Polls: rapid.Int16().Draw(t, "polls"), Speed: rapid.Int32().Draw(t, "speed"), LastSpeed: rapid.Int32().Draw(t, "last speed"),
		DoubtedAt: perhaps("doubted"), DoubtedURI: rapid.SampledFrom([]string{"", song(2).URI}).Draw(t, "doubted track"), Unmoved: rapid.Bool().Draw(t, "unmoved"), Stalled: rapid.Bool().Draw(t, "stalled"), Advertisement: rapid.Bool().Draw(t, "advertisement"), HidesProgress: rapid.Bool().Draw(t, "hides progress"),
	}
}
