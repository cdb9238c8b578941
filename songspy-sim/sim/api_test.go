package sim_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

func wantAPIError(t *testing.T, got response, status int, message string) {
	t.Helper()
	want := fmt.Sprintf(`{"error":{"status":%d,"message":%q}}`, status, message)
	if got.status != status || got.body != want {
		t.Errorf("the answer is %d %s, want %s", got.status, got.body, want)
	}
}

func TestAPI_RejectsInvalidTokens(t *testing.T) {
	s, c := newSim(t)
	access, refresh := s.SpotifyTokens(1)
	for _, path := range []string{"/me", playing, recently} {
		bad := func(authorization string) response {
			return do(t, s, request(t, http.MethodGet, apiURL+path, authorization, nil))
		}
		wantAPIError(t, bad(""), http.StatusUnauthorized, "No token provided")
		wantAPIError(t, bad("Basic abc"), http.StatusBadRequest, "Only valid bearer authentication supported")
		wantAPIError(t, bad("Bearer "+access+"x"), http.StatusUnauthorized, "Invalid access token")
		wantAPIError(t, bad("Bearer "+refresh), http.StatusUnauthorized, "Invalid access token")
		wantAPIError(t, bad("Bearer BQ"), http.StatusUnauthorized, "Invalid access token")
	}
	c.Advance(time.Hour - time.Millisecond)
	if got := get(t, s, apiURL+"/me", access); got.status != http.StatusOK {
		t.Errorf("the token is rejected just before it expires: %s", got.body)
	}
	c.Advance(time.Millisecond)
	wantAPIError(t, get(t, s, apiURL+"/me", access), http.StatusUnauthorized, "The access token expired")
}

func TestAPI_RejectsMissingScopes(t *testing.T) {
	s, _ := newSim(t)
	code := s.SpotifyCode(1, sim.CodeOptions{RedirectURI: redirect, Scopes: []string{"user-read-currently-playing"}})
	access := exchange(t, s, codeForm(code)).decode(t)["access_token"].(string)
	wantAPIError(t, get(t, s, apiURL+recently, access), http.StatusForbidden, "Insufficient client scope")
	s.ChangeQuirks(func(v *sim.Quirks) { v.MissingScope401 = true })
	wantAPIError(t, get(t, s, apiURL+recently, access), http.StatusUnauthorized, "Permissions missing")
	if got := get(t, s, apiURL+playing, access); got.status >= 300 {
		t.Errorf("a call within its scopes is rejected: %s", got.body)
	}
}

func TestUnregister_LetsSignInWorkButNotTheAPI(t *testing.T) {
	const text = "Check settings on developer.spotify.com/dashboard, the user may not be registered."
	s, _ := newSim(t)
	s.Unregister(8)
	got := exchange(t, s, codeForm(s.SpotifyCode(8, sim.CodeOptions{RedirectURI: redirect}))).decode(t)
	refused := get(t, s, apiURL+"/me", got["access_token"].(string))
	if refused.status != http.StatusForbidden || refused.body != text || refused.header.Get("Content-Type") != "text/plain" {
		t.Errorf("answer is %d %v %s", refused.status, refused.header, refused.body)
	}
	s.ChangeQuirks(func(v *sim.Quirks) { v.ForbiddenJSON = true })
	wantAPIError(t, get(t, s, apiURL+playing, got["access_token"].(string)), http.StatusForbidden, text)
	s.Register(8)
	if got := get(t, s, apiURL+"/me", got["access_token"].(string)); got.status != http.StatusOK {
		t.Errorf("after registering again: %s", got.body)
	}
}

func TestMe_HasItsQuirks(t *testing.T) {
	s, _ := newSim(t)
	nameless, imageless := 0, 0
	for n := range 50 {
		access, _ := s.SpotifyTokens(n)
		me := get(t, s, apiURL+"/me", access).decode(t)
		if name, has := me["display_name"]; !has {
			t.Fatal("display_name is missing where it should be null")
		} else if name == nil {
			nameless++
		}
		if len(me["images"].([]any)) == 0 {
			imageless++
		}
		if me["type"] != "user" || me["email"] != nil {
			t.Errorf("me is %v", me)
		}
	}
	if nameless == 0 || imageless == 0 {
		t.Errorf("%d people have no name, %d no image", nameless, imageless)
	}
	access, _ := s.SpotifyTokens(0)
	s.ChangeQuirks(func(v *sim.Quirks) { v.MeExtended, v.MeWithoutAccountID = true, true })
	me := get(t, s, apiURL+"/me", access).decode(t)
	if _, has := me["account_id"]; has || me["country"] != "KR" || me["email"] != s.Person(0).Email {
		t.Errorf("the form before May 2026 is %v", me)
	}
}
