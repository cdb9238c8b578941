package poller

import (
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestUnreadableAnswersLeaveAGapThatIsNotBatchDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newHarness(t, 1)
		began := time.Now()
		th.player.answer = func(string) (songspy.Observation, error) {
			if since := time.Since(began); since > 10*time.Minute && since < 40*time.Minute {
				return songspy.Observation{Kind: songspy.ObservedUnreadable, At: time.Now()}, nil
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, th.Poller)
		<-time.After(time.Hour)
		stop()
		var gaps []songspy.Gap
		heard, _ := th.store.writes()
		for _, h := range heard {
			if h.Gap != nil {
				gaps = append(gaps, *h.Gap)
			}
		}
		if len(gaps) != 1 || gaps[0].Reason != songspy.GapUnseen {
			t.Fatalf("gaps %+v, want one that was unseen", gaps)
		}
		if from := gaps[0].BeganAt.Sub(began); from > 10*time.Minute || from < 6*time.Minute {
			t.Errorf("the gap began %v after the start, want the last look before ten minutes", from)
		}
	})
}
