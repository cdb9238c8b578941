package sweep

import (
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestALookThatMayNotBeMadeJustNowIsMadeSoonAndIsNoFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		th := newTheatre(t, 1)
		began := time.Now()
		th.player.answer = func(string) (songspy.Observation, error) {
			if time.Since(began) < 5*time.Minute {
				return songspy.Observation{}, refusal(songspy.DispositionNotNow, time.Second)
			}
			return songspy.Observation{Sighting: songspy.SightingNothing, At: time.Now()}, nil
		}
		stop := play(t, th.Sweep)
		<-time.After(5*time.Minute + 2*heldAgain)
		looks := th.player.at("1/1")
		stop()
		if last := looks[len(looks)-1]; last.Sub(began) < 5*time.Minute {
			t.Errorf("looked at last after %v, though it may be again", last.Sub(began))
		}
	})
}
