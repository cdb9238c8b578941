package poller

import (
	"maps"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// countedPolls returns the numbers of counted polls by "reason outcome", without zeros, and
// their sum.
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
		h := newHarness(t, 3)
		began := time.Now()
		refused := false
		h.player.answer = func(token string) (songspy.Observation, error) {
			switch {
			case token == "2/1" && time.Since(began) < 10*time.Minute:
				return song("two", began.Add(time.Since(began).Truncate(210*time.Second)))
			case token == "3/1" && !refused:
				refused = true
				return songspy.Observation{}, &songspy.Error{Disposition: songspy.DispositionRetryLater}
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(20 * time.Minute)
		h.store.link(4)
		h.store.link(1)
		<-time.After(time.Minute)
		stop()
		counts, all := countedPolls(h.opt.Metrics)
		if made := len(h.player.allPollTimes()); all != made {
			t.Errorf("%d polls were counted, %d were made", all, made)
		}
		want := map[string]int{"startup idle": 1, "startup playing": 1, "startup retry_later": 1, "retry idle": 1, "linked idle": 2}
		for pair, n := range want {
			if counts[pair] != n {
				t.Errorf("%q was counted %d times, want %d", pair, counts[pair], n)
			}
		}
		for _, pair := range []string{"interval idle", "track_end playing", "idle_check idle"} {
			if counts[pair] == 0 {
				t.Errorf("%q was never counted: %v", pair, counts)
			}
		}
	})
}

// In this test the store fails for ten minutes, and the process ends between two writes of the
// counts. The store must count every poll exactly once.
func TestEveryPollIsStoredByReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 3)
		stop := runPoller(t, h.Poller)
		setFault := func(err error) {
			h.store.mu.Lock()
			defer h.store.mu.Unlock()
			h.store.countFault = err
		}
		<-time.After(10 * time.Minute)
		setFault(&songspy.Error{Code: songspy.CodeUnavailable})
		<-time.After(10 * time.Minute)
		setFault(nil)
		<-time.After(10*time.Minute + 30*time.Second)
		stop()
		counted, made := countedPolls(h.opt.Metrics)
		want := map[string]int64{}
		for pair, n := range counted {
			reason, _, _ := strings.Cut(pair, " ")
			want[reason] += int64(n)
		}
		if !maps.Equal(h.store.pollCounts, want) || made != len(h.player.allPollTimes()) || want["startup"] != 3 || want["interval"] < 24 {
			t.Errorf("the store has %v of %d polls, want %v", h.store.pollCounts, len(h.player.allPollTimes()), want)
		}
	})
}

func TestPollsAfterATakeoverAndUnderAQuotaHaveTheirReasons(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 20
		h := newHarness(t, users, func(o *Options) {
			o.Registry = NewRegistry(time.Now, &QuotaOptions{
				Share: func() float64 { return 1 }, Account: func(string) string { return "app" },
				Headroom: func(string, time.Time) quota.Headroom {
					return quota.Headroom{Bounded: true, Limit: users * 100, Ceiling: users * 100}
				},
			})
		})
		from := map[int16]time.Time{}
		for shard := range int16(songspy.ShardCount) {
			from[shard] = time.Now().Add(-time.Minute)
		}
		if err := h.LoadShards(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		stop()
		counts, all := countedPolls(h.opt.Metrics)
		if counts["takeover idle"] != users || counts["quota idle"] < users {
			t.Errorf("%d polls: %v; want %d after the takeover, and later ones delayed by the quota", all, counts, users)
		}
	})
}

func TestAPostponedPollKeepsItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &delayedShards{from: time.Now().Add(10 * time.Minute)}
		h := newHarness(t, 5, func(o *Options) { o.Shards = held })
		stop := runPoller(t, h.Poller)
		<-time.After(10*time.Minute + 2*time.Second)
		stop()
		if counts, _ := countedPolls(h.opt.Metrics); !maps.Equal(counts, map[string]int{"startup idle": 5}) {
			t.Errorf("counted %v, want five first polls", counts)
		}
	})
}

// delayedShards allows calls for all users, but none before the time in the field from.
type delayedShards struct {
	allShards
	from time.Time
}

func (s *delayedShards) MayCallFor(songspy.UserID) bool { return !time.Now().Before(s.from) }

func TestEveryReasonAndOutcomeHasAName(t *testing.T) {
	names := map[string]bool{}
	for reason := range reasonCount {
		names["reason "+reason.String()] = reason.String() != ""
	}
	for outcome := range outcomeCount {
		names["outcome "+outcome.String()] = outcome.String() != ""
	}
	if len(names) != int(reasonCount)+int(outcomeCount) || names["reason "] || names["outcome "] {
		t.Errorf("the names are %v, want one for each reason and outcome", names)
	}
	if outcomeOf(songspy.ObservedAdvertisement) != outcomeAdvertisement || outcomeOf("unknown") != outcomeUnreadable || reasonOf("unknown") != reasonInterval {
		t.Error("a name was converted to the wrong reason or outcome")
	}
}

func TestOverduePollsAreNoted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 20, func(o *Options) { o.Workers = 1 })
		h.player.answer = func(string) (songspy.Observation, error) {
			<-time.After(time.Minute)
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(time.Minute)
		if notes := h.Notes(); len(notes) > 0 {
			t.Errorf("a minute after the start the notes are %q", notes)
		}
		<-time.After(9*time.Minute + 30*time.Second)
		if notes := h.Notes(); len(notes) != 1 || !strings.HasPrefix(notes[0], "Polls are late: the oldest is overdue by ") {
			t.Errorf("the notes are %q", notes)
		}
		stop()
	})
}

// Operators see the reasons of polls as words. So the description of these polls in the contract
// (openapi.yaml) must name every reason.
func TestTheContractListsTheReasonsOfPolls(t *testing.T) {
	contract, err := os.ReadFile("../../../songspy-api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, description, found := strings.Cut(string(contract), "Polls of the last 24 hours by reason")
	if !found {
		t.Fatal("the contract does not describe the polls by reason")
	}
	description, _, _ = strings.Cut(description, "OperatorApp:")
	for reason := range reasonCount {
		if !strings.Contains(description, "`"+reason.String()+"`") {
			t.Errorf("the contract lacks the reason %s", reason)
		}
	}
}
