package spotify_test

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestRecentlyPlayed_AsksForAllThereIsAfterATime(t *testing.T) {
	p := newProvider(t, says(200, `{"items":[],"next":null,"cursors":null}`))
	c := p.client(t, func(*spotify.Config) {})
	for _, after := range []time.Time{{}, time.UnixMilli(1495842394544)} {
		if items, err := c.RecentlyPlayed(context.Background(), access, after); err != nil || len(items) != 0 {
			t.Fatalf("heard %+v, %v", items, err)
		}
	}
	calls := p.calls()
	if calls[0].path != "/v1/me/player/recently-played" || calls[0].query != "limit=50" || calls[1].query != "after=1495842394544&limit=50" {
		t.Errorf("asked %s?%s, then ?%s", calls[0].path, calls[0].query, calls[1].query)
	}
}

func TestRecentlyPlayed_SaysWhatToDoAboutARefusal(t *testing.T) {
	p := newProvider(t, says(401, `{"error":{"status":401,"message":"The access token expired"}}`))
	_, err := p.client(t, func(*spotify.Config) {}).RecentlyPlayed(context.Background(), access, time.Time{})
	if songspy.DispositionOf(err) != songspy.DispositionRenewToken {
		t.Errorf("got %v", err)
	}
}

func TestSimulator_TellsAfterwardsWhatItsPeopleHeard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, sim.Options{People: 20, Seed: 5, Population: "regular", Epoch: time.Now()})
		client := against(s)
		from := time.Now()
		<-time.After(24 * time.Hour)
		var told int
		for person := range s.People() {
			access, _ := s.SpotifyTokens(person)
			items, err := client.RecentlyPlayed(t.Context(), songspy.Secret(access), from)
			if err != nil {
				t.Fatal(err)
			}
			truth := s.Truth(person, from, time.Now())
			for _, item := range items {
				told++
				if !slices.ContainsFunc(truth, func(p sim.Play) bool {
					return p.HeardAt.Equal(item.PlayedAt.Truncate(time.Millisecond)) && p.Track.ISRC == item.Track.ISRC && p.Track.Duration == item.Track.Duration()
				}) {
					t.Errorf("person %d was told to have heard %+v", person, item)
				}
			}
		}
		if told < 100 {
			t.Errorf("%d items in a day of %d people", told, s.People())
		}
	})
}
