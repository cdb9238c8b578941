package spotify_test

import (
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestSimulator_CallsStayWithinRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const allowed = 150 // in 30 s
		s := newSim(t, sim.Options{People: 1, Quirks: sim.Quirks{CallsPer30s: allowed}})
		client := simClient(s)
		token, _ := s.SpotifyTokens(0)
		tick := time.NewTicker(time.Second / 40) // eight times what is allowed
		defer tick.Stop()
		const span = 20 * time.Minute
		for begun := time.Now(); time.Since(begun) < span; <-tick.C {
			_, _ = client.CurrentlyPlaying(t.Context(), songspy.Secret(token))
		}
		calls := s.Stats().Requests["currently-playing"]
		var answered int64
		for status, n := range calls {
			if status < 300 {
				answered += n
			}
		}
		most := int64(allowed * span / (30 * time.Second))
		if answered < most/2 || calls[429] > answered/50 {
			t.Fatalf("of %d allowed %d calls were answered and %d refused", most, answered, calls[429])
		}
	})
}

func TestSimulator_CodeIsNotSpentWhileOtherCircuitIsOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, sim.Options{})
		client := simClient(s)
		token, _ := s.SpotifyTokens(0)
		minute := 60
		s.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &minute, Times: 1})
		_, _ = client.CurrentlyPlaying(t.Context(), songspy.Secret(token))
		wantError(t, client.Ready(t.Context()), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, time.Minute)
		<-time.After(time.Minute)
		if err := client.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		g, err := client.Exchange(t.Context(), spotify.AuthorizationCode{Code: songspy.Secret(s.SpotifyCode(1, sim.CodeOptions{RedirectURI: callbackURL}))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Account(t.Context(), g.AccessToken); err != nil {
			t.Fatalf("the person's own call as the probe: %v", err)
		}
	})
}
