package attempt

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// memory stores attempts in memory.
type memory map[string]songspy.AuthorizationAttempt

func (m memory) CreateAuthorizationAttempt(_ context.Context, a songspy.AuthorizationAttempt) error {
	m[string(a.StateHash)] = a
	return nil
}

func (m memory) TakeAuthorizationAttempt(_ context.Context, hash []byte, at time.Time) (songspy.AuthorizationAttempt, error) {
	a, ok := m[string(hash)]
	if !ok {
		return a, &songspy.Error{Code: songspy.CodeNotFound}
	}
	delete(m, string(hash))
	if !at.Before(a.ExpiresAt) {
		return a, &songspy.Error{Code: songspy.CodeNotFound}
	}
	return a, nil
}

func TestFinish_RefusesWhatWasNotBegunHere(t *testing.T) {
	const state, browser = songspy.Secret("state"), songspy.Secret("browser")
	good := Callback{State: state, Code: "code", BrowserSecret: browser}
	for name, c := range map[string]struct {
		change   func(*Callback)
		provider songspy.AuthorizationProvider
		user     songspy.UserID
		after    time.Duration
		reason   string
		usedUp   bool
	}{
		"good":                       {after: Lifetime - 1, usedUp: true},
		"unknown state":              {change: func(c *Callback) { c.State = "other" }, reason: "AUTHORIZATION_EXPIRED"},
		"no state":                   {change: func(c *Callback) { c.State = "" }, reason: "AUTHORIZATION_EXPIRED"},
		"too late":                   {after: Lifetime, reason: "AUTHORIZATION_EXPIRED", usedUp: true},
		"another provider":           {provider: songspy.AuthorizationGoogle, reason: "AUTHORIZATION_EXPIRED", usedUp: true},
		"another browser":            {change: func(c *Callback) { c.BrowserSecret = "other" }, reason: "AUTHORIZATION_ELSEWHERE", usedUp: true},
		"a browser without a cookie": {change: func(c *Callback) { c.BrowserSecret = "" }, reason: "AUTHORIZATION_ELSEWHERE", usedUp: true},
		"another user":               {user: 8, reason: "AUTHORIZATION_ELSEWHERE", usedUp: true},
		"refused by the user":        {change: func(c *Callback) { c.Refusal = "access_denied" }, reason: "AUTHORIZATION_DENIED", usedUp: true},
		"no code":                    {change: func(c *Callback) { c.Code = "" }, reason: "AUTHORIZATION_DENIED", usedUp: true},
	} {
		t.Run(name, func(t *testing.T) {
			stored := memory{}
			begun := songspy.AuthorizationAttempt{Provider: songspy.AuthorizationSpotify, UserID: 7, ReturnPath: "/me"}
			if err := Begin(t.Context(), stored, begun, state, browser, noon); err != nil {
				t.Fatal(err)
			}
			callback, provider, user := good, songspy.AuthorizationSpotify, songspy.UserID(7)
			if c.change != nil {
				c.change(&callback)
			}
			if c.provider != "" {
				provider = c.provider
			}
			if c.user != 0 {
				user = c.user
			}
			a, err := Finish(t.Context(), stored, provider, user, callback, noon.Add(c.after))
			if songspy.ReasonOf(err) != c.reason || (err == nil) != (c.reason == "") {
				t.Errorf("error %v, want %q", err, c.reason)
			}
			if err == nil && a.ReturnPath != "/me" {
				t.Errorf("the return path is %q", a.ReturnPath)
			}
			_, err = Finish(t.Context(), stored, songspy.AuthorizationSpotify, 7, good, noon)
			if usedUp := songspy.ReasonOf(err) == "AUTHORIZATION_EXPIRED"; usedUp != c.usedUp {
				t.Errorf("afterwards the attempt is used up: %t (%v), want %t", usedUp, err, c.usedUp)
			}
		})
	}
}

func TestReturnPath_StaysAtThisOrigin(t *testing.T) {
	for path, want := range map[string]string{
		"/": "/", "/me": "/me", "/people/abc?tab=plays#top": "/people/abc?tab=plays#top", "/%ED%95%9C": "/%ED%95%9C",
		"/@evil.example": "/@evil.example", "/?next=https:%2F%2Fevil.example": "/?next=https:%2F%2Fevil.example",
		"/a//b":                         "/",
		"/?next=//evil":                 "/",
		"":                              "/", // no return path was given
		"me":                            "/",
		"//evil.example":                "/",
		"///evil.example":               "/",
		`/\evil.example`:                "/",
		`\/evil.example`:                "/",
		`/a\..\..\evil`:                 "/",
		"https://evil.example":          "/",
		"HTTPS:evil.example":            "/",
		"javascript:alert(1)":           "/",
		"/\t/evil.example":              "/",
		"/\n/evil.example":              "/",
		"/\r\nSet-Cookie: a=b":          "/",
		" /evil.example":                "/",
		"/a b":                          "/",
		"/\x00":                         "/",
		"/\u00a0evil":                   "/",
		"/\u2028":                       "/",
		"/한":                            "/", // a browser would send it escaped
		"/%zz":                          "/",
		"/" + strings.Repeat("a", 2048): "/",
		"/" + strings.Repeat("a", 2047): "/" + strings.Repeat("a", 2047),
	} {
		if got := ReturnPath(path); got != want {
			t.Errorf("ReturnPath(%q) = %q, want %q", path, got, want)
		}
	}
}

// FuzzReturnPath checks that a browser stays at the origin when it follows the returned path,
// whatever the argument is.
func FuzzReturnPath(f *testing.F) {
	for _, seed := range []string{"/", "//a", `/\a`, "/a/../..//b", "/\t/a", "http:///a", "/.//evil", "/;//evil"} {
		f.Add(seed)
	}
	base := &url.URL{Scheme: "https", Host: "songs.example.org", Path: "/v1/songspy/auth/google/callback"}
	f.Fuzz(func(t *testing.T, path string) {
		got := ReturnPath(path)
		u, err := base.Parse(got)
		if err != nil || u.Scheme != base.Scheme || u.Host != base.Host || !strings.HasPrefix(got, "/") || strings.HasPrefix(got, "//") || strings.ContainsAny(got, "\\\t\r\n") {
			t.Errorf("ReturnPath(%q) = %q leads to %v, error %v", path, got, u, err)
		}
	})
}
