package httpapi

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

func TestLimiter_LimitsSignInsByAddress(t *testing.T) {
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.SignInsPerMinute = 2 })
	for range 2 {
		e.signIn(t)
	}
	a := e.Call("POST", prefix+"/google-auth", map[string]string{"accessToken": googleToken})
	wantFault(t, a, 429, "RATE_LIMITED")
	if a.Header.Get("Retry-After") == "" {
		t.Error("the answer has no Retry-After")
	}
	if a := e.Call("GET", prefix+"/tracks/current-playing", nil); a.Status != 200 {
		t.Errorf("the board is limited too: status %d", a.Status)
	}
}

func TestLimiter_TrustsForwardedAddressesOnlyFromTrustedProxies(t *testing.T) {
	for name, c := range map[string]struct {
		trusted []string
		second  int
	}{
		"no proxy is trusted":  {nil, 429},
		"the proxy is trusted": {[]string{"127.0.0.1"}, 200},
	} {
		t.Run(name, func(t *testing.T) {
			e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.SignInsPerMinute, o.TrustedProxies = 1, c.trusted })
			for i, want := range []int{200, c.second} {
				a := e.Call("POST", prefix+"/google-auth", map[string]string{"accessToken": googleToken},
					"X-Forwarded-For", fmt.Sprintf("203.0.113.%d", i))
				if a.Status != want {
					t.Errorf("request %d: status %d, want %d", i, a.Status, want)
				}
			}
		})
	}
}

func TestLimiter_RefillsInBoundedMemory(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := newAddressLimiter(1)
	if l.take("192.0.2.1", now) != nil || l.take("192.0.2.1", now) == nil {
		t.Error("the limit is not one request a minute")
	}
	now = now.Add(time.Minute)
	if err := l.take("192.0.2.1", now); err != nil {
		t.Errorf("a minute later: error %v", err)
	}
	if l.take("2001:db8::1", now) != nil || l.take("2001:db8::2", now) == nil {
		t.Error("addresses of one /64 do not share a limit")
	}
	for i := range 5 * keysMax {
		_ = l.take(fmt.Sprintf("10.%d.%d.%d", i>>16, i>>8&255, i&255), now)
	}
	if stored := len(l.subscribers.current) + len(l.subscribers.previous); stored > 2*keysMax {
		t.Errorf("%d addresses are stored", stored)
	}
}

func TestLimiter_LimitsIPv6Networks(t *testing.T) {
	now := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	l := newAddressLimiter(2)
	accepted := 0
	for i := range 1000 { // each address is in another /64 of the same /48
		if l.take(fmt.Sprintf("2001:db8:7:%x::1", i), now) == nil {
			accepted++
		}
	}
	if accepted != 2*networkFactor {
		t.Errorf("%d requests of one /48 are accepted, want %d", accepted, 2*networkFactor)
	}
	if err := l.take("2001:db8:8::1", now); err != nil {
		t.Errorf("another /48: error %v", err)
	}
}

func TestLimiter_LimitsWritesByUser(t *testing.T) {
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.WritesPerMinute, o.LinkingsPerMinute = 2, 1 })
	_, bearer := e.signIn(t)
	for i, want := range []int{200, 200, 429} {
		a := e.Call("POST", prefix+"/users/1/edit", map[string]string{"nickName": "Ann"}, bearer...)
		if a.Status != want || want == 429 && a.Header.Get("Retry-After") == "" {
			t.Errorf("edit %d: status %d, headers %v", i, a.Status, a.Header)
		}
	}
	// Linking has its own limit, which all linking routes share. So it still succeeds although the
	// user has used up the limit of writes.
	for i, want := range []int{200, 429} {
		if a := e.Call("POST", prefix+"/spotify-auth?code="+spotifyCode, nil, bearer...); a.Status != want {
			t.Errorf("linking %d: status %d, %s", i, a.Status, a.Body)
		}
	}
	for _, path := range []string{"/me", "/me/sessions"} { // reading is not limited
		if a := e.Call("GET", prefix+path, nil, bearer...); a.Status != 200 {
			t.Errorf("%s: status %d", path, a.Status)
		}
	}
}

func TestLimiter_TrustsOnlyXForwardedFor(t *testing.T) {
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.SignInsPerMinute, o.TrustedProxies = 1, []string{"127.0.0.1"} })
	for i, want := range []int{200, 429} {
		a := e.Call("POST", prefix+"/google-auth", map[string]string{"accessToken": googleToken}, "X-Real-Ip", fmt.Sprintf("203.0.113.%d", i))
		if a.Status != want {
			t.Errorf("request %d: status %d, want %d", i, a.Status, want)
		}
	}
}

func TestOrigins_OnlyAllowedOnesMayRead(t *testing.T) {
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.AllowedOrigins = []string{"https://fe.test"} })
	for origin, allowed := range map[string]bool{"https://fe.test": true, "https://evil.test": false, "null": false, "https://fe.test.evil.test": false} {
		a := e.Call("GET", prefix+"/tracks/current-playing", nil, "Origin", origin)
		if got := a.Header.Get("Access-Control-Allow-Origin") == origin; got != allowed {
			t.Errorf("%s: allowed %v", origin, got)
		}
		if a.Header.Get("Access-Control-Allow-Credentials") != "" || a.Header.Get("Vary") != "Origin" {
			t.Errorf("%s: headers %v", origin, a.Header)
		}
		preflight := e.Call("OPTIONS", prefix+"/me", nil, "Origin", origin, "Access-Control-Request-Method", "DELETE")
		if got := preflight.Status == http.StatusNoContent; got != allowed {
			t.Errorf("%s: the preflight answers %d", origin, preflight.Status)
		}
		if methods := preflight.Header.Get("Access-Control-Allow-Methods"); allowed && methods != "GET, POST, PUT, PATCH, DELETE" {
			t.Errorf("%s: the preflight allows %q, want the methods of the contract", origin, methods)
		}
	}
}

func TestRequestIDs_AreAcceptedIfValid(t *testing.T) {
	e := newTestServer(t)
	for given, accepted := range map[string]bool{"frontend-0123456789": true, "short": false, "with space in it": false, strings.Repeat("x", 65): false, "": false} {
		for _, path := range []string{"/healthz", prefix + "/listening"} {
			got := e.Call("GET", path, nil, "X-Request-Id", given).Header.Get("X-Request-Id")
			if (got == given) != accepted || got == "" {
				t.Errorf("%s: %q became %q", path, given, got)
			}
		}
	}
}

func TestRequestIDs_OfTheBoardAreAssignedWhenSomethingIsLogged(t *testing.T) {
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.Log = telemetry.NewLogger(io.Discard, "info", "json") })
	const board = prefix + "/tracks/current-playing"
	if id := e.Call("GET", board, nil).Header.Get("X-Request-Id"); id != "" {
		t.Errorf("a request that is not logged has the ID %q", id)
	}
	if id := e.Call("GET", board, nil, "X-Request-Id", "frontend-0123456789").Header.Get("X-Request-Id"); id != "frontend-0123456789" {
		t.Errorf("the client chose an ID, and the answer has %q", id)
	}
	if a := e.Call("GET", board, nil, "X-Large", strings.Repeat("x", headerLimit)); a.Status != http.StatusRequestHeaderFieldsTooLarge || a.Header.Get("X-Request-Id") == "" {
		t.Errorf("a rejected request has status %d and the ID %q", a.Status, a.Header.Get("X-Request-Id"))
	}
	if id := e.Call("GET", board, nil, "Origin", "https://other.test").Header.Get("X-Request-Id"); id == "" {
		t.Error("a request that is logged because of its origin has no ID")
	}
}

func TestAccessLog_HasTheRouteAndNoQuery(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	e.Call("POST", prefix+"/spotify-auth?code="+spotifyCode, nil, append(bearer, "X-Request-Id", "frontend-42", "X-Forwarded-For", "203.0.113.7")...)
	found := false
	for line := range strings.Lines(string(e.log.Bytes())) {
		var entry struct{ Msg, Route, Request, Client, Peer string }
		if err := json.Unmarshal([]byte(line), &entry); err != nil {
			t.Fatal(err)
		}
		found = found || entry.Msg == "request" && entry.Route == prefix+"/spotify-auth" && entry.Request == "frontend-42" &&
			entry.Client == "127.0.0.1" && entry.Peer == "127.0.0.1" // not the address in X-Forwarded-For: no proxy is trusted
	}
	if !found {
		t.Errorf("the log lacks the request:\n%s", e.log.Bytes())
	}
}

func TestHeaders_IncludeSecurityHeaders(t *testing.T) {
	var page string
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.PublicURL, page = "https://songspy.test", o.Site.Policy() })
	for path, policy := range map[string]string{"/": page, "/healthz": defaultCSP[0], "/nowhere": defaultCSP[0]} {
		h := e.Call("GET", path, nil).Header
		if h.Get("Content-Security-Policy") != policy || h.Get("X-Content-Type-Options") != "nosniff" || h.Get("Strict-Transport-Security") == "" {
			t.Errorf("%s: headers %v", path, h)
		}
	}
}

func TestLinking_AcceptsTheEmptyBodiesOfOldFrontends(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for name, c := range map[string]struct {
		body any
		kind string
	}{
		"no body":       {nil, ""},
		"an empty form": {"", "application/x-www-form-urlencoded"},
		"empty JSON":    {"", "application/json"},
		"null":          {"null", "application/json"},
		"an object":     {"{}", "application/json; charset=utf-8"},
		"another JSON":  {"{}", "application/vnd.songspy+json"},
		"a form":        {"move=false", "application/x-www-form-urlencoded"},
	} {
		header := bearer
		if c.kind != "" {
			header = append(slices.Clone(bearer), "Content-Type", c.kind)
		}
		if a := e.Call("POST", prefix+"/spotify-auth?code="+spotifyCode, c.body, header...); a.Status != 200 {
			t.Errorf("%s: status %d, %s", name, a.Status, a.Body)
		}
	}
}

func TestLinking_AcceptsTheCodeInAForm(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for name, c := range map[string]struct {
		kind, body string
		status     int
		code       string
	}{
		"a form":                   {"application/x-www-form-urlencoded", "code=" + spotifyCode + "&unknown=1", 200, ""},
		"a form in UTF-8":          {"application/x-www-form-urlencoded; charset=UTF-8", "code=" + spotifyCode, 200, ""},
		"JSON by its suffix":       {"application/vnd.api+json", `{"code":"` + spotifyCode + `"}`, 200, ""},
		"a form without code":      {"application/x-www-form-urlencoded", "move=true", 400, "SPOTIFY_CODE_INVALID"},
		"a form with a wrong type": {"application/x-www-form-urlencoded", "move=perhaps", 400, "INVALID_REQUEST"},
		"a form not in UTF-8":      {"application/x-www-form-urlencoded; charset=euc-kr", "code=" + spotifyCode, 415, "UNSUPPORTED_MEDIA_TYPE"},
		"a text":                   {"text/plain", "code=" + spotifyCode, 415, "UNSUPPORTED_MEDIA_TYPE"},
	} {
		a := e.Call("POST", prefix+"/spotify-auth", c.body, append(slices.Clone(bearer), "Content-Type", c.kind)...)
		if a.Status != c.status || a.ErrorCode() != c.code {
			t.Errorf("%s: status %d, %s", name, a.Status, a.Body)
		}
	}
}

func TestBodies_OfRoutesWithoutABodyAreIgnored(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for _, c := range []struct {
		method, path string
		status       int
	}{
		{"GET", "/healthz", 200},
		{"GET", prefix + "/sign-up", 200},
		{"GET", prefix + "/me", 200},
		{"GET", prefix + "/me/plays?limit=2", 200},
		{"GET", prefix + "/tracks/current-playing", 200},
		{"DELETE", prefix + "/me/plays/1000000000000000", 200},
		{"DELETE", prefix + "/me/sessions/404", 404},
		{"GET", prefix + "/me/gaps?limit=1", 200},
		{"POST", prefix + "/logout", 200},
	} {
		for kind, body := range map[string]string{"application/json": "{", "text/plain; charset=euc-kr": "x", "": strings.Repeat("x", bodyLimit+1)} {
			if c.path == prefix+"/logout" {
				_, bearer = e.signIn(t)
			}
			if a := e.Call(c.method, c.path, body, append(slices.Clone(bearer), "Content-Type", kind)...); a.Status != c.status {
				t.Errorf("%s %s with a body of type %q: status %d, %s", c.method, c.path, kind, a.Status, a.Body)
			}
		}
	}
}

func TestHeaders_TooLargeOnesAreAnsweredWithAnEnvelope(t *testing.T) {
	e := newTestServer(t)
	for size, status := range map[int]int{headerLimit / 2: 200, headerLimit: 431} {
		a := e.Call("GET", "/healthz", nil, "X-Much", strings.Repeat("x", size))
		if a.Status != status || status == 431 && a.ErrorCode() != "HEADERS_TOO_LARGE" {
			t.Errorf("%d bytes: status %d, %s", size, a.Status, a.Body)
		}
	}
}

func TestOrigins_RejectedOnesAreLoggedOnceWithARemedy(t *testing.T) {
	e := newTestServer(t)
	for range 3 {
		e.Call("GET", "/healthz", nil, "Origin", "https://fe.test")
		e.Call("GET", "/healthz", nil, "Origin", e.base)                // the bundled page: not rejected
		e.Call("GET", "/healthz", nil, "Origin", "http://songspy.test") // the bundled page at the public URL, behind a proxy: not rejected
	}
	for i := range 100 { // clients may send any origin
		e.Call("GET", "/healthz", nil, "Origin", fmt.Sprintf("https://%d.test", i))
	}
	log := string(e.log.Bytes())
	if n := strings.Count(log, "SONGSPY_ALLOWED_ORIGINS"); n != 50 || strings.Count(log, `"https://fe.test"`) != 1 {
		t.Errorf("rejected origins are logged %d times", n)
	}
	if strings.Contains(log, `"origin":"`+e.base) || strings.Contains(log, `"origin":"http://songspy.test"`) {
		t.Error("the page's own origin is logged as rejected")
	}
}

func TestOrigins_MaySendTracingHeadersAndReadTheDate(t *testing.T) {
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.AllowedOrigins = []string{"https://fe.test"} })
	h := e.Call("OPTIONS", prefix+"/me", nil, "Origin", "https://fe.test", "Access-Control-Request-Method", "GET").Header
	allowed := strings.Split(strings.ToLower(h.Get("Access-Control-Allow-Headers")), ", ")
	for _, name := range []string{"traceparent", "tracestate", "baggage", "sentry-trace", "b3", "authorization"} {
		if !slices.Contains(allowed, name) {
			t.Errorf("%s may not be sent: %v", name, allowed)
		}
	}
	if h := e.Call("GET", "/healthz", nil, "Origin", "https://fe.test").Header; !strings.Contains(h.Get("Access-Control-Expose-Headers"), "Date") || h.Get("Date") == "" {
		t.Errorf("the date cannot be read: %v", h)
	}
}

func TestSessions_AreListedAndEndedByTheirUser(t *testing.T) {
	e := newTestServer(t)
	_, first := e.signIn(t)
	_, second := e.signIn(t)
	var listed []MySession
	e.Call("GET", prefix+"/me/sessions", nil, second...).DecodeData(t, &listed)
	slices.SortFunc(listed, func(a, b MySession) int { return int(a.Id - b.Id) })
	if len(listed) != 2 || listed[0].Current || !listed[1].Current || !strings.Contains(listed[0].Label, "Go-http-client") {
		t.Fatalf("the sessions are %+v", listed)
	}
	firstSession := fmt.Sprint(prefix, "/me/sessions/", listed[0].Id)
	if a := e.Call("DELETE", firstSession, nil, second...); a.Status != 200 || string(a.Data) != "true" {
		t.Errorf("ending one: status %d, %s", a.Status, a.Body)
	}
	wantFault(t, e.Call("DELETE", firstSession, nil, second...), 404, "NOT_FOUND")
	wantFault(t, e.Call("GET", prefix+"/me", nil, first...), 401, "SESSION_ENDED")
	if a := e.Call("DELETE", prefix+"/me/sessions", nil, second...); a.Status != 200 {
		t.Errorf("ending all: status %d, %s", a.Status, a.Body)
	}
	wantFault(t, e.Call("GET", prefix+"/me", nil, second...), 401, "SESSION_ENDED")
}

func TestTrackIDs_AreUniquePerUserAndTrack(t *testing.T) {
	seen := map[int64]string{}
	for user := range songspy.UserID(30) {
		for track := range songspy.PublicID(30) {
			id := testIDs.Of(user, track)
			if id < 1 || id >= 1<<53 || seen[id] != "" {
				t.Fatalf("user %d and track %d have the id %d, which %q has too", user, track, id, seen[id])
			}
			seen[id] = fmt.Sprint(user, track)
		}
	}
	if testIDs.Of(1, 2) != NewTrackIDs([]byte("key of the test")).Of(1, 2) {
		t.Error("another replica makes other ids")
	}
	if testIDs.Of(1, 2) == NewTrackIDs([]byte("another key")).Of(1, 2) {
		t.Error("the id does not depend on the key")
	}
}

func TestContract_IsServed(t *testing.T) {
	if a := newTestServer(t).Call("GET", "/openapi.yaml", nil); a.Status != 200 || !strings.HasPrefix(string(a.Body), "openapi: 3") {
		t.Errorf("status %d, %.80s", a.Status, a.Body)
	}
}

func TestBoard_HasTheFieldsOfTheOriginalFrontend(t *testing.T) {
	start := time.Date(2026, 11, 23, 12, 0, 0, 0, time.FixedZone("KST", 9*3600))
	name, end := "아이유 팬", time.Now().Add(time.Minute)
	song := songspy.BoardEntry{
		User:    songspy.User{ID: 5, PublicID: 55, NickName: &name, ShowPicture: true, PictureURL: "https://p.test/5"},
		Rule:    songspy.SharingRule{Owner: 5, Periods: []songspy.Sharing{{Now: songspy.AudienceEveryone}}},
		Playing: songspy.NowPlaying{State: songspy.PlayerPlaying, TrackURI: "spotify:track:9", StartedAt: start, ObservedAt: start, EndsAt: &end},
		Track: songspy.Track{
			ID: 9, PublicID: 99, Kind: songspy.KindTrack, Title: "밤편지", Artists: "IU, Friend", URL: "https://open.test/9", ImageURL: "https://i.test/9", DurationMS: 253000,
			ArtistRefs: []songspy.Artist{{URI: "spotify:artist:1", Name: "IU", URL: "https://open.test/artist/1"}},
			AlbumRef:   songspy.Album{URI: "spotify:album:1", Name: "Palette", URL: "https://open.test/album/1"},
		},
	}
	bare := song
	bare.User = songspy.User{ID: 6, PublicID: 66, PictureURL: "https://p.test/6"}
	bare.Rule.Owner = 6
	bare.Track = songspy.Track{ID: 10, PublicID: 100, Kind: songspy.KindLocal, Title: "a file"}
	bare.Playing.StartedAt = start.Add(-time.Second)
	e := newTestServer(t, func(_ *Options, h *fakeBackend) { h.entries = []songspy.BoardEntry{bare, song} })

	a := e.Call("GET", prefix+"/tracks/current-playing", nil)
	want := `[{"endsAt":"` + end.UTC().Format(timeLayout) + `","state":"playing","track":{"album":{"name":"Palette","uri":"spotify:album:1","url":"https://open.test/album/1"},` +
		`"albumImageUrl":"https://i.test/9","artistName":"IU, Friend","artists":[{"name":"IU","uri":"spotify:artist:1","url":"https://open.test/artist/1"}],` +
		`"createdAt":"2026-11-23T03:00:00.000Z","durationMs":253000,"handle":"00000000033","id":` + fmt.Sprint(testIDs.Of(5, 99)) + `,"kind":"track","originalUrl":"https://open.test/9","previewUrl":"","title":"밤편지"},` +
		`"user":{"handle":"0000000001q","id":55,"nickName":"아이유 팬","profileImageUrl":"http://songspy.test/v1/songspy/people/0000000001q/picture"}},` +
		`{"endsAt":"` + end.UTC().Format(timeLayout) + `","state":"playing","track":{"album":null,"albumImageUrl":"","artistName":"","artists":[],` +
		`"createdAt":"2026-11-23T02:59:59.000Z","durationMs":0,"handle":"00000000034","id":` + fmt.Sprint(testIDs.Of(6, 100)) + `,"kind":"local","originalUrl":"","previewUrl":"","title":"a file"},` +
		`"user":{"handle":"00000000022","id":66,"nickName":"","profileImageUrl":""}}]`
	if string(a.Data) != want {
		t.Errorf("answered\n%s, want\n%s", a.Data, want)
	}
	if at := regexp.MustCompile(`^\{"serverTime":"([^"]+)",`).FindSubmatch(a.Body); at == nil {
		t.Errorf("the board has no serverTime: %s", a.Body)
	} else if answeredAt, err := time.Parse(timeLayout, string(at[1])); err != nil || time.Since(answeredAt).Abs() > time.Minute {
		t.Errorf("serverTime is %s, error %v", at[1], err)
	}
	weak := a.Header.Get("ETag")
	etag := strings.TrimPrefix(weak, "W/")
	if weak == etag {
		t.Errorf("the ETag %s is strong, although serverTime changes", weak)
	}
	inside := strings.Trim(etag, `"`)
	for ifNoneMatch, status := range map[string]int{
		weak: 304, etag: 304, `"other", ` + weak: 304, "*": 304,
		`"` + inside + `-gzip"`: 304, `W/"` + inside + `-br"`: 304, `"` + inside + `--gzip"`: 304, `"` + inside + `;gzip"`: 304,
		`"other"`: 200, inside: 200, etag[:9] + `"`: 200, `"` + inside + `-x"`: 200, `"other-gzip"`: 200,
	} {
		again := e.Call("GET", prefix+"/tracks/current-playing", nil, "If-None-Match", ifNoneMatch)
		if again.Status != status || (len(again.Body) == 0) != (status == http.StatusNotModified) {
			t.Errorf("If-None-Match %s: status %d, %s", ifNoneMatch, again.Status, again.Body)
		}
	}
}

func TestBoard_IsUnavailableUntilTheFeedIsRead(t *testing.T) {
	e := newTestServer(t, func(_ *Options, h *fakeBackend) { h.fail(errDown) })
	wantFault(t, e.Call("GET", prefix+"/tracks/current-playing", nil), 503, "UNAVAILABLE")
}

var errDown = &songspy.Error{Code: songspy.CodeUnavailable}

func TestHead_IsGetWithoutABody(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for path, status := range map[string]int{
		"/": 200, "/healthz": 200, "/readyz": 200, "/openapi.yaml": 200, "/nowhere": 404,
		prefix + "/tracks/current-playing": 200, prefix + "/me": 200, prefix + "/google-auth": 405,
	} {
		get, head := e.Call("GET", path, nil, bearer...), e.request(t, "HEAD", path, bearer...)
		if head.StatusCode != status || get.Status != status || head.Header.Get("Content-Type") != get.Header.Get("Content-Type") ||
			head.Header.Get("ETag") != get.Header.Get("ETag") {
			t.Errorf("%s: HEAD answers %d %v, GET %d %v", path, head.StatusCode, head.Header, get.Status, get.Header)
		}
	}
	if head := e.request(t, "HEAD", prefix+"/me"); head.StatusCode != 401 {
		t.Errorf("HEAD without a token answers %d", head.StatusCode)
	}
}

// request sends a request that the contract lacks, such as a HEAD request, so nothing checks it
// against the contract. The test fails if the answer has a body.
func (e *testServer) request(t *testing.T, method, path string, header ...string) *http.Response {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, e.base+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for pair := range slices.Chunk(header, 2) {
		r.Header.Set(pair[0], pair[1])
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if body, err := io.ReadAll(resp.Body); err != nil || len(body) > 0 {
		t.Errorf("%s %s: body %q, error %v", method, path, body, err)
	}
	return resp
}
