package storetest

import (
	"bytes"
	"cmp"
	"slices"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store"
)

func watches() suite {
	key := func(n byte) songspy.ViewerHash { return songspy.ViewerHash{n} }
	watch := func(n byte, users ...songspy.UserID) songspy.Watch {
		return songspy.Watch{
			Viewer: key(n), Source: "one", SignedIn: true, Users: users,
			OpenedAt: start.Add(-10 * time.Second), Until: start.Add(time.Minute),
		}
	}
	// read returns the watches (each viewer's watched users) that WatchesSince returns,
	// sorted, and the time of the read. It shifts the times of the watches as if the read had
	// happened at the time start, and rounds them to ten seconds, because Postgres uses the
	// server's clock, which the test cannot set.
	read := func(t *testing.T, s *store.Store, since time.Time) (all []songspy.Watch, readAt time.Time) {
		t.Helper()
		all, readAt, err := s.WatchesSince(t.Context(), since)
		must(t, err)
		for i, w := range all {
			all[i].OpenedAt, all[i].Until = start.Add(w.OpenedAt.Sub(readAt).Round(10*time.Second)), start.Add(w.Until.Sub(readAt).Round(10*time.Second))
		}
		slices.SortFunc(all, func(a, b songspy.Watch) int {
			return cmp.Or(bytes.Compare(a.Viewer[:], b.Viewer[:]), cmp.Compare(a.Source, b.Source))
		})
		return all, readAt
	}
	return suite{
		"Watches_OfOneProcessAreReadByAnother": func(t *testing.T, b *fixture) {
			own := watch(1, 7)
			own.Own = true
			all := []songspy.Watch{watch(1, 5, 6), own, watch(2, 600)}
			all[2].SignedIn = false
			must(t, b.WriteWatches(t.Context(), all))
			got, readAt := read(t, b.openAnother(t), time.Time{})
			same(t, "the watches", got, all)
			b.clock.advance(time.Second)
			later, _ := read(t, b.Store, readAt.Add(500*time.Millisecond))
			same(t, "the watches since then", len(later), 0)
		},
		"Watches_OfAViewerAndAProcessReplaceEachOther": func(t *testing.T, b *fixture) {
			must(t, b.WriteWatches(t.Context(), []songspy.Watch{watch(1, 5, 6)}))
			other := watch(1, 8)
			other.Source = "other"
			must(t, b.WriteWatches(t.Context(), []songspy.Watch{watch(1, 7), other}))
			got, _ := read(t, b.Store, time.Time{})
			same(t, "the watches", got, []songspy.Watch{watch(1, 7), other})
			ended := watch(1)
			must(t, b.WriteWatches(t.Context(), []songspy.Watch{ended}))
			ended.Until = start
			got, _ = read(t, b.Store, time.Time{})
			same(t, "the watches after one has ended", got, []songspy.Watch{ended, other})
		},
		"Watches_NameNoErasedUser": func(t *testing.T, b *fixture) {
			erased, other := b.newUser(t).ID, b.newUser(t).ID
			must(t, b.WriteWatches(t.Context(), []songspy.Watch{
				watch(1, other, erased), watch(2, erased), watch(3, other), watch(4, 10*erased, 100+erased),
			}))
			value[songspy.Erasure](t)(b.EraseUser(t.Context(), erased))
			got, _ := read(t, b.Store, time.Time{})
			same(t, "the watches", got, []songspy.Watch{watch(3, other), watch(4, 10*erased, 100+erased)})
		},
		"Watches_NameFollowedUsersWhoShareWithTheirFollowers": func(t *testing.T, b *fixture) {
			var all, want []songspy.UserID
			for _, c := range []struct {
				audience songspy.Audience
				hidden   *time.Time
				operator bool
				watched  bool
			}{
				{songspy.AudienceEveryone, nil, false, true},
				{songspy.AudienceFollowers, nil, false, true},
				{songspy.AudienceNobody, nil, false, false},
				{songspy.AudienceLink, nil, false, true}, // this audience includes followers
				{songspy.AudienceEveryone, new(start.Add(time.Hour)), false, false},
				{songspy.AudienceFollowers, &songspy.HiddenForever, false, false},
				{songspy.AudienceFollowers, new(start.Add(-time.Hour)), false, true},
				{songspy.AudienceEveryone, nil, true, false},
			} {
				id := b.newUser(t).ID
				b.clock.advance(time.Millisecond)
				value[songspy.Sharing](t)(b.ChangeSharing(t.Context(), id, func(s *songspy.Sharing) error {
					s.Now, s.HiddenUntil = c.audience, c.hidden
					return nil
				}))
				if c.operator {
					must(t, b.SetHiddenByOperator(t.Context(), id, true, "spam"))
				}
				if all = append(all, id); c.watched {
					want = append(want, id)
				}
			}
			plays := b.newLinkedUser(t) // must not be added: this user plays something that the viewer may not see; otherwise Users would contain this user
			b.write(t, playingUpdate(plays, song(1), start))
			all = append(all, plays.UserID)
			w := watch(1, want[0])
			w.Followed = append(all, 1_000_000) // no user has this id
			must(t, b.WriteWatches(t.Context(), []songspy.Watch{w}))
			got, _ := read(t, b.Store, time.Time{})
			same(t, "the watched users", got[0].Users, want)
		},
		"PruneWatches_DeletesThoseThatHaveEnded": func(t *testing.T, b *fixture) {
			over := watch(1, 5)
			over.Until = start.Add(-time.Minute)
			must(t, b.WriteWatches(t.Context(), []songspy.Watch{over, watch(2, 5)}))
			same(t, "deleted", value[int64](t)(b.PruneWatches(t.Context())), 1)
			got, _ := read(t, b.Store, time.Time{})
			same(t, "the watches", got, []songspy.Watch{watch(2, 5)})
		},
		"Status_CountsViewersAndWhomTheyWatch": func(t *testing.T, b *fixture) {
			anonymous, over, again := watch(2, 6, 7), watch(3, 8), watch(1, 9)
			anonymous.SignedIn, over.Until, again.Source = false, start.Add(-time.Second), "other"
			must(t, b.WriteWatches(t.Context(), []songspy.Watch{watch(1, 5, 6), anonymous, over, again}))
			same(t, "counts", value[store.Status](t)(b.Status(t.Context())).Watches, store.WatchStatus{Viewers: 2, SignedIn: 1, Users: 4})
		},
	}
}
