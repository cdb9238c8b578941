package poller

import (
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// looked is how many looks were counted, by "reason outcome"; those that were none are left out.
func countedPolls(m *Metrics) (counts map[string]int, all int) {
	counts = map[string]int{}
	for reason := range reasonCount {
		for outcome := range outcomeCount {
			if n := int(testutil.ToFloat64(m.polls[reason][outcome])); n > 0 {
				counts[reason.String()+" "+outcome.String()] = n
				all += n
			}
		}
	}
	return counts, all
}

func TestEveryPollIsCountedByReasonAndOutcome(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 3)
		began := time.Now()
		refused := false
		th.player.answer = func(token string) (songspy.Observation, error) {
			switch {
			case token == "2/1" && time.Since(began) < 10*time.Minute:
				return song("two", began.Add(time.Since(began).Truncate(210*time.Second)))
			case token == "3/1" && !refused:
				refused = true
				return songspy.Observation{}, &songspy.Error{Disposition: songspy.DispositionRetryLater}
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(20 * time.Minute)
		th.store.link(4)
		th.store.link(1)
		<-time.After(time.Minute)
		stop()
		counts, all := countedPolls(th.Metrics)
		if made := len(th.player.allPollTimes()); all != made {
			t.Errorf("%d looks were counted, %d made", all, made)
		}
		want := map[string]int{"start nothing": 1, "start playing": 1, "start retry_later": 1, "retry nothing": 1, "linked nothing": 2}
		for pair, n := range want {
			if counts[pair] != n {
				t.Errorf("%q was counted %d times, want %d", pair, counts[pair], n)
			}
		}
		for _, pair := range []string{"floor nothing", "end playing", "silence nothing"} {
			if counts[pair] == 0 {
				t.Errorf("%q was never counted: %v", pair, counts)
			}
		}
	})
}

func TestPollsAfterATakeoverAndUnderAQuotaHaveTheirReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 20
		th := newHarness(t, users, func(o *Options) {
			o.Quota = &QuotaOptions{
				Share: func() float64 { return 1 }, Account: func(string) string { return "app" },
				Headroom: func(string, time.Time) quota.Headroom {
					return quota.Headroom{Bounded: true, Limit: users * 100, Ceiling: users * 100}
				},
			}
		})
		from := map[int16]time.Time{}
		for shard := range int16(songspy.ShardCount) {
			from[shard] = time.Now().Add(-time.Minute)
		}
		if err := th.LoadShards(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour)
		stop()
		counts, all := countedPolls(th.Metrics)
		if counts["takeover nothing"] != users || counts["budget nothing"] < users {
			t.Errorf("%d looks: %v; want %d after the takeover, and later ones for the budget", all, counts, users)
		}
	})
}

func TestAPostponedPollKeepsItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &delayedShards{from: time.Now().Add(10 * time.Minute)}
		th := newHarness(t, 5, func(o *Options) { o.Shards = held })
		stop := runPoller(t, th.Poller)
		<-time.After(10*time.Minute + 2*time.Second)
		stop()
		if counts, _ := countedPolls(th.Metrics); !maps.Equal(counts, map[string]int{"start nothing": 5}) {
			t.Errorf("counted %v, want five first looks", counts)
		}
	})
}

// lately holds everyone from that time on.
type delayedShards struct {
	allShards
	from time.Time
}

func (l *delayedShards) MayPoll(songspy.UserID) bool { return !time.Now().Before(l.from) }

func TestEveryReasonAndOutcomeHasAName(t *testing.T) {
	names := map[string]bool{}
	for reason := range reasonCount {
		names["reason "+reason.String()] = reason.String() != ""
	}
	for outcome := range outcomeCount {
		names["outcome "+outcome.String()] = outcome.String() != ""
	}
	if len(names) != int(reasonCount)+int(outcomeCount) || names["reason "] || names["outcome "] {
		t.Errorf("the names are %v", names)
	}
	if outcomeOf(songspy.ObservedAdvertisement) != outcomeAdvertisement || outcomeOf("never heard of") != outcomeUnreadable || reasonOf("never heard of") != reasonInterval {
		t.Error("a name is taken for another")
	}
}

func TestOverduePollsAreNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 20, func(o *Options) { o.Workers = 1 })
		th.player.answer = func(string) (songspy.Observation, error) {
			<-time.After(time.Minute)
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(time.Minute)
		if notes := th.Notes(); len(notes) > 0 {
			t.Errorf("a minute after the start the notes are %q", notes)
		}
		<-time.After(9*time.Minute + 30*time.Second)
		if notes := th.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], "Looks are late: the oldest that has not been made was due ") {
			t.Errorf("the notes are %q", notes)
		}
		stop()
	})
}
