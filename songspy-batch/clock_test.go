package main

import (
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// fakeClock is a wall clock that can be set. It runs with virtual time.
type fakeClock struct{ offset atomic.Int64 }

func (c *fakeClock) now() time.Time          { return time.Now().Add(time.Duration(c.offset.Load())).Round(0) }
func (c *fakeClock) advance(d time.Duration) { c.offset.Add(int64(d)) }

// In this test the clock is nine hours ahead for two hours. Then it is corrected, while
// the batch runs or while it is stopped. Each play after the correction must be stored
// exactly once, /readyz must say that the clock was set back, and there must not be many
// more polls than usual.
func TestPlaysAreStoredAfterTheClockIsSetBack(t *testing.T) {
	long(t)
	t.Parallel()
	for name, restart := range map[string]bool{"while the batch runs": false, "while the batch is stopped": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				const people, ahead, interval = 6, 9 * time.Hour, 3 * time.Minute
				clock := &fakeClock{}
				w := newSimWorld(t, sim.Options{People: people, Seed: 5, Epoch: time.Now()})
				w.changeInterval = 30 * time.Second
				var albums [people][]sim.Play
				for person := range people {
					albums[person] = w.scriptAlbum(person, time.Now().Add(time.Duration(person)*17*time.Second), 120)
				}
				clock.advance(ahead)
				w.now = clock.now
				stop, _ := w.start()
				<-time.After(2*time.Hour + 100*time.Second)
				if restart {
					stop()
				}
				clock.advance(-ahead)
				corrected := time.Now()
				if restart {
					stop, _ = w.start()
				}
				<-time.After(2 * interval)
				if status, words := w.readyz(); status != 200 || !strings.Contains(words, "he clock ") || !strings.Contains(words, "set back") {
					t.Errorf("/readyz returns %d %s", status, words)
				}
				<-time.After(time.Hour)
				stop()
				for person := range people {
					plays := w.storedPlays(person)
					for _, p := range albums[person] {
						if p.Start.Before(corrected.Add(2*interval)) || p.Start.Add(p.Track.Duration).After(time.Now().Add(-2*interval)) {
							continue
						}
						found := 0
						for _, stored := range plays {
							if stored.Track.URI == p.Track.URI && stored.Play.StartedAt.Sub(p.Start).Abs() < 15*time.Second {
								found++
							}
						}
						if found != 1 {
							t.Errorf("person %d: the play %s after the correction is stored %d times", person, p.Start.Sub(corrected), found)
						}
					}
					if n := len(w.callsTo("currently-playing")); n > people*150 {
						t.Errorf("%d polls, want at most %d", n, people*150)
					}
				}
			})
		})
	}
}

// In this test the clock and the simulator go on for eight hours, but the batch's timers
// do not, as on a suspended machine. Each user must then have one gap (a time without recorded
// plays), for these hours, and the polls after them must be spread.
func TestAMachineThatSleptCausesOneGapAndNoBurst(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const people, asleep, interval = 60, 8 * time.Hour, 3 * time.Minute
		clock := &fakeClock{}
		w := newSimWorld(t, sim.Options{People: people, Population: "regular", Seed: 5, Epoch: time.Now(), Now: clock.now})
		w.changeInterval, w.now = 30*time.Second, clock.now
		stop, _ := w.start()
		<-time.After(time.Hour + 7*time.Second)
		slept := clock.now()
		clock.advance(asleep)
		woke := clock.now()
		<-time.After(2*interval + time.Minute)
		stop()
		perSecond := map[int64]int{}
		polls := 0
		for _, c := range w.callsTo("currently-playing") {
			if c.At.Before(woke) || c.At.After(woke.Add(interval)) {
				continue
			}
			polls++
			perSecond[c.At.Unix()]++
		}
		for second, n := range perSecond {
			if n > 10 {
				t.Errorf("%d polls in second %d after the sleep, want at most 10", n, second-woke.Unix())
			}
		}
		if polls < people || polls > 4*people {
			t.Errorf("%d polls of %d users in the interval after the sleep", polls, people)
		}
		for person := range people {
			w.expectOneGap(person, songspy.GapBatchDown, slept, woke)
		}
	})
}
