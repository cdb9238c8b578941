package songspy_test

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestCapAtNow_ReplacesTimesAheadOfClock(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct{ ahead, want time.Duration }{
		"past":             {-time.Hour, -time.Hour},
		"the largest skew": {songspy.ClockSkewMax, songspy.ClockSkewMax},
		"beyond the skew":  {songspy.ClockSkewMax + 1, 0},
		"a year":           {365 * 24 * time.Hour, 0},
	} {
		if got := songspy.CapAtNow(now.Add(c.ahead), now); !got.Equal(now.Add(c.want)) {
			t.Errorf("%s: capped at %s after now", name, got.Sub(now))
		}
	}
}

// nowPlaying draws a random state of a player. The argument observed is its ObservedAt.
func nowPlaying(rt *rapid.T, observed time.Time) songspy.NowPlaying {
	before := func(label string, t time.Time) time.Time {
		return t.Add(-time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(rt, label))).Truncate(time.Microsecond)
	}
	n := songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:1", DurationMS: 200_000, ObservedAt: observed}
	n.SeenAt = before("seen", n.ObservedAt)
	n.StartedAt = before("started", n.SeenAt)
	n.OtherSeenAt = before("other seen", n.StartedAt)
	ends := n.StartedAt.Add(200 * time.Second)
	n.EndsAt = &ends
	if rapid.Bool().Draw(rt, "paused") {
		since := before("pause", n.ObservedAt)
		n.State, n.PausedSince = songspy.PlayerPaused, &since
	}
	if rapid.Bool().Draw(rt, "idle") {
		since := before("idle since", n.ObservedAt)
		n.IdleSince = &since
	}
	return n
}

func TestCorrectClock_KeepsDistancesBetweenTimes(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	rapid.Check(t, func(rt *rapid.T) {
		ahead := time.Duration(rapid.Int64Range(-int64(time.Hour), int64(20*time.Hour)).Draw(rt, "ahead")).Truncate(time.Microsecond)
		n := nowPlaying(rt, now.Add(ahead))
		before := n
		got := n.CorrectClock(now)
		if n != before {
			rt.Fatal("CorrectClock changed its receiver")
		}
		if ahead <= songspy.ClockSkewMax {
			if got != n {
				rt.Fatalf("a state observed %s after now changed", ahead)
			}
			return
		}
		if !got.ObservedAt.Before(now) || got.ObservedAt.Before(now.Add(-time.Second)) {
			rt.Fatalf("observed %s after now", got.ObservedAt.Sub(now))
		}
		shift := got.ObservedAt.Sub(n.ObservedAt)
		if got.SeenAt.Sub(n.SeenAt) != shift || got.StartedAt.Sub(n.StartedAt) != shift || got.OtherSeenAt.Sub(n.OtherSeenAt) != shift || got.EndsAt.Sub(*n.EndsAt) != shift {
			rt.Fatalf("the distances changed: %+v became %+v", n, got)
		}
		if n.PausedSince != nil && got.PausedSince.Sub(*n.PausedSince) != shift || n.IdleSince != nil && got.IdleSince.Sub(*n.IdleSince) != shift {
			rt.Fatalf("the distances changed: %+v became %+v", n, got)
		}
		if again := got.CorrectClock(now); again != got {
			rt.Fatal("a second call changes the state again")
		}
	})
}

// TestCorrectClock_CoversEveryTimeField sets all time fields of NowPlaying by reflection, so
// that it also covers fields that are added later. All are nine hours ahead of the clock.
// After CorrectClock no field may be ahead.
func TestCorrectClock_CoversEveryTimeField(t *testing.T) {
	now := time.Date(2026, 11, 26, 12, 0, 0, 0, time.UTC)
	var n songspy.NowPlaying
	ahead := now.Add(9 * time.Hour)
	fields := reflect.ValueOf(&n).Elem()
	for i := range fields.NumField() {
		switch field := fields.Field(i).Addr().Interface().(type) {
		case *time.Time:
			*field = ahead
		case **time.Time:
			*field = &ahead
		}
	}
	got := reflect.ValueOf(n.CorrectClock(now))
	for i := range got.NumField() {
		at := got.Field(i).Interface()
		if p, ok := at.(*time.Time); ok {
			at = *p
		}
		if at, ok := at.(time.Time); ok && at.After(now) {
			t.Errorf("%s is %s ahead of the clock", got.Type().Field(i).Name, at.Sub(now))
		}
	}
}
