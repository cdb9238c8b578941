package storetest

import (
	"errors"
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func board() suite {
	snapshot := func(t *testing.T, b *fixture) (ids []songspy.UserID, number int64) {
		t.Helper()
		number, err := b.BoardSnapshot(t.Context(), func(o songspy.BoardEntry) error {
			ids = append(ids, o.User.ID)
			return nil
		})
		must(t, err)
		slices.Sort(ids) // BoardSnapshot returns the users in no order
		return ids, number
	}
	return suite{
		"BoardEntries_HasUserPlayerAndTrack": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Playing.TrackID = b.write(t, update)[0].TrackID
			track := song(1)
			track.ID, track.CreatedAt = update.Playing.TrackID, start
			got := value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{l.UserID}))
			track.PublicID = got[0].Track.PublicID
			same(t, "a public id", track.PublicID.IsValid(), true)
			same(t, "on the board", got, []songspy.BoardEntry{{
				User: value[songspy.User](t)(b.User(t.Context(), l.UserID)), Playing: update.Playing, Track: track,
				Rule: songspy.SharingRule{Owner: l.UserID, Periods: []songspy.Sharing{songspy.NewSharing(l.UserID, songspy.AudienceEveryone, start)}},
			}})
			_, err := b.BoardSnapshot(t.Context(), func(o songspy.BoardEntry) error {
				same(t, "in the snapshot", o, got[0])
				return nil
			})
			must(t, err)
		},
		"BoardEntries_LeavesOutErasedAndIdleUsers": func(t *testing.T, b *fixture) {
			plays, pauses, silent, erased := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			paused, idle := playingUpdate(pauses, song(1), start), playingUpdate(silent, song(1), start)
			paused.Playing.State, paused.Playing.PausedSince = songspy.PlayerPaused, &paused.Playing.SeenAt
			idle.Playing.State = songspy.PlayerIdle
			b.write(t, playingUpdate(plays, song(1), start), paused, idle, playingUpdate(erased, song(1), start))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), erased.UserID))
			var got []songspy.UserID
			for _, o := range value[[]songspy.BoardEntry](t)(b.BoardEntries(t.Context(), []songspy.UserID{1, 2, 3, 4, 5})) {
				got = append(got, o.User.ID)
			}
			slices.Sort(got) // BoardEntries returns the users in no order
			same(t, "on the board", got, []songspy.UserID{plays.UserID, pauses.UserID})
		},
		"BoardSnapshot_ContainsUsersThatMayBeShown": func(t *testing.T, b *fixture) {
			plays, unbounded, idle, long := b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t), b.newLinkedUser(t)
			open, silent, over := playingUpdate(unbounded, song(1), start), playingUpdate(idle, song(1), start), playingUpdate(long, song(1), start.Add(-24*time.Hour))
			open.Playing.EndsAt = nil
			silent.Playing.State = songspy.PlayerIdle
			b.write(t, playingUpdate(plays, song(1), start), open, silent, over)
			ids, number := snapshot(t, b)
			same(t, "in the snapshot", ids, []songspy.UserID{plays.UserID, unbounded.UserID})
			same(t, "its number", number, b.lastChange(t))
		},
		"BoardSnapshot_EndsWithTheReadersError": func(t *testing.T, b *fixture) {
			b.write(t, playingUpdate(b.newLinkedUser(t), song(1), start))
			enough := errors.New("enough")
			_, err := b.BoardSnapshot(t.Context(), func(songspy.BoardEntry) error { return enough })
			if !errors.Is(err, enough) {
				t.Fatalf("the error is %v", err)
			}
		},
		"BoardSnapshot_MissesNoChangeMadeWhileItIsRead": func(t *testing.T, b *fixture) {
			b.write(t, playingUpdate(b.newLinkedUser(t), song(1), start))
			late := b.newLinkedUser(t)
			b.statements.runAfter("last FROM feed", func() { b.write(t, playingUpdate(late, song(1), start)) })
			_, number := snapshot(t, b)
			same(t, "changes since the snapshot", b.changesAfter(t, number), []string{"playing 2"})
		},
	}
}
