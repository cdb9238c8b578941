package spotify_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-sim/sim"
)

const playingTrack = `{"timestamp":1490252122574,"context":null,"progress_ms":44272,"is_playing":true,"currently_playing_type":"track",
 "item":{"album":{"name":"Cut To The Feeling","images":[{"height":640,"url":"https://i.scdn.co/image/640","width":640},{"height":300,"url":"https://i.scdn.co/image/300","width":300},{"height":64,"url":"https://i.scdn.co/image/64","width":64}]},
 "artists":[{"name":"Carly Rae Jepsen"},{"name":"Nobody"}],"available_markets":["KR","NZ"],"duration_ms":207959,"external_ids":{"isrc":"USUM71703861"},
 "external_urls":{"spotify":"https://open.spotify.com/track/11dFghVXANMlKmJXsNCbNl"},"id":"11dFghVXANMlKmJXsNCbNl","is_local":false,"name":"Cut To The Feeling","preview_url":null,"type":"track","uri":"spotify:track:11dFghVXANMlKmJXsNCbNl"},
 "actions":{"disallows":{"resuming":true}}}`

func TestCurrentlyPlaying_AsksForEpisodesToo(t *testing.T) {
	p := newFakeSpotify(t, says(200, playingTrack))
	clk := newClock()
	var endpoints []string
	o, err := p.client(t, func(c *spotify.Config) {
		c.Now = clk.now
		c.Observe = func(endpoint, outcome string, _ time.Duration) { endpoints = append(endpoints, endpoint+" "+outcome) }
	}).CurrentlyPlaying(context.Background(), access)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(o, songspy.Observation{
		Kind: songspy.ObservedPlaying, Progress: 44272 * time.Millisecond, At: clk.now().UTC(),
		Track: songspy.Track{
			URI: "spotify:track:11dFghVXANMlKmJXsNCbNl", Kind: songspy.KindTrack, Title: "Cut To The Feeling",
			Artists: "Carly Rae Jepsen, Nobody", Album: "Cut To The Feeling", ImageURL: "https://i.scdn.co/image/300",
			URL: "https://open.spotify.com/track/11dFghVXANMlKmJXsNCbNl", DurationMS: 207959, ISRC: "USUM71703861",
		},
	}) {
		t.Errorf("the observation is %+v", o)
	}
	got := p.requests()[0]
	if got.method != "GET" || got.path != "/v1/me/player/currently-playing" || got.query != "additional_types=track,episode" {
		t.Errorf("sent %s %s?%s", got.method, got.path, got.query)
	}
	if got.header.Get("Authorization") != "Bearer "+access.Reveal() || !strings.HasPrefix(got.header.Get("User-Agent"), "songspy") {
		t.Errorf("sent the header %v", got.header)
	}
	if len(endpoints) != 1 || endpoints[0] != "currently-playing ok" {
		t.Errorf("observed %v", endpoints)
	}
}

func TestCurrentlyPlaying_NoContentIsIdle(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		want   songspy.ObservationKind
	}{
		"204":                            {says(204, ""), songspy.ObservedIdle},
		"200 without a body":             {says(200, ""), songspy.ObservedUnreadable},
		"former answer for a local file": {says(400, `{"error":{"status":400,"message":"invalid id"}}`), songspy.ObservedUnreadable},
		"404 of an idle player":          {says(404, `{"error":{"status":404,"message":"non existing id"}}`), songspy.ObservedIdle},
		"202, try again":                 {says(202, ""), songspy.ObservedUnreadable},
		"JSON with another Content-Type": {says(200, `{"is_playing":true,"item":null,"currently_playing_type":"ad"}`, "Content-Type", "text/html"), songspy.ObservedAdvertisement},
	} {
		t.Run(name, func(t *testing.T) {
			clk := newClock()
			o, err := newFakeSpotify(t, c.answer).client(t, func(c *spotify.Config) { c.Now = clk.now }).CurrentlyPlaying(context.Background(), access)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(o, songspy.Observation{Kind: c.want, Progress: songspy.UnknownProgress, At: clk.now().UTC()}) {
				t.Errorf("the observation is %+v, want %s", o, c.want)
			}
		})
	}
}

// refusals are answers of the Web API, or their absence, that make a call fail, with the error
// that the call must return.
var refusals = map[string]struct {
	answer http.HandlerFunc
	code   songspy.Code
	reason string
	what   songspy.Disposition
	wait   time.Duration
}{
	"expired token":                  {says(401, `{"error":{"status":401,"message":"The access token expired"}}`), songspy.CodeUnauthorized, spotify.ReasonTokenRefused, songspy.DispositionRenewToken, 0},
	"invalid token":                  {says(401, `{"error":{"status":401,"message":"Invalid access token"}}`), songspy.CodeUnauthorized, spotify.ReasonTokenRefused, songspy.DispositionRenewToken, 0},
	"no bearer":                      {says(400, `{"error":{"status":400,"message":"Only valid bearer authentication supported"}}`), songspy.CodeUnauthorized, spotify.ReasonTokenRefused, songspy.DispositionRenewToken, 0},
	"permissions missing":            {says(401, `{"error":{"status":401,"message":"Permissions missing"}}`), songspy.CodeUnprocessable, spotify.ReasonScopesMissing, songspy.DispositionNeedsUser, 0},
	"scope missing":                  {says(403, `{"error":{"status":403,"message":"Insufficient client scope"}}`), songspy.CodeUnprocessable, spotify.ReasonScopesMissing, songspy.DispositionNeedsUser, 0},
	"not registered":                 {says(403, notRegistered), songspy.CodeForbidden, spotify.ReasonNotRegistered, songspy.DispositionNotRegistered, 0},
	"not registered JSON":            {says(403, `{"error":{"status":403,"message":"`+notRegistered+`"}}`), songspy.CodeForbidden, spotify.ReasonNotRegistered, songspy.DispositionNotRegistered, 0},
	"not in dashboard":               {says(403, `{"error":{"status":403,"message":"User not registered in the Developer Dashboard"}}`), songspy.CodeForbidden, spotify.ReasonNotRegistered, songspy.DispositionNotRegistered, 0},
	"not approved":                   {says(403, "User not approved for app"), songspy.CodeForbidden, spotify.ReasonNotRegistered, songspy.DispositionNotRegistered, 0},
	"unknown 403 JSON":               {says(403, `{"error":{"status":403,"message":"Not today."}}`), songspy.CodeForbidden, spotify.ReasonRefused, songspy.DispositionRefused, 0},
	"unknown 403 bare":               {says(403, "This account may not use the application."), songspy.CodeForbidden, spotify.ReasonRefused, songspy.DispositionRefused, 0},
	"403 as a page":                  {says(403, "<html><body>User not registered</body></html>"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"403 without a body":             {says(403, ""), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"premium":                        {says(403, premium), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, time.Hour},
	"premium JSON":                   {says(403, `{"error":{"status":403,"message":"`+premium+`"}}`), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, time.Hour},
	"another 403":                    {says(403, "Forbidden"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"not found":                      {says(404, `{"error":{"status":404,"message":"Not found."}}`), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"rate limited":                   {says(429, "Too many requests", "Retry-After", "19056"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, 19056 * time.Second},
	"rate limited, no Retry-After":   {says(429, `{"error":{"status":429,"message":"API rate limit exceeded"}}`), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, 30 * time.Second},
	"rate limited, Retry-After of 0": {says(429, "", "Retry-After", "0"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, 30 * time.Second},
	"quota":                          {says(429, quota), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, 15 * time.Minute},
	"quota for a day":                {says(429, quota, "Retry-After", "86400"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, 24 * time.Hour},
	"server error":                   {says(500, "<html>"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"busy with Retry-After":          {says(503, "", "Retry-After", "12"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 12 * time.Second},
	"redirect":                       {says(307, "", "Location", "/redirected"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"HTML":                           {says(200, "<html>"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"cut off":                        {says(200, playingTrack[:400], "Content-Length", "1200"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"cut off without an error":       {says(200, playingTrack[:400]), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"endless":                        {says(200, `{"x":"`+strings.Repeat("x", 2<<20)+`"}`), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"no answer":                      {rawResponse(""), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	"not HTTP":                       {rawResponse("SSH-2.0-dropbear\r\n\r\n"), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
}

const (
	notRegistered = "Check settings on developer.spotify.com/dashboard, the user may not be registered."
	premium       = "Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few hours before requests are allowed again."
	quota         = `{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}`
)

func TestWebAPI_RefusalsHaveDispositions(t *testing.T) {
	for name, c := range refusals {
		for endpoint, call := range map[string]func(*spotify.Client) error{"player": poll, "account": identify} {
			t.Run(name+" of the "+endpoint, func(t *testing.T) {
				p := newFakeSpotify(t, c.answer)
				wantError(t, call(p.client(t)), c.code, c.reason, c.what, c.wait)
				if n := len(p.requests()); n != 1 {
					t.Fatalf("%d calls were sent, want one", n)
				}
			})
		}
	}
}

func TestWebAPI_WithoutTokenAsksForRenewal(t *testing.T) {
	p := newFakeSpotify(t, says(204, ""))
	_, err := p.client(t).CurrentlyPlaying(context.Background(), "")
	wantError(t, err, songspy.CodeUnauthorized, spotify.ReasonTokenRefused, songspy.DispositionRenewToken, 0)
	if n := len(p.requests()); n != 0 {
		t.Fatalf("%d calls were sent, want none", n)
	}
}

func TestCalls_EndWithTheirTimeout(t *testing.T) {
	for name, call := range map[string]func(*spotify.Client) error{"poll": poll, "account": identify, "renewal": renew, "exchange": exchange} {
		t.Run(name, func(t *testing.T) {
			err := call(newFakeSpotify(t, stall).client(t, func(c *spotify.Config) { c.Timeout = time.Millisecond }))
			wantError(t, err, songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5*time.Second)
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("the cause is %v", err)
			}
		})
	}
}

func TestCalls_EndWithTheirCaller(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	p := newFakeSpotify(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	_, err := p.client(t).CurrentlyPlaying(ctx, access)
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("the cause is %v", err)
	}
}

func TestAccount_NamesBothIds(t *testing.T) {
	for name, c := range map[string]struct {
		body string
		want songspy.SpotifyAccount
	}{
		"both":    {`{"account_id":"acc-1","display_name":"하늘","id":"31abc","type":"user","images":[]}`, songspy.SpotifyAccount{AccountID: "acc-1", ID: "31abc", DisplayName: "하늘"}},
		"old":     {`{"display_name":null,"id":"31abc"}`, songspy.SpotifyAccount{ID: "31abc"}},
		"new":     {`{"account_id":"acc-1"}`, songspy.SpotifyAccount{AccountID: "acc-1"}},
		"control": {`{"account_id":"acc-1","display_name":"a\u0000b"}`, songspy.SpotifyAccount{AccountID: "acc-1", DisplayName: "ab"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeSpotify(t, says(200, c.body))
			got, err := p.client(t).Account(context.Background(), access)
			if err != nil || got != c.want {
				t.Fatalf("got %+v, %v", got, err)
			}
			if path := p.requests()[0].path; path != "/v1/me" {
				t.Errorf("the path is %s", path)
			}
		})
	}
	for _, body := range []string{`{}`, `[]`, `{"id":null}`, ``} {
		_, err := newFakeSpotify(t, says(200, body)).client(t).Account(context.Background(), access)
		wantError(t, err, songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5*time.Second)
	}
}

func TestConfig_ErrorIsReturnedByEveryCall(t *testing.T) {
	c := newFakeSpotify(t, says(204, "")).client(t, func(c *spotify.Config) { c.APIURL = "http://%zz" })
	for _, err := range []error{poll(c), identify(c), c.Ready(t.Context())} {
		wantError(t, err, songspy.CodeInternal, "", songspy.DispositionAppBlocked, 5*time.Minute)
	}
}

func TestTransport_LimitsConnections(t *testing.T) {
	var opened atomic.Int32
	srv := httptest.NewUnstartedServer(says(200, playingTrack))
	srv.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			opened.Add(1)
		}
	}
	srv.Start()
	defer srv.Close()
	c := spotify.New(spotify.Config{ClientID: "id", APIURL: srv.URL, MaxConns: 4})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 20 {
				if err := poll(c); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if n := opened.Load(); n > 4 {
		t.Fatalf("320 polls opened %d connections, want at most 4", n)
	}
}

// idleTransport answers every call with 204 without a network.
type idleTransport struct{}

func (idleTransport) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusNoContent, Body: http.NoBody}, nil
}

func TestCurrentlyPlaying_AllocatesLittleWhenIdle(t *testing.T) {
	c := spotify.New(spotify.Config{ClientID: "id", Transport: idleTransport{}})
	got := testing.AllocsPerRun(100, func() {
		if err := poll(c); err != nil {
			t.Fatal(err)
		}
	})
	if got > 16 {
		t.Fatalf("a poll of an idle player allocates %v times, without the transport; want at most 16", got)
	}
}

func TestRecentlyPlayed_RequestsWholePageAfterTime(t *testing.T) {
	p := newFakeSpotify(t, says(200, `{"items":[],"next":null,"cursors":null}`))
	c := p.client(t, func(*spotify.Config) {})
	for _, after := range []time.Time{{}, time.UnixMilli(1495842394544)} {
		if items, err := c.RecentlyPlayed(context.Background(), access, after); err != nil || len(items) != 0 {
			t.Fatalf("got %+v, %v", items, err)
		}
	}
	calls := p.requests()
	if calls[0].path != "/v1/me/player/recently-played" || calls[0].query != "limit=50" || calls[1].query != "after=1495842394544&limit=50" {
		t.Errorf("sent %s?%s, then ?%s", calls[0].path, calls[0].query, calls[1].query)
	}
}

func TestRecentlyPlayed_RefusalsHaveDispositions(t *testing.T) {
	p := newFakeSpotify(t, says(401, `{"error":{"status":401,"message":"The access token expired"}}`))
	_, err := p.client(t, func(*spotify.Config) {}).RecentlyPlayed(context.Background(), access, time.Time{})
	if songspy.DispositionOf(err) != songspy.DispositionRenewToken {
		t.Errorf("error = %v, want one that renews the token", err)
	}
}

func TestSimulator_ReturnsRecentlyPlayed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newSim(t, sim.Options{People: 20, Seed: 5, Population: "regular", Epoch: time.Now()})
		client := simClient(s)
		from := time.Now()
		<-time.After(24 * time.Hour)
		var reported int
		for person := range s.People() {
			access, _ := s.SpotifyTokens(person)
			items, err := client.RecentlyPlayed(t.Context(), songspy.Secret(access), from)
			if err != nil {
				t.Fatal(err)
			}
			truth := s.Truth(person, from, time.Now())
			for _, item := range items {
				reported++
				if !slices.ContainsFunc(truth, func(p sim.Play) bool {
					return p.PlayedAt.Equal(item.PlayedAt.Truncate(time.Millisecond)) && p.Track.ISRC == item.Track.ISRC && p.Track.Duration == item.Track.Duration()
				}) {
					t.Errorf("history of person %d reports %+v, which was not played", person, item)
				}
			}
		}
		if reported < 100 {
			t.Errorf("%d items in a day of %d people, want at least 100", reported, s.People())
		}
	})
}
