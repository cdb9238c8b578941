package httpapi

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

// cookiesOf returns the cookies that an answer sets.
func cookiesOf(a contracttest.Response) map[string]*http.Cookie {
	cookies := map[string]*http.Cookie{}
	for _, c := range (&http.Response{Header: a.Header}).Cookies() {
		cookies[c.Name] = c
	}
	return cookies
}

func TestCookies_AreBoundToTheHostOverHTTPS(t *testing.T) {
	for publicURL, names := range map[string]cookieNames{
		"https://songs.test":    {"__Host-songspy", "__Host-songspy-sign-in"},
		"http://127.0.0.1:8080": {"songspy", "songspy-sign-in"}, // neither Secure nor with __Host-, which requires Secure: Safari rejects Secure cookies over http
	} {
		e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.PublicURL = publicURL })
		secure := strings.HasPrefix(publicURL, "https:")
		check := func(c *http.Cookie, maxAge int) {
			t.Helper()
			if c == nil || c.Secure != secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.Domain != "" || c.MaxAge != maxAge {
				t.Errorf("%s: the cookie is %+v, want a life of %d s", publicURL, c, maxAge)
			}
		}
		begun := e.Call("GET", prefix+"/auth/google?return=/me", nil)
		signIn := cookiesOf(begun)[names.signIn]
		check(signIn, 600)
		to, err := url.Parse(begun.Header.Get("Location"))
		if err != nil || signIn == nil {
			t.Fatalf("%s: %+v, error %v", publicURL, begun, err)
		}
		done := e.Call("GET", prefix+"/auth/google/callback?code=x&state="+to.Query().Get("state"), nil, "Cookie", names.signIn+"="+signIn.Value)
		if done.Header.Get("Location") != "/me" {
			t.Fatalf("%s: the browser ends at %s", publicURL, done.Header.Get("Location"))
		}
		session := cookiesOf(done)[names.session]
		check(session, 48*3600)
		check(cookiesOf(done)[names.signIn], -1)
		e.secrets = append(e.secrets, signIn.Value, session.Value)

		cookie := names.session + "=" + session.Value
		if a := e.Call("GET", prefix+"/me", nil, "Cookie", cookie); a.Status != 200 {
			t.Errorf("%s: %d %s", publicURL, a.Status, a.Body)
		}
		for _, other := range []string{"songspy", "__Host-songspy"} {
			if a := e.Call("GET", prefix+"/me", nil, "Cookie", other+"="+session.Value); other != names.session && a.Status != 401 {
				t.Errorf("%s accepts the cookie %s: %d", publicURL, other, a.Status)
			}
		}
		out := e.Call("POST", prefix+"/logout", nil, "Cookie", cookie, "Sec-Fetch-Site", "same-origin")
		check(cookiesOf(out)[names.session], -1)
		if a := e.Call("GET", prefix+"/me", nil, "Cookie", cookie); a.ErrorCode() != "SESSION_ENDED" {
			t.Errorf("%s: after the logout: %d %s", publicURL, a.Status, a.Body)
		}
	}
}

func TestCookies_AreNotSetForBearerClients(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for _, a := range []contracttest.Response{
		e.Call("GET", prefix+"/me", nil, bearer...), e.Call("POST", prefix+"/logout", nil, bearer...),
	} {
		if len(cookiesOf(a)) > 0 {
			t.Errorf("the answer sets cookies: %v", a.Header)
		}
	}
}

func TestRoutesThatChangeSomething_RejectCookiesOfOtherOrigins(t *testing.T) {
	e := newTestServer(t)
	for key, rule := range testContract(t).rules {
		if !rule.needsSession {
			continue
		}
		path := strings.NewReplacer(":id", "1").Replace(key.path)
		a := e.Call(key.method, path, nil, "Cookie", "songspy=x", "Sec-Fetch-Site", "cross-site", "Origin", "https://evil.test")
		switch {
		case rule.isNavigation:
			if a.Header.Get("Location") != "/?error=SESSION_ENDED" {
				t.Errorf("%s %s: %d %v", key.method, path, a.Status, a.Header)
			}
		case key.method == http.MethodGet && a.ErrorCode() != "SESSION_ENDED",
			key.method != http.MethodGet && (a.Status != http.StatusForbidden || a.ErrorCode() != "CROSS_ORIGIN"):
			t.Errorf("%s %s: %d %s", key.method, path, a.Status, a.Body)
		}
	}
}

func TestRedirectRoutes_LeadErrorsToThePage(t *testing.T) {
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.SignInsPerMinute = 1 })
	if a := e.Call("GET", prefix+"/auth/google/callback?state=a%20secret", nil, "Accept-Language", "ko"); a.Status != http.StatusFound ||
		a.Header.Get("Location") != "/?error=AUTHORIZATION_EXPIRED" || len(a.Body) > 0 || a.Header.Get("Cache-Control") != "no-store" || a.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("%d %v %s", a.Status, a.Header, a.Body)
	}
	if a := e.Call("GET", prefix+"/auth/google", nil); a.Header.Get("Location") != "/?error=RATE_LIMITED" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	e = newTestServer(t)
	if a := e.Call("GET", prefix+"/auth/google/callback?state="+strings.Repeat("x", 513), nil); a.Header.Get("Location") != "/?error=INVALID_REQUEST" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
	if a := e.Call("GET", prefix+"/auth/spotify/callback?state="+strings.Repeat("x", 513), nil); a.Header.Get("Location") != "/?error=UNAUTHORIZED" {
		t.Errorf("%d %v", a.Status, a.Header)
	}
}
