package board

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

var noon = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

// newPlaying returns a user who plays a song of three minutes from start on.
func newPlaying(id songspy.UserID, start time.Time) songspy.BoardEntry {
	end := start.Add(3 * time.Minute)
	return songspy.BoardEntry{
		User:    songspy.User{ID: id, Audience: songspy.AudienceEveryone},
		Playing: songspy.NowPlaying{UserID: id, State: songspy.PlayerPlaying, TrackID: 7, TrackURI: "spotify:track:7", StartedAt: start, SeenAt: start, EndsAt: &end},
		Track:   songspy.Track{ID: 7, Title: "Song", Kind: songspy.KindTrack},
	}
}

func ids(entries []songspy.BoardEntry) []songspy.UserID {
	all := make([]songspy.UserID, len(entries))
	for i, p := range entries {
		all[i] = p.User.ID
	}
	return all
}

// isVisible states the rule of visibility without an index.
func isVisible(p songspy.BoardEntry, now time.Time) bool {
	expiresAt := p.Playing.SeenAt.Add(songspy.UnknownEndShownFor)
	if p.Playing.EndsAt != nil {
		expiresAt = p.Playing.EndsAt.Add(songspy.EndGrace)
	}
	return p.User.SharesWithEveryone(now) && p.Playing.State == songspy.PlayerPlaying &&
		p.Track.ID != 0 && p.Track.Title != "" && now.Before(expiresAt)
}

func drawEntry(t *rapid.T, now time.Time) songspy.BoardEntry {
	seconds := func(from, to int) time.Duration {
		return time.Duration(rapid.IntRange(from, to).Draw(t, "seconds")) * time.Second
	}
	p := newPlaying(songspy.UserID(rapid.IntRange(1, 8).Draw(t, "id")), now.Add(-seconds(0, 400)))
	p.Playing.State = rapid.SampledFrom([]songspy.PlayerState{songspy.PlayerPlaying, songspy.PlayerPlaying, songspy.PlayerPaused, songspy.PlayerIdle}).Draw(t, "state")
	p.User.Audience = rapid.SampledFrom([]songspy.Audience{songspy.AudienceEveryone, songspy.AudienceEveryone, songspy.AudienceNobody}).Draw(t, "audience")
	if rapid.IntRange(0, 3).Draw(t, "end unknown") == 0 {
		p.Playing.EndsAt = nil
	}
	if rapid.IntRange(0, 2).Draw(t, "sharing paused") == 0 {
		until := now.Add(seconds(-60, 120))
		p.User.SharingPausedUntil = &until
	}
	return p
}

func TestIndex_ShowsExactlyTheVisibleUsers(t *testing.T) {
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
			top, until := c.top(3, now)
			if got, want := ids(top), expectedTop(known, 3, now); !slices.Equal(got, want) {
				t.Fatalf("shown %v, want %v", got, want)
			}
			// Without a change, the answer must stay the same until then.
			later := now.Add(time.Hour)
			if !until.IsZero() {
				if !until.After(now) {
					t.Fatalf("valid until %v, which is not after %v", until, now)
				}
				later = until.Add(-time.Microsecond)
			}
			if !until.IsZero() && !slices.Equal(expectedTop(known, 3, later), ids(top)) {
				t.Fatalf("the answer changed before %v", until)
			}
		}
	})
}

func expectedTop(known map[songspy.UserID]songspy.BoardEntry, n int, now time.Time) []songspy.UserID {
	var shown []songspy.BoardEntry
	for _, p := range known {
		if isVisible(p, now) {
			shown = append(shown, p)
		}
	}
	slices.SortFunc(shown, func(a, b songspy.BoardEntry) int {
		return cmp.Or(b.Playing.StartedAt.Compare(a.Playing.StartedAt), cmp.Compare(a.User.ID, b.User.ID))
	})
	return ids(shown[:min(n, len(shown))])
}

func TestIndex_RemovesExpiredEntries(t *testing.T) {
	c := newIndex()
	c.put(newPlaying(1, noon), noon)
	c.prune(noon.Add(3*time.Minute + songspy.EndGrace))
	if len(c.byUser) != 0 || c.visible.Len() != 0 {
		t.Errorf("%d users are left", len(c.byUser))
	}
}
