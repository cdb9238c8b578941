package board

import (
	"cmp"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/visibility"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// newPlaying returns a user who plays a song of three minutes that began at the time start.
func newPlaying(id songspy.UserID, start time.Time) songspy.BoardEntry {
	end := start.Add(3 * time.Minute)
	return songspy.BoardEntry{
		User:    songspy.User{ID: id, PublicID: songspy.PublicID(id)},
		Playing: songspy.NowPlaying{UserID: id, State: songspy.PlayerPlaying, TrackID: 7, TrackURI: "spotify:track:7", StartedAt: start, SeenAt: start, EndsAt: &end},
		Track:   songspy.Track{ID: 7, PublicID: 7, Title: "Song", Kind: songspy.KindTrack},
		Rule:    songspy.SharingRule{Owner: id, Periods: []songspy.Sharing{{UserID: id, BeganAt: start.Add(-time.Hour), Now: songspy.AudienceEveryone}}},
	}
}

// setting returns the present sharing settings of the entry's user.
func setting(p *songspy.BoardEntry) *songspy.Sharing { return &p.Rule.Periods[len(p.Rule.Periods)-1] }

func ids(entries []visibility.Seen[songspy.BoardEntry]) []songspy.UserID {
	all := make([]songspy.UserID, len(entries))
	for i, p := range entries {
		all[i] = p.Value().User.ID
	}
	return all
}

// isListening reports whether the user plays something. It computes this from the entry alone,
// without the index, so that the test can compare the index with it.
func isListening(p songspy.BoardEntry, now time.Time) bool {
	expiresAt := p.Playing.SeenAt.Add(songspy.UnknownEndShownFor)
	if p.Playing.EndsAt != nil {
		expiresAt = p.Playing.EndsAt.Add(songspy.EndGrace)
	}
	return p.Playing.State == songspy.PlayerPlaying && p.Track.ID != 0 && p.Track.Title != "" && now.Before(expiresAt)
}

// expected returns the users that the viewer sees, in the order of the board. It checks each
// known user without the index, so that the test can compare the index with it.
func expected(known map[songspy.UserID]songspy.BoardEntry, v visibility.Viewer, now time.Time) []songspy.UserID {
	var shown []songspy.BoardEntry
	for _, p := range known {
		_, ok := visibility.Reveal(&p, p.User.ID, p.Rule, visibility.NowThing(&p.Track, p.Playing.StartedAt), v, now)
		if ok && isListening(p, now) {
			shown = append(shown, p)
		}
	}
	slices.SortFunc(shown, func(a, b songspy.BoardEntry) int {
		return cmp.Or(b.Playing.StartedAt.Compare(a.Playing.StartedAt), cmp.Compare(a.User.ID, b.User.ID))
	})
	all := make([]songspy.UserID, len(shown))
	for i, p := range shown {
		all[i] = p.User.ID
	}
	return all
}

func drawEntry(t *rapid.T, now time.Time) songspy.BoardEntry {
	seconds := func(from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, "seconds")) * time.Second
	}
	p := newPlaying(songspy.UserID(rapid.IntRange(1, 8).Draw(t, "id")), now.Add(-seconds(0, 400)))
	p.Playing.State = rapid.SampledFrom([]songspy.PlayerState{songspy.PlayerPlaying, songspy.PlayerPlaying, songspy.PlayerPaused, songspy.PlayerIdle}).Draw(t, "state")
	p.Track.PublicID = songspy.PublicID(rapid.IntRange(1, 2).Draw(t, "track"))
	present := setting(&p)
	present.Now = rapid.SampledFrom([]songspy.Audience{songspy.AudienceEveryone, songspy.AudienceEveryone, songspy.AudienceFollowers, songspy.AudienceNobody}).Draw(t, "audience")
	present.MinSeconds = rapid.SampledFrom([]int{0, 0, 30, 60}).Draw(t, "min seconds")
	if rapid.IntRange(0, 3).Draw(t, "end unknown") == 0 {
		p.Playing.EndsAt = nil
	}
	if rapid.IntRange(0, 3).Draw(t, "hidden") == 0 {
		// Another sharing period begins up to 60 s before or after the start of the song, and
		// hides the user until a time between 60 s ago and 120 s from now.
		hidden := *present
		hidden.BeganAt, hidden.HiddenUntil = p.Playing.StartedAt.Add(seconds(-60, 60)), new(now.Add(seconds(-60, 120)))
		p.Rule.Periods = append(p.Rule.Periods, hidden)
	}
	return p
}

func TestIndex_ShowsEachViewerTheVisibleUsers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		now, known, c := noon, map[songspy.UserID]songspy.BoardEntry{}, newIndex()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "later")) * time.Second)
			switch rapid.IntRange(0, 5).Draw(t, "what") {
			case 0:
				id := songspy.UserID(rapid.IntRange(1, 8).Draw(t, "gone"))
				c.remove(id)
				delete(known, id)
			case 1:
				c.prune(now)
			default:
				p := drawEntry(t, now)
				c.put(p, now)
				known[p.User.ID] = p
			}
			stranger := func(at time.Time) []songspy.UserID {
				all := expected(known, visibility.Anonymous(), at)
				return all[:min(3, len(all))]
			}
			top, until := c.top(3, now)
			if got, want := ids(top), stranger(now); !slices.Equal(got, want) {
				t.Fatalf("shown %v, want %v", got, want)
			}
			// Without a change, the answer must stay the same until the time until.
			later := now.Add(time.Hour)
			if !until.IsZero() {
				if !until.After(now) {
					t.Fatalf("valid until %v, which is not after %v", until, now)
				}
				later = until.Add(-time.Microsecond)
			}
			if !until.IsZero() && !slices.Equal(stranger(later), ids(top)) {
				t.Fatalf("the answer changed before %v", until)
			}
			v := drawViewer(t)
			checkPages(t, c, v, expected(known, v, now), now)
			if shared, next, users, _ := c.list(3, now); c.isSeenAsByStrangers(users, v, now) {
				if own, ownNext := c.listening(v, AllVisible, beginning, 3, now); !slices.Equal(ids(own), ids(shared)) || !reflect.DeepEqual(next, ownNext) {
					t.Fatalf("strangers see %v and then %v, and the viewer, who should see the same, %v and then %v", ids(shared), next, ids(own), ownNext)
				}
			}
		}
	})
}

// drawViewer draws a viewer with follows and blocks. The viewer may be one of the users.
func drawViewer(t *rapid.T) visibility.Viewer {
	some := rapid.SliceOfNDistinct(rapid.Int64Range(1, 8), 0, 4, rapid.ID)
	self := visibility.NewSelf(songspy.UserID(rapid.IntRange(1, 9).Draw(t, "viewer")))
	var follows []songspy.Follow
	for _, id := range some.Draw(t, "follows") {
		follows = append(follows, songspy.Follow{UserID: songspy.UserID(id), FollowerID: self.ID(), State: songspy.FollowApproved})
	}
	var blocks []songspy.Block
	for _, id := range some.Draw(t, "blocked") {
		blocks = append(blocks, songspy.Block{UserID: self.ID(), BlockedID: songspy.UserID(id)})
	}
	return visibility.SignedIn(self, visibility.NewRelations(self, follows, blocks))
}

// checkPages reads all users that the viewer sees, page by page and track by track, and
// compares them with the users in want.
func checkPages(t *rapid.T, c *index, v visibility.Viewer, want []songspy.UserID, now time.Time) {
	size := rapid.IntRange(1, 3).Draw(t, "page size")
	var all []songspy.UserID
	for after := &beginning; after != nil; {
		seen, next := c.listening(v, AllVisible, *after, size, now)
		if next != nil && len(seen) != size {
			t.Fatalf("a page that is not the last has %d of %d entries", len(seen), size)
		}
		all, after = append(all, ids(seen)...), next
	}
	if !slices.Equal(all, want) {
		t.Fatalf("the viewer sees %v, want %v", all, want)
	}
	followed, _ := c.listening(v, OnlyFollowed, beginning, 8, now)
	if got, want := ids(followed), slices.DeleteFunc(slices.Clone(want), func(id songspy.UserID) bool { return !slices.Contains(v.Follows(), id) }); !slices.Equal(got, want) {
		t.Fatalf("of the users that the viewer follows, %v are shown, want %v", got, want)
	}
	for _, track := range []songspy.PublicID{1, 2, 3} {
		seen := c.listeners(v, track, 8, now)
		got := ids(seen)
		if want := slices.DeleteFunc(slices.Clone(want), func(id songspy.UserID) bool { return c.byUser[id].track.PublicID != track }); !slices.Equal(got, want) {
			t.Fatalf("track %d has the listeners %v, want %v", track, got, want)
		}
	}
}

func TestIndex_RemovesExpiredEntries(t *testing.T) {
	c := newIndex()
	c.put(newPlaying(1, noon), noon)
	c.prune(noon.Add(3*time.Minute + songspy.EndGrace))
	if len(c.byUser) != 0 || c.public.Len() != 0 {
		t.Errorf("%d users are left", len(c.byUser))
	}
}
