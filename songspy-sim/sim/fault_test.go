package sim_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

func TestFault_AnswersInEveryForm(t *testing.T) {
	seconds := func(n int) *int { return &n }
	const upstream = "upstream connect error or disconnect/reset before headers. reset reason: connection termination"
	const premium = "Active premium subscription required for the owner of the app. When the subscription status changes, it can take a few hours before requests are allowed again."
	const quota = `{"error":{"status":429,"message":"Too many requests","reason":"QUOTA_EXCEEDED"}}`
	for _, c := range []struct {
		fault      sim.Fault
		status     int
		body       string
		retryAfter string
		isJSON     bool
	}{
		{sim.Fault{Kind: sim.RateLimited, RetryAfter: seconds(86400)}, 429, "Too many requests", "86400", false},
		{sim.Fault{Kind: sim.RateLimited}, 429, "Too many requests", "", false},
		{sim.Fault{Kind: sim.RateLimited, RetryAfter: seconds(0), Body: "json"}, 429, `{"error":{"status":429,"message":"API rate limit exceeded"}}`, "0", true},
		{sim.Fault{Kind: sim.RateLimited, Body: "quota"}, 429, quota, "", true},
		{sim.Fault{Kind: sim.RateLimited, Body: "empty", RetryAfterText: "Fri, 20 Nov 2026 12:10:00 GMT"}, 429, "", "Fri, 20 Nov 2026 12:10:00 GMT", false},
		{sim.Fault{Kind: sim.QuotaExceeded}, 429, quota, "", true},
		{sim.Fault{Kind: sim.ServerError}, 503, upstream, "", false},
		{sim.Fault{Kind: sim.ServerError, Status: 502, Body: "html"}, 502, "<h1>502 Bad Gateway</h1>", "", false},
		{sim.Fault{Kind: sim.Garbage}, 200, "<!DOCTYPE html>", "", true},
		{sim.Fault{Kind: sim.NoContent}, 204, "", "", false},
		{sim.Fault{Kind: sim.Unauthorized}, 401, `{"error":{"status":401,"message":"The access token expired"}}`, "", true},
		{sim.Fault{Kind: sim.Unauthorized, Body: "invalid"}, 401, "Invalid access token", "", true},
		{sim.Fault{Kind: sim.NotRegistered}, 403, "Check settings on developer.spotify.com/dashboard, the user may not be registered.", "", false},
		{sim.Fault{Kind: sim.PremiumRequired}, 403, premium, "", false},
		{sim.Fault{Kind: sim.PremiumRequired, Body: "json"}, 403, `{"error":{"status":403,"message":"` + premium + `"}}`, "", true},
		{sim.Fault{Kind: sim.InsufficientScope}, 403, "Insufficient client scope", "", true},
		{sim.Fault{Kind: sim.NotFound}, 404, "Not found.", "", true},
		{sim.Fault{Kind: sim.NotFound, Body: "idle"}, 404, `{"error":{"status":404,"message":"non existing id"}}`, "", true},
		{sim.Fault{Kind: sim.NotRegistered, Body: "dashboard"}, 403, "User not registered in the Developer Dashboard", "", true},
		{sim.Fault{Kind: sim.NotRegistered, Body: "approved"}, 403, "User not approved for app", "", false},
		{sim.Fault{Kind: sim.Forbidden}, 403, `{"error":{"status":403,"message":"The request is not allowed."}}`, "", true},
		{sim.Fault{Kind: sim.Forbidden, Body: "plain"}, 403, "This account may not use the application.", "", false},
		{sim.Fault{Kind: sim.Forbidden, Body: "html"}, 403, "<h1>403 Forbidden</h1>", "", false},
		{sim.Fault{Kind: sim.Raw, Status: 418, Body: "teapot"}, 418, "teapot", "", false},
	} {
		s, _ := newSim(t)
		access, _ := s.SpotifyTokens(0)
		c.fault.Endpoint, c.fault.Person = "me", sim.Everyone
		cancel := s.Fault(c.fault)
		got := get(t, s, apiURL+"/me", access)
		if got.status != c.status || !strings.Contains(got.body, c.body) || got.header.Get("Retry-After") != c.retryAfter ||
			strings.Contains(got.header.Get("Content-Type"), "json") != c.isJSON {
			t.Errorf("%+v answers %d %v %s", c.fault, got.status, got.header, got.body)
		}
		cancel()
		if got := get(t, s, apiURL+"/me", access); got.status != http.StatusOK {
			t.Errorf("%s: the fault is still active after its end: %d", c.fault.Kind, got.status)
		}
	}
}

func TestFault_InvalidGrantIsFalse(t *testing.T) {
	s, _ := newSim(t)
	_, refresh := s.SpotifyTokens(0)
	for body, description := range map[string]string{
		"": "Refresh token revoked", "expired": "Refresh token expired", "invalid": "Invalid refresh token", "Something else": "Something else",
	} {
		s.Fault(sim.Fault{Endpoint: "token", Person: 0, Kind: sim.InvalidGrant, Body: body, Times: 1})
		wantOAuthError(t, exchange(t, s, refreshForm(refresh)), "invalid_grant", description)
	}
	if got := exchange(t, s, refreshForm(refresh)); got.status != http.StatusOK {
		t.Errorf("the fault really revoked the token: %s", got.body)
	}
}

func TestFault_AppliesOnlyToItsPeople(t *testing.T) {
	s, _ := newSim(t, func(o *sim.Options) { o.People = 2000 })
	hit := func() (n int) {
		for person := range 2000 {
			access, _ := s.SpotifyTokens(person)
			if get(t, s, apiURL+"/me", access).status == http.StatusTooManyRequests {
				n++
			}
		}
		return n
	}
	for _, c := range []struct {
		fault    sim.Fault
		min, max int
	}{
		{sim.Fault{Person: 7}, 1, 1},
		{sim.Fault{Person: sim.Everyone, Times: 3}, 3, 3},
		{sim.Fault{Person: sim.Everyone, Share: 0.1}, 140, 260},
		{sim.Fault{Person: sim.Everyone, PeopleShare: 0.01}, 8, 36},
		{sim.Fault{Person: sim.Everyone, Endpoint: "token"}, 0, 0},
	} {
		c.fault.Kind = sim.RateLimited
		if c.fault.Endpoint == "" {
			c.fault.Endpoint = "me"
		}
		cancel := s.Fault(c.fault)
		first := hit()
		if first < c.min || first > c.max {
			t.Errorf("%+v affects %d of 2000 requests", c.fault, first)
		}
		if c.fault.PeopleShare > 0 && hit() != first {
			t.Error("peopleShare does not select the same people each time")
		}
		cancel()
	}
}

func TestFault_BreaksConnections(t *testing.T) {
	s, _ := newSim(t)
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	access, _ := s.SpotifyTokens(0)
	for name, client := range map[string]*http.Client{"sockets": server.Client(), "in-process": {Transport: s.Transport()}} {
		ask := func() ([]byte, error) {
			resp, err := client.Do(request(t, http.MethodGet, server.URL+"/spotify/api/v1/me", "Bearer "+access, nil))
			if err != nil {
				return nil, err
			}
			defer resp.Body.Close()
			return io.ReadAll(resp.Body)
		}
		cancel := s.Fault(sim.Fault{Endpoint: "me", Person: sim.Everyone, Kind: sim.Cut})
		if body, err := ask(); !errors.Is(err, io.ErrUnexpectedEOF) || len(body) == 0 {
			t.Errorf("%s: cut returns %q, %v", name, body, err)
		}
		cancel()
		cancel = s.Fault(sim.Fault{Endpoint: "me", Person: sim.Everyone, Kind: sim.Hangup})
		if body, err := ask(); !errors.Is(err, io.EOF) {
			t.Errorf("%s: hangup returns %q, %v", name, body, err)
		}
		cancel()
	}
}

func TestFault_LostResponseUsesUpTheToken(t *testing.T) {
	s, _ := newSim(t, func(o *sim.Options) { o.RotateRefreshTokens = true })
	refresh := pkceGrant(t, s, 3)["refresh_token"].(string)
	s.Fault(sim.Fault{Endpoint: "token", Person: 3, Kind: sim.LostResponse, Times: 1})
	_, err := s.Transport().RoundTrip(request(t, http.MethodPost, tokenURL, "", public(refreshForm(refresh))))
	if !errors.Is(err, io.EOF) {
		t.Fatalf("the response was not lost: %v", err)
	}
	wantOAuthError(t, exchange(t, s, public(refreshForm(refresh))), "invalid_grant", "Refresh token revoked")
}

func TestFault_InvalidOnesAreRejected(t *testing.T) {
	s, _ := newSim(t)
	for _, f := range []sim.Fault{
		{Endpoint: "player", Kind: sim.NoContent},
		{Endpoint: "me", Kind: "odd"},
		{Endpoint: "me", Kind: sim.ServerError, Body: "poem"},
		{Endpoint: "me", Kind: sim.NoContent, Share: 2},
		{Endpoint: "me", Kind: sim.NoContent, Person: -2},
		{Endpoint: "me", Kind: sim.Raw, Status: 99},
		{Endpoint: "me", Kind: sim.NoContent, Times: -1},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("accepted %+v", f)
				}
			}()
			s.Fault(f)
		}()
	}
}

func TestWindow_LimitsTheAppToItsCalls(t *testing.T) {
	s, c := newSim(t)
	s.ChangeQuirks(func(v *sim.Quirks) { v.CallsPer30s = 5 })
	access, _ := s.SpotifyTokens(0)
	ask := func() response { return get(t, s, apiURL+"/me", access) }
	for range 5 {
		if got := ask(); got.status != http.StatusOK {
			t.Fatalf("within the limit: %d", got.status)
		}
		c.Advance(time.Second)
	}
	got := ask()
	if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "25" {
		t.Fatalf("the sixth call: %d, Retry-After %s", got.status, got.header.Get("Retry-After"))
	}
	c.Advance(25 * time.Second)
	if got := ask(); got.status != http.StatusOK {
		t.Errorf("after Retry-After: %d", got.status)
	}
	if got := ask(); got.status != http.StatusTooManyRequests {
		t.Errorf("a second call passed although only one had left the window: %d", got.status)
	}
}

func TestQuota_RollsOverADayAndReturnsTheWait(t *testing.T) {
	s, c := newSim(t)
	s.ChangeQuirks(func(v *sim.Quirks) { v.QuotaPer24h = 3 })
	ask := func() response {
		access, _ := s.SpotifyTokens(0)
		return get(t, s, apiURL+"/me", access)
	}
	for range 3 {
		if got := ask(); got.status != http.StatusOK {
			t.Fatalf("within the quota: %d", got.status)
		}
		c.Advance(time.Hour)
	}
	refused := func(after string) {
		t.Helper()
		got := ask()
		if got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != after || !strings.Contains(got.body, "QUOTA_EXCEEDED") {
			t.Fatalf("beyond the quota: %d, Retry-After %q, want %q: %s", got.status, got.header.Get("Retry-After"), after, got.body)
		}
	}
	refused("75600") // 21 hours, because the first call was three hours ago
	c.Advance(21 * time.Hour)
	if got := ask(); got.status != http.StatusOK {
		t.Fatalf("after the oldest call left the window (refused calls do not count): %d", got.status)
	}
	refused("3600")
	s.ChangeQuirks(func(v *sim.Quirks) { v.QuotaWithoutRetryAfter = true })
	refused("")
}
