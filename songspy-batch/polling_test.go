package main

import (
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestEverySongIsStoredOnceThoughTheBatchIsKilledRepeatedly(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const people = 12
		starts := wholeOrShort(12, 6)
		w := newSimWorld(t, sim.Options{People: people})
		albums := make([][]sim.Play, people)
		for person := range people {
			albums[person] = w.scriptAlbum(person, time.Now().Add(time.Duration(person)*17*time.Second), 60)
		}
		// The batch runs for some minutes, is killed, and starts again 20 seconds
		// later. A song lasts three minutes, so polls still see every song, and every
		// song must be stored exactly once.
		for range starts {
			_, kill := w.start()
			<-time.After(5*time.Minute + 37*time.Second)
			kill()
			<-time.After(20 * time.Second)
		}
		stop, _ := w.start()
		<-time.After(6 * time.Minute)
		until := time.Now().Add(-4 * time.Minute) // the plays of songs that ended later may not be stored yet
		stop()
		for person, album := range albums {
			if n := w.expectEachOnce(person, album, until); n < 5*starts/3 {
				t.Fatalf("only %d songs ended, so the test shows nothing", n)
			}
		}
	})
}

func TestErasingAUserWhilePollingLeavesNoRowsAndLosesNoSongs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const people = 10
		w := newSimWorld(t, sim.Options{People: people})
		albums := make([][]sim.Play, people)
		for person := range people {
			albums[person] = w.scriptAlbum(person, time.Now().Add(-1500*time.Millisecond), 30) // so that polls find a progress above 0: a player that reports 0 for several tracks counts as one without progress
		}
		stop, _ := w.start(func(s *settings) { s.Spread = false }) // all users are polled at once, so that users are erased during writes
		for person := range 5 {
			<-time.After(6*time.Minute + 500*time.Microsecond)
			if _, err := w.db.EraseUser(t.Context(), userOf(person)); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(10 * time.Minute)
		until := time.Now().Add(-4 * time.Minute)
		stop()
		for person := range people {
			if person >= 5 {
				w.expectEachOnce(person, albums[person], until)
				continue
			}
			for _, table := range []string{"plays", "now_playing", "user_tracks", "spotify_links"} {
				if n := w.countRows(table, person); n != 0 {
					t.Errorf("person %d was erased and has %d rows in %s", person, n, table)
				}
			}
		}
	})
}

func TestRelinkingWhilePollingContinuesWithTheNewLink(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		w := newSimWorld(t, sim.Options{People: 4})
		for person := range 4 {
			w.scriptAlbum(person, time.Now(), 30)
		}
		stop, _ := w.start()
		for range 6 {
			<-time.After(7*time.Minute + 13*time.Second)
			w.link(1)
		}
		<-time.After(time.Minute)
		stop()
		for person := range 4 {
			plays := w.playRows(person)
			if len(plays) < 12 {
				t.Errorf("person %d: %d plays in 44 minutes of songs", person, len(plays))
			}
			for i := 1; i < len(plays); i++ {
				if plays[i].start.Before(plays[i-1].end) {
					t.Errorf("person %d: plays overlap at %s", person, plays[i].start.Format(time.TimeOnly))
				}
			}
		}
	})
}

func TestRevokedLinksDoNotAffectOthers(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const people = 200
		w := newSimWorld(t, sim.Options{People: people, Population: "tenth"})
		for _, person := range []int{7, 77} {
			w.sim.Revoke(person)
		}
		stop, _ := w.start()
		<-time.After(90 * time.Minute) // an access token is valid for an hour, so each link is renewed at least once
		stop()
		for person := range people {
			l, err := w.db.Link(t.Context(), userOf(person))
			if err != nil {
				t.Fatal(err)
			}
			revoked := person == 7 || person == 77
			switch {
			case revoked && l.State != songspy.LinkSuspect:
				t.Errorf("the refresh token of person %d is revoked and the link is %s", person, l.State)
			case !revoked && (l.State != songspy.LinkActive || !l.AccessExpiresAt.After(time.Now())):
				t.Errorf("the link of person %d is %s and its token expires at %s", person, l.State, l.AccessExpiresAt)
			}
		}
		for _, c := range w.callsTo("currently-playing") {
			if c.Status == 401 && c.Person != 7 && c.Person != 77 {
				t.Fatalf("person %d was polled with an expired token at %s", c.Person, c.At)
			}
		}
	})
}

func TestA429OpensTheBreakerForAllUsersUntilRetryAfter(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		people := wholeOrShort(200, 60)
		w := newSimWorld(t, sim.Options{People: people, Population: "tenth"})
		stop, _ := w.start()
		<-time.After(10 * time.Minute)
		const seconds = 600
		wait := seconds
		w.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &wait, Times: 1})
		<-time.After(30 * time.Minute)
		stop()
		calls := w.callsTo("currently-playing")
		var refused int
		for i, c := range calls {
			if c.Status == 429 {
				refused = i
			}
		}
		if refused == 0 || refused == len(calls)-1 {
			t.Fatal("no call was refused with 429, or no user was polled after it")
		}
		blocked, blockedUntil := calls[refused].At, calls[refused].At.Add(seconds*time.Second)
		var after int
		polled := map[int]bool{}
		for _, c := range calls[refused+1:] {
			if c.At.After(blocked) && c.At.Before(blockedUntil) {
				t.Fatalf("person %d was polled %s after the app was blocked", c.Person, c.At.Sub(blocked))
			}
			after++
			polled[c.Person] = true
		}
		if after < people || len(polled) != people {
			t.Errorf("%d of %d users were polled again, in %d polls", len(polled), people, after)
		}
	})
}

func TestFaultsOfSpotifyStopNoPollsAndShowNoSecret(t *testing.T) {
	t.Parallel()
	retry := 5
	for name, faults := range map[string][]sim.Fault{
		"broken answers": {
			{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.ServerError, Status: 503, Share: 0.1},
			{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.Cut, Share: 0.1},
			{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.Garbage, Share: 0.1},
			{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.Hangup, Share: 0.1},
			{Endpoint: "token", Person: sim.Everyone, Kind: sim.ServerError, Status: 502, Share: 0.3},
		},
		"refusals": {
			{Endpoint: "currently-playing", Person: 3, Kind: sim.InsufficientScope},
			{Endpoint: "currently-playing", Person: 4, Kind: sim.Unauthorized},
			{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &retry, Share: 0.01},
			{Endpoint: "token", Person: 5, Kind: sim.InvalidGrant},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				const people = 30
				w := newSimWorld(t, sim.Options{People: people})
				for _, f := range faults {
					w.sim.Fault(f)
				}
				stop, _ := w.start()
				<-time.After(75 * time.Minute)
				stop()
				answered := map[int]int{}
				for _, c := range w.callsTo("currently-playing") {
					if c.Status == 200 || c.Status == 204 {
						answered[c.Person]++
					}
				}
				for person := range people {
					if person >= 3 && person <= 5 {
						continue
					}
					if answered[person] < 10 {
						t.Errorf("polls of person %d succeeded %d times in 25 intervals", person, answered[person])
					}
				}
			})
		})
	}
}
