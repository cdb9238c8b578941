package httpapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

func TestLimiter_BoundsSignInsOfAnAddress(t *testing.T) {
	e := newEdge(t, func(o *Options, _ *house) { o.SignInsPerMinute = 2 })
	for range 2 {
		e.signIn(t)
	}
	a := e.Call("POST", prefix+"/google-auth", map[string]string{"accessToken": googleToken})
	wantFault(t, a, 429, "RATE_LIMITED")
	if a.Header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
	if a := e.Call("GET", prefix+"/tracks/current-playing", nil); a.Status != 200 {
		t.Errorf("the board was limited too: %d", a.Status)
	}
}

func TestLimiter_BelievesForwardedAddressesOnlyOfTrustedProxies(t *testing.T) {
	for name, c := range map[string]struct {
		trusted []string
		second  int
	}{
		"nobody is trusted":    {nil, 429},
		"the proxy is trusted": {[]string{"127.0.0.1"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			e := newEdge(t, func(o *Options, _ *house) { o.SignInsPerMinute, o.TrustedProxies = 1, c.trusted })
			for i, want := range []int{200, c.second} {
				a := e.Call("POST", prefix+"/google-auth", map[string]string{"accessToken": googleToken},
					"X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
				if a.Status != want {
					t.Errorf("request %d: %d, want %d", i, a.Status, want)
				}
			}
		})
	}
}

func TestLimiter_RefillsAndForgetsInBoundedMemory(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := newLimiter(1, func() time.Time { return now })
	if l.take("192.0.2.1") != nil || l.take("192.0.2.1") == nil {
		t.Error("one request a minute is allowed, and no more")
	}
	now = now.Add(time.Minute)
	if err := l.take("192.0.2.1"); err != nil {
		t.Errorf("a minute later: %v", err)
	}
	if l.take("2001:db8::1") != nil || l.take("2001:db8::2") == nil {
		t.Error("neighbours in one /64 are one subscriber")
	}
	for i := range 5 * addressesKept {
		_ = l.take(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255))
	}
	if kept := len(l.younger) + len(l.older); kept > 2*addressesKept {
		t.Errorf("%d addresses are kept", kept)
	}
}

func TestOrigins_OnlyThoseOfTheListMayRead(t *testing.T) {
	e := newEdge(t, func(o *Options, _ *house) { o.AllowedOrigins = []string{"https://fe.test"} })
	for origin, allowed := range map[string]bool{"https://fe.test": true, "https://evil.test": false, "null": false, "https://fe.test.evil.test": false} {
		a := e.Call("GET", prefix+"/tracks/current-playing", nil, "Origin", origin)
		if got := a.Header.Get("Access-Control-Allow-Origin") == origin; got != allowed {
			t.Errorf("%s: allowed %v", origin, got)
		}
		if a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Vary") != "Origin" {
			t.Errorf("%s: %v", origin, a.Header)
		}
		preflight := e.Call("OPTIONS", prefix+"/me", nil, "Origin", origin, "Access-Control-Request-Method", "DELETE")
		if got := preflight.Status == http.StatusNoContent; got != allowed {
			t.Errorf("%s: preflight answered %d", origin, preflight.Status)
		}
		if methods := preflight.Header.Get("Access-Control-Allow-Methods"); allowed && methods != "GET, POST, PUT, DELETE" {
			t.Errorf("%s: preflight allows %q, not what the contract has", origin, methods)
		}
	}
}

func TestRequestIDs_AreTakenIfSane(t *testing.T) {
	e := newEdge(t)
	for given, taken := range map[string]bool{"frontend-0123456789": true, "short": false, "with space in it": false, strings.Repeat("x", 65): false, "": false} {
		got := e.Call("GET", "/healthz", nil, "X-Request-Id", given).Header.Get("X-Request-Id")
		if (got == given) != taken || got == "" {
			t.Errorf("%q became %q", given, got)
		}
	}
}

func TestAccessLog_NamesTheRouteAndNoQuery(t *testing.T) {
	e := newEdge(t)
	_, bearer := e.signIn(t)
	e.Call("POST", prefix+"/spotify-auth?code="+spotifyCode, nil, append(bearer, "X-Request-Id", "frontend-42")...)
	found := false
	for line := range strings.Lines(string(e.log.Bytes())) {
		var entry struct{ Msg, Route, Request string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		found = found || entry.Msg == "request" && entry.Route == prefix+"/spotify-auth" && entry.Request == "frontend-42"
	}
	if !found {
		t.Errorf("the log:\n%s", e.log.Bytes())
	}
}

func TestHeaders_TellBrowsersWhatIsWhat(t *testing.T) {
	e := newEdge(t, func(o *Options, _ *house) { o.PublicURL = "https://songspy.test" })
	for path, policy := range map[string]string{"/": "default-src 'self'", "/healthz": nothingLoads[0], "/nowhere": nothingLoads[0]} {
		h := e.Call("GET", path, nil).Header
		if h.Get("Content-Security-Policy") != policy || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: %v", path, h)
		}
	}
}

func TestLinking_TakesWhatOldFrontendsSendForNoBody(t *testing.T) {
	e := newEdge(t)
	_, bearer := e.signIn(t)
	for name, c := range map[string]struct {
		body any
		kind string
	}{
		"nothing":       {nil, ""},
		"an empty form": {"", "application/x-www-form-urlencoded"},
		"empty JSON":    {"", "application/json"},
		"null":          {"null", "application/json"},
		"an object":     {"{}", "application/json; charset=utf-8"},
	} {
		header := bearer
		if c.kind != "" {
			header = append(slices.Clone(bearer), "Content-Type", c.kind)
		}
		if a := e.Call("POST", prefix+"/spotify-auth?code="+spotifyCode, c.body, header...); a.Status != 200 {
			t.Errorf("%s: %d %s", name, a.Status, a.Body)
		}
	}
}

func TestContract_IsServed(t *testing.T) {
	if a := newEdge(t).Call("GET", "/openapi.yaml", nil); a.Status != 200 || !strings.HasPrefix(string(a.Body), "openapi: 3") {
		t.Errorf("answered %d %.80s", a.Status, a.Body)
	}
}

func TestBoard_ShowsWhatTheOriginalFrontendReads(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("KST", 9*3600))
	name, end := "아이유 팬", time.Now().Add(time.Minute)
	song := songspy.OnBoard{
		User:    songspy.User{ID: 5, NickName: &name, ShowPicture: true, PictureURL: "https://p.test/5", Audience: songspy.AudienceEveryone},
		Playing: songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:9", StartedAt: start, ObservedAt: start, EndsAt: &end},
		Track:   songspy.Track{ID: 9, Kind: songspy.KindTrack, Title: "밤편지", Artists: "IU, Friend", URL: "https://open.test/9", ImageURL: "https://i.test/9", DurationMS: 253000},
	}
	bare := song
	bare.User = songspy.User{ID: 6, PictureURL: "https://p.test/6", Audience: songspy.AudienceEveryone}
	bare.Track = songspy.Track{ID: 10, Kind: songspy.KindLocal, Title: "a file"}
	bare.Playing.StartedAt = start.Add(-time.Second)
	e := newEdge(t, func(_ *Options, h *house) { h.shown = []songspy.OnBoard{bare, song} })

	a := e.Call("GET", prefix+"/tracks/current-playing", nil)
	want := `[{"endsAt":"` + end.UTC().Format(timeLayout) + `","state":"playing","track":{"albumImageUrl":"https://i.test/9","artistName":"IU, Friend",` +
		`"createdAt":"2026-11-23T03:00:00.000Z","durationMs":253000,"id":9,"kind":"track","originalUrl":"https://open.test/9","previewUrl":"","title":"밤편지"},` +
		`"user":{"id":5,"nickName":"아이유 팬","profileImageUrl":"https://p.test/5"}},` +
		`{"endsAt":"` + end.UTC().Format(timeLayout) + `","state":"playing","track":{"albumImageUrl":"","artistName":"",` +
		`"createdAt":"2026-11-23T02:59:59.000Z","durationMs":0,"id":10,"kind":"local","originalUrl":"","previewUrl":"","title":"a file"},` +
		`"user":{"id":6,"nickName":"","profileImageUrl":""}}]`
	if string(a.Data) != want {
		t.Errorf("answered\n%s, want\n%s", a.Data, want)
	}
	etag := a.Header.Get("ETag")
	for held, status := range map[string]int{
		etag: 304, "W/" + etag: 304, `"other", W/` + etag: 304, "*": 304,
		`"other"`: 200, strings.Trim(etag, `"`): 200, etag[:9] + `"`: 200,
	} {
		again := e.Call("GET", prefix+"/tracks/current-playing", nil, "If-None-Match", held)
		if again.Status != status || (len(again.Body) == 0) != (status == http.StatusNotModified) {
			t.Errorf("asked again with %s: %d %s", held, again.Status, again.Body)
		}
	}
}

func TestBoard_IsUnavailableUntilTheFeedIsRead(t *testing.T) {
	e := newEdge(t, func(_ *Options, h *house) { h.fail = songspyDown })
	wantFault(t, e.Call("GET", prefix+"/tracks/current-playing", nil), 503, "UNAVAILABLE")
}

var songspyDown = &songspy.Error{Code: songspy.CodeUnavailable}

func TestNickNames_AreCountedAsAReaderCounts(t *testing.T) {
	family := "👨‍👩‍👧‍👦"
	for given, want := range map[string]string{
		"  Ann  ":                  "Ann",
		"a \t\n b":                 "a b",
		strings.Repeat("가", 30):    strings.Repeat("가", 30),
		strings.Repeat("가", 31):    "",
		strings.Repeat(family, 30): strings.Repeat(family, 30),
		strings.Repeat(family, 31): "",
		"":                         "",
		"   ":                      "",
		"\u200b\u2060":             "",
		"\u3164":                   "", // Hangul filler
		"\u2800":                   "", // Braille blank
		"a\u202eb":                 "ab",
		strings.Repeat("👨🏽‍👩🏽‍👧🏽‍👦🏽", 30): strings.Repeat("👨🏽‍👩🏽‍👧🏽‍👦🏽", 30),
		"\ufe0f":                             "", // a variation of nothing
		"\U000e0100":                         "",
		"❤\ufe0f":                            "❤\ufe0f",
		"x" + strings.Repeat("\u0301", 1200): "x" + strings.Repeat("\u0301", 4),
		"\u0301\u0302":                       "", // marks on nothing
		"A\u200bn\u200dn":                    "Ann",
		"e\u0301":                            "é",
	} {
		got, err := nickName(given)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q became %q, %v", given, got, err)
		}
		if err != nil && songspy.ReasonOf(err) != "NICKNAME_INVALID" {
			t.Errorf("%q: %v", given, err)
		}
	}
}

func FuzzNickName(f *testing.F) {
	f.Add("Ann")
	f.Add("\u200b가\x00\xff")
	f.Fuzz(func(t *testing.T, raw string) {
		name, err := nickName(raw)
		if err != nil {
			return
		}
		if again, err := nickName(name); err != nil || again != name {
			t.Errorf("%q became %q and then %q, %v", raw, name, again, err)
		}
	})
}
