package main

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// publicURL is the default of SONGSPY_PUBLIC_URL, to which the providers redirect.
const publicURL = "http://127.0.0.1:8080"

// The names of the cookies of an instance whose public URL begins with http://.
const (
	sessionCookie = "songspy"
	signInCookie  = "songspy-sign-in"
)

// browser is the browser of one simulated person. It stores the cookies of answers and sends
// them with each request.
type browser struct {
	*testAPI
	t       *testing.T
	person  int
	cookies map[string]string
}

func (w *testAPI) newBrowser(t *testing.T, person int) *browser {
	w.secrets = append(w.secrets, w.sim.Person(person).Email)
	return &browser{w, t, person, map[string]string{}}
}

// call sends a request with the browser's cookies, and stores those of the answer.
func (b *browser) call(method, path string, body any, header ...string) contracttest.Response {
	b.t.Helper()
	if len(b.cookies) > 0 {
		var pairs []string
		for name, value := range b.cookies {
			pairs = append(pairs, name+"="+value)
		}
		header = append(slices.Clone(header), "Cookie", strings.Join(pairs, "; "))
	}
	a := b.Call(method, path, body, header...)
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		if !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" {
			b.t.Errorf("the cookie %s has the attributes %+v", c.Name, c)
		}
		if c.MaxAge < 0 {
			delete(b.cookies, c.Name)
			continue
		}
		b.cookies[c.Name] = c.Value
		b.secrets = append(b.secrets, c.Value)
	}
	return a
}

// open requests an address of the API, like a browser that a page of another site has
// redirected there. The answer must be a redirect, and open returns its address.
func (b *browser) open(address string) (location string) {
	b.t.Helper()
	a := b.call("GET", strings.TrimPrefix(address, publicURL), nil, "Sec-Fetch-Site", "cross-site", "User-Agent", "Mozilla/5.0 Firefox/140.0")
	if a.Status != http.StatusFound {
		b.t.Fatalf("%s answers %d %s, want a redirect", address, a.Status, a.Body)
	}
	return a.Header.Get("Location")
}

// consent answers the consent page of Google or Spotify at the address: the person consents if
// allow is true, and refuses otherwise. It returns the address to which the page redirects the
// browser.
func (b *browser) consent(address string, allow bool) string {
	b.t.Helper()
	decision := "0"
	if allow {
		decision = "1"
	}
	r, err := http.NewRequestWithContext(b.t.Context(), http.MethodGet, fmt.Sprintf("%s&person=%d&allow=%s", address, b.person, decision), nil)
	if err != nil {
		b.t.Fatal(err)
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		b.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	back, err := resp.Location()
	if err != nil || !strings.HasPrefix(back.String(), publicURL+prefix) {
		b.t.Fatalf("the provider answers %d and sends the browser to %v, error %v", resp.StatusCode, back, err)
	}
	for _, secret := range []string{"code", "state"} {
		if v := back.Query().Get(secret); v != "" {
			b.secrets = append(b.secrets, v)
		}
	}
	return back.String()
}

func googlePath(returnTo string) string {
	return prefix + "/auth/google?return=" + url.QueryEscape(returnTo)
}

// signIn signs the person in by redirect and returns the address of the last redirect.
func (b *browser) signIn(returnTo string) string {
	b.t.Helper()
	return b.open(b.consent(b.open(googlePath(returnTo)), true))
}

// link links the person's Spotify account by redirect and returns the address of the last
// redirect.
func (b *browser) link(query string) string {
	b.t.Helper()
	to := b.open(prefix + "/auth/spotify?return=%2Flinked" + query)
	if strings.HasPrefix(to, "/") {
		return to
	}
	return b.open(b.consent(to, true))
}

func (b *browser) wantSignedIn(want bool) {
	b.t.Helper()
	a := b.call("GET", prefix+"/me", nil)
	if got := a.Status == http.StatusOK; got != want {
		b.t.Errorf("the browser is signed in: %t (%s), want %t", got, a.Body, want)
	}
}

func wantLocation(t *testing.T, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("the browser ends at %q, want %q", got, want)
	}
}

func TestRedirects_SignInAndLinkABrowser(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		if a := w.Call("GET", prefix+"/sign-up", nil); string(a.Data) != `{"policy":"open","redirect":true,"seats":false}` {
			t.Errorf("the sign-up is %s", a.Data)
		}
		ann := w.newBrowser(t, 0)
		wantLocation(t, ann.signIn("/people/me?tab=plays"), "/people/me?tab=plays")
		if _, left := ann.cookies[signInCookie]; left || len(ann.cookies[sessionCookie]) != 43 {
			t.Errorf("the cookies are %v", ann.cookies)
		}
		wantLocation(t, ann.link(""), "/linked")
		var me struct {
			HasSpotify bool
			Audience   string
		}
		ann.call("GET", prefix+"/me", nil).DecodeData(t, &me)
		if !me.HasSpotify || me.Audience != "nobody" {
			t.Errorf("a new user of a browser is %+v, want hidden until they choose", me)
		}

		app := w.signIn(t, 0) // the same person, with tokens instead of a cookie
		var sessions []struct {
			ID          int64
			Kind, Label string
			Current     bool
		}
		ann.call("GET", prefix+"/me/sessions", nil).DecodeData(t, &sessions)
		slices.SortFunc(sessions, func(a, b struct {
			ID          int64
			Kind, Label string
			Current     bool
		},
		) int {
			return strings.Compare(b.Kind, a.Kind) // the cookie session first
		})
		if len(sessions) != 2 || sessions[0].Kind != "cookie" || !sessions[0].Current || !strings.Contains(sessions[0].Label, "Firefox") || sessions[1].Kind != "bearer" || sessions[1].Current {
			t.Fatalf("the sessions are %+v", sessions)
		}
		w.wantStatus(t, w.Call("DELETE", fmt.Sprint(prefix, "/me/sessions/", sessions[0].ID), nil, app.bearer()...), 200, "")
		w.wantStatus(t, ann.call("GET", prefix+"/me", nil), 401, "SESSION_ENDED")

		wantLocation(t, ann.signIn(""), "/")
		ann.wantSignedIn(true)
		w.wantStatus(t, ann.call("POST", prefix+"/logout", nil, "Sec-Fetch-Site", "same-origin"), 200, "")
		if len(ann.cookies) != 0 {
			t.Errorf("after the logout the cookies are %v", ann.cookies)
		}
		w.wantStatus(t, ann.call("GET", prefix+"/me", nil), 401, "UNAUTHORIZED")
		w.wantStatus(t, w.Call("GET", prefix+"/me", nil, app.bearer()...), 200, "")
	})
}

func TestRedirects_KeepTheAudienceOfBearerSignUps(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	for person, b := range []*browser{w.newBrowser(t, 0), w.newBrowser(t, 1)} {
		if person == 1 {
			b.signIn("/") // this person signs in with a browser first
		}
		in := w.signIn(t, person)
		b.signIn("/") // signing in does not change the audience
		var me struct{ Audience string }
		w.Call("GET", prefix+"/me", nil, in.bearer()...).DecodeData(t, &me)
		if want := []string{"everyone", "nobody"}[person]; me.Audience != want {
			t.Errorf("person %d has the audience %q, want %q", person, me.Audience, want)
		}
	}
}

// queryEditor returns two functions. The first one sets a parameter in the query of an address
// and returns the new address. The second one returns the value of a parameter.
func queryEditor(t *testing.T) (with func(address, name, value string) string, get func(address, name string) string) {
	parse := func(address string) *url.URL {
		t.Helper()
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		return u
	}
	with = func(address, name, value string) string {
		u := parse(address)
		q := u.Query()
		q.Set(name, value)
		u.RawQuery = q.Encode()
		return u.String()
	}
	return with, func(address, name string) string { return parse(address).Query().Get(name) }
}

// Each attempt of the table must be refused with the code of its row, and must not sign the
// victim in. The log must contain the cause.
func TestSignIn_RefusesAttempts(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_SIGN_INS_PER_MINUTE", "0")
	withQuery, query := queryEditor(t)
	flaw := func(flaw string) func(*testing.T, *browser, *browser) string {
		return func(t *testing.T, victim, _ *browser) string {
			back := victim.consent(victim.open(googlePath("/")), true)
			w.sim.ChangeQuirks(func(q *sim.Quirks) { q.IDTokenFlaw = flaw })
			defer w.sim.ChangeQuirks(func(q *sim.Quirks) { q.IDTokenFlaw = "" })
			return victim.open(back)
		}
	}
	for name, c := range map[string]struct {
		attempt func(t *testing.T, victim, attacker *browser) (location string)
		code    string
		cause   string // a text that the log must contain
	}{
		"login CSRF: the victim opens the attacker's callback": {func(_ *testing.T, victim, attacker *browser) string {
			return victim.open(attacker.consent(attacker.open(googlePath("/")), true))
		}, "AUTHORIZATION_ELSEWHERE", "no cookie"},
		"login CSRF: while the victim signs in": {func(_ *testing.T, victim, attacker *browser) string {
			victim.open(googlePath("/"))
			return victim.open(attacker.consent(attacker.open(googlePath("/")), true))
		}, "AUTHORIZATION_ELSEWHERE", "another browser"},
		"the callback opens in another browser of the same person": {func(t *testing.T, victim, _ *browser) string {
			return w.newBrowser(t, victim.person).open(victim.consent(victim.open(googlePath("/")), true))
		}, "AUTHORIZATION_ELSEWHERE", "no cookie"},
		"a callback that failed elsewhere is used up": {func(_ *testing.T, victim, attacker *browser) string {
			back := victim.consent(victim.open(googlePath("/")), true)
			attacker.open(back)
			return victim.open(back)
		}, "AUTHORIZATION_EXPIRED", "used before"},
		"a replayed state": {func(_ *testing.T, victim, attacker *browser) string {
			back := attacker.consent(attacker.open(googlePath("/")), true)
			attacker.open(back)
			victim.cookies = map[string]string{signInCookie: attacker.cookies[signInCookie]}
			return victim.open(back)
		}, "AUTHORIZATION_EXPIRED", "used before"},
		"a foreign state": {func(_ *testing.T, victim, attacker *browser) string {
			back := victim.consent(victim.open(googlePath("/")), true)
			other := attacker.consent(attacker.open(googlePath("/")), true)
			return victim.open(withQuery(back, "state", query(other, "state")))
		}, "AUTHORIZATION_ELSEWHERE", "another browser"},
		"an invented state": {func(_ *testing.T, victim, _ *browser) string {
			return victim.open(withQuery(victim.consent(victim.open(googlePath("/")), true), "state", "invented"))
		}, "AUTHORIZATION_EXPIRED", "unknown"},
		"no state": {func(_ *testing.T, victim, _ *browser) string {
			victim.open(googlePath("/"))
			return victim.open(prefix + "/auth/google/callback?code=4%2Fx")
		}, "AUTHORIZATION_EXPIRED", "unknown"},
		"a replayed code": {func(_ *testing.T, victim, attacker *browser) string {
			used := attacker.consent(attacker.open(googlePath("/")), true)
			attacker.open(used)
			return victim.open(withQuery(victim.consent(victim.open(googlePath("/")), true), "code", query(used, "code")))
		}, "GOOGLE_TOKEN_INVALID", "rejects the code"},
		"the attacker's code in the victim's callback": {func(_ *testing.T, victim, attacker *browser) string {
			other := attacker.consent(attacker.open(googlePath("/")), true)
			return victim.open(withQuery(victim.consent(victim.open(googlePath("/")), true), "code", query(other, "code")))
		}, "GOOGLE_TOKEN_INVALID", "rejects the code"},
		"an invented code": {func(_ *testing.T, victim, _ *browser) string {
			return victim.open(withQuery(victim.consent(victim.open(googlePath("/")), true), "code", "4/invented"))
		}, "GOOGLE_TOKEN_INVALID", "rejects the code"},
		"cancelled": {func(_ *testing.T, victim, _ *browser) string {
			return victim.open(victim.consent(victim.open(googlePath("/")), false))
		}, "AUTHORIZATION_DENIED", ""},
		"a state of Spotify": {func(_ *testing.T, victim, attacker *browser) string {
			attacker.signIn("/")
			other := attacker.consent(attacker.open(prefix+"/auth/spotify"), true)
			return victim.open(prefix + "/auth/google/callback?" + other[strings.Index(other, "?")+1:])
		}, "AUTHORIZATION_EXPIRED", "another provider"},
		"another nonce":         {flaw("nonce"), "GOOGLE_TOKEN_INVALID", "another nonce"},
		"another audience":      {flaw("audience"), "GOOGLE_TOKEN_FOREIGN", "another client"},
		"another issuer":        {flaw("issuer"), "GOOGLE_TOKEN_INVALID", "different provider"},
		"alg none":              {flaw("none"), "GOOGLE_TOKEN_INVALID", "unexpected signature algorithm"},
		"alg HS256":             {flaw("HS256"), "GOOGLE_TOKEN_INVALID", "unexpected signature algorithm"},
		"an expired ID token":   {flaw("expired"), "GOOGLE_TOKEN_INVALID", "has expired"},
		"signed by another key": {flaw("key"), "GOOGLE_TOKEN_INVALID", "signature"},
		"Google does not respond": {func(t *testing.T, victim, _ *browser) string {
			back := victim.consent(victim.open(googlePath("/")), true)
			defer w.sim.Fault(sim.Fault{Endpoint: "google-token", Person: sim.Everyone, Kind: sim.ServerError})()
			return victim.open(back)
		}, "GOOGLE_UNAVAILABLE", "google answered"},
	} {
		t.Run(name, func(t *testing.T) {
			victim, attacker := w.newBrowser(t, 1), w.newBrowser(t, 2)
			before := len(w.log.String())
			wantLocation(t, c.attempt(t, victim, attacker), "/?error="+c.code)
			if log := w.log.String()[before:]; !strings.Contains(log, c.cause) {
				t.Errorf("the log lacks %q:\n%s", c.cause, log)
			}
			if _, ok := victim.cookies[sessionCookie]; ok {
				t.Error("the browser has a session cookie")
			}
			victim.wantSignedIn(false)
		})
	}
}

func TestSignIn_GivesANewSession(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	attacker, victim := w.newBrowser(t, 2), w.newBrowser(t, 1)
	attacker.signIn("/")
	for name, planted := range map[string]string{"an invented cookie": strings.Repeat("A", 43), "the attacker's session": attacker.cookies[sessionCookie]} {
		victim.cookies = map[string]string{sessionCookie: planted}
		wantLocation(t, victim.signIn("/"), "/")
		if victim.cookies[sessionCookie] == planted {
			t.Errorf("%s is the session after the sign-in", name)
		}
		victim.wantSignedIn(true)
		stale := w.newBrowser(t, 1)
		stale.cookies[sessionCookie] = planted
		stale.wantSignedIn(false)
	}
	first := victim.cookies[sessionCookie]
	victim.signIn("/")
	stale := w.newBrowser(t, 1)
	stale.cookies[sessionCookie] = first
	stale.wantSignedIn(false) // a sign-in ends the previous session of the browser

	// A refresh token must not work as a session cookie. The secret of a session cookie must
	// not work as a refresh token or as a JWT.
	app := w.signIn(t, 1)
	stale.cookies[sessionCookie] = app.RefreshToken
	w.wantStatus(t, stale.call("GET", prefix+"/me", nil), 401, "SESSION_ENDED")
	w.wantStatus(t, w.Call("POST", prefix+"/token/refresh", map[string]string{"refreshToken": victim.cookies[sessionCookie]}), 401, "REFRESH_TOKEN_INVALID")
	w.wantStatus(t, w.Call("GET", prefix+"/me", nil, "Authorization", "Bearer "+victim.cookies[sessionCookie]), 401, "UNAUTHORIZED")
	victim.wantSignedIn(true)
	// A request with two session cookies must be rejected, because an attacker may have set one
	// of them.
	w.wantStatus(t, w.Call("GET", prefix+"/me", nil, "Cookie", "songspy="+victim.cookies[sessionCookie]+"; songspy=x"), 401, "UNAUTHORIZED")
}

func TestSignIn_ReturnsToPathsOfThisOriginOnly(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_SIGN_INS_PER_MINUTE", "0")
	b := w.newBrowser(t, 0)
	for target, want := range map[string]string{
		"/me": "/me", "/people/a?b=c#d": "/people/a?b=c#d", "/%ED%95%9C": "/%ED%95%9C", "/@evil.example": "/@evil.example",
		"": "/", "me": "/", "//evil.example": "/", "///evil.example": "/", `/\evil.example`: "/", `\\evil.example`: "/",
		"https://evil.example/": "/", "http:evil.example": "/", "javascript:alert(1)": "/", "data:text/html,x": "/",
		"/\t/evil.example": "/", "/\r\nSet-Cookie: a=b": "/", " //evil.example": "/", "/a//evil.example": "/", "/\x00": "/", "/한": "/", "?x": "/",
	} {
		wantLocation(t, b.signIn(target), want)
	}
}

func TestCookies_AreForPagesOfThisOrigin(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_ALLOWED_ORIGINS", "https://fe.example")
	ann := w.newBrowser(t, 0)
	ann.signIn("/")
	app := w.signIn(t, 0)
	put := func(b *browser, header ...string) contracttest.Response {
		return b.call("PUT", prefix+"/me/notices", map[string]bool{"email": true}, header...)
	}
	for name, c := range map[string]struct {
		header []string
		status int
	}{
		"same origin":                           {[]string{"Sec-Fetch-Site", "same-origin"}, 200},
		"typed by the user":                     {[]string{"Sec-Fetch-Site", "none"}, 200},
		"not a browser":                         {nil, 200},
		"another site":                          {[]string{"Sec-Fetch-Site", "cross-site"}, 403},
		"another site that claims our origin":   {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		"another port of this machine":          {[]string{"Sec-Fetch-Site", "same-site", "Origin", "http://127.0.0.1:5173"}, 403},
		"an origin that CORS allows":            {[]string{"Sec-Fetch-Site", "cross-site", "Origin", "https://fe.example"}, 403},
		"an old browser, another origin":        {[]string{"Origin", "https://evil.example"}, 403},
		"an old browser, a sandboxed page":      {[]string{"Origin", "null"}, 403},
		"an old browser, another port":          {[]string{"Origin", "http://127.0.0.1:5173"}, 403},
		"an old browser, our origin":            {[]string{"Origin", publicURL}, 200},
		"our origin behind a proxy":             {[]string{"Sec-Fetch-Site", "same-origin", "Origin", publicURL}, 200},
		"another site, with the token":          {append(app.bearer(), "Sec-Fetch-Site", "cross-site", "Origin", "https://fe.example"), 200},
		"another site, with a token and a form": {append(app.bearer(), "Sec-Fetch-Site", "cross-site", "Origin", "null"), 200},
	} {
		t.Run(name, func(t *testing.T) {
			ann.t = t
			a := put(ann, c.header...)
			code := ""
			if c.status == 403 {
				code = "CROSS_ORIGIN"
			}
			w.wantStatus(t, a, c.status, code)
			if v := a.Header.Get("Access-Control-Allow-Credentials"); v != "" {
				t.Errorf("CORS allows credentials: %q", v)
			}
		})
	}
	ann.t = t
	ids := strings.NewReplacer("{handle}", app.handle(), "{id}", "1", "{kind}", "artist", "{uri}", "spotify:artist:1")
	routes := 0
	for _, o := range contractOperations(t) {
		if o.method != "GET" && o.takesCookie {
			routes++
			w.wantStatus(t, ann.call(o.method, ids.Replace(o.path), nil, "Sec-Fetch-Site", "cross-site"), 403, "CROSS_ORIGIN")
		}
	}
	if routes < 30 {
		t.Errorf("%d routes change something for the session of a cookie", routes)
	}
	// A read with the cookie must be answered, but without Access-Control-Allow-Credentials, so
	// that a page of another origin cannot read the answer.
	a := ann.call("GET", prefix+"/me", nil, "Sec-Fetch-Site", "cross-site", "Origin", "https://fe.example")
	if w.wantStatus(t, a, 200, ""); a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("the header is %v", a.Header)
	}
	// A request with a wrong token must be rejected, even if it also has a valid session
	// cookie.
	w.wantStatus(t, ann.call("GET", prefix+"/me", nil, "Authorization", "Bearer wrong"), 401, "UNAUTHORIZED")
	w.wantStatus(t, ann.call("GET", prefix+"/me", nil, "Authorization", "Basic wrong"), 401, "UNAUTHORIZED")
}

func TestLinking_RefusesAttempts(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_SIGN_INS_PER_MINUTE", "0", "SONGSPY_LINKINGS_PER_MINUTE", "0")
	const begin = prefix + "/auth/spotify"
	for name, c := range map[string]struct {
		attempt func(t *testing.T, victim, attacker *browser) (location string)
		code    string
	}{
		"the victim opens the attacker's callback": {func(_ *testing.T, victim, attacker *browser) string {
			return victim.open(attacker.consent(attacker.open(begin), true))
		}, "AUTHORIZATION_ELSEWHERE"},
		"the attacker opens the victim's callback": {func(_ *testing.T, victim, attacker *browser) string {
			return attacker.open(victim.consent(victim.open(begin), true))
		}, "AUTHORIZATION_ELSEWHERE"},
		"a browser that is not signed in opens the callback": {func(t *testing.T, victim, _ *browser) string {
			return w.newBrowser(t, 1).open(victim.consent(victim.open(begin), true))
		}, "UNAUTHORIZED"},
		"another session of the same user": {func(t *testing.T, victim, _ *browser) string {
			other := w.newBrowser(t, victim.person)
			other.signIn("/")
			return other.open(victim.consent(victim.open(begin), true))
		}, "AUTHORIZATION_ELSEWHERE"},
		"a new session in the same browser": {func(_ *testing.T, victim, _ *browser) string {
			back := victim.consent(victim.open(begin), true)
			victim.signIn("/")
			return victim.open(back)
		}, "AUTHORIZATION_ELSEWHERE"},
		"after the logout": {func(_ *testing.T, victim, _ *browser) string {
			back := victim.consent(victim.open(begin), true)
			session := victim.cookies[sessionCookie]
			victim.call("POST", prefix+"/logout", nil)
			victim.cookies[sessionCookie] = session
			return victim.open(back)
		}, "SESSION_ENDED"},
		"a replayed state": {func(_ *testing.T, victim, _ *browser) string {
			back := victim.consent(victim.open(begin), false)
			victim.open(back)
			return victim.open(strings.Replace(back, "error=access_denied", "code=x", 1))
		}, "AUTHORIZATION_EXPIRED"},
		"a state of Google": {func(_ *testing.T, victim, _ *browser) string {
			back := victim.consent(victim.open(googlePath("/")), true)
			return victim.open(prefix + "/auth/spotify/callback?" + back[strings.Index(back, "?")+1:])
		}, "AUTHORIZATION_EXPIRED"},
		"the attacker's code in the victim's callback": {func(t *testing.T, victim, attacker *browser) string {
			code := func(address string) string {
				u, err := url.Parse(address)
				if err != nil {
					t.Fatal(err)
				}
				return u.Query().Get("code")
			}
			other := attacker.consent(attacker.open(begin), true)
			back := victim.consent(victim.open(begin), true)
			return victim.open(strings.Replace(back, url.QueryEscape(code(back)), url.QueryEscape(code(other)), 1))
		}, "SPOTIFY_CODE_INVALID"},
		"cancelled": {func(_ *testing.T, victim, _ *browser) string {
			return victim.open(victim.consent(victim.open(begin), false))
		}, "AUTHORIZATION_DENIED"},
		"nobody is signed in": {func(t *testing.T, _, _ *browser) string { return w.newBrowser(t, 1).open(begin) }, "UNAUTHORIZED"},
		"a caller with a token": {func(t *testing.T, victim, _ *browser) string {
			a := w.Call("GET", begin, nil, w.signIn(t, victim.person).bearer()...)
			return a.Header.Get("Location")
		}, "UNAUTHORIZED"},
		"another site asks to move an account": {func(_ *testing.T, victim, _ *browser) string { return victim.open(begin + "?move=true") }, "CROSS_ORIGIN"},
		"another site chooses the app": {func(_ *testing.T, victim, _ *browser) string {
			return victim.open(begin + "?clientId=" + sim.UserAppClientID)
		}, "CROSS_ORIGIN"},
	} {
		t.Run(name, func(t *testing.T) {
			victim, attacker := w.newBrowser(t, 1), w.newBrowser(t, 2)
			victim.signIn("/")
			attacker.signIn("/")
			wantLocation(t, c.attempt(t, victim, attacker), "/?error="+c.code)
			for _, b := range []*browser{victim, attacker} {
				if a := w.Call("GET", prefix+"/spotify-auth", nil, w.signIn(t, b.person).bearer()...); string(a.Data) != "null" {
					t.Errorf("person %d is linked: %s", b.person, a.Data)
				}
			}
		})
	}
}

func TestLinking_MovesAnAccountOnlyIfTheUserConfirms(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	first, second := w.newBrowser(t, 0), w.newBrowser(t, 1)
	first.signIn("/")
	second.signIn("/")
	wantLocation(t, first.link(""), "/linked")
	second.person = 0 // the second user consents with the Spotify account of the first
	wantLocation(t, second.link(""), "/?error=SPOTIFY_LINKED_ELSEWHERE")

	confirmed := second.call("GET", prefix+"/auth/spotify?move=true&return=%2Flinked", nil, "Sec-Fetch-Site", "same-origin").Header.Get("Location")
	wantLocation(t, second.open(second.consent(confirmed, true)), "/linked")
	for b, want := range map[*browser]bool{first: false, second: true} {
		var me struct{ HasSpotify bool }
		b.call("GET", prefix+"/me", nil).DecodeData(t, &me)
		if me.HasSpotify != want {
			t.Errorf("a user is linked: %t, want %t", me.HasSpotify, want)
		}
	}
}

func TestLinking_UsesTheAppThatTheUserNames(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	b := w.newBrowser(t, 0)
	b.signIn("/")
	begun := b.call("GET", prefix+"/auth/spotify?return=%2Flinked&clientId="+sim.UserAppClientID, nil, "Sec-Fetch-Site", "same-origin").Header.Get("Location")
	wantLocation(t, b.open(b.consent(begun, true)), "/linked")
	var link struct {
		ClientID string
		UserApp  bool
	}
	b.call("GET", prefix+"/spotify-auth", nil).DecodeData(t, &link)
	if link.ClientID != sim.UserAppClientID || !link.UserApp {
		t.Errorf("the link is %+v, want one of the user-supplied app", link)
	}
}

func TestPages_LeadAnErrorToTheStepThatRepairsIt(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	b := w.newBrowser(t, 0)
	wantLocation(t, b.open("/?error=INVITE_REQUIRED"), "/welcome?error=INVITE_REQUIRED")
	if a := b.call("GET", "/?error=%2F%2Fevil.example", nil); a.Status != http.StatusOK {
		t.Errorf("an unknown error answers %d, want the page", a.Status)
	}
}

func TestSignIn_AppliesTheSignUpPolicy(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_SIGN_UP", "invite")
	b := w.newBrowser(t, 0)
	wantLocation(t, b.signIn("/"), "/?error=INVITE_REQUIRED")
	withInvite := func(code string) string {
		a := b.call("POST", prefix+"/auth/google", map[string]any{"return": "/me", "invite": code})
		w.wantStatus(t, a, 200, "")
		var started struct{ URL string }
		a.DecodeData(t, &started)
		if strings.Contains(started.URL, code) {
			t.Errorf("the address holds the code: %s", started.URL)
		}
		return b.open(b.consent(started.URL, true))
	}
	wantLocation(t, withInvite("AAAA-BBBB-CCCC-DDDD"), "/?error=INVITE_INVALID")
	if n := w.countUsers(t); n != 0 {
		t.Errorf("%d users are stored, want none", n)
	}
	wantLocation(t, withInvite(w.createInvite(t)), "/me")
	b.wantSignedIn(true)
	wantLocation(t, b.signIn("/"), "/") // a user who has signed up needs no invite
}

func TestSignIn_SendsInAppBrowsersToARealOne(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	for name, c := range map[string]struct {
		userAgent string
		inApp     bool
	}{
		"KakaoTalk":       {"Mozilla/5.0 (Linux; Android 15; SM-S928N; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0 Mobile Safari/537.36 KAKAOTALK/11.2.0 (INAPP)", true},
		"TikTok, iOS":     {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 musical_ly_38.6.0 JsSdk/2.0 NetType/WIFI BytedanceWebview/d8a21c6", true},
		"Threads, iOS":    {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83 Barcelona 358.0.0.30.108 (iPhone15,2; iOS 18_1; ko_KR; ko; scale=3.00; 1179x2556)", true},
		"X, iOS":          {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1 Twitter for iPhone/10.70", true},
		"KakaoTalk, iOS":  {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83 KAKAOTALK/11.2.0 (INAPP)", true},
		"Instagram":       {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83 Instagram 360.0.0.30.109 (iPhone14,5; iOS 18_1)", true},
		"Facebook":        {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/22B83 [FBAN/FBIOS;FBAV/490.0.0.41.103]", true},
		"LINE":            {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148 Safari Line/14.19.1", true},
		"NAVER":           {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1 NAVER(inapp; search; 2000; 12.8.1)", true},
		"an Android view": {"Mozilla/5.0 (Linux; Android 15; Pixel 9; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/131.0 Mobile Safari/537.36", true},
		"Chrome":          {"Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0 Mobile Safari/537.36", false},
		"Safari":          {"Mozilla/5.0 (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.1 Mobile/15E148 Safari/604.1", false},
		"Whale":           {"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0 Whale/4.29 Safari/537.36", false},
		"Samsung":         {"Mozilla/5.0 (Linux; Android 14; SM-S921N) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/27.0 Chrome/125.0 Mobile Safari/537.36", false},
	} {
		a := w.Call("GET", googlePath("/me?a=b&c=<script>"), nil, "User-Agent", c.userAgent)
		if !c.inApp {
			if a.Status != http.StatusFound {
				t.Errorf("%s: %d %s, want a redirect", name, a.Status, a.Body)
			}
			continue
		}
		page := string(a.Body)
		if a.Status != 200 || !strings.HasPrefix(a.Header.Get("Content-Type"), "text/html") || strings.Contains(page, "<script>") ||
			!strings.Contains(page, "브라우저") || !strings.Contains(page, "open it in a browser") || !strings.Contains(page, publicURL+"/") {
			t.Errorf("%s: %d %v\n%s", name, a.Status, a.Header, page)
		}
		w.wantStatus(t, w.Call("POST", prefix+"/auth/google", map[string]string{}, "User-Agent", c.userAgent), 403, "OPEN_IN_BROWSER")
	}
}

func TestSignIn_NeedsTheSecretOfGoogle(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_GOOGLE_CLIENT_SECRET", "")
	if a := w.Call("GET", prefix+"/sign-up", nil); string(a.Data) != `{"policy":"open","redirect":false,"seats":false}` {
		t.Errorf("the sign-up is %s", a.Data)
	}
	b := w.newBrowser(t, 0)
	for _, path := range []string{"/auth/google", "/auth/google/callback?state=x&code=y"} {
		wantLocation(t, b.open(prefix+path), "/?error=SIGN_IN_BY_REDIRECT_OFF")
	}
	w.wantStatus(t, b.call("POST", prefix+"/auth/google", map[string]string{}), 404, "SIGN_IN_BY_REDIRECT_OFF")
	w.signIn(t, 0) // signing in with a Google access token, as the original frontend does, needs no secret
}

func TestAuditableSecrets_AreStoredHashedOrSealed(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	b := w.newBrowser(t, 0)
	b.open(googlePath("/"))
	b.signIn("/")
	_, err := w.db.SessionBySecret(t.Context(), []byte(b.cookies[sessionCookie]))
	if songspy.CodeOf(err) != songspy.CodeNotFound {
		t.Errorf("the cookie itself is stored: %v", err)
	}
}
