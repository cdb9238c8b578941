package storetest

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func recorded() suite {
	// reported sets a function by OnRecorded, and returns two maps. The function adds to
	// them the plays and the gaps that the store reports from now on.
	reported := func(b *fixture) (plays map[songspy.PlaySource]int, gaps map[songspy.GapReason]int) {
		plays, gaps = map[songspy.PlaySource]int{}, map[songspy.GapReason]int{}
		b.OnRecorded(func(r songspy.RecordedCounts) {
			for source, n := range r.Plays {
				plays[source] += n
			}
			for reason, n := range r.Gaps {
				gaps[reason] += n
			}
		})
		return plays, gaps
	}
	return suite{
		"OnRecorded_ReportsEachPlayAndGapOnce": func(t *testing.T, b *fixture) {
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			plays, gaps := reported(b)
			update, later := playingUpdate(one, song(1), start), playingUpdate(one, song(1), start.Add(time.Hour))
			update.Plays = []songspy.Play{finishedPlay(song(2), start.Add(-time.Hour)), finishedPlay(song(2), start.Add(-2*time.Hour))}
			update.Tracks = append(update.Tracks, song(2))
			update.Gap = &songspy.Gap{BeganAt: start.Add(-time.Hour), EndedAt: &start, Reason: songspy.GapAppBlocked}
			later.Gap = update.Gap
			b.write(t, update)
			b.write(t, update) // written again, as if the outcome of the first write were unknown
			b.write(t, later)  // the gap is already stored
			setState := func(s songspy.LinkState) {
				value[songspy.Link](t)(b.UpdateLink(t.Context(), two.UserID, func(l *songspy.Link) error { l.State = s; return nil }))
			}
			setState(songspy.LinkReauthRequired)
			setState(songspy.LinkNotRegistered) // the link stays broken, so no new gap begins
			item := songspy.HistoryItem{Track: song(3), PlayedAt: start.Add(-5 * time.Hour)}
			value[songspy.Reconciliation](t)(b.ReconcileHistory(t.Context(), one.UserID, one.Generation, []songspy.HistoryItem{item}, func(songspy.StoredPlays) (r songspy.Reconciliation) {
				p := finishedPlay(song(3), item.PlayedAt)
				p.Source = songspy.SourceHistory
				r.Added = []songspy.StoredPlay{{Play: p, Track: song(3), PlayedAt: item.PlayedAt}}
				ended := item.PlayedAt
				r.Gaps = []songspy.Gap{{BeganAt: ended.Add(-time.Hour), EndedAt: &ended, Reason: songspy.GapUnseen}}
				return r
			}))
			same(t, "plays", plays, map[songspy.PlaySource]int{songspy.SourceLive: 2, songspy.SourceHistory: 1})
			same(t, "gaps", gaps, map[songspy.GapReason]int{songspy.GapAppBlocked: 1, songspy.GapLinkBroken: 1, songspy.GapUnseen: 1})
		},
		"OnRecorded_ReportsThePlayThatANewAccountCloses": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.write(t, playingUpdate(l, song(1), start))
			plays, _ := reported(b)
			b.clock.advance(time.Minute)
			b.link(t, l.UserID, "another")
			same(t, "plays", plays, map[songspy.PlaySource]int{songspy.SourceLive: 1})
		},
		"OnRecorded_DoesNotReportFailedWrites": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			plays, gaps := reported(b)
			update := playingUpdate(l, song(1), start)
			update.Playing.Generation--
			update.Plays, update.Tracks = []songspy.Play{finishedPlay(song(2), start.Add(-time.Hour))}, append(update.Tracks, song(2))
			update.Gap = &songspy.Gap{BeganAt: start.Add(-time.Hour), EndedAt: &start, Reason: songspy.GapAppBlocked}
			value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}))
			update.Playing.Generation++
			update.Gap = &songspy.Gap{BeganAt: start, EndedAt: &update.Plays[0].StartedAt, Reason: songspy.GapAppBlocked} // the database rejects it, because it ends before it begins
			value[[]songspy.PlaybackUpdateResult](t)(b.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{update}))
			same(t, "recorded plays and gaps", len(plays)+len(gaps), 0)
		},
	}
}
