package sim_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/token"
	"github.com/songspy/songspy/songspy-sim/sim"
)

const googleURL = "http://sim/google"

func TestTokeninfo_NamesTheClient(t *testing.T) {
	s, c := newSim(t)
	c.Advance(time.Minute)
	for _, client := range []string{sim.GoogleClientID, sim.ForeignGoogleClientID} {
		access := s.GoogleToken(2, client)
		info := get(t, s, googleURL+"/tokeninfo?access_token="+access, "").decode(t)
		if info["aud"] != client || info["azp"] != client || info["sub"] != s.Person(2).GoogleID || info["email_verified"] != "true" {
			t.Errorf("tokeninfo is %v", info)
		}
		if info["expires_in"] != "3600" || info["exp"] != "1795179660" {
			t.Errorf("expiry is %v, %v", info["expires_in"], info["exp"])
		}
		old := get(t, s, googleURL+"/oauth2/v1/tokeninfo?access_token="+access, "").decode(t)
		if old["audience"] != client || old["issued_to"] != client || old["user_id"] != s.Person(2).GoogleID || old["expires_in"] != 3600.0 {
			t.Errorf("the old form is %v", old)
		}
		user := get(t, s, googleURL+"/oauth2/v1/userinfo", access).decode(t)
		if user["id"] != s.Person(2).GoogleID {
			t.Errorf("userinfo rejects a foreign token: %v", user)
		}
	}
}

func TestTokeninfo_NamesTheUserOnlyWithTheScope(t *testing.T) {
	s, _ := newSim(t)
	info := func(scopes ...string) map[string]any {
		return get(t, s, googleURL+"/tokeninfo?access_token="+s.GoogleToken(2, sim.GoogleClientID, scopes...), "").decode(t)
	}
	if got := info("profile-of-something-else"); got["sub"] != nil || got["email"] != nil {
		t.Errorf("without scopes: %v", got)
	}
	if got := info("openid"); got["sub"] == nil || got["email"] != nil {
		t.Errorf("with openid: %v", got)
	}
	s.ChangeQuirks(func(v *sim.Quirks) { v.TokeninfoWithoutSubject = true })
	if got := info(); got["sub"] != nil || got["aud"] != sim.GoogleClientID {
		t.Errorf("switched off: %v", got)
	}
}

func TestUserinfo_HasTwoForms(t *testing.T) {
	s, _ := newSim(t)
	access := s.GoogleToken(4, sim.GoogleClientID)
	person := s.Person(4)
	for _, path := range []string{"/oauth2/v1/userinfo", "/oauth2/v2/userinfo"} {
		if u := get(t, s, googleURL+path, access).decode(t); u["id"] != person.GoogleID || u["verified_email"] != true || u["sub"] != nil || u["given_name"] != person.GivenName {
			t.Errorf("%s is %v", path, u)
		}
	}
	for _, path := range []string{"/v1/userinfo", "/oauth2/v3/userinfo"} {
		if u := get(t, s, googleURL+path, access).decode(t); u["sub"] != person.GoogleID || u["email_verified"] != true || u["id"] != nil {
			t.Errorf("%s is %v", path, u)
		}
	}
	if u := get(t, s, googleURL+"/oauth2/v1/userinfo?access_token="+access, "").decode(t); u["email"] != person.Email {
		t.Errorf("by query: %v", u)
	}
}

func TestGoogle_RejectsInvalidTokens(t *testing.T) {
	s, c := newSim(t)
	expired := s.GoogleToken(1, sim.GoogleClientID)
	c.Advance(time.Hour)
	const flat = `{"error":"invalid_request","error_description":"Invalid Credentials"}`
	const nested = `{"error":{"code":401,"message":"Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.","status":"UNAUTHENTICATED"}}`
	spotify, _ := s.SpotifyTokens(1)
	for _, bad := range []string{expired, "ya29.nonsense", spotify, ""} {
		for path, want := range map[string]struct {
			status int
			body   string
		}{
			"/tokeninfo":           {400, `{"error":"invalid_token","error_description":"Invalid Value"}`},
			"/oauth2/v1/tokeninfo": {400, `{"error":"invalid_token","error_description":"Invalid Value"}`},
			"/oauth2/v1/userinfo":  {401, nested},
			"/oauth2/v3/userinfo":  {401, flat},
			"/v1/userinfo":         {401, flat},
		} {
			got := get(t, s, googleURL+path+"?access_token="+bad, "")
			compact, _ := json.Marshal(got.decode(t)) // sorts the keys; those in want are sorted too
			if got.status != want.status || string(compact) != want.body {
				t.Errorf("%s answers %d %s", path, got.status, compact)
			}
		}
	}
	s.ChangeQuirks(func(v *sim.Quirks) { v.UserinfoFlatError = true })
	if got := get(t, s, googleURL+"/oauth2/v1/userinfo", "nonsense").decode(t); got["error"] != "invalid_request" {
		t.Errorf("the flat form is %v", got)
	}
}

func googleAuthorize(change url.Values) string {
	q := url.Values{
		"client_id": {sim.GoogleClientID}, "response_type": {"code"}, "redirect_uri": {redirect}, "state": {"st"}, "nonce": {"n1"},
		"scope": {"openid email profile"}, "person": {"6"}, "allow": {"1"}, "access_type": {"offline"},
		"code_challenge": {token.Challenge(verifier)}, "code_challenge_method": {"S256"},
	}
	for key, values := range change {
		q[key] = values
	}
	return googleURL + "/o/oauth2/v2/auth?" + q.Encode()
}

func googleExchange(t *testing.T, s *sim.Sim, form url.Values) response {
	t.Helper()
	return do(t, s, request(t, http.MethodPost, googleURL+"/token", "", form))
}

func TestGoogle_CodeFlowGivesAnIDTokenThatVerifies(t *testing.T) {
	s, _ := newSim(t)
	back := redirectQuery(t, get(t, s, googleAuthorize(nil), ""))
	form := url.Values{
		"grant_type": {"authorization_code"}, "code": {back.Get("code")}, "redirect_uri": {redirect},
		"client_id": {sim.GoogleClientID}, "client_secret": {sim.GoogleClientSecret}, "code_verifier": {verifier},
	}
	grant := googleExchange(t, s, form).decode(t)
	claims := verifiedClaims(t, s, grant["id_token"].(string))
	if claims["sub"] != s.Person(6).GoogleID || claims["aud"] != sim.GoogleClientID || claims["nonce"] != "n1" || claims["iss"] != googleURL {
		t.Errorf("claims are %v", claims)
	}
	if got := googleExchange(t, s, form); got.status != http.StatusBadRequest || got.decode(t)["error"] != "invalid_grant" {
		t.Errorf("the code can be used twice: %s", got.body)
	}
	again := googleExchange(t, s, url.Values{
		"grant_type": {"refresh_token"}, "refresh_token": {grant["refresh_token"].(string)},
		"client_id": {sim.GoogleClientID}, "client_secret": {sim.GoogleClientSecret},
	}).decode(t)
	if user := get(t, s, googleURL+"/v1/userinfo", again["access_token"].(string)).decode(t); user["sub"] != s.Person(6).GoogleID {
		t.Errorf("the renewed token belongs to %v", user)
	}
}

// verifiedClaims verifies the signature of an ID token with the simulator's published key,
// and returns the claims of the token.
func verifiedClaims(t *testing.T, s *sim.Sim, idToken string) map[string]any {
	t.Helper()
	discovery := get(t, s, googleURL+"/.well-known/openid-configuration", "").decode(t)
	if discovery["issuer"] != googleURL {
		t.Fatalf("issuer is %v", discovery["issuer"])
	}
	keys := get(t, s, discovery["jwks_uri"].(string), "").decode(t)["keys"].([]any)[0].(map[string]any)
	raw := func(text string) []byte {
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	key := rsa.PublicKey{
		N: new(big.Int).SetBytes(raw(keys["n"].(string))), E: int(new(big.Int).SetBytes(raw(keys["e"].(string))).Int64()),
	}
	parts := strings.Split(idToken, ".")
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	if err := rsa.VerifyPKCS1v15(&key, crypto.SHA256, sum[:], raw(parts[2])); err != nil {
		t.Fatalf("the signature does not verify: %v", err)
	}
	var claims map[string]any
	if err := json.Unmarshal(raw(parts[1]), &claims); err != nil {
		t.Fatal(err)
	}
	return claims
}

func TestGoogle_RejectsInvalidCodesAndClients(t *testing.T) {
	s, c := newSim(t)
	code := redirectQuery(t, get(t, s, googleAuthorize(nil), "")).Get("code")
	plain := redirectQuery(t, get(t, s, googleAuthorize(url.Values{"code_challenge": nil, "code_challenge_method": nil}), "")).Get("code")
	for _, bad := range []struct {
		name   string
		change url.Values
		code   string
		status int
	}{
		{"wrong secret", url.Values{"client_secret": {"guess"}}, "invalid_client", 401},
		{"unknown client", url.Values{"client_id": {"who"}}, "invalid_client", 401},
		{"somebody else's code", url.Values{"client_id": {sim.ForeignGoogleClientID}, "client_secret": {"somebody-elses-secret"}}, "invalid_grant", 400},
		{"nonsense", url.Values{"code": {"4/nonsense"}}, "invalid_grant", 400},
		{"elsewhere", url.Values{"redirect_uri": {redirect + "/"}}, "redirect_uri_mismatch", 400},
		{"no verifier", url.Values{"code_verifier": nil}, "invalid_grant", 400},
		{"wrong verifier", url.Values{"code_verifier": {"wrong"}}, "invalid_grant", 400},
		{"neither proof nor secret", url.Values{"code": {plain}, "client_secret": nil, "code_verifier": nil}, "invalid_request", 400},
		{"another grant", url.Values{"grant_type": {"password"}}, "unsupported_grant_type", 400},
	} {
		form := url.Values{
			"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect},
			"client_id": {sim.GoogleClientID}, "client_secret": {sim.GoogleClientSecret}, "code_verifier": {verifier},
		}
		for key, values := range bad.change {
			form[key] = values
		}
		if got := googleExchange(t, s, form); got.status != bad.status || got.decode(t)["error"] != bad.code {
			t.Errorf("%s: %d %s, want %s", bad.name, got.status, got.body, bad.code)
		}
	}
	c.Advance(time.Hour)
	late := url.Values{
		"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {redirect},
		"client_id": {sim.GoogleClientID}, "client_secret": {sim.GoogleClientSecret}, "code_verifier": {verifier},
	}
	if got := googleExchange(t, s, late); got.decode(t)["error"] != "invalid_grant" {
		t.Errorf("an expired code: %s", got.body)
	}
}

func TestGoogle_AuthorizePage(t *testing.T) {
	s, _ := newSim(t)
	implicit := get(t, s, googleAuthorize(url.Values{"response_type": {"token"}}), "")
	_, fragment, _ := strings.Cut(implicit.header.Get("Location"), "#")
	back, err := url.ParseQuery(fragment)
	if err != nil || back.Get("state") != "st" {
		t.Fatalf("redirected to %s", implicit.header.Get("Location"))
	}
	if user := get(t, s, googleURL+"/oauth2/v1/userinfo", back.Get("access_token")).decode(t); user["id"] != s.Person(6).GoogleID {
		t.Errorf("the browser's token belongs to %v", user)
	}
	if back := redirectQuery(t, get(t, s, googleAuthorize(url.Values{"allow": {"0"}}), "")); back.Get("error") != "access_denied" {
		t.Errorf("denial is %v", back)
	}
	if back := redirectQuery(t, get(t, s, googleAuthorize(url.Values{"scope": nil}), "")); back.Get("error") != "invalid_request" {
		t.Errorf("a request without scopes returns %v", back)
	}
	if back := redirectQuery(t, get(t, s, googleAuthorize(url.Values{"person": nil, "login_hint": {s.Person(6).Email}}), "")); !back.Has("code") {
		t.Errorf("login_hint has no effect: %v", back)
	}
	for _, change := range []url.Values{{"redirect_uri": {"http://songspy.example/"}}, {"client_id": {"who"}}} {
		if got := get(t, s, googleAuthorize(change), ""); got.status != http.StatusBadRequest {
			t.Errorf("%v: %d", change, got.status)
		}
	}
	if got := get(t, s, googleAuthorize(url.Values{"allow": nil}), ""); !strings.Contains(got.body, "Google") || got.status != http.StatusOK {
		t.Errorf("the page is %d %s", got.status, got.body)
	}
}
