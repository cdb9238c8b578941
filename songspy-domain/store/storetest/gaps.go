package storetest

import (
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func gaps() suite {
	all := func(t *testing.T, b *fixture, l songspy.Link) []songspy.Gap {
		t.Helper()
		return value[[]songspy.Gap](t)(b.Gaps(t.Context(), l.UserID, songspy.Gap{}, 100))
	}
	setState := func(t *testing.T, b *fixture, l songspy.Link, state songspy.LinkState) {
		t.Helper()
		value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
			l.State = state
			return nil
		}))
	}
	hour := func(n int) *time.Time {
		at := start.Add(time.Duration(n) * time.Hour)
		return &at
	}
	return suite{
		"WritePlaybackUpdates_WritesAGapOnce": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			update := playingUpdate(l, song(1), start)
			update.Gap = &songspy.Gap{BeganAt: start.Add(-time.Hour), EndedAt: &start, Reason: songspy.GapAppBlocked}
			b.write(t, update)
			b.write(t, update)
			same(t, "gaps", all(t, b, l), []songspy.Gap{{UserID: l.UserID, BeganAt: start.Add(-time.Hour), EndedAt: &start, Reason: songspy.GapAppBlocked}})
		},
		"Gaps_OpenWithABrokenLinkAndCloseOnceItIsRepaired": func(t *testing.T, b *fixture) {
			repaired, relinked := b.newLinkedUser(t), b.newLinkedUser(t)
			b.clock.advance(time.Hour)
			setState(t, b, repaired, songspy.LinkNotRegistered)
			setState(t, b, relinked, songspy.LinkReauthRequired)
			open := func(l songspy.Link) []songspy.Gap {
				return []songspy.Gap{{UserID: l.UserID, BeganAt: *hour(1), Reason: songspy.GapLinkBroken}}
			}
			same(t, "while broken", all(t, b, repaired), open(repaired))
			same(t, "while rejected", all(t, b, relinked), open(relinked))
			b.clock.advance(time.Hour)
			setState(t, b, repaired, songspy.LinkActive)
			b.link(t, relinked.UserID, "of-2")
			for _, l := range []songspy.Link{repaired, relinked} {
				closed := open(l)
				closed[0].EndedAt = hour(2)
				same(t, "after it works again", all(t, b, l), closed)
			}
		},
		"Gaps_BeginAtTheFirstRejectedPoll": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			value[songspy.Link](t)(b.UpdateLink(t.Context(), l.UserID, func(l *songspy.Link) error {
				l.State, l.PollsRefusedSince = songspy.LinkSuspect, &start
				return nil
			}))
			same(t, "rejected since", *value[songspy.Link](t)(b.Link(t.Context(), l.UserID)).PollsRefusedSince, start)
			b.clock.advance(6 * time.Hour)
			setState(t, b, l, songspy.LinkReauthRequired)
			same(t, "gaps", all(t, b, l), []songspy.Gap{{UserID: l.UserID, BeganAt: start, Reason: songspy.GapLinkBroken}})
			again := b.link(t, l.UserID, "of-1")
			same(t, "no longer rejected", again.PollsRefusedSince == nil, true)
		},
		"Gaps_ThatBeganInTheFutureAreDeleted": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.clock.advance(9 * time.Hour)
			setState(t, b, l, songspy.LinkNotRegistered)
			b.clock.advance(-9 * time.Hour)
			setState(t, b, l, songspy.LinkActive)
			same(t, "gaps", len(all(t, b, l)), 0)
		},
		// The process that reports the break has a clock that is a minute ahead of the one that
		// reports the repair.
		"Gaps_EndEvenIfTheyBeganAMinuteAhead": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			b.clock.advance(time.Hour)
			setState(t, b, l, songspy.LinkNotRegistered)
			began := b.clock.Now()
			b.clock.advance(-time.Minute)
			setState(t, b, l, songspy.LinkActive)
			same(t, "gaps", all(t, b, l), []songspy.Gap{{UserID: l.UserID, BeganAt: began, EndedAt: &began, Reason: songspy.GapLinkBroken}})
		},
		"Gaps_BeginWhenTheTokenOfASuspectLinkExpired": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t) // its access token is valid for an hour
			setState(t, b, l, songspy.LinkSuspect)
			same(t, "while suspect", len(all(t, b, l)), 0)
			b.clock.advance(6 * time.Hour)
			setState(t, b, l, songspy.LinkReauthRequired)
			same(t, "gaps", all(t, b, l), []songspy.Gap{{UserID: l.UserID, BeganAt: *hour(1), Reason: songspy.GapLinkBroken}})
		},
		"Gaps_PageFromTheNewest": func(t *testing.T, b *fixture) {
			l := b.newLinkedUser(t)
			for n := range 5 {
				update := playingUpdate(l, song(1), start.Add(time.Duration(n)*time.Hour))
				update.Gap = &songspy.Gap{BeganAt: *hour(n - 1), EndedAt: hour(n), Reason: songspy.GapBatchDown}
				b.write(t, update)
			}
			var last songspy.Gap
			var began []time.Time
			for {
				page := value[[]songspy.Gap](t)(b.Gaps(t.Context(), l.UserID, last, 2))
				for _, g := range page {
					began = append(began, g.BeganAt)
				}
				if len(page) < 2 {
					break
				}
				last = page[1]
			}
			same(t, "gaps", began, []time.Time{*hour(3), *hour(2), *hour(1), *hour(0), *hour(-1)})
		},
		"Heartbeats_AreStoredByName": func(t *testing.T, b *fixture) {
			same(t, "before the first", value[time.Time](t)(b.LastHeartbeat(t.Context(), "batch")).IsZero(), true)
			must(t, b.RecordHeartbeat(t.Context(), "batch"))
			b.clock.advance(time.Hour)
			must(t, b.RecordHeartbeat(t.Context(), "other"))
			same(t, "the last", value[time.Time](t)(b.LastHeartbeat(t.Context(), "batch")).UTC(), start)
			must(t, b.RecordHeartbeat(t.Context(), "batch"))
			same(t, "the next", value[time.Time](t)(b.LastHeartbeat(t.Context(), "batch")).UTC(), *hour(1))
		},
	}
}
