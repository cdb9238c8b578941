package sweep

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/listening"
)

func TestASeatHoldsWhateverIsKnown(t *testing.T) {
	at := rapid.Custom(func(rt *rapid.T) time.Time {
		if rapid.Bool().Draw(rt, "unknown") {
			return time.Time{}
		}
		return time.UnixMicro(1_790_000_000_000_000 + rapid.Int64Range(0, 3).Draw(rt, "micros")).UTC()
	})
	rapid.Check(t, func(rt *rapid.T) {
		s := &seat{generation: 3}
		for range rapid.IntRange(1, 4).Draw(rt, "times") { // what was held before leaves no trace
			n := songspy.NowPlaying{
				UserID: 7, Generation: 3, ObservedAt: at.Draw(rt, "observed"), ElsewhereAt: at.Draw(rt, "elsewhere"),
				State:    rapid.SampledFrom([]songspy.PlayerState{"", songspy.PlayerIdle, songspy.PlayerPlaying}).Draw(rt, "state"),
				TrackURI: rapid.SampledFrom([]string{"", "", "spotify:track:1"}).Draw(rt, "uri"),
				Skips:    rapid.SampledFrom([]int16{0, 0, 1}).Draw(rt, "skips"),
			}
			u := listening.Untold{
				AskedAt: at.Draw(rt, "asked"), Until: at.Draw(rt, "until"), Plays: rapid.IntRange(0, 50).Draw(rt, "plays"),
				Why: rapid.SampledFrom([]listening.Errand{"", listening.ErrandEnd}).Draw(rt, "why"),
			}
			blind := rapid.SampledFrom([]songspy.GapReason{"", songspy.GapUnseen}).Draw(rt, "blind")
			s.play(n)
			s.leaveUntold(u)
			s.setBlind(blind)
			if l := s.listener(7); l.playing != n || l.untold != u || l.blind != blind {
				rt.Fatalf("%+v %+v %q became %+v %+v %q", n, u, blind, l.playing, l.untold, l.blind)
			}
		}
	})
}

func TestASeatOfWhomNothingIsHeardHoldsNothingApart(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Microsecond)
	s := &seat{}
	s.leaveUntold(listening.Untold{AskedAt: now, Plays: 3})
	for _, n := range []songspy.NowPlaying{{}, {State: songspy.PlayerIdle, ObservedAt: now, ElsewhereAt: now}} {
		s.play(n)
		if s.playing != nil || s.doubt != nil {
			t.Errorf("%+v stands apart", n)
		}
	}
}
