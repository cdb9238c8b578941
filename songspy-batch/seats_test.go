package main

import (
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestAWaitingUserGetsAFreedSeatSoon(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, sim.Options{People: 2, Epoch: time.Now().Add(24 * time.Hour)})
		apps := []songspy.AppSeats{{App: sim.SpotifyClientID, Seats: 2}}
		stop, _ := w.start(func(s *settings) { s.Spotify.Seats = 2 })
		defer func() { stop() }()
		<-time.After(time.Minute)
		waiting, _, err := w.db.SignIn(t.Context(), songspy.GoogleProfile{Subject: "waits"}, songspy.AudienceEveryone)
		if err != nil {
			t.Fatal(err)
		}
		seat, err := w.db.AskSeat(t.Context(), waiting.ID, "waits@example.org", apps)
		if err != nil || seat.State != songspy.SeatWaiting {
			t.Fatalf("%+v, %v", seat, err)
		}
		if _, err := w.db.Unlink(t.Context(), userOf(0)); err != nil {
			t.Fatal(err)
		}
		<-time.After(seatAssignmentInterval + time.Second)
		if seat, _, err = w.db.Seat(t.Context(), waiting.ID); err != nil || seat.State != songspy.SeatHeld {
			t.Errorf("%+v, %v", seat, err)
		}
	})
}

// In this test the first app is blocked. A user of a second app and a user of a
// user-supplied app must still be polled, and their tokens must be renewed.
func TestEachAppHasItsOwnBreakerAndUserSuppliedAppsArePolled(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const first, second, own = 0, 1, 2
		w := newSimWorld(t, sim.Options{People: 3, Epoch: time.Now().Add(24 * time.Hour), RotateRefreshTokens: true})
		w.sim.RegisterWith(second, sim.DevelopmentClientID)
		w.linkViaApp(second, sim.DevelopmentClientID, sim.DevelopmentClientID, sim.DevelopmentClientSecret)
		w.linkViaApp(own, songspy.UserApp(sim.UserAppClientID), sim.UserAppClientID, "")
		retryAfter := 7200
		w.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: first, Kind: sim.RateLimited, RetryAfter: &retryAfter, Times: 1})
		from := time.Now()
		stop, _ := w.start(func(s *settings) {
			s.Spotify.MoreApps = songspy.Secret(sim.DevelopmentClientID + ":" + sim.DevelopmentClientSecret + ":5")
		})
		<-time.After(90 * time.Minute) // every token is renewed at least once
		stop()
		polls := map[int]int{}
		for _, c := range w.callsTo("currently-playing") {
			polls[c.Person]++
		}
		if polls[first] != 1 {
			t.Errorf("%d polls were made through the first app, want only the one that blocked it", polls[first])
		}
		for _, person := range []int{second, own} {
			if want := int(time.Since(from) / (3 * time.Minute)); polls[person] < want {
				t.Errorf("person %d was polled %d times, want %d", person, polls[person], want)
			}
			if l, err := w.db.Link(t.Context(), userOf(person)); err != nil || l.State != songspy.LinkActive || !l.AccessExpiresAt.After(time.Now()) {
				t.Errorf("the link of person %d is %s, its token expires at %v, %v", person, l.State, l.AccessExpiresAt, err)
			}
		}
	})
}
