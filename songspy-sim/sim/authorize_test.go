package sim_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-sim/sim"
)

func authorizeURL(change url.Values) string {
	q := url.Values{
		"client_id": {sim.SpotifyClientID}, "response_type": {"code"}, "redirect_uri": {redirect}, "state": {"s&t"},
		"scope": {"user-read-currently-playing user-read-recently-played"}, "person": {"3"}, "allow": {"1"},
	}
	for key, values := range change {
		q[key] = values
	}
	return "http://sim/spotify/accounts/authorize?" + q.Encode()
}

// redirectQuery returns the query parameters of the redirect URI to which an authorize page
// has redirected the browser. The test fails if it did not redirect.
func redirectQuery(t *testing.T, got response) url.Values {
	t.Helper()
	u, err := url.Parse(got.header.Get("Location"))
	if err != nil || got.status != http.StatusFound {
		t.Fatalf("no redirect: %d %s", got.status, got.body)
	}
	return u.Query()
}

func TestAuthorize_RedirectsWithACodeThatWorks(t *testing.T) {
	s, _ := newSim(t)
	back := redirectQuery(t, get(t, s, authorizeURL(nil), ""))
	if back.Get("state") != "s&t" {
		t.Errorf("the returned state is %q", back.Get("state"))
	}
	got := exchange(t, s, codeForm(back.Get("code"))).decode(t)
	if me := get(t, s, apiURL+"/me", got["access_token"].(string)).decode(t); me["id"] != s.Person(3).SpotifyID {
		t.Errorf("the code belongs to %v", me["id"])
	}
}

func TestAuthorize_RedirectsErrors(t *testing.T) {
	s, _ := newSim(t)
	for want, change := range map[string]url.Values{
		"access_denied":             {"allow": {"0"}},
		"unsupported_response_type": {"response_type": {"token"}},
		"invalid_scope":             {"scope": {"everything"}},
		"invalid_request":           {"code_challenge": {verifier[:43]}, "code_challenge_method": {"plain"}},
	} {
		back := redirectQuery(t, get(t, s, authorizeURL(change), ""))
		if back.Get("error") != want || back.Get("state") != "s&t" || back.Has("code") {
			t.Errorf("%v returned %v, want %s", change, back, want)
		}
	}
}

func TestAuthorize_NeverRedirectsToAnAddressThatIsNotRegistered(t *testing.T) {
	open, _ := newSim(t)
	strict, _ := newSim(t, func(o *sim.Options) {
		o.SpotifyRedirectURIs = []string{"https://songspy.example/cb", "http://127.0.0.1/cb", "http://[::1]:9000/cb"}
	})
	for _, c := range []struct {
		s    *sim.Sim
		uri  string
		page string // the text of the error page; empty if the page must redirect
	}{
		{open, "http://127.0.0.1:5173/any/path", ""},
		{open, "http://[::1]:5173/", ""},
		{open, "http://localhost:5173/", "Insecure redirect URI"},
		{open, "http://songspy.example/", "Insecure redirect URI"},
		{open, "https://songspy.example/", "Invalid redirect URI"},
		{open, "javascript:alert(1)", "Invalid redirect URI"},
		{open, "", "Invalid redirect URI"},
		{strict, "https://songspy.example/cb", ""},
		{strict, "https://songspy.example/CB", "Invalid redirect URI"},
		{strict, "https://songspy.example/cb/", "Invalid redirect URI"},
		{strict, "http://127.0.0.1:1234/cb", ""},
		{strict, "http://127.0.0.1:1234/other", "Invalid redirect URI"},
		{strict, "http://[::1]:9000/cb", ""},
		{strict, "http://[::1]:9001/cb", "Invalid redirect URI"},
	} {
		got := get(t, c.s, authorizeURL(url.Values{"redirect_uri": {c.uri}}), "")
		switch {
		case c.page == "" && got.status != http.StatusFound:
			t.Errorf("%s: %d %s", c.uri, got.status, got.body)
		case c.page != "" && (got.status != http.StatusBadRequest || !strings.Contains(got.body, "INVALID_CLIENT: "+c.page)):
			t.Errorf("%s: %d %s, want %s", c.uri, got.status, got.body, c.page)
		}
	}
	if got := get(t, open, authorizeURL(url.Values{"client_id": {"who"}}), ""); !strings.Contains(got.body, "INVALID_CLIENT: Invalid client") {
		t.Errorf("an unknown app: %s", got.body)
	}
}

func TestAuthorize_ShowsThePage(t *testing.T) {
	s, _ := newSim(t)
	got := get(t, s, authorizeURL(url.Values{"allow": nil, "state": {`"><script>`}}), "")
	for _, part := range []string{`name="allow" value="1"`, `name="allow" value="0"`, `value="49"`, "user-read-recently-played"} {
		if part == `value="49"` {
			part = "people 0 to 49"
		}
		if !strings.Contains(got.body, part) {
			t.Errorf("the page lacks %s:\n%s", part, got.body)
		}
	}
	if strings.Contains(got.body, "<script>") {
		t.Error("the page contains the state unescaped")
	}
}

func TestAuthorize_RemembersConsentWhereSwitchedOn(t *testing.T) {
	s, _ := newSim(t)
	first := get(t, s, authorizeURL(nil), "")
	again := func(change url.Values) response {
		change["allow"], change["person"] = nil, nil
		r := request(t, http.MethodGet, authorizeURL(change), "", nil)
		r.Header.Set("Cookie", first.header.Get("Set-Cookie"))
		return do(t, s, r)
	}
	if got := again(url.Values{}); got.status != http.StatusOK {
		t.Errorf("the consent was remembered although the quirk is off: %d", got.status)
	}
	s.ChangeQuirks(func(v *sim.Quirks) { v.RememberConsent = true })
	if got := again(url.Values{}); got.status != http.StatusFound {
		t.Errorf("the consent was not remembered: %d", got.status)
	}
	if got := again(url.Values{"show_dialog": {"true"}}); got.status != http.StatusOK {
		t.Errorf("the dialog was not shown: %d", got.status)
	}
	if got := again(url.Values{"scope": {"user-read-email"}}); got.status != http.StatusOK {
		t.Errorf("no dialog for another scope: %d", got.status)
	}
}
