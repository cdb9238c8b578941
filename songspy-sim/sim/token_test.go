package sim_test

import (
	"encoding/base64"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/token"
	"github.com/songspy/songspy/songspy-sim/sim"
)

const verifier = "correct-horse-battery-staple-correct-horse-battery"

// codeForm returns the form that exchanges a code. It has no client_id, so the function
// exchange sends the first app's secret with it.
func codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect}}
}

// public adds the client_id of the first app to a form, so that the function exchange sends
// no secret. The app is then a public client.
func public(form url.Values) url.Values {
	form.Set("client_id", sim.SpotifyClientID)
	return form
}

func refreshForm(refresh string) url.Values {
	return url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh}}
}

func wantOAuthError(t *testing.T, got response, code, description string) {
	t.Helper()
	body := got.decode(t)
	if got.status != http.StatusBadRequest || body["error"] != code || body["error_description"] != description || len(body) != 2 {
		t.Errorf("the answer is %d %s, want 400 %s %q", got.status, got.body, code, description)
	}
}

func TestToken_RedeemsACodeWithTheSecret(t *testing.T) {
	s, _ := newSim(t)
	body := exchange(t, s, codeForm(s.SpotifyCode(5, sim.CodeOptions{RedirectURI: redirect}))).decode(t)
	if body["token_type"] != "Bearer" || body["expires_in"] != 3600.0 || body["scope"] != "user-read-currently-playing user-read-recently-played" {
		t.Errorf("grant is %v", body)
	}
	if me := get(t, s, apiURL+"/me", body["access_token"].(string)).decode(t); me["id"] != s.Person(5).SpotifyID {
		t.Errorf("the grant belongs to %v", me["id"])
	}
	renewed := exchange(t, s, refreshForm(body["refresh_token"].(string))).decode(t)
	if renewed["refresh_token"] != nil || renewed["access_token"] == body["access_token"] {
		t.Errorf("a refresh with the secret gave %v", renewed)
	}
}

func TestToken_RedeemsACodeWithPKCE(t *testing.T) {
	s, _ := newSim(t)
	code := func() string {
		return s.SpotifyCode(5, sim.CodeOptions{RedirectURI: redirect, Challenge: token.Challenge(verifier)})
	}
	form := public(codeForm(code()))
	wantOAuthError(t, exchange(t, s, form), "invalid_request", "code_verifier must be supplied")
	form.Set("code_verifier", verifier+"x")
	wantOAuthError(t, exchange(t, s, form), "invalid_grant", "code_verifier was incorrect")
	form.Set("code_verifier", verifier)
	if got := exchange(t, s, form); got.status != http.StatusOK {
		t.Fatalf("the right verifier: %d %s", got.status, got.body)
	}
	withSecret := codeForm(code())
	withSecret.Set("code_verifier", verifier)
	if got := exchange(t, s, withSecret); got.status != http.StatusOK {
		t.Errorf("PKCE with a secret: %d %s", got.status, got.body)
	}
	plain := codeForm(s.SpotifyCode(5, sim.CodeOptions{RedirectURI: redirect}))
	plain.Set("code_verifier", verifier)
	wantOAuthError(t, exchange(t, s, plain), "invalid_grant", "code_verifier was incorrect")
}

func TestToken_RejectsInvalidCodes(t *testing.T) {
	s, c := newSim(t)
	code := s.SpotifyCode(5, sim.CodeOptions{RedirectURI: redirect})

	wrongRedirect := codeForm(code)
	wrongRedirect.Set("redirect_uri", redirect+"/")
	wantOAuthError(t, exchange(t, s, wrongRedirect), "invalid_grant", "Invalid redirect URI")
	wantOAuthError(t, exchange(t, s, public(codeForm(code))), "invalid_client", "Invalid client")
	if got := exchange(t, s, codeForm(code)); got.status != http.StatusOK {
		t.Fatalf("failed attempts used the code: %s", got.body)
	}
	wantOAuthError(t, exchange(t, s, codeForm(code)), "invalid_grant", "Invalid authorization code")
	wantOAuthError(t, exchange(t, s, codeForm("nonsense")), "invalid_grant", "Invalid authorization code")
	wantOAuthError(t, exchange(t, s, codeForm("")), "invalid_request", "code must be supplied")

	late := s.SpotifyCode(5, sim.CodeOptions{RedirectURI: redirect})
	c.Advance(10 * time.Minute)
	wantOAuthError(t, exchange(t, s, codeForm(late)), "invalid_grant", "Authorization code expired")

	_, refresh := s.SpotifyTokens(5)
	wantOAuthError(t, exchange(t, s, codeForm(refresh)), "invalid_grant", "Invalid authorization code")
}

func TestToken_RejectsInvalidClients(t *testing.T) {
	s, _ := newSim(t)
	_, refresh := s.SpotifyTokens(1)
	basic := func(id, secret string) string {
		return "Basic " + base64.StdEncoding.EncodeToString([]byte(id+":"+secret))
	}
	for _, c := range []struct {
		name, authorization, clientID, code, description string
	}{
		{"wrong secret", basic(sim.SpotifyClientID, "guess"), "", "invalid_client", "Invalid client"},
		{"no secret", basic(sim.SpotifyClientID, ""), "", "invalid_client", "Invalid client"},
		{"unknown id", basic("who", "guess"), "", "invalid_client", "Failed to get client"},
		{"unknown public id", "", "who", "invalid_client", "Failed to get client"},
		{"nobody", "", "", "invalid_client", "Invalid client"},
		{"not Basic", "Bearer x", "", "invalid_client", "Invalid client"},
		{"without the secret it was got with", "", sim.SpotifyClientID, "invalid_client", "Invalid client"},
	} {
		t.Run(c.name, func(t *testing.T) {
			form := refreshForm(refresh)
			if c.clientID != "" {
				form.Set("client_id", c.clientID)
			}
			wantOAuthError(t, do(t, s, request(t, http.MethodPost, tokenURL, c.authorization, form)), c.code, c.description)
		})
	}
}

func TestToken_RefusesOtherGrants(t *testing.T) {
	s, _ := newSim(t)
	wantOAuthError(t, exchange(t, s, url.Values{}), "unsupported_grant_type", "grant_type parameter is missing")
	wantOAuthError(t, exchange(t, s, url.Values{"grant_type": {"password"}}), "unsupported_grant_type", "grant_type must be authorization_code or refresh_token")
	wantOAuthError(t, exchange(t, s, refreshForm("")), "invalid_request", "refresh_token must be supplied")
	wantOAuthError(t, exchange(t, s, refreshForm("nonsense")), "invalid_grant", "Invalid refresh token")
}

func pkceGrant(t *testing.T, s *sim.Sim, person int) map[string]any {
	t.Helper()
	form := public(codeForm(s.SpotifyCode(person, sim.CodeOptions{RedirectURI: redirect, Challenge: token.Challenge(verifier)})))
	form.Set("code_verifier", verifier)
	return exchange(t, s, form).decode(t)
}

func TestToken_RotatesForPKCEWhereSwitchedOn(t *testing.T) {
	s, _ := newSim(t, func(o *sim.Options) { o.RotateRefreshTokens = true })
	first := pkceGrant(t, s, 2)["refresh_token"].(string)
	second, ok := exchange(t, s, public(refreshForm(first))).decode(t)["refresh_token"].(string)
	if !ok || second == first {
		t.Fatalf("no new refresh token: %q", second)
	}
	wantOAuthError(t, exchange(t, s, public(refreshForm(first))), "invalid_grant", "Refresh token revoked")
	if got := exchange(t, s, public(refreshForm(second))); got.status != http.StatusOK {
		t.Errorf("the new refresh token: %s", got.body)
	}
	_, confidential := s.SpotifyTokens(2)
	for range 2 {
		if got := exchange(t, s, refreshForm(confidential)).decode(t); got["access_token"] == nil || got["refresh_token"] != nil {
			t.Errorf("refresh tokens rotate for a client with a secret: %v", got)
		}
	}
}

func TestToken_ReturnsNoRefreshTokenForPKCEOtherwise(t *testing.T) {
	s, _ := newSim(t)
	refresh := pkceGrant(t, s, 2)["refresh_token"].(string)
	for range 2 {
		if got := exchange(t, s, public(refreshForm(refresh))).decode(t); got["access_token"] == nil || got["refresh_token"] != nil {
			t.Errorf("a refresh gave %v", got)
		}
	}
}

func TestRefreshToken_ExpiresSixMonthsAfterConsent(t *testing.T) {
	s, c := newSim(t, func(o *sim.Options) { o.RotateRefreshTokens = true })
	refresh := pkceGrant(t, s, 2)["refresh_token"].(string)
	c.now = start.AddDate(0, 6, 0).Add(-time.Second)
	refresh = exchange(t, s, public(refreshForm(refresh))).decode(t)["refresh_token"].(string)
	c.Advance(time.Second)
	wantOAuthError(t, exchange(t, s, public(refreshForm(refresh))), "invalid_grant", "Refresh token expired")
}

func TestRevoke_EndsRefreshTokensUntilConsentIsGivenAgain(t *testing.T) {
	s, _ := newSim(t)
	access, refresh := s.SpotifyTokens(6)
	code := s.SpotifyCode(6, sim.CodeOptions{RedirectURI: redirect})
	s.Revoke(6)
	wantOAuthError(t, exchange(t, s, refreshForm(refresh)), "invalid_grant", "Refresh token revoked")
	wantOAuthError(t, exchange(t, s, codeForm(code)), "invalid_grant", "Invalid authorization code")
	if got := get(t, s, apiURL+"/me", access); got.status != http.StatusOK {
		t.Errorf("the access token is invalid at once: %d", got.status)
	}
	s.ChangeQuirks(func(v *sim.Quirks) { v.RevokeKillsAccess = true })
	wantAPIError(t, get(t, s, apiURL+"/me", access), http.StatusUnauthorized, "Invalid access token")
	_, again := s.SpotifyTokens(6)
	if got := exchange(t, s, refreshForm(again)); got.status != http.StatusOK {
		t.Errorf("a new consent is rejected: %s", got.body)
	}
	_, other := s.SpotifyTokens(7)
	if got := exchange(t, s, refreshForm(other)); got.status != http.StatusOK {
		t.Errorf("another person's consent was revoked: %s", got.body)
	}
}
