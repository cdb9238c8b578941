package main

import (
	"bufio"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/songspy/songspy/songspy-domain/store/storetest"

	"github.com/songspy/songspy/songspy-api/internal/npmtest"
)

// startOpenIDProvider starts oidc-provider, a certified OpenID provider that is independent of
// this project, and returns its issuer.
func startOpenIDProvider(t *testing.T) (issuer string) {
	t.Helper()
	dir := npmtest.Install(t, "internal/auth/oidctest", "signing in with an independent OpenID provider")
	node := exec.CommandContext(t.Context(), "node", "provider.mjs", publicURL+prefix+"/auth/google/callback")
	node.Dir = dir
	stdin, err := node.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := node.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := node.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close() // ends the provider
		_ = node.Wait()
	})
	lines := bufio.NewScanner(stdout)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "http://") {
			issuer = lines.Text()
			break
		}
	}
	if issuer == "" {
		t.Fatal("the provider printed no issuer")
	}
	return issuer
}

var interactionForm = regexp.MustCompile(`action="([^"]+)"`)

// atProvider opens the address of the provider and signs in there with the account, or cancels
// if account is empty. It returns the address to which the provider sends the browser back.
func atProvider(t *testing.T, address, account string) string {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if strings.HasPrefix(r.URL.String(), publicURL) {
			return http.ErrUseLastResponse
		}
		return nil
	}}
	send := func(method, address string, form url.Values) (*http.Response, string) {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		if form != nil {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}
		resp, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var page strings.Builder
		for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
			page.WriteString(lines.Text() + "\n")
		}
		return resp, page.String()
	}
	resp, page := send(http.MethodGet, address, nil)
	for range 3 { // the form to sign in, the form to consent, the redirect back
		if back, err := resp.Location(); err == nil {
			return back.String()
		}
		form := interactionForm.FindStringSubmatch(page)
		if form == nil {
			t.Fatalf("the provider answers %d\n%s", resp.StatusCode, page)
		}
		if account == "" {
			resp, page = send(http.MethodGet, form[1]+"/abort", nil)
			continue
		}
		fields := url.Values{"prompt": {"consent"}}
		if strings.Contains(page, `name="login"`) {
			fields = url.Values{"prompt": {"login"}, "login": {account}, "password": {"any"}}
		}
		resp, page = send(http.MethodPost, form[1], fields)
	}
	back, err := resp.Location()
	if err != nil {
		t.Fatalf("the provider does not send the browser back: %d\n%s", resp.StatusCode, page)
	}
	return back.String()
}

func TestSignIn_WithAnIndependentOpenIDProvider(t *testing.T) {
	issuer := startOpenIDProvider(t)
	start := func(t *testing.T, client string) *testAPI {
		return newTestAPI(t, storetest.SQLite, "SONGSPY_GOOGLE_ISSUER_URL", issuer, "SONGSPY_SIGN_INS_PER_MINUTE", "0",
			"SONGSPY_GOOGLE_CLIENT_ID", client, "SONGSPY_GOOGLE_CLIENT_SECRET", client+"-secret")
	}
	w := start(t, "songspy")
	change, get := queryEditor(t)

	ann := w.newBrowser(t, 0)
	wantLocation(t, ann.open(atProvider(t, ann.open(googlePath("/me")), "ann")), "/me")
	var me struct {
		ID   int64
		Name string
	}
	ann.call("GET", prefix+"/me", nil).DecodeData(t, &me)
	again := w.newBrowser(t, 0)
	again.open(atProvider(t, again.open(googlePath("/")), "ann"))
	first := me.ID
	if again.call("GET", prefix+"/me", nil).DecodeData(t, &me); me.Name != "Name of ann" || me.ID != first {
		t.Errorf("a second browser of the account is %+v, want user %d", me, first)
	}

	for name, c := range map[string]struct {
		attempt func(t *testing.T, victim, attacker *browser) string
		code    string
	}{
		"the attacker's callback": {func(t *testing.T, victim, attacker *browser) string {
			return victim.open(atProvider(t, attacker.open(googlePath("/")), "mallory"))
		}, "AUTHORIZATION_ELSEWHERE"},
		"a replayed callback": {func(t *testing.T, victim, attacker *browser) string {
			back := atProvider(t, attacker.open(googlePath("/")), "mallory")
			attacker.open(back)
			return victim.open(back)
		}, "AUTHORIZATION_EXPIRED"},
		"a replayed code": {func(t *testing.T, victim, attacker *browser) string {
			used := atProvider(t, attacker.open(googlePath("/")), "mallory")
			attacker.open(used)
			return victim.open(change(atProvider(t, victim.open(googlePath("/")), "ann"), "code", get(used, "code")))
		}, "GOOGLE_TOKEN_INVALID"},
		"another attempt's code, which PKCE binds": {func(t *testing.T, victim, attacker *browser) string {
			other := atProvider(t, attacker.open(googlePath("/")), "mallory")
			return victim.open(change(atProvider(t, victim.open(googlePath("/")), "ann"), "code", get(other, "code")))
		}, "GOOGLE_TOKEN_INVALID"},
		"another client's code": {func(t *testing.T, victim, _ *browser) string {
			return victim.open(atProvider(t, change(victim.open(googlePath("/")), "client_id", "another"), "ann"))
		}, "GOOGLE_TOKEN_INVALID"},
		"another nonce": {func(t *testing.T, victim, _ *browser) string {
			return victim.open(atProvider(t, change(victim.open(googlePath("/")), "nonce", "another"), "ann"))
		}, "GOOGLE_TOKEN_INVALID"},
		"another PKCE challenge": {func(t *testing.T, victim, _ *browser) string {
			return victim.open(atProvider(t, change(victim.open(googlePath("/")), "code_challenge", strings.Repeat("A", 43)), "ann"))
		}, "GOOGLE_TOKEN_INVALID"},
		"cancelled": {func(t *testing.T, victim, _ *browser) string {
			return victim.open(atProvider(t, victim.open(googlePath("/")), ""))
		}, "AUTHORIZATION_DENIED"},
	} {
		t.Run(name, func(t *testing.T) {
			victim, attacker := w.newBrowser(t, 1), w.newBrowser(t, 2)
			wantLocation(t, c.attempt(t, victim, attacker), "/?error="+c.code)
			victim.wantSignedIn(false)
		})
	}
	t.Run("an algorithm that Google does not use", func(t *testing.T) {
		b := start(t, "pss").newBrowser(t, 1)
		wantLocation(t, b.open(atProvider(t, b.open(googlePath("/")), "ann")), "/?error=GOOGLE_TOKEN_INVALID")
		b.wantSignedIn(false)
	})
	t.Run("a wrong secret", func(t *testing.T) {
		b := newTestAPI(t, storetest.SQLite, "SONGSPY_GOOGLE_ISSUER_URL", issuer,
			"SONGSPY_GOOGLE_CLIENT_ID", "songspy", "SONGSPY_GOOGLE_CLIENT_SECRET", "wrong").newBrowser(t, 1)
		wantLocation(t, b.open(atProvider(t, b.open(googlePath("/")), "ann")), "/?error=GOOGLE_UNAVAILABLE")
	})
}
