package journey

import (
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// forEachDatabase runs a journey on every database.
func forEachDatabase(t *testing.T, o sim.Options, journey func(t *testing.T, w *testSystem), env ...string) {
	for _, engine := range []string{storetest.SQLite, storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			w := newTestSystem(t, storetest.New(t, engine).URL, o, env...)
			if engine == storetest.Postgres {
				w.run("songspy-api", "migrate")
			}
			journey(t, w)
		})
	}
}

// songsInARow returns consecutive plays of the simulator's tracks. The argument first is the
// number of the first track, and the argument songs is the number of plays. Each play lasts for
// the given length. The first play began half a length ago, so that it is playing now.
func songsInARow(s *sim.Sim, first, songs int, length time.Duration) []sim.Play {
	start := time.Now().Add(-length / 2)
	var plays []sim.Play
	for i := range songs {
		track := s.Track(first + i)
		track.Duration = length
		plays = append(plays, sim.Play{Track: track, Start: start.Add(time.Duration(i) * length)})
	}
	return plays
}

// TestSequenceDiagrams follows the sequence diagrams of the original service, in their
// order.
func TestSequenceDiagrams(t *testing.T) {
	// Access tokens expire within seconds, so that the refresh scheduler has work.
	const tokenLife = 20 * time.Second
	forEachDatabase(t, sim.Options{Seed: 1, People: 8, AccessTokenLife: tokenLife}, func(t *testing.T, w *testSystem) {
		const length = 8 * time.Second
		w.sim.Script(0, songsInARow(w.sim, 100, 60, length))
		w.sim.Script(1, songsInARow(w.sim, 200, 60, 10*time.Minute))
		api, batch := w.start("songspy-api"), w.start("songspy-batch")

		// Sign-up with Google: token → tokeninfo → userinfo → user → JWT.
		user, in := w.signUp(0)
		if in.NickName != nil || in.HasSpotify || in.ID == 0 || in.ExpiresIn <= 0 || in.RefreshToken == "" {
			t.Errorf("sign-up answers %+v", in)
		}
		stats := w.sim.Stats()
		if stats.Total("tokeninfo") != 1 || stats.Total("userinfo") != 1 {
			t.Errorf("Google received %d tokeninfo and %d userinfo requests, want one each", stats.Total("tokeninfo"), stats.Total("userinfo"))
		}
		if _, again := w.signUp(0); again.ID != in.ID {
			t.Errorf("signing in again gives user %d, want %d", again.ID, in.ID)
		}

		// A token that was issued to another application is rejected.
		foreign := w.sim.GoogleToken(2, sim.ForeignGoogleClientID)
		w.addSecrets(foreign)
		stranger := &frontend{testSystem: w}
		if a := stranger.call(http.MethodPost, "/google-auth", map[string]string{"accessToken": foreign}); a.status != http.StatusUnauthorized || a.code() != "GOOGLE_TOKEN_FOREIGN" {
			t.Errorf("another application's token: status %d, %s", a.status, a.code())
		}

		// Linking Spotify: code → token → tokens stored with the user.
		user.link()
		if _, in := w.signUp(0); !in.HasSpotify {
			t.Error("after linking, hasSpotify is false")
		}

		// CurrentPlayingTrackScheduler: token → currently-playing → the board.
		var first boardEntry
		w.eventually("the user's song on the board", func() (ok bool) {
			first, ok = user.boardEntry()
			return ok
		})
		if !strings.HasPrefix(first.Track.AlbumImageURL, "http") && first.Track.AlbumImageURL != "" || first.Track.Title == "" || first.Track.ArtistName == "" {
			t.Errorf("the entry is %+v", first)
		}
		if at, err := time.Parse("2006-01-02T15:04:05.000Z", first.Track.CreatedAt); err != nil || at.After(time.Now()) {
			t.Errorf("createdAt is %q, error %v", first.Track.CreatedAt, err)
		}
		w.eventually("the next song on the board", func() bool {
			e, ok := user.boardEntry()
			return ok && e.Track.Title != first.Track.Title && e.Track.Title == w.sim.PlaybackAt(0, time.Now()).Play.Track.Title
		})

		// A nickname appears on the board.
		user.mustCall(http.MethodPost, "/users/"+strconv.FormatInt(user.id, 10)+"/edit", map[string]string{"nickName": "  듣는 사람 🎧 "})
		w.eventually("the nickname on the board", func() bool {
			e, _ := user.boardEntry()
			return e.User.NickName == "듣는 사람 🎧"
		})

		// AccessTokenRefreshScheduler: tokens that are about to expire are renewed, for a user who
		// was linked with the app's secret and for one who was linked with PKCE. Polls continue with
		// the new tokens.
		second, _ := w.signUp(1)
		second.linkWithPKCE()
		renewed := func() int64 { return w.sim.Stats().Requests["token"][http.StatusOK] }
		before, linked := renewed(), time.Now()
		w.eventually("several renewals", func() bool { return renewed() >= before+6 })
		w.eventually("the end of the first tokens", func() bool { return time.Since(linked) > tokenLife+time.Second })
		polls := w.sim.Stats().Requests["currently-playing"][http.StatusOK]
		w.eventually("polls with renewed tokens", func() bool {
			return w.sim.Stats().Requests["currently-playing"][http.StatusOK] >= polls+4
		})
		if e, ok := second.boardEntry(); !ok || e.Track.Title != w.sim.PlaybackAt(1, time.Now()).Play.Track.Title {
			t.Errorf("after renewals, the second user is on the board: %t, with %q", ok, e.Track.Title)
		}

		// If calls to a provider fail, no secret is logged, and the service keeps running.
		for _, endpoint := range []string{"token", "me", "currently-playing", "tokeninfo", "userinfo"} {
			defer w.sim.Fault(sim.Fault{Endpoint: endpoint, Person: sim.Everyone, Kind: sim.Hangup, Times: 3})()
			defer w.sim.Fault(sim.Fault{Endpoint: endpoint, Person: sim.Everyone, Kind: sim.Garbage, Times: 3})()
		}
		for range 8 {
			access := w.sim.GoogleToken(3, sim.GoogleClientID)
			w.addSecrets(access)
			if a := stranger.call(http.MethodPost, "/google-auth", map[string]string{"accessToken": access}); a.status != http.StatusOK && a.status != http.StatusServiceUnavailable && a.status != http.StatusTooManyRequests {
				t.Errorf("with Google failing, sign-up answers %d %s", a.status, a.code())
			}
			code := w.sim.SpotifyCode(1, sim.CodeOptions{ClientID: sim.SpotifyClientID, RedirectURI: redirect})
			w.addSecrets(code)
			if a := second.call(http.MethodPost, "/spotify-auth", map[string]string{"code": code}); a.status >= 500 && a.status != http.StatusServiceUnavailable {
				t.Errorf("with Spotify failing, linking answers %d %s", a.status, a.code())
			}
		}
		w.sim.ClearFaults()
		w.eventually("the songs on the board again", func() bool {
			e, ok := user.boardEntry()
			return ok && e.Track.Title == w.sim.PlaybackAt(0, time.Now()).Play.Track.Title
		})

		// Unlinking and erasing remove the user from the board. Erasing ends the JWT at once.
		second.mustCall(http.MethodDelete, "/spotify-auth", nil)
		w.eventually("the board without the unlinked user", func() bool { _, ok := second.boardEntry(); return !ok })
		user.mustCall(http.MethodDelete, "/me", nil)
		if a := user.call(http.MethodGet, "/me", nil); a.status != http.StatusUnauthorized {
			t.Errorf("after erasure, a request with the JWT answers %d, want 401", a.status)
		}
		w.eventually("the board without the erased user", func() bool { _, ok := user.boardEntry(); return !ok })

		w.logMetrics()
		w.stop(batch)
		w.stop(api)
		w.checkSecrets()
	})
}
