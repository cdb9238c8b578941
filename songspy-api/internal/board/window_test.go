package board

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestWindow_IsWhatANewStreamShows(t *testing.T) {
	for _, users := range []int{0, 3, windowSize, 1000} {
		synctest.Test(t, func(t *testing.T) {
			feed := newFeed()
			for id := range users {
				feed.set(newPlaying(songspy.UserID(id+1), time.Now().Add(-time.Duration(id)*time.Millisecond)))
			}
			b := startStreams(t, feed)
			for name, a := range map[string]*account{
				"anonymous": {}, "signed in": {id: 5000}, "a user who blocks": {id: 6000, blocks: []songspy.UserID{1, 2, 3}}, "a follower": {id: 7000, follows: []songspy.UserID{2}},
			} {
				r := mustOpen(t, b, a, "window")
				waitSecond(t)
				r.read(t)
				seen, err := b.Window(a.viewer(), a.key())
				if err != nil {
					t.Fatal(err)
				}
				var got []songspy.UserID
				for i, s := range seen {
					if i > 0 && s.Value().Playing.StartedAt.After(seen[i-1].Value().Playing.StartedAt) {
						t.Errorf("%s: the order is not newest start first", name)
					}
					got = append(got, s.Value().User.ID)
				}
				slices.Sort(got)
				if want := r.ids("window"); !slices.Equal(got, want) {
					t.Errorf("%d users, %s: the window has %d, and the stream %d", users, name, got, want)
				}
			}
		})
	}
}
