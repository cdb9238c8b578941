package main

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestViewersWithoutASignInWatchThePeopleThatTheBoardShows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ends := start.Add(time.Minute)
		db := &recordingStore{people: make([]observations, 2)}
		db.people[0].shown = []boardState{{start, songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:a", EndsAt: &ends}}}
		w := &watchStore{visits: []visit{{people: []int{0, 1}, from: start, to: start.Add(sim.VisitLength)}}, db: db, shown: make([]bool, 2)}
		since := start
		wantUsers := func(want ...songspy.UserID) {
			t.Helper()
			watches, readAt, err := w.WatchesSince(t.Context(), since)
			if err != nil || len(watches) != 1 || !slices.Equal(watches[0].Users, want) {
				t.Fatalf("the watches are %v, %v; want one of the users %v", watches, err, want)
			}
			since = readAt
		}
		<-time.After(reportDelay)
		wantUsers(userOf(0))
		since = since.Add(time.Second)
		<-time.After(time.Minute)
		if watches, _, _ := w.WatchesSince(t.Context(), since); len(watches) != 0 {
			t.Errorf("the watches are %v although the board has not changed", watches)
		}
		<-time.After(songspy.EndGrace)
		wantUsers()
	})
}

func TestFollowersAlsoWatchPeopleWhoPlayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		w := &watchStore{
			visits: []visit{{signedIn: true, people: []int{0, 1}, from: start, to: start.Add(sim.VisitLength)}},
			db:     &recordingStore{people: make([]observations, 2)}, shown: make([]bool, 2),
		}
		<-time.After(reportDelay)
		watches, _, err := w.WatchesSince(t.Context(), start)
		if err != nil || len(watches) != 1 || !slices.Equal(watches[0].Users, []songspy.UserID{userOf(0), userOf(1)}) {
			t.Errorf("the watches are %v, %v", watches, err)
		}
	})
}
