package spotify_test

import (
	"context"
	"net/http"
	"net/url"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
)

const granted = `{"access_token":"NgCXRK","token_type":"Bearer","scope":"user-read-recently-played user-read-currently-playing","expires_in":3600,"refresh_token":"NgAagA"}`

func withoutSecret(c *spotify.Config) { c.ClientSecret = "" }

func TestAuthorizeURL_AsksForTheNeededScopesAndNoOthers(t *testing.T) {
	p := newFakeSpotify(t, says(200, "{}"))
	u, err := url.Parse(p.client(t).AuthorizeURL("st&te", "chal", ""))
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	for k, v := range map[string]string{
		"client_id": "app-id", "response_type": "code", "state": "st&te",
		"scope":                 "user-read-currently-playing user-read-recently-played",
		"code_challenge_method": "S256", "code_challenge": "chal",
		"redirect_uri": "http://127.0.0.1:8080/back",
	} {
		if q.Get(k) != v {
			t.Errorf("%s is %q, want %q", k, q.Get(k), v)
		}
	}
	if u.Path != "/authorize" || q.Has("client_secret") {
		t.Errorf("the URL is %s", u.Redacted())
	}
	plain, _ := url.Parse(p.client(t).AuthorizeURL("s", "", "http://[::1]:3000/cb"))
	if plain.Query().Has("code_challenge") || plain.Query().Get("redirect_uri") != "http://[::1]:3000/cb" {
		t.Errorf("the URL without a challenge is %s", plain.Redacted())
	}
}

func TestExchange_AuthenticatesByConfig(t *testing.T) {
	for name, c := range map[string]struct {
		configure func(*spotify.Config)
		code      songspy.AuthorizationCode
		want      songspy.AuthMethod
		form      url.Values
	}{
		"secret": {
			func(*spotify.Config) {},
			songspy.AuthorizationCode{Code: code, RedirectURI: "http://127.0.0.1:3000/cb"},
			songspy.AuthBasic,
			url.Values{"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "redirect_uri": {"http://127.0.0.1:3000/cb"}},
		},
		"secret and verifier": {
			func(*spotify.Config) {},
			songspy.AuthorizationCode{Code: code, Verifier: verifier},
			songspy.AuthBasic,
			url.Values{"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "redirect_uri": {"http://127.0.0.1:8080/back"}, "code_verifier": {verifier.Reveal()}},
		},
		"verifier alone": {
			withoutSecret,
			songspy.AuthorizationCode{Code: code, Verifier: verifier},
			songspy.AuthPKCE,
			url.Values{"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "redirect_uri": {"http://127.0.0.1:8080/back"}, "code_verifier": {verifier.Reveal()}, "client_id": {"app-id"}},
		},
		"verifier requested": {
			func(*spotify.Config) {},
			songspy.AuthorizationCode{Code: code, Verifier: verifier, Auth: songspy.AuthPKCE},
			songspy.AuthPKCE,
			url.Values{"grant_type": {"authorization_code"}, "code": {code.Reveal()}, "redirect_uri": {"http://127.0.0.1:8080/back"}, "code_verifier": {verifier.Reveal()}, "client_id": {"app-id"}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeSpotify(t, says(200, granted))
			clk := newClock()
			g, err := p.client(t, c.configure, func(c *spotify.Config) { c.Now = clk.now }).Exchange(context.Background(), c.code)
			if err != nil {
				t.Fatal(err)
			}
			if g != (songspy.Grant{
				AccessToken: "NgCXRK", RefreshToken: "NgAagA", Auth: c.want,
				ExpiresAt: clk.now().UTC().Add(time.Hour),
				Scope:     "user-read-recently-played user-read-currently-playing",
			}) {
				t.Errorf("the grant is %+v", g)
			}
			got := p.requests()[0]
			id, key, basic := (&http.Request{Header: got.header}).BasicAuth()
			if basic != (c.want == songspy.AuthBasic) || basic && (id != "app-id" || key != secret.Reveal()) {
				t.Errorf("Basic authentication: %v as %q", basic, id)
			}
			if got.method != "POST" || got.path != "/api/token" || got.query != "" || got.form.Encode() != c.form.Encode() {
				t.Errorf("sent %s %s?%s with %v, want %v", got.method, got.path, got.query, got.form, c.form)
			}
		})
	}
}

func TestExchange_DistinguishesBadCodeFromOutage(t *testing.T) {
	const invalid, down, app = songspy.CodeInvalid, songspy.CodeUnavailable, spotify.ReasonAppRefused
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   songspy.Code
		reason string
		what   songspy.Disposition
		wait   time.Duration
	}{
		"used code":               {says(400, `{"error":"invalid_grant","error_description":"Invalid authorization code"}`), invalid, spotify.ReasonCodeInvalid, 0, 0},
		"expired code":            {says(400, `{"error":"invalid_grant","error_description":"Authorization code expired"}`), invalid, spotify.ReasonCodeInvalid, 0, 0},
		"foreign verifier":        {says(400, `{"error":"invalid_grant","error_description":"code_verifier was incorrect"}`), invalid, spotify.ReasonCodeInvalid, 0, 0},
		"malformed":               {says(400, `{"error":"invalid_request","error_description":"code must be supplied"}`), invalid, spotify.ReasonCodeInvalid, 0, 0},
		"wrong Content-Type":      {says(400, `{"error":"invalid_grant"}`, "Content-Type", "text/plain"), invalid, spotify.ReasonCodeInvalid, 0, 0},
		"wrong app secret":        {says(400, `{"error":"invalid_client","error_description":"Invalid client"}`), down, app, songspy.DispositionAppBlocked, 5 * time.Minute},
		"unknown app":             {says(401, `{"error":"invalid_client","error_description":"Failed to get client"}`), down, app, songspy.DispositionAppBlocked, 5 * time.Minute},
		"outage":                  {says(503, "upstream connect error or disconnect/reset before headers. reset reason: connection termination"), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
		"outage with Retry-After": {says(503, "", "Retry-After", "40"), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 40 * time.Second},
		"outage as JSON":          {says(500, `{"error":"invalid_grant"}`), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
		"too many":                {says(429, "Too many requests", "Retry-After", "61"), down, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, 61 * time.Second},
		"redirect":                {says(302, "", "Location", "/elsewhere"), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
		"HTML":                    {says(200, "<html>"), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
		"no token":                {says(200, "{}"), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
		"error in a success":      {says(200, `{"error":"invalid_grant"}`), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
		"cut off":                 {says(200, granted[:40], "Content-Length", "180"), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
		"no answer":               {rawResponse(""), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
		"unexpected 400":          {says(400, "Bad Request"), down, spotify.ReasonUnavailable, songspy.DispositionRetryLater, 5 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeSpotify(t, c.answer)
			wantError(t, exchange(p.client(t)), c.code, c.reason, c.what, c.wait)
			if n := len(p.requests()); n != 1 {
				t.Fatalf("the code was sent %d times, want once", n)
			}
		})
	}
}

func TestExchange_RejectsIncompleteCodeWithoutCall(t *testing.T) {
	p := newFakeSpotify(t, says(200, granted))
	_, err := p.client(t).Exchange(context.Background(), songspy.AuthorizationCode{Verifier: verifier})
	wantError(t, err, songspy.CodeInvalid, spotify.ReasonCodeInvalid, 0, 0)
	_, err = p.client(t, withoutSecret).Exchange(context.Background(), songspy.AuthorizationCode{Code: code})
	wantError(t, err, songspy.CodeInvalid, spotify.ReasonCodeInvalid, 0, 0)
	if n := len(p.requests()); n != 0 {
		t.Fatalf("%d calls were sent, want none", n)
	}
}

func TestRefresh_UsesAuthMethodOfLink(t *testing.T) {
	for name, c := range map[string]struct {
		auth   songspy.AuthMethod
		answer string
		want   songspy.Grant // without ExpiresAt
		life   time.Duration
	}{
		"basic, no refresh token": {
			songspy.AuthBasic, `{"access_token":"A2","token_type":"Bearer","expires_in":1800,"scope":"user-read-currently-playing"}`,
			songspy.Grant{AccessToken: "A2", Scope: "user-read-currently-playing", Auth: songspy.AuthBasic},
			30 * time.Minute,
		},
		"pkce, rotated": {
			songspy.AuthPKCE, `{"access_token":"A2","token_type":"Bearer","expires_in":3600,"refresh_token":"R2"}`,
			songspy.Grant{AccessToken: "A2", RefreshToken: "R2", Auth: songspy.AuthPKCE},
			time.Hour,
		},
		"same refresh token": {
			songspy.AuthPKCE, `{"access_token":"A2","expires_in":"60","refresh_token":"refresh-AQCz55"}`,
			songspy.Grant{AccessToken: "A2", Auth: songspy.AuthPKCE},
			time.Minute,
		},
		"no lifetime": {
			songspy.AuthBasic, `{"access_token":"A2","refresh_token":null}`,
			songspy.Grant{AccessToken: "A2", Auth: songspy.AuthBasic},
			time.Hour,
		},
		"lifetime with decimals": {
			songspy.AuthPKCE, `{"access_token":"A2","expires_in":3600.0,"refresh_token":"R2"}`,
			songspy.Grant{AccessToken: "A2", RefreshToken: "R2", Auth: songspy.AuthPKCE},
			time.Hour,
		},
		"lifetime with decimals, as a string": {
			songspy.AuthPKCE, `{"access_token":"A2","expires_in":"1800.9","refresh_token":"R2"}`,
			songspy.Grant{AccessToken: "A2", RefreshToken: "R2", Auth: songspy.AuthPKCE},
			30 * time.Minute,
		},
		"lifetime that is not a number": {
			songspy.AuthPKCE, `{"access_token":"A2","expires_in":"soon","refresh_token":"R2"}`,
			songspy.Grant{AccessToken: "A2", RefreshToken: "R2", Auth: songspy.AuthPKCE},
			time.Hour,
		},
		"lifetime that is an object": {
			songspy.AuthPKCE, `{"access_token":"A2","expires_in":{},"refresh_token":"R2"}`,
			songspy.Grant{AccessToken: "A2", RefreshToken: "R2", Auth: songspy.AuthPKCE},
			time.Hour,
		},
		"extreme lifetime": {
			songspy.AuthPKCE, `{"access_token":"A2","expires_in":1e300,"refresh_token":"R2"}`,
			songspy.Grant{AccessToken: "A2", RefreshToken: "R2", Auth: songspy.AuthPKCE},
			24 * time.Hour,
		},
		"no lifetime, rotated": {
			songspy.AuthPKCE, `{"access_token":"A2","refresh_token":"R2"}`,
			songspy.Grant{AccessToken: "A2", RefreshToken: "R2", Auth: songspy.AuthPKCE},
			time.Hour,
		},
		"other fields of another type": {
			songspy.AuthPKCE, `{"access_token":"A2","token_type":7,"scope":["a"],"expires_in":-1,"refresh_token":"R2"}`,
			songspy.Grant{AccessToken: "A2", RefreshToken: "R2", Auth: songspy.AuthPKCE},
			time.Hour,
		},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeSpotify(t, says(200, c.answer))
			clk := newClock()
			g, err := p.client(t, func(c *spotify.Config) { c.Now = clk.now }).Refresh(context.Background(), link(c.auth))
			if err != nil {
				t.Fatal(err)
			}
			c.want.ExpiresAt = clk.now().UTC().Add(c.life)
			if g != c.want {
				t.Errorf("the grant is %+v, want %+v", g, c.want)
			}
			got := p.requests()[0]
			form := url.Values{"grant_type": {"refresh_token"}, "refresh_token": {refresh.Reveal()}}
			_, _, basic := (&http.Request{Header: got.header}).BasicAuth()
			if c.auth == songspy.AuthPKCE {
				form.Set("client_id", "app-id")
			}
			if basic != (c.auth == songspy.AuthBasic) || got.form.Encode() != form.Encode() {
				t.Errorf("Basic authentication: %v, form %v, want %v", basic, got.form, form)
			}
		})
	}
}

func TestRefresh_ErrorsHaveDispositions(t *testing.T) {
	const needsUser, later, app = songspy.DispositionNeedsUser, songspy.DispositionRetryLater, songspy.DispositionAppBlocked
	const unauthorized, down = songspy.CodeUnauthorized, songspy.CodeUnavailable
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		code   songspy.Code
		reason string
		what   songspy.Disposition
		wait   time.Duration
	}{
		"revoked":         {says(400, `{"error":"invalid_grant","error_description":"Refresh token revoked"}`), unauthorized, spotify.ReasonGrantRevoked, needsUser, 0},
		"expired":         {says(400, `{"error":"invalid_grant","error_description":"Refresh token expired"}`), unauthorized, spotify.ReasonGrantExpired, needsUser, 0},
		"invalid":         {says(400, `{"error":"invalid_grant","error_description":"Invalid refresh token"}`), unauthorized, spotify.ReasonGrantRefused, needsUser, 0},
		"no description":  {says(400, `{"error":"invalid_grant"}`), unauthorized, spotify.ReasonGrantRefused, needsUser, 0},
		"invalid client":  {says(400, `{"error":"invalid_client","error_description":"Invalid client"}`), down, spotify.ReasonAppRefused, app, 5 * time.Minute},
		"invalid request": {says(400, `{"error":"invalid_request","error_description":"refresh_token must be supplied"}`), down, spotify.ReasonUnavailable, later, 5 * time.Second},
		"server error":    {says(502, "<html>Bad Gateway</html>"), down, spotify.ReasonUnavailable, later, 5 * time.Second},
		"grant in a 503":  {says(503, `{"error":"invalid_grant","error_description":"Refresh token revoked"}`), down, spotify.ReasonUnavailable, later, 5 * time.Second},
		"rate limited":    {says(429, "", "Retry-After", "7"), down, spotify.ReasonUnavailable, app, 7 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			p := newFakeSpotify(t, c.answer)
			wantError(t, renew(p.client(t)), c.code, c.reason, c.what, c.wait)
			if n := len(p.requests()); n != 1 {
				t.Fatalf("the refresh token was sent %d times, want once", n)
			}
		})
	}
}

func TestRefresh_RejectsLinkOfAnotherApp(t *testing.T) {
	p := newFakeSpotify(t, says(200, granted))
	c := p.client(t)
	other := link(songspy.AuthBasic)
	other.App = "another"
	_, err := c.Refresh(context.Background(), other)
	wantError(t, err, songspy.CodeInternal, "", songspy.DispositionRetryLater, 5*time.Minute)

	_, err = p.client(t, withoutSecret).Refresh(context.Background(), link(songspy.AuthBasic))
	wantError(t, err, songspy.CodeUnavailable, spotify.ReasonAppRefused, songspy.DispositionAppBlocked, 5*time.Minute)

	withoutToken := link(songspy.AuthBasic)
	withoutToken.RefreshToken = ""
	_, err = c.Refresh(context.Background(), withoutToken)
	wantError(t, err, songspy.CodeUnauthorized, spotify.ReasonGrantRefused, songspy.DispositionNeedsUser, 0)
	if n := len(p.requests()); n != 0 {
		t.Fatalf("%d calls were sent, want none", n)
	}
}
