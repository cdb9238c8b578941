package spotify_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// These tests use the simulated Spotify. It was written independently of the client
// from the same facts and shares no code with it, so that a mistake in one of them shows.

const callbackURL = "http://127.0.0.1:3000/back"

func newSim(t *testing.T, o sim.Options) *sim.Sim {
	t.Helper()
	s, err := sim.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// simClient returns a client of the simulated Spotify. Inside a synctest bubble, both use
// the fake clock of the bubble.
func simClient(s *sim.Sim, configure ...func(*spotify.Config)) *spotify.Client {
	c := spotify.Config{
		App: "main", ClientID: sim.SpotifyClientID, ClientSecret: sim.SpotifyClientSecret,
		RedirectURL: callbackURL, Transport: s.Transport(), Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range configure {
		f(&c)
	}
	return spotify.New(c)
}

func challenge(v songspy.Secret) string {
	sum := sha256.Sum256([]byte(v.Reveal()))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func linked(g songspy.Grant) songspy.Link {
	return songspy.Link{App: "main", AuthMethod: g.Auth, AccessToken: g.AccessToken, RefreshToken: g.RefreshToken}
}

func TestSimulator_LinksAndRenewsInEveryWay(t *testing.T) {
	for name, c := range map[string]struct {
		secret, verifier songspy.Secret
		auth             songspy.AuthMethod
		rotates          bool
	}{
		"secret":                    {sim.SpotifyClientSecret, "", songspy.AuthBasic, false},
		"secret and PKCE":           {sim.SpotifyClientSecret, verifier, songspy.AuthBasic, false},
		"PKCE alone":                {"", verifier, songspy.AuthPKCE, false},
		"PKCE alone, with rotation": {"", verifier, songspy.AuthPKCE, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, sim.Options{RotateRefreshTokens: c.rotates})
				client := simClient(s, func(o *spotify.Config) { o.ClientSecret = c.secret })
				o := sim.CodeOptions{RedirectURI: callbackURL}
				if c.verifier != "" {
					o.Challenge = challenge(c.verifier)
				}
				authCode := songspy.AuthorizationCode{Code: songspy.Secret(s.SpotifyCode(3, o)), Verifier: c.verifier}

				g, err := client.Exchange(t.Context(), authCode)
				if err != nil {
					t.Fatal(err)
				}
				if g.Auth != c.auth || g.RefreshToken == "" || len(songspy.MissingScopes(g.Scope)) > 0 {
					t.Fatalf("the grant is %+v", g)
				}
				account, err := client.Account(t.Context(), g.AccessToken)
				if p := s.Person(3); err != nil || account != (songspy.SpotifyAccount{AccountID: p.AccountID, ID: p.SpotifyID, DisplayName: p.DisplayName}) {
					t.Fatalf("the account is %+v, %v", account, err)
				}
				_, err = client.Exchange(t.Context(), authCode)
				wantError(t, err, songspy.CodeInvalid, spotify.ReasonCodeInvalid, 0, 0)

				<-time.After(time.Until(g.ExpiresAt) + time.Second)
				_, err = client.CurrentlyPlaying(t.Context(), g.AccessToken)
				wantError(t, err, songspy.CodeUnauthorized, spotify.ReasonTokenRefused, songspy.DispositionRenewToken, 0)
				renewed, err := client.Refresh(t.Context(), linked(g))
				if err != nil {
					t.Fatal(err)
				}
				if rotated := renewed.RefreshToken != ""; rotated != c.rotates {
					t.Fatalf("a new refresh token was returned: %v", rotated)
				}
				if _, err := client.CurrentlyPlaying(t.Context(), renewed.AccessToken); err != nil {
					t.Fatalf("with the renewed token: %v", err)
				}
				if c.rotates {
					_, err := client.Refresh(t.Context(), linked(g))
					wantError(t, err, songspy.CodeUnauthorized, songspy.ReasonOf(err), songspy.DispositionNeedsUser, 0)
				}
			})
		})
	}
}

func TestSimulator_ReturnsCurrentlyPlaying(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, sim.Options{People: 60, Seed: 4})
		client := simClient(s)
		seen := map[songspy.ObservationKind]int{}
		kinds := map[songspy.TrackKind]int{}
		var polls, spurious int
		for range 24 {
			for person := range s.People() {
				access, _ := s.SpotifyTokens(person)
				o, err := client.CurrentlyPlaying(t.Context(), songspy.Secret(access))
				if err != nil {
					t.Fatal(err)
				}
				seen[o.Kind]++
				kinds[o.Track.Kind]++
				truth := s.PlaybackAt(person, time.Now())
				if polls++; o.Kind == songspy.ObservedIdle && truth.Visible {
					spurious++ // the real Spotify also answers 204 at times while something plays
					continue
				}
				isConsistent(t, o, truth)
			}
			<-time.After(7 * time.Minute)
		}
		if spurious > polls/20 {
			t.Errorf("%d of %d polls were idle although something played", spurious, polls)
		}
		for _, observed := range []songspy.ObservationKind{songspy.ObservedPlaying, songspy.ObservedPaused, songspy.ObservedIdle, songspy.ObservedAdvertisement} {
			if seen[observed] == 0 {
				t.Errorf("no observation is %s: %v", observed, seen)
			}
		}
		for _, kind := range []songspy.TrackKind{songspy.KindTrack, songspy.KindEpisode, songspy.KindLocal} {
			if kinds[kind] == 0 {
				t.Errorf("no observation has a track of kind %s: %v", kind, kinds)
			}
		}
	})
}

// isConsistent checks that an observation shows what the simulated player really does at
// that time.
func isConsistent(t *testing.T, o songspy.Observation, truth sim.Playback) {
	t.Helper()
	track := truth.Play.Track
	if truth.State == sim.StateIdle || !truth.Visible {
		if o.Kind != songspy.ObservedIdle {
			t.Errorf("observed %+v of an idle player", o)
		}
		return
	}
	switch track.Kind {
	case sim.KindAd:
		if o.Kind != songspy.ObservedAdvertisement {
			t.Errorf("observed %+v during an advertisement", o)
		}
		return
	case sim.KindUnknown:
		if o.Kind != songspy.ObservedUnreadable {
			t.Errorf("observed %+v during an unknown item", o)
		}
		return
	}
	observed := map[sim.State]songspy.ObservationKind{sim.StatePlaying: songspy.ObservedPlaying, sim.StatePaused: songspy.ObservedPaused}[truth.State]
	progress := truth.Progress
	if truth.Play.NoProgress {
		progress = songspy.UnknownProgress
	}
	if o.Kind != observed || o.Progress != progress {
		t.Errorf("observed %s at %v, want %s at %v", o.Kind, o.Progress, observed, progress)
	}
	got := o.Track
	oneLine := strings.NewReplacer("\t", " ", "\n", " ", "\u200b", "")
	if got.URI != track.URI || got.Title != oneLine.Replace(track.Title) || got.Artists != strings.Join(track.Artists, ", ") ||
		got.Duration() != track.Duration || got.ISRC != track.ISRC || string(got.Kind) != string(track.Kind) {
		t.Errorf("got  %+v\nwant %+v", got, track)
	}
	hasIdentity(t, got)
	if local := got.Kind == songspy.KindLocal; (got.URL == "") != local || (got.ImageURL != "") != (track.HasCover && !local) {
		t.Errorf("links of %s: %q, %q", got.URI, got.URL, got.ImageURL)
	}
}

// hasIdentity checks that ArtistRefs and AlbumRef, which have URIs, have the names that
// Artists and Album contain. The AlbumRef of an episode or a chapter must be the show that
// Artists names. A local file must have neither.
func hasIdentity(t *testing.T, track songspy.Track) {
	t.Helper()
	var names []string
	for _, a := range track.ArtistRefs {
		if !strings.HasPrefix(a.URI, "spotify:artist:") || !strings.HasPrefix(a.URL, "https://open.spotify.com/artist/") {
			t.Errorf("an artist of %s is %+v", track.URI, a)
		}
		names = append(names, a.Name)
	}
	artists, album, kind := strings.Join(names, ", "), track.AlbumRef.Name, "album"
	wantArtists, wantAlbum := track.Artists, track.Album
	switch track.Kind {
	case songspy.KindEpisode, songspy.KindChapter:
		wantArtists, wantAlbum, kind = "", track.Artists, "show"
	case songspy.KindLocal:
		wantArtists, wantAlbum, kind = "", "", ""
	}
	if artists != wantArtists || album != wantAlbum || kind != "" && !strings.HasPrefix(track.AlbumRef.URI, "spotify:"+kind+":") {
		t.Errorf("the identity of %s is %q and %+v, want %q and %q", track.URI, artists, track.AlbumRef, wantArtists, wantAlbum)
	}
}

func TestSimulator_FailuresAreClassified(t *testing.T) {
	seconds := func(n int) *int { return &n }
	for name, c := range map[string]struct {
		fault sim.Fault
		ask   func(*spotify.Client, context.Context, songspy.Link) error
		what  songspy.Disposition
		wait  time.Duration
	}{
		"rate limited, Retry-After": {sim.Fault{Endpoint: "currently-playing", Kind: sim.RateLimited, RetryAfter: seconds(19056)}, pollPerson, songspy.DispositionAppBlocked, 19056 * time.Second},
		"rate limited":              {sim.Fault{Endpoint: "currently-playing", Kind: sim.RateLimited, Body: "html"}, pollPerson, songspy.DispositionAppBlocked, 30 * time.Second},
		"quota":                     {sim.Fault{Endpoint: "currently-playing", Kind: sim.QuotaExceeded}, pollPerson, songspy.DispositionAppBlocked, 15 * time.Minute},
		"premium":                   {sim.Fault{Endpoint: "me", Kind: sim.PremiumRequired}, accountOf, songspy.DispositionAppBlocked, time.Hour},
		"premium, JSON":             {sim.Fault{Endpoint: "me", Kind: sim.PremiumRequired, Body: "json"}, accountOf, songspy.DispositionAppBlocked, time.Hour},
		"not registered":            {sim.Fault{Endpoint: "me", Kind: sim.NotRegistered, Body: "json"}, accountOf, songspy.DispositionNotRegistered, 0},
		"scope":                     {sim.Fault{Endpoint: "currently-playing", Kind: sim.InsufficientScope}, pollPerson, songspy.DispositionNeedsUser, 0},
		"unauthorized":              {sim.Fault{Endpoint: "currently-playing", Kind: sim.Unauthorized, Body: "invalid"}, pollPerson, songspy.DispositionRenewToken, 0},
		"not found":                 {sim.Fault{Endpoint: "currently-playing", Kind: sim.NotFound}, pollPerson, songspy.DispositionRetryLater, 5 * time.Second},
		"cut off":                   {sim.Fault{Endpoint: "currently-playing", Kind: sim.Cut}, pollPerson, songspy.DispositionRetryLater, 5 * time.Second},
		"hung up":                   {sim.Fault{Endpoint: "currently-playing", Kind: sim.Hangup}, pollPerson, songspy.DispositionRetryLater, 5 * time.Second},
		"slow":                      {sim.Fault{Endpoint: "currently-playing", Kind: sim.Slow}, pollPerson, songspy.DispositionRetryLater, 5 * time.Second},
		"garbage":                   {sim.Fault{Endpoint: "currently-playing", Kind: sim.Garbage}, pollPerson, songspy.DispositionRetryLater, 5 * time.Second},
		"server error":              {sim.Fault{Endpoint: "token", Kind: sim.ServerError, RetryAfter: seconds(11)}, refreshOf, songspy.DispositionRetryLater, 11 * time.Second},
		"accounts rate limited":     {sim.Fault{Endpoint: "token", Kind: sim.RateLimited, RetryAfter: seconds(3)}, refreshOf, songspy.DispositionAppBlocked, 3 * time.Second},
		"lost response":             {sim.Fault{Endpoint: "token", Kind: sim.LostResponse}, refreshOf, songspy.DispositionRetryLater, 5 * time.Second},
		"false refusal":             {sim.Fault{Endpoint: "token", Kind: sim.InvalidGrant}, refreshOf, songspy.DispositionNeedsUser, 0},
		"invalid client":            {sim.Fault{Endpoint: "token", Kind: sim.InvalidClient}, refreshOf, songspy.DispositionAppBlocked, 5 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, sim.Options{AccessTokenLife: 24 * time.Hour})
				access, refresh := s.SpotifyTokens(0)
				l := songspy.Link{App: "main", AuthMethod: songspy.AuthBasic, AccessToken: songspy.Secret(access), RefreshToken: songspy.Secret(refresh)}
				client := simClient(s)
				c.fault.Person = sim.Everyone
				removeFault := s.Fault(c.fault)
				err := c.ask(client, t.Context(), l)
				if songspy.DispositionOf(err) != c.what || songspy.RetryAfterOf(err) != c.wait {
					t.Fatalf("disposition %d, retry after %v (%v)", songspy.DispositionOf(err), songspy.RetryAfterOf(err), err)
				}
				removeFault()
				<-time.After(c.wait)
				if err := c.ask(client, t.Context(), l); err != nil {
					t.Fatalf("without the fault, after the wait: %v", err)
				}
			})
		})
	}
}

func pollPerson(c *spotify.Client, ctx context.Context, l songspy.Link) error {
	_, err := c.CurrentlyPlaying(ctx, l.AccessToken)
	return err
}

func accountOf(c *spotify.Client, ctx context.Context, l songspy.Link) error {
	_, err := c.Account(ctx, l.AccessToken)
	return err
}

func refreshOf(c *spotify.Client, ctx context.Context, l songspy.Link) error {
	_, err := c.Refresh(ctx, l)
	return err
}

func TestApps_UnknownUserAppIsReportedToItsUser(t *testing.T) {
	s := newSim(t, sim.Options{People: 1})
	apps := spotify.NewApps(spotify.Config{Transport: s.Transport(), RedirectURL: callbackURL, Logger: slog.New(slog.DiscardHandler)},
		spotify.App{ID: sim.SpotifyClientID, Secret: sim.SpotifyClientSecret})
	c := apps.UserAppClient("ffffffffffffffffffffffffffffffff")
	_, err := c.Exchange(t.Context(), songspy.AuthorizationCode{Code: "code", Verifier: verifier})
	if songspy.CodeOf(err) != songspy.CodeInvalid || songspy.ReasonOf(err) != spotify.ReasonUserAppRefused {
		t.Errorf("linking: %v", err)
	}
	_, err = c.Refresh(t.Context(), songspy.Link{App: songspy.UserApp("ffffffffffffffffffffffffffffffff"), RefreshToken: "r", AuthMethod: songspy.AuthPKCE})
	if songspy.DispositionOf(err) != songspy.DispositionNeedsUser {
		t.Errorf("renewing: %v", err)
	}
}

func TestSimulator_RotatesRefreshTokensWithAnyExpiresIn(t *testing.T) {
	for _, form := range []string{"", "decimal", "string", "none"} {
		t.Run(form, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newSim(t, sim.Options{RotateRefreshTokens: true})
				s.ChangeQuirks(func(v *sim.Quirks) { v.ExpiresIn = form })
				client := simClient(s, func(o *spotify.Config) { o.ClientSecret = "" })
				g, err := client.Exchange(t.Context(), songspy.AuthorizationCode{
					Code: songspy.Secret(s.SpotifyCode(3, sim.CodeOptions{RedirectURI: callbackURL, Challenge: challenge(verifier)})), Verifier: verifier,
				})
				if err != nil {
					t.Fatal(err)
				}
				for range 3 { // each renewal needs the refresh token of the previous one
					renewed, err := client.Refresh(t.Context(), linked(g))
					if err != nil || renewed.RefreshToken == "" || renewed.RefreshToken == g.RefreshToken {
						t.Fatalf("renewed %+v, %v", renewed, err)
					}
					if life := time.Until(renewed.ExpiresAt); life != time.Hour {
						t.Fatalf("the lifetime is %s", life)
					}
					g = renewed
				}
			})
		})
	}
}

func TestSimulator_CallsStayWithinRateLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const allowed = 150 // calls in 30 s
		s := newSim(t, sim.Options{People: 1, Quirks: sim.Quirks{CallsPer30s: allowed}})
		client := simClient(s)
		token, _ := s.SpotifyTokens(0)
		tick := time.NewTicker(time.Second / 40) // eight times the limit
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
			t.Fatalf("of %d allowed calls %d were answered, and %d were refused", most, answered, calls[429])
		}
	})
}

func TestSimulator_CodeIsNotUsedWhileOtherCircuitIsOpen(t *testing.T) {
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
		g, err := client.Exchange(t.Context(), songspy.AuthorizationCode{Code: songspy.Secret(s.SpotifyCode(1, sim.CodeOptions{RedirectURI: callbackURL}))})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := client.Account(t.Context(), g.AccessToken); err != nil {
			t.Fatalf("the user's own call as the probe: %v", err)
		}
	})
}
