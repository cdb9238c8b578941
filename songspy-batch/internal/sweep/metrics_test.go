package sweep

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
func looked(m *Metrics) (counts map[string]int, all int) {
	counts = map[string]int{}
	for why := range reasons {
		for what := range results {
			if n := int(testutil.ToFloat64(m.looks[why][what])); n > 0 {
				counts[why.String()+" "+what.String()] = n
				all += n
			}
		}
	}
	return counts, all
}

func TestEveryLookIsCountedByWhyItWasMadeAndWhatCameOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newTheatre(t, 3)
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
			return songspy.Observation{Sighting: songspy.SightingNothing, At: time.Now()}, nil
		}
		stop := play(t, th.Sweep)
		<-time.After(20 * time.Minute)
		th.store.link(4)
		th.store.link(1)
		<-time.After(time.Minute)
		stop()
		counts, all := looked(th.Metrics)
		if made := len(th.player.all()); all != made {
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

func TestLooksAfterATakeoverAndUnderABudgetSayWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const people = 20
		th := newTheatre(t, people, func(o *Options) {
			o.Spending = &Spending{
				Share: func() float64 { return 1 }, Account: func(string) string { return "app" },
				Room: func(string, time.Time) quota.Room {
					return quota.Room{Bounded: true, Limit: people * 100, Ceiling: people * 100}
				},
			}
		})
		from := map[int16]time.Time{}
		for shard := range int16(songspy.Shards) {
			from[shard] = time.Now().Add(-time.Minute)
		}
		if err := th.Join(t.Context(), from); err != nil {
			t.Fatal(err)
		}
		stop := play(t, th.Sweep)
		<-time.After(time.Hour)
		stop()
		counts, all := looked(th.Metrics)
		if counts["takeover nothing"] != people || counts["budget nothing"] < people {
			t.Errorf("%d looks: %v; want %d after the takeover, and later ones for the budget", all, counts, people)
		}
	})
}

func TestALookThatMayNotBeMadeJustNowKeepsItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &lately{from: time.Now().Add(10 * time.Minute)}
		th := newTheatre(t, 5, func(o *Options) { o.Shards = held })
		stop := play(t, th.Sweep)
		<-time.After(10*time.Minute + 2*time.Second)
		stop()
		if counts, _ := looked(th.Metrics); !maps.Equal(counts, map[string]int{"start nothing": 5}) {
			t.Errorf("counted %v, want five first looks", counts)
		}
	})
}

// lately holds everyone from that time on.
type lately struct {
	everyone
	from time.Time
}

func (l *lately) Holds(songspy.UserID) bool { return !time.Now().Before(l.from) }

func TestEveryReasonAndOutcomeHasAName(t *testing.T) {
	names := map[string]bool{}
	for why := range reasons {
		names["reason "+why.String()] = why.String() != ""
	}
	for what := range results {
		names["outcome "+what.String()] = what.String() != ""
	}
	if len(names) != int(reasons)+int(results) || names["reason "] || names["outcome "] {
		t.Errorf("the names are %v", names)
	}
	if resultOf(songspy.SightingAdvertisement) != sawAdvertisement || resultOf("never heard of") != sawUnreadable || reasonOf("never heard of") != reasonFloor {
		t.Error("a name is taken for another")
	}
}

func TestLooksThatCannotKeepUpAreSpokenOf(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newTheatre(t, 20, func(o *Options) { o.Workers = 1 })
		th.player.answer = func(string) (songspy.Observation, error) {
			<-time.After(time.Minute)
			return songspy.Observation{Sighting: songspy.SightingNothing, At: time.Now()}, nil
		}
		stop := play(t, th.Sweep)
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
