package google_test

import (
	"crypto"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/google"
	"github.com/songspy/songspy/songspy-sim/sim"
)

const (
	clientID     = "client.apps.googleusercontent.com"
	clientSecret = songspy.Secret("GOCSPX-secret")
	callback     = "https://songs.example.org/v1/songspy/auth/google/callback"
	pkceVerifier = songspy.Secret("a-verifier-of-at-least-forty-three-characters")
)

var key, otherKey = newKey(), newKey()

func newKey() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
}

// provider is a fake OpenID provider whose answers a test can change.
type provider struct {
	url     string
	claims  map[string]any
	sign    func(header, payload string) string // returns the ID token; nil means signRS256 with the variable key
	token   http.HandlerFunc                    // replaces the token endpoint unless nil
	failing map[string]bool                     // paths that answer 500
	form    url.Values                          // the form of the last request to the token endpoint
}

func newProvider(t *testing.T) (*provider, *google.OpenID) {
	t.Helper()
	p := &provider{failing: map[string]bool{}}
	mux := http.NewServeMux()
	answer := func(path string, body func() any) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			if p.failing[path] {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			_ = r.ParseForm()
			if path == "/token" {
				p.form = r.PostForm
				if p.token != nil {
					p.token(w, r)
					return
				}
			}
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(body())
		})
	}
	answer("/.well-known/openid-configuration", func() any {
		return map[string]any{
			"issuer": p.url, "authorization_endpoint": p.url + "/authorize", "token_endpoint": p.url + "/token", "jwks_uri": p.url + "/keys",
			// The client must accept only RS256, although the provider lists other algorithms.
			"id_token_signing_alg_values_supported": []string{"RS256", "HS256", "PS256", "none"},
		}
	})
	answer("/keys", func() any {
		return map[string]any{"keys": []map[string]string{{
			"kty": "RSA", "use": "sig", "kid": "1",
			"n": encode(key.N.Bytes()), "e": encode(big.NewInt(int64(key.E)).Bytes()),
		}}}
	})
	answer("/token", func() any {
		payload, _ := json.Marshal(p.claims)
		sign := p.sign
		if sign == nil {
			sign = signRS256(key)
		}
		return map[string]any{"access_token": "ya29.x", "token_type": "Bearer", "expires_in": 3599, "id_token": sign("RS256", string(payload))}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	p.url = server.URL
	p.claims = map[string]any{
		"iss": p.url, "aud": clientID, "azp": clientID, "sub": "1107", "nonce": "n-1",
		"iat": noon.Unix(), "exp": noon.Add(time.Hour).Unix(),
		"name": "Ada", "picture": "https://lh3.googleusercontent.com/a/x", "email": "ada@example.org", "email_verified": true,
	}
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	return p, google.NewOpenID(google.OpenIDConfig{
		IssuerURL: p.url, ClientID: clientID, ClientSecret: clientSecret, RedirectURL: callback,
		Transport: transport, Now: func() time.Time { return noon },
	})
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func unsigned(alg, payload string) string {
	return encode([]byte(`{"alg":"`+alg+`","kid":"1"}`)) + "." + encode([]byte(payload))
}

func signRS256(key *rsa.PrivateKey) func(alg, payload string) string {
	return func(alg, payload string) string {
		text := unsigned(alg, payload)
		sum := sha256.Sum256([]byte(text))
		signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
		if err != nil {
			panic(err)
		}
		return text + "." + encode(signature)
	}
}

// signHS256 signs with HMAC and uses the provider's public key as the secret. A verifier
// that takes the algorithm from the token would accept that.
func signHS256(_, payload string) string {
	text := unsigned("HS256", payload)
	public, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		panic(err)
	}
	mac := hmac.New(sha256.New, public)
	mac.Write([]byte(text))
	return text + "." + encode(mac.Sum(nil))
}

func signPS256(_, payload string) string {
	text := unsigned("PS256", payload)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil)
	if err != nil {
		panic(err)
	}
	return text + "." + encode(signature)
}

func TestOpenID_SendsStateNonceAndChallenge(t *testing.T) {
	p, o := newProvider(t)
	address, err := o.AuthorizeURL(t.Context(), "state-1", "n-1", pkceVerifier)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(pkceVerifier.Reveal()))
	want := url.Values{
		"response_type": {"code"}, "client_id": {clientID}, "redirect_uri": {callback}, "scope": {"openid email profile"},
		"state": {"state-1"}, "nonce": {"n-1"}, "code_challenge": {encode(sum[:])}, "code_challenge_method": {"S256"},
	}
	if got := u.Query(); u.Scheme+"://"+u.Host+u.Path != p.url+"/authorize" || got.Encode() != want.Encode() {
		t.Errorf("the address is %s, want %s", address, want.Encode())
	}
	if strings.Contains(address, pkceVerifier.Reveal()) || strings.Contains(address, clientSecret.Reveal()) {
		t.Error("the address holds a secret")
	}
}

func TestOpenID_ReturnsTheProfileOfTheIDToken(t *testing.T) {
	p, o := newProvider(t)
	got, err := o.Redeem(t.Context(), "code-1", pkceVerifier, "n-1")
	if err != nil {
		t.Fatal(err)
	}
	if want := (songspy.GoogleProfile{Subject: "1107", Name: "Ada", PictureURL: "https://lh3.googleusercontent.com/a/x", Email: "ada@example.org"}); got != want {
		t.Errorf("the profile is %+v, want %+v", got, want)
	}
	for field, want := range map[string]string{
		"grant_type": "authorization_code", "code": "code-1", "redirect_uri": callback,
		"code_verifier": pkceVerifier.Reveal(), "client_id": clientID, "client_secret": clientSecret.Reveal(),
	} {
		if p.form.Get(field) != want {
			t.Errorf("the exchange sends %s=%q, want %q", field, p.form.Get(field), want)
		}
	}
	p.claims["email_verified"] = false
	if got, err = o.Redeem(t.Context(), "code-1", pkceVerifier, "n-1"); err != nil || got.Email != "" {
		t.Errorf("an address that is not verified is %+v, error %v", got, err)
	}
}

func TestOpenID_RejectsTokens(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = w.Write([]byte(body))
		}
	}
	claims := func(name string, value any) func(*provider) { return func(p *provider) { p.claims[name] = value } }
	sign := func(f func(alg, payload string) string) func(*provider) { return func(p *provider) { p.sign = f } }
	for name, c := range map[string]struct {
		change func(*provider)
		code   songspy.Code
		reason string
		cause  string
	}{
		"another nonce":         {claims("nonce", "n-2"), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "another nonce"},
		"no nonce":              {claims("nonce", nil), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "another nonce"},
		"another audience":      {claims("aud", "somebody-else"), songspy.CodeUnauthorized, google.ReasonTokenForeign, "another client"},
		"a second audience":     {claims("aud", []string{clientID, "somebody-else"}), songspy.CodeUnauthorized, google.ReasonTokenForeign, "another client"},
		"no audience":           {claims("aud", nil), songspy.CodeUnauthorized, google.ReasonTokenForeign, "another client"},
		"another azp":           {claims("azp", "somebody-else"), songspy.CodeUnauthorized, google.ReasonTokenForeign, "another client"},
		"another issuer":        {claims("iss", "https://evil.example"), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "different provider"},
		"a bare issuer":         {claims("iss", "accounts.google.com"), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "different provider"},
		"expired":               {claims("exp", noon.Add(-time.Second).Unix()), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "expired"},
		"no expiry":             {claims("exp", nil), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "claims"},
		"not valid yet":         {claims("nbf", noon.Add(time.Hour).Unix()), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "not before"},
		"no subject":            {claims("sub", ""), songspy.CodeUnavailable, google.ReasonUnavailable, "no account"},
		"alg none":              {sign(func(_, payload string) string { return unsigned("none", payload) + "." }), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "algorithm"},
		"alg HS256":             {sign(signHS256), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "algorithm"},
		"alg PS256":             {sign(signPS256), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "algorithm"},
		"signed by another key": {sign(signRS256(otherKey)), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "signature"},
		"cut off":               {sign(func(alg, payload string) string { return unsigned(alg, payload) }), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "malformed"},
		"no ID token":           {sign(func(_, _ string) string { return "" }), songspy.CodeUnauthorized, google.ReasonTokenInvalid, "malformed"},
		"a used code": {
			func(p *provider) {
				p.token = answer(400, `{"error":"invalid_grant","error_description":"Bad Request"}`)
			},
			songspy.CodeUnauthorized, google.ReasonTokenInvalid, "rejects the code",
		},
		"a wrong secret": {
			func(p *provider) { p.token = answer(401, `{"error":"invalid_client"}`) },
			songspy.CodeUnavailable, google.ReasonUnavailable, "SONGSPY_GOOGLE_CLIENT_SECRET",
		},
		"a wrong redirect URL": {
			func(p *provider) { p.token = answer(400, `{"error":"redirect_uri_mismatch"}`) },
			songspy.CodeUnavailable, google.ReasonUnavailable, "SONGSPY_PUBLIC_URL",
		},
		"token endpoint down": {func(p *provider) { p.failing["/token"] = true }, songspy.CodeUnavailable, google.ReasonUnavailable, "answered 500"},
		"keys down":           {func(p *provider) { p.failing["/keys"] = true }, songspy.CodeUnavailable, google.ReasonUnavailable, "keys"},
		"discovery down": {
			func(p *provider) { p.failing["/.well-known/openid-configuration"] = true },
			songspy.CodeUnavailable, google.ReasonUnavailable, "configuration",
		},
	} {
		t.Run(name, func(t *testing.T) {
			p, o := newProvider(t)
			good := maps.Clone(p.claims)
			c.change(p)
			_, err := o.Redeem(t.Context(), "code-1", pkceVerifier, "n-1")
			if songspy.CodeOf(err) != c.code || songspy.ReasonOf(err) != c.reason || !strings.Contains(err.Error(), c.cause) {
				t.Errorf("error %v, want %s %s with %q", err, c.code, c.reason, c.cause)
			}
			for _, secret := range []string{"code-1", pkceVerifier.Reveal(), clientSecret.Reveal(), "ada@example.org", "eyJ"} {
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Errorf("the error shows %q: %v", secret, err)
				}
			}
			// The client must not remember a failure: the next sign-in must succeed.
			p.claims, p.sign, p.token, p.failing = good, nil, nil, map[string]bool{}
			if _, err := o.Redeem(t.Context(), "code-2", pkceVerifier, "n-1"); err != nil {
				t.Errorf("afterwards a good sign-in fails: %v", err)
			}
		})
	}
}

func TestOpenID_RejectsAnIssuerWithAnotherName(t *testing.T) {
	p, _ := newProvider(t)
	honest := p.url
	p.url += "/other" // from now on the discovery document names this issuer
	o := google.NewOpenID(google.OpenIDConfig{IssuerURL: honest, ClientID: clientID})
	if _, err := o.AuthorizeURL(t.Context(), "s", "n", pkceVerifier); songspy.ReasonOf(err) != google.ReasonUnavailable || !strings.Contains(err.Error(), "SONGSPY_GOOGLE_ISSUER_URL") {
		t.Errorf("error %v", err)
	}
}

// TestSimulator_SignsInByRedirect signs all simulated people in. The client calls Google's
// own addresses, and the transport of the simulator answers within this process. Redeem must
// return each person's profile, and reject another PKCE verifier, a used code and a wrong
// client secret.
func TestSimulator_SignsInByRedirect(t *testing.T) {
	s, err := sim.New(sim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	const loopback = "http://127.0.0.1:8080/v1/songspy/auth/google/callback"
	o := google.NewOpenID(google.OpenIDConfig{
		ClientID: sim.GoogleClientID, ClientSecret: sim.GoogleClientSecret, RedirectURL: loopback, Transport: s.Transport(),
	})
	for number := range s.People() {
		address, err := o.AuthorizeURL(t.Context(), "state-1", "n-1", pkceVerifier)
		if err != nil {
			t.Fatal(err)
		}
		browser := &http.Client{Transport: s.Transport(), CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, address+"&allow=1&person="+strconv.Itoa(number), nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := browser.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		back, err := resp.Location()
		if err != nil || !strings.HasPrefix(back.String(), loopback+"?") || back.Query().Get("state") != "state-1" {
			t.Fatalf("Google sends the browser to %s, error %v", back, err)
		}
		code := songspy.Secret(back.Query().Get("code"))
		if _, err := o.Redeem(t.Context(), code, "another-verifier-of-forty-three-characters-x", "n-1"); songspy.ReasonOf(err) != google.ReasonTokenInvalid {
			t.Errorf("another verifier: error %v", err)
		}
		got, err := o.Redeem(t.Context(), code, pkceVerifier, "n-1")
		if p := s.Person(number); err != nil || got.Subject != p.GoogleID || got.Email.Reveal() != p.Email || (got.PictureURL != "") != p.HasPicture {
			t.Errorf("person %d is %+v, error %v", number, got, err)
		}
		if _, err := o.Redeem(t.Context(), code, pkceVerifier, "n-1"); songspy.ReasonOf(err) != google.ReasonTokenInvalid {
			t.Errorf("a used code: error %v", err)
		}
	}
	var unknown *songspy.Error
	o = google.NewOpenID(google.OpenIDConfig{ClientID: sim.GoogleClientID, ClientSecret: "wrong", RedirectURL: loopback, Transport: s.Transport()})
	if _, err := o.Redeem(t.Context(), "4/x", pkceVerifier, "n-1"); !errors.As(err, &unknown) || unknown.Reason != google.ReasonUnavailable {
		t.Errorf("a wrong secret: error %v", err)
	}
}
