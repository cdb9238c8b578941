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

func TestRecentlyPlayed_RequestsWholePageAfterTime(t *testing.T) {
	p := newFakeSpotify(t, says(200, `{"items":[],"next":null,"cursors":null}`))
	c := p.client(t, func(*spotify.Config) {})
	for _, after := range []time.Time{{}, time.UnixMilli(1495842394544)} {
		if items, err := c.RecentlyPlayed(context.Background(), access, after); err != nil || len(items) != 0 {
			t.Fatalf("heard %+v, %v", items, err)
		}
	}
	calls := p.requests()
	if calls[0].path != "/v1/me/player/recently-played" || calls[0].query != "limit=50" || calls[1].query != "after=1495842394544&limit=50" {
		t.Errorf("asked %s?%s, then ?%s", calls[0].path, calls[0].query, calls[1].query)
	}
}

func TestRecentlyPlayed_RefusalsHaveDispositions(t *testing.T) {
	p := newFakeSpotify(t, says(401, `{"error":{"status":401,"message":"The access token expired"}}`))
	_, err := p.client(t, func(*spotify.Config) {}).RecentlyPlayed(context.Background(), access, time.Time{})
	if songspy.DispositionOf(err) != songspy.DispositionRenewToken {
		t.Errorf("got %v", err)
	}
}

func TestSimulator_ReturnsRecentlyPlayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, sim.Options{People: 20, Seed: 5, Population: "regular", Epoch: time.Now()})
		client := simClient(s)
		from := time.Now()
		<-time.After(24 * time.Hour)
		var notified int
		for person := range s.People() {
			access, _ := s.SpotifyTokens(person)
			items, err := client.RecentlyPlayed(t.Context(), songspy.Secret(access), from)
			if err != nil {
				t.Fatal(err)
			}
			truth := s.Truth(person, from, time.Now())
			for _, item := range items {
				notified++
				if !slices.ContainsFunc(truth, func(p sim.Play) bool {
					return p.PlayedAt.Equal(item.PlayedAt.Truncate(time.Millisecond)) && p.Track.ISRC == item.Track.ISRC && p.Track.Duration == item.Track.Duration()
				}) {
					t.Errorf("person %d was told to have heard %+v", person, item)
				}
			}
		}
		if notified < 100 {
			t.Errorf("%d items in a day of %d people", notified, s.People())
		}
	})
}
