package poller

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/playback"
)

func TestAnEntryHoldsTheWholeState(t *testing.T) {
	at := rapid.Custom(func(rt *rapid.T) time.Time {
		if rapid.Bool().Draw(rt, "unknown") {
			return time.Time{}
		}
		return time.UnixMicro(1_790_000_000_000_000 + rapid.Int64Range(0, 3).Draw(rt, "micros")).UTC()
	})
	rapid.Check(t, func(rt *rapid.T) {
		e := &entry{generation: 3}
		for range rapid.IntRange(1, 4).Draw(rt, "times") { // earlier states must leave no trace
			n := songspy.NowPlaying{
				UserID: 7, Generation: 3, ObservedAt: at.Draw(rt, "observed"), OtherSeenAt: at.Draw(rt, "other seen"),
				State:    rapid.SampledFrom([]songspy.PlayerState{"", songspy.PlayerIdle, songspy.PlayerPlaying}).Draw(rt, "state"),
				TrackURI: rapid.SampledFrom([]string{"", "", "spotify:track:1"}).Draw(rt, "uri"),
				Skips:    rapid.SampledFrom([]int16{0, 0, 1}).Draw(rt, "skips"),
			}
			history := playback.HistoryState{
				FetchedAt: at.Draw(rt, "fetched"), UncoveredUntil: at.Draw(rt, "until"), PlaysSince: rapid.IntRange(0, 50).Draw(rt, "plays"),
				Reason: rapid.SampledFrom([]playback.HistoryReason{"", playback.HistorySessionEnd}).Draw(rt, "reason"),
			}
			gapReason := rapid.SampledFrom([]songspy.GapReason{"", songspy.GapUnseen}).Draw(rt, "gap reason")
			e.setPlaying(n)
			e.setHistoryState(history)
			e.setGapReason(gapReason)
			if s := e.state(7); s.playing != n || s.history != history || s.gapReason != gapReason {
				rt.Fatalf("%+v %+v %q became %+v %+v %q", n, history, gapReason, s.playing, s.history, s.gapReason)
			}
		}
	})
}

func TestAnIdleEntryAllocatesNothing(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	e := &entry{}
	e.setHistoryState(playback.HistoryState{FetchedAt: now, PlaysSince: 3})
	for _, n := range []songspy.NowPlaying{{}, {State: songspy.PlayerIdle, ObservedAt: now, OtherSeenAt: now}} {
		e.setPlaying(n)
		if e.playing != nil || e.uncovered != nil {
			t.Errorf("%+v was allocated", n)
		}
	}
}
