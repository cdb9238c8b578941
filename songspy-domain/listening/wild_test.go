package listening

import (
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// genTime draws times around base, of microseconds, and sometimes none.
func genTime(t *rapid.T, name string) time.Time {
	if rapid.IntRange(0, 19).Draw(t, name+" missing") == 0 {
		return time.Time{}
	}
	return base.Add(time.Duration(rapid.Int64Range(-2e9, 2e9).Draw(t, name)) * time.Microsecond)
}

func genTimeOrNil(t *rapid.T, name string) *time.Time {
	if rapid.Bool().Draw(t, name+" there") {
		when := genTime(t, name)
		return &when
	}
	return nil
}

// genLength draws lengths and progress in milliseconds: songs, tiny tracks,
// podcasts of days, nothing, and nonsense.
func genLength(t *rapid.T, name string) int64 {
	return rapid.OneOf(
		rapid.SampledFrom([]int64{-1, 0, 1, 29_999, 30_000, 200_000, 1e10}),
		rapid.Int64Range(-10_000, 400_000), rapid.Int64Range(0, 5_000), rapid.Int64Range(0, 1e8),
	).Draw(t, name)
}

// genSpeed draws speeds, in thousandths of the clock's, and nonsense.
func genSpeed(t *rapid.T, name string) int32 {
	return rapid.OneOf(rapid.Just[int32](0), rapid.Int32Range(400, 4000), rapid.Int32()).Draw(t, name)
}

func genURI(t *rapid.T) string {
	return rapid.SampledFrom([]string{"spotify:track:a", "spotify:track:a", "spotify:track:b", "spotify:episode:e", "spotify:chapter:c", ""}).Draw(t, "uri")
}

// genState draws any row that a database could hold.
func genState(t *rapid.T) songspy.NowPlaying {
	if rapid.Bool().Draw(t, "new") {
		return songspy.NowPlaying{}
	}
	return songspy.NowPlaying{
		State:    rapid.SampledFrom([]songspy.PlayerState{"", songspy.PlayerIdle, songspy.PlayerPlaying, songspy.PlayerPaused}).Draw(t, "state"),
		TrackURI: genURI(t), DurationMS: genLength(t, "duration"), StartedAt: genTime(t, "started"), ObservedAt: genTime(t, "observed"),
		SeenAt: genTime(t, "seen"), ProgressMS: genLength(t, "progress"), ListenedMS: genLength(t, "listened"), PausedMS: genLength(t, "paused"),
		PausedSince: genTimeOrNil(t, "paused since"), NothingSince: genTimeOrNil(t, "nothing since"), ElsewhereAt: genTime(t, "elsewhere"),
		EndsAt: genTimeOrNil(t, "ends"), Provisional: rapid.Bool().Draw(t, "provisional"), Skips: rapid.Int16().Draw(t, "skips"),
		OpenedAt: genTime(t, "opened"), Polls: rapid.Int16().Draw(t, "polls"), Speed: genSpeed(t, "speed"), LastSpeed: genSpeed(t, "last speed"),
		DoubtedAt: genTimeOrNil(t, "doubted"), DoubtedURI: genURI(t), Unmoved: rapid.Bool().Draw(t, "unmoved"), Stalled: rapid.Bool().Draw(t, "stalled"),
		Advertisement: rapid.Bool().Draw(t, "advertisement"), HidesProgress: rapid.Bool().Draw(t, "hides progress"),
	}
}

// genObservation draws any answer, after any time since the one before.
func genObservation(t *rapid.T, before time.Time) songspy.Observation {
	wait := rapid.OneOf(rapid.Int64Range(-5e9, 2e11), rapid.Int64Range(1, 5e9), rapid.Int64Range(0, 1e14)).Draw(t, "wait")
	return songspy.Observation{
		Sighting: rapid.SampledFrom([]songspy.Sighting{
			songspy.SightingPlaying, songspy.SightingPlaying, songspy.SightingPlaying, songspy.SightingPaused, songspy.SightingPaused,
			songspy.SightingNothing, songspy.SightingAdvertisement, songspy.SightingUnreadable, "",
		}).Draw(t, "sighting"),
		Track:    songspy.Track{URI: genURI(t), DurationMS: genLength(t, "told")},
		Progress: milliseconds(genLength(t, "at")), At: before.Add(time.Duration(wait)),
	}
}

// restored is a state as a database gives it back.
func restored(n songspy.NowPlaying) songspy.NowPlaying {
	for _, at := range []*time.Time{&n.StartedAt, &n.ObservedAt, &n.SeenAt, &n.ElsewhereAt, &n.OpenedAt} {
		*at = at.UTC().Truncate(time.Microsecond)
	}
	for _, at := range []**time.Time{&n.PausedSince, &n.NothingSince, &n.EndsAt, &n.DoubtedAt} {
		if *at != nil {
			when := (*at).UTC().Truncate(time.Microsecond)
			*at = &when
		}
	}
	return n
}

func checkPlay(t *rapid.T, p songspy.Play, after, before time.Time) {
	if p.EndedAt.Before(p.StartedAt) || p.ListenedMS < 0 || p.ListenedMS > p.EndedAt.Sub(p.StartedAt).Milliseconds() {
		t.Fatalf("a play from %v to %v claims %d ms", p.StartedAt, p.EndedAt, p.ListenedMS)
	}
	if p.StartedAt.Before(after) {
		t.Fatalf("a play from %v overlaps the one until %v", p.StartedAt, after)
	}
	if p.EndedAt.After(before) {
		t.Fatalf("a play ends at %v, after the look at %v", p.EndedAt, before)
	}
}

// wild holds Step, NextLook and Close to their laws whatever the player, the
// provider and the database say.
func wild(t *rapid.T) {
	n := genState(t)
	last, ended := base, time.Time{}
	if n.ObservedAt.After(last) {
		last = n.ObservedAt
	}
	interval := seconds(t, 1, 600)
	for range rapid.IntRange(1, 12).Draw(t, "looks") {
		o := genObservation(t, last)
		out := Step(n, o)
		if len(out.Plays) > 0 && !out.Worth {
			t.Fatalf("plays that are not worth a write: %+v", out.Plays)
		}
		for _, p := range out.Plays {
			checkPlay(t, p, ended, o.At)
			ended = p.EndedAt
		}
		if out.State.ObservedAt.Equal(n.ObservedAt) {
			continue // ignored
		}
		n, last = out.State, out.State.ObservedAt
		if next := genObservation(t, last); !reflect.DeepEqual(Step(restored(n), next), Step(n, next)) {
			t.Fatalf("a state read back means something else: %+v", n)
		}
		if wait := NextLook(n, o.Sighting, last, interval/3, interval).At.Sub(last); wait <= 0 || wait > interval {
			t.Fatalf("the next look is %v away, the interval %v: %+v", wait, interval, n)
		}
		if !n.Open() {
			continue
		}
		if n.StartedAt.Before(ended) || n.StartedAt.After(n.SeenAt) || n.SeenAt.After(last) {
			t.Fatalf("the open play of %v, seen at %v, follows one until %v", n.StartedAt, n.SeenAt, ended)
		}
		if n.State == songspy.PlayerPaused && (n.PausedSince == nil || n.PausedSince.After(last) || n.ShownUntil().After(last.Add(songspy.PauseShown))) {
			t.Fatalf("paused since %v, shown until %v", n.PausedSince, n.ShownUntil())
		}
		closing := last.Add(seconds(t, -300, 300))
		if p, counts := n.Close(closing); counts {
			checkPlay(t, p, ended, later(closing, last))
		}
	}
	if !last.After(n.ObservedAt) && n.Open() {
		for i := range 2 {
			n = Step(n, songspy.Observation{Sighting: songspy.SightingNothing, At: last.Add(time.Duration(i+1) * doubted)}).State
		}
		if n.Open() {
			t.Fatalf("two silences close nothing: %+v", n)
		}
	}
}

func TestStepKeepsItsLawsWhateverComes(t *testing.T) { rapid.Check(t, wild) }

func FuzzStep(f *testing.F) { f.Fuzz(rapid.MakeFuzz(wild)) }
