package sim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-sim/internal/token"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// withClient adds the client ID and, unless it is empty, the secret of an app to a form. So
// the function exchange does not authenticate as the first app.
func withClient(clientID, secret string, form url.Values) url.Values {
	form.Set("client_id", clientID)
	if secret != "" {
		form.Set("client_secret", secret)
	}
	return form
}

func TestDevelopmentApps_ServeOnlyRegisteredPeople(t *testing.T) {
	s, _ := newSim(t)
	code := s.SpotifyCode(5, sim.CodeOptions{ClientID: sim.DevelopmentClientID, RedirectURI: redirect})
	wantOAuthError(t, exchange(t, s, codeForm(code)), "invalid_grant", "Invalid authorization code") // the first app cannot use the code of another
	grant := exchange(t, s, withClient(sim.DevelopmentClientID, sim.DevelopmentClientSecret, codeForm(code))).decode(t)
	access, refresh := grant["access_token"].(string), grant["refresh_token"].(string)
	if got := get(t, s, apiURL+"/me", access); got.status != http.StatusForbidden || !strings.Contains(got.body, "may not be registered") {
		t.Errorf("not registered: %d %s", got.status, got.body)
	}
	if got := admin(t, s, "POST", "/people/5/register?client_id="+sim.DevelopmentClientID, ""); got.status != http.StatusNoContent {
		t.Fatalf("registering: %d %s", got.status, got.body)
	}
	if got := get(t, s, apiURL+"/me", access); got.status != http.StatusOK {
		t.Errorf("registered: %d %s", got.status, got.body)
	}
	wantOAuthError(t, exchange(t, s, refreshForm(refresh)), "invalid_grant", "Invalid refresh token")
	if got := exchange(t, s, withClient(sim.DevelopmentClientID, sim.DevelopmentClientSecret, refreshForm(refresh))); got.status != http.StatusOK {
		t.Errorf("renewing: %d %s", got.status, got.body)
	}
	if got := admin(t, s, "POST", "/people/5/register?client_id=who", ""); got.status != http.StatusBadRequest || !strings.Contains(got.body, "who") {
		t.Errorf("an unknown app: %d %s", got.status, got.body)
	}
}

func TestUserApps_HaveNoSecretAndTheirOwnWindow(t *testing.T) {
	s, _ := newSim(t)
	s.ChangeQuirks(func(v *sim.Quirks) { v.CallsPer30s = 1 })
	sum := token.Challenge(verifier)
	code := redirectQuery(t, get(t, s, authorizeURL(url.Values{
		"client_id": {sim.UserAppClientID}, "code_challenge": {sum}, "code_challenge_method": {"S256"},
	}), "")).Get("code")
	wantOAuthError(t, exchange(t, s, withClient(sim.UserAppClientID, "guessed", codeForm(code))), "invalid_client", "Invalid client")
	form := withClient(sim.UserAppClientID, "", codeForm(code))
	form.Set("code_verifier", verifier)
	access := exchange(t, s, form).decode(t)["access_token"].(string)
	first, _ := s.SpotifyTokens(3)
	for _, c := range []struct {
		access string
		status int
	}{{first, 200}, {first, 429}, {access, 200}, {access, 429}} {
		if got := get(t, s, apiURL+"/me", c.access); got.status != c.status {
			t.Errorf("the status is %d, want %d: %s", got.status, c.status, got.body)
		}
	}
}
