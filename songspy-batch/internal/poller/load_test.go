package poller

import (
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestAPostponedPollRunsSoonAndIsNotCountedAsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHarness(t, 1)
		began := time.Now()
		h.player.answer = func(string) (songspy.Observation, error) {
			if time.Since(began) < 5*time.Minute {
				return songspy.Observation{}, failureWith(songspy.DispositionMayNotCall, time.Second)
			}
			return songspy.Observation{Kind: songspy.ObservedIdle, At: time.Now()}, nil
		}
		stop := runPoller(t, h.Poller)
		<-time.After(5*time.Minute + 2*postponeFor)
		polls := h.player.pollTimes("1/1")
		stop()
		if last := polls[len(polls)-1]; last.Sub(began) < 5*time.Minute {
			t.Errorf("the last poll was after %v, although polls are allowed again", last.Sub(began))
		}
	})
}
