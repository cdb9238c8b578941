package storetest

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func recorded() suite {
	// told sums up what the store says that it has recorded.
	told := func(b *bundle) (plays map[songspy.PlaySource]int, gaps map[songspy.GapReason]int) {
		plays, gaps = map[songspy.PlaySource]int{}, map[songspy.GapReason]int{}
		b.OnRecorded(func(r songspy.Recorded) {
			for source, n := range r.Plays {
				plays[source] += n
			}
			for why, n := range r.Gaps {
				gaps[why] += n
			}
		})
		return plays, gaps
	}
	return suite{
		"OnRecorded_TellsOfEachPlayAndGapOnce": func(t *testing.T, b *bundle) {
			one, two := b.listener(t), b.listener(t)
			plays, gaps := told(b)
			h, later := hears(one, song(1), start), hears(one, song(1), start.Add(time.Hour))
			h.Plays = []songspy.Play{played(song(2), start.Add(-time.Hour)), played(song(2), start.Add(-2*time.Hour))}
			h.Tracks = append(h.Tracks, song(2))
			h.Gap = &songspy.Gap{BeganAt: start.Add(-time.Hour), EndedAt: &start, Reason: songspy.GapDoorClosed}
			later.Gap = h.Gap
			b.write(t, h)
			b.write(t, h)     // its fate was unknown
			b.write(t, later) // the gap is known already
			turnTo := func(s songspy.LinkState) {
				value[songspy.Link](t)(b.UpdateLink(t.Context(), two.UserID, func(l *songspy.Link) error { l.State = s; return nil }))
			}
			turnTo(songspy.LinkReauthRequired)
			turnTo(songspy.LinkNotRegistered) // as broken as before
			item := songspy.HistoryItem{Track: song(3), PlayedAt: start.Add(-5 * time.Hour)}
			value[songspy.Reconciled](t)(b.UpdateHistory(t.Context(), one.UserID, one.Generation, []songspy.HistoryItem{item}, func(songspy.Kept) (r songspy.Reconciled) {
				p := played(song(3), item.PlayedAt)
				p.Source = songspy.SourceHistory
				r.Found = []songspy.KeptPlay{{Play: p, Track: song(3), HeardAt: item.PlayedAt}}
				ended := item.PlayedAt
				r.Gaps = []songspy.Gap{{BeganAt: ended.Add(-time.Hour), EndedAt: &ended, Reason: songspy.GapUnseen}}
				return r
			}))
			same(t, "plays", plays, map[songspy.PlaySource]int{songspy.SourceLive: 2, songspy.SourceHistory: 1})
			same(t, "gaps", gaps, map[songspy.GapReason]int{songspy.GapDoorClosed: 1, songspy.GapLinkBroken: 1, songspy.GapUnseen: 1})
		},
		"OnRecorded_TellsOfThePlayThatANewAccountCloses": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			b.write(t, hears(l, song(1), start))
			plays, _ := told(b)
			b.clock.advance(time.Minute)
			b.link(t, l.UserID, "another")
			same(t, "plays", plays, map[songspy.PlaySource]int{songspy.SourceLive: 1})
		},
		"OnRecorded_TellsNothingOfWhatWasNotKept": func(t *testing.T, b *bundle) {
			l := b.listener(t)
			plays, gaps := told(b)
			h := hears(l, song(1), start)
			h.Playing.Generation--
			h.Plays, h.Tracks = []songspy.Play{played(song(2), start.Add(-time.Hour))}, append(h.Tracks, song(2))
			h.Gap = &songspy.Gap{BeganAt: start.Add(-time.Hour), EndedAt: &start, Reason: songspy.GapDoorClosed}
			value[[]songspy.Written](t)(b.WriteListening(t.Context(), []songspy.Hearing{h}))
			h.Playing.Generation++
			h.Gap = &songspy.Gap{BeganAt: start, EndedAt: &h.Plays[0].StartedAt, Reason: songspy.GapDoorClosed} // the database refuses it
			value[[]songspy.Written](t)(b.WriteListening(t.Context(), []songspy.Hearing{h}))
			same(t, "told", len(plays)+len(gaps), 0)
		},
	}
}
