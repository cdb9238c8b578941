package storetest

import (
	"fmt"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/store"
)

func status() suite {
	return suite{
		"Status_CountsAndNamesNoUser": func(t *testing.T, b *fixture) {
			empty := value[store.Status](t)(b.Status(t.Context()))
			same(t, "links in an empty database", len(empty.Links), 0)
			one, two := b.newLinkedUser(t), b.newLinkedUser(t)
			update := playingUpdate(one, song(1), start.Add(-time.Minute))
			update.Plays = []songspy.Play{finishedPlay(song(2), start.Add(-time.Hour)), finishedPlay(song(2), start.Add(-48*time.Hour))}
			update.Tracks = append(update.Tracks, song(2))
			b.write(t, update)
			value[songspy.Link](t)(b.UpdateLink(t.Context(), two.UserID, func(l *songspy.Link) error {
				l.State = songspy.LinkReauthRequired
				return nil
			}))
			tripped := breaker.SharedBreakers{API: breaker.SharedBreaker{Cause: breaker.CauseRateLimited, OpenUntil: start.Add(time.Hour), Epoch: 1}}
			value[bool](t)(b.SwapBreakers(t.Context(), "app", 0, tripped))
			own := songspy.UserApp("0123456789abcdef0123456789abcdef")
			value[bool](t)(b.SwapBreakers(t.Context(), own, 0, tripped))
			value[songspy.ShardLease](t)(b.LeaseShards(t.Context(), songspy.ShardClaim{Owner: "one", TTL: 10_000 * time.Hour}))
			must(t, b.RecordHeartbeat(t.Context(), "poller"))
			must(t, b.CountPolls(t.Context(), map[string]int64{"interval": 3}))

			st := value[store.Status](t)(b.Status(t.Context()))
			same(t, "links", st.Links, map[songspy.LinkState]int64{songspy.LinkActive: 1, songspy.LinkReauthRequired: 1})
			same(t, "playing", st.Playing, 1)
			same(t, "plays", st.Plays, map[songspy.PlaySource]int64{songspy.SourceLive: 1})
			same(t, "open gaps", st.OpenGaps, map[songspy.GapReason]int64{songspy.GapLinkBroken: 1})
			same(t, "breakers", st.Breakers, map[string]breaker.SharedBreakers{"app": tripped})
			same(t, "quotas of accounts without calls", st.Quotas, map[string]store.QuotaStatus{})
			same(t, "replicas", st.Replicas, []store.ReplicaShards{{Name: "one", Shards: songspy.ShardCount}})
			same(t, "user-supplied apps that are blocked", st.UserAppsBlocked, 1)
			same(t, "polls", st.Polls, map[string]int64{"interval": 3})
			same(t, "last poll", st.LastPollAt.UTC(), start)
		},
		"Status_CountsThePollsOfADay": func(t *testing.T, b *fixture) {
			count := func(at time.Time, polls map[string]int64) {
				t.Helper()
				b.clock.advance(at.Sub(b.clock.Now()))
				must(t, b.CountPolls(t.Context(), polls))
			}
			// shown returns the counts that Status shows at the given time, and the number
			// of rows in poll_counts.
			shown := func(at time.Time) (map[string]int64, int) {
				t.Helper()
				b.clock.advance(at.Sub(b.clock.Now()))
				_, rows := b.allRows(t, "poll_counts")
				return value[store.Status](t)(b.Status(t.Context())).Polls, len(rows)
			}
			same(t, "before the first poll", value[store.Status](t)(b.Status(t.Context())).Polls, map[string]int64{})
			count(start, map[string]int64{"interval": 5, "retry": 1})
			count(start.Add(time.Minute), map[string]int64{"interval": 2})
			count(start.Add(10*time.Hour), map[string]int64{"track_end": 7})
			counts, rows := shown(start.Add(24 * time.Hour))
			same(t, "within a day", counts, map[string]int64{"interval": 7, "retry": 1, "track_end": 7})
			same(t, "rows", rows, 3)
			counts, _ = shown(start.Add(24*time.Hour + 5*time.Minute))
			same(t, "after a day", counts, map[string]int64{"track_end": 7})
			count(start.AddDate(1, 0, 0), map[string]int64{"quota": 9}) // stored while the clock is a year ahead
			counts, rows = shown(start.Add(24 * time.Hour))
			same(t, "counts of the future", counts, map[string]int64{})
			same(t, "rows after a year", rows, 1)
			count(start.Add(25*time.Hour), map[string]int64{"interval": 1})
			counts, rows = shown(start.Add(25 * time.Hour))
			same(t, "once the clock is right again", counts, map[string]int64{"interval": 1})
			same(t, "rows once the clock is right again", rows, 1)
		},
		"Status_CountsConsentsThatEndSoon": func(t *testing.T, b *fixture) {
			for _, days := range []int{-1, 5, 20, 40, 100} {
				u := b.newUser(t)
				at := start.Truncate(24*time.Hour).AddDate(0, -songspy.ConsentMonths, days)
				value[songspy.Link](t)(b.SaveLink(t.Context(), songspy.NewLink{
					UserID: u.ID, App: "main", Grant: grant(fmt.Sprint(days)), Account: account(fmt.Sprint(days)), ConsentedAt: at,
				}))
			}
			over := b.newLinkedUser(t)
			value[songspy.Link](t)(b.UpdateLink(t.Context(), over.UserID, func(l *songspy.Link) error {
				l.State, l.AuthorizedAt = songspy.LinkReauthRequired, start.AddDate(-1, 0, 0)
				return nil
			}))
			st := value[store.Status](t)(b.Status(t.Context()))
			same(t, "consent left", st.ConsentLeft, []store.ConsentLeft{{Days: 7, Links: 2}, {Days: 30, Links: 3}, {Days: 90, Links: 4}})
			same(t, "in their last month", st.ConsentEnding, 3)
			groups := value[[]songspy.LinkGroup](t)(b.LinkGroups(t.Context()))
			same(t, "groups", len(groups), 6)
			same(t, "the first", groups[0], songspy.LinkGroup{
				State: songspy.LinkActive, Count: 1, ConsentedOn: start.Truncate(24*time.Hour).AddDate(0, -songspy.ConsentMonths, -1),
			})
		},
	}
}
