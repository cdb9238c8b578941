package poller

import (
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestUnreadableAnswersLeaveAGapThatIsNotBatchDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		began := time.Now()
		h.player.answer = func(string) (songspy.Observation, error) {
			if since := time.Since(began); since > 10*time.Minute && since < 40*time.Minute {
				return songspy.Observation{Kind: songspy.ObservedUnreadable, At: time.Now()}, nil
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(time.Hour)
		stop()
		var gaps []songspy.Gap
		updates, _ := h.store.writes()
		for _, u := range updates {
			if u.Gap != nil {
				gaps = append(gaps, *u.Gap)
			}
		}
		if len(gaps) != 1 || gaps[0].Reason != songspy.GapUnseen {
			t.Fatalf("gaps %+v, want one with reason unseen", gaps)
		}
		if from := gaps[0].BeganAt.Sub(began); from > 10*time.Minute || from < 6*time.Minute {
			t.Errorf("the gap began %v after the start, want the last poll before ten minutes", from)
		}
	})
}
