package songspy

import (
	"testing"
	"time"
)

func TestClosePlay_CountsOnlyProvenTime(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	at := func(seconds int) *time.Time {
		when := start.Add(time.Duration(seconds) * time.Second)
		return &when
	}
	playing := NowPlaying{
		State: PlayerPlaying, TrackURI: "spotify:track:a", DurationMS: 200_000,
		StartedAt: start, SeenAt: *at(50), ListenedMS: 50_000, EndsAt: at(200),
	}
	tests := map[string]struct {
		change      func(n *NowPlaying)
		at          int
		ends        int
		listened    int64
		provisional bool
		counts      bool
	}{
		"closed while playing":                 {func(*NowPlaying) {}, 100, 100, 50_000, true, true},
		"closed long after its end":            {func(*NowPlaying) {}, 900, 200, 50_000, true, true},
		"closed before it was last seen":       {func(*NowPlaying) {}, 20, 50, 50_000, true, true},
		"closed after the player became idle":  {func(n *NowPlaying) { n.IdleSince = at(80) }, 100, 80, 50_000, true, true},
		"closed while paused":                  {func(n *NowPlaying) { n.State, n.PausedSince, n.EndsAt = PlayerPaused, at(60), at(60) }, 900, 60, 50_000, false, true},
		"several repetitions without progress": {func(n *NowPlaying) { n.ListenedMS, n.SeenAt, n.EndsAt = 500_000, *at(500), nil }, 600, 600, 200_000, true, true},
		"more listened than time":              {func(n *NowPlaying) { n.ListenedMS = 90_000 }, 50, 50, 50_000, true, true},
		"started after the closing time":       {func(n *NowPlaying) { n.StartedAt, n.SeenAt = *at(300), *at(300) }, 100, 300, 0, true, false},
		"too short to count":                   {func(n *NowPlaying) { n.ListenedMS = 29_999 }, 100, 100, 29_999, true, false},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			n := playing
			tt.change(&n)
			p, counts := n.ClosePlay(*at(tt.at))
			if counts != tt.counts || !p.EndedAt.Equal(*at(tt.ends)) || p.ListenedMS != tt.listened || p.Provisional != tt.provisional {
				t.Errorf("closed as %+v, counted %t", p, counts)
			}
		})
	}
	if _, counts := (NowPlaying{State: PlayerIdle}).ClosePlay(*at(1)); counts {
		t.Error("ClosePlay closed a play of an idle player")
	}
}

func TestShownUntil_EndsWithoutNewPolls(t *testing.T) {
	seen := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	since, ends := seen.Add(-time.Minute), seen.Add(time.Minute)
	open := NowPlaying{State: PlayerPlaying, TrackURI: "spotify:track:a", SeenAt: seen}
	withEnd, paused, pausedUnknown := open, open, open
	withEnd.EndsAt = &ends
	paused.State, paused.PausedSince, paused.EndsAt = PlayerPaused, &since, &since
	pausedUnknown.State = PlayerPaused
	for name, tt := range map[string]struct {
		n    NowPlaying
		want time.Time
	}{
		"idle":                      {NowPlaying{State: PlayerIdle, SeenAt: seen}, time.Time{}},
		"playing to a known end":    {withEnd, ends.Add(EndGrace)},
		"playing to an unknown end": {open, seen.Add(UnknownEndShownFor)},
		"paused":                    {paused, since.Add(PausedShownFor)},
		"paused at an unknown time": {pausedUnknown, seen.Add(UnknownEndShownFor)},
	} {
		if got := tt.n.ShownUntil(); !got.Equal(tt.want) {
			t.Errorf("%s: shown until %v, want %v", name, got, tt.want)
		}
	}
}
