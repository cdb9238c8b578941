package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/gin-gonic/gin"

	"github.com/songspy/songspy/songspy-api/internal/linking"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

const prefix = contracttest.Prefix

// wantFault checks that an answer is an error envelope with the status and the code.
func wantFault(t *testing.T, a contracttest.Response, status int, code string) {
	t.Helper()
	if a.Status != status || a.ErrorCode() != code || a.Result != "ERROR" || string(a.Data) != "null" {
		t.Errorf("answered %d %s, want %d %s", a.Status, a.Body, status, code)
	}
}

func TestFaults_HaveACodeInTheEnvelope(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for name, c := range map[string]struct {
		method, path string
		body         any
		header       []string
		status       int
		code         string
		names        string
	}{
		"unknown route":              {"GET", "/nowhere", nil, nil, 404, "NOT_FOUND", ""},
		"unknown method":             {"PUT", prefix + "/me", nil, nil, 405, "METHOD_NOT_ALLOWED", ""},
		"no token":                   {"GET", prefix + "/me", nil, nil, 401, "UNAUTHORIZED", ""},
		"another scheme":             {"GET", prefix + "/me", nil, []string{"Authorization", "Basic abc"}, 401, "UNAUTHORIZED", ""},
		"bad token":                  {"GET", prefix + "/me", nil, []string{"Authorization", "Bearer abc"}, 401, "UNAUTHORIZED", ""},
		"no body":                    {"POST", prefix + "/google-auth", nil, []string{"Content-Type", "application/json"}, 400, "INVALID_REQUEST", "body"},
		"incomplete JSON":            {"POST", prefix + "/google-auth", `{"accessToken":`, nil, 400, "INVALID_REQUEST", "body"},
		"two JSON values":            {"POST", prefix + "/google-auth", `{"accessToken":"x"} {}`, nil, 400, "INVALID_REQUEST", "body"},
		"not an object":              {"POST", prefix + "/google-auth", `[]`, nil, 400, "INVALID_REQUEST", "body"},
		"field missing":              {"POST", prefix + "/google-auth", `{}`, nil, 400, "INVALID_REQUEST", "accessToken"},
		"empty field":                {"POST", prefix + "/google-auth", `{"accessToken":""}`, nil, 400, "INVALID_REQUEST", "accessToken"},
		"wrong case":                 {"POST", prefix + "/google-auth", `{"AccessToken":"x"}`, nil, 400, "INVALID_REQUEST", "accessToken"},
		"wrong type":                 {"POST", prefix + "/google-auth", `{"accessToken":7}`, nil, 400, "INVALID_REQUEST", "accessToken"},
		"null":                       {"POST", prefix + "/google-auth", `{"accessToken":null}`, nil, 400, "INVALID_REQUEST", "accessToken"},
		"too long":                   {"POST", prefix + "/google-auth", `{"accessToken":"` + strings.Repeat("x", 5000) + `"}`, nil, 400, "INVALID_REQUEST", "accessToken"},
		"unknown field":              {"POST", prefix + "/token/refresh", `{"refreshToken":"x","extra":1}`, nil, 400, "INVALID_REQUEST", "extra"},
		"another type":               {"POST", prefix + "/google-auth", `accessToken=x`, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		"no type":                    {"POST", prefix + "/google-auth", `{"accessToken":"x"}`, []string{"Content-Type", ""}, 415, "UNSUPPORTED_MEDIA_TYPE", ""},
		"body too large":             {"POST", prefix + "/google-auth", `{"accessToken":"` + strings.Repeat("x", bodyLimit) + `"}`, nil, 413, "BODY_TOO_LARGE", ""},
		"id is not a number":         {"POST", prefix + "/users/ann/edit", `{"nickName":"x"}`, bearer, 400, "INVALID_REQUEST", "id"},
		"id is zero":                 {"POST", prefix + "/users/0/edit", `{"nickName":"x"}`, bearer, 400, "INVALID_REQUEST", "id"},
		"id is too large":            {"POST", prefix + "/users/99999999999999999999/edit", `{"nickName":"x"}`, bearer, 400, "INVALID_REQUEST", "id"},
		"another user":               {"POST", prefix + "/users/2/edit", `{"nickName":"x"}`, bearer, 403, "FORBIDDEN", ""},
		"message of incomplete JSON": {"POST", prefix + "/google-auth", `{"accessToken":`, nil, 400, "INVALID_REQUEST", "not valid JSON"},
		"JSON and text":              {"POST", prefix + "/google-auth", `{"accessToken":"x"} x`, nil, 400, "INVALID_REQUEST", "not valid JSON"},
		"another charset":            {"POST", prefix + "/google-auth", `{"accessToken":"x"}`, []string{"Content-Type", "application/json; charset=euc-kr"}, 415, "UNSUPPORTED_MEDIA_TYPE", "UTF-8"},
		"nothing to unlink":          {"DELETE", prefix + "/spotify-auth", nil, bearer, 404, "SPOTIFY_NOT_LINKED", ""},
		"no code":                    {"POST", prefix + "/spotify-auth", nil, bearer, 400, "SPOTIFY_CODE_INVALID", ""},
		"unknown redirect":           {"GET", prefix + "/spotify-auth/url?redirectUri=https://evil.test", nil, bearer, 400, "INVALID_REQUEST", "redirectUri"},
		"unknown refresh":            {"POST", prefix + "/token/refresh", `{"refreshToken":"x"}`, nil, 401, "REFRESH_TOKEN_INVALID", ""},
		"foreign Google":             {"POST", prefix + "/google-auth", `{"accessToken":"x"}`, nil, 401, "GOOGLE_TOKEN_FOREIGN", ""},
		"padded token":               {"GET", prefix + "/me", nil, []string{"Authorization", bearer[1] + "="}, 401, "UNAUTHORIZED", ""},
	} {
		t.Run(name, func(t *testing.T) {
			a := e.Call(c.method, c.path, c.body, c.header...)
			wantFault(t, a, c.status, c.code)
			if a.Error != nil && !strings.Contains(a.Error.Message, c.names) {
				t.Errorf("the message %q does not name %q", a.Error.Message, c.names)
			}
			if (a.Header.Get("WWW-Authenticate") != "") != (c.status == 401 && c.method != "POST") {
				t.Errorf("WWW-Authenticate: %q", a.Header.Get("WWW-Authenticate"))
			}
		})
	}
}

func TestFaults_AreKoreanIfPreferred(t *testing.T) {
	e := newTestServer(t)
	for header, korean := range map[string]bool{
		"":                           false,
		"ko":                         true,
		"ko-KR,ko;q=0.9,en-US;q=0.8": true,
		"en;q=0.9,ko;q=0.8":          false,
		"de,ko;q=0.5":                true,
		"de":                         false,
		"!!":                         false,
	} {
		a := e.Call("GET", "/nowhere", nil, "Accept-Language", header)
		if got := a.Error.Message == messageByCode["NOT_FOUND"].korean; got != korean {
			t.Errorf("%q: answered %q", header, a.Error.Message)
		}
	}
	a := e.Call("POST", prefix+"/token/refresh", `{"extra":1,"refreshToken":"x"}`, "Accept-Language", "ko")
	if want := "extra 필드는 쓸 수 없습니다."; a.Error.Message != want {
		t.Errorf("answered %q, want %q", a.Error.Message, want)
	}
}

func TestFaults_SayWhetherTheGrantWasStored(t *testing.T) {
	for name, c := range map[string]struct {
		cause error
		want  message
	}{
		"stored":     {nil, messageByCode["SPOTIFY_NOT_REGISTERED"]},
		"not stored": {errors.Join(errors.New("rejected"), linking.ErrGrantNotStored), grantNotStored},
	} {
		err := &songspy.Error{Code: songspy.CodeForbidden, Reason: "SPOTIFY_NOT_REGISTERED", Err: c.cause}
		for language, want := range map[string]string{"en": c.want.english, "ko": c.want.korean} {
			if status, fault := toFault(err, language); status != 403 || fault.Code != SPOTIFYNOTREGISTERED || fault.Message != want {
				t.Errorf("%s, %s: status %d, %+v", name, language, status, fault)
			}
		}
	}
	if strings.Contains(grantNotStored.english, "do not need") || !strings.Contains(messageByCode["SPOTIFY_NOT_REGISTERED"].english, "you do not need to sign in to Spotify again") {
		t.Error("only the message of a stored grant must say that no new sign-in is needed")
	}
}

func TestFaults_NeverShowInternalErrors(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for name, fail := range map[string]error{
		"plain":           errors.New("dial tcp 10.1.2.3:5432: refused"),
		"internal":        &songspy.Error{Code: songspy.CodeInternal, Reason: "SECRET_REASON", Message: "10.1.2.3"},
		"an unknown code": &songspy.Error{Code: "strange", Message: "10.1.2.3"},
		"wrapped":         fmt.Errorf("read: %w", &songspy.Error{Code: songspy.CodeInternal, Err: errors.New("10.1.2.3")}),
	} {
		e.fail(fail)
		a := e.Call("GET", prefix+"/me", nil, bearer...)
		wantFault(t, a, 500, "COMMON_ERROR")
		if strings.Contains(string(a.Body), "10.1.2.3") {
			t.Errorf("%s: answered %s", name, a.Body)
		}
	}
	if !strings.Contains(string(e.log.Bytes()), "10.1.2.3") {
		t.Error("the log lacks the cause")
	}
}

func TestFaults_AreReturnedForPanics(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	e.panics = true
	wantFault(t, e.Call("GET", prefix+"/me", nil, bearer...), 500, "COMMON_ERROR")
	if !strings.Contains(string(e.log.Bytes()), "at the disco") {
		t.Error("the log lacks the panic")
	}
}

func TestFaults_HaveRetryAfter(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for want, fail := range map[string]error{
		"2": &songspy.Error{Code: songspy.CodeUnavailable, RetryAfter: 1100 * time.Millisecond},
		"5": &songspy.Error{Code: songspy.CodeUnavailable},
	} {
		e.fail(fail)
		a := e.Call("GET", prefix+"/me", nil, bearer...)
		wantFault(t, a, 503, "UNAVAILABLE")
		if got := a.Header.Get("Retry-After"); got != want {
			t.Errorf("Retry-After: %s, want %s", got, want)
		}
	}
}

func TestFaults_AreReturnedForTimeouts(t *testing.T) {
	e := newTestServer(t, func(o *Options, _ *fakeBackend) { o.RequestTimeout = 50 * time.Millisecond })
	_, bearer := e.signIn(t)
	e.hangs = true
	wantFault(t, e.Call("GET", prefix+"/me", nil, bearer...), 503, "UNAVAILABLE")
}

func TestReadiness_NamesTheFailedCheck(t *testing.T) {
	e := newTestServer(t)
	e.fail(&songspy.Error{Code: songspy.CodeUnavailable, Message: "The backend is down.", Err: errors.New("at 10.1.2.3")})
	a := e.Call("GET", "/readyz", nil)
	if a.Status != http.StatusServiceUnavailable || !strings.Contains(string(a.Data), "The backend is down.") || strings.Contains(string(a.Body), "10.1.2.3") {
		t.Errorf("answered %d %s", a.Status, a.Body)
	}
}

func TestFaults_NameTheField(t *testing.T) {
	e := newTestServer(t)
	_, bearer := e.signIn(t)
	for name, c := range map[string]struct {
		method, path string
		body         any
		field        string
	}{
		"missing":       {"POST", prefix + "/google-auth", `{}`, "accessToken"},
		"unknown":       {"POST", prefix + "/token/refresh", `{"refreshToken":"x","extra":1}`, "extra"},
		"invalid JSON":  {"POST", prefix + "/google-auth", `{`, "body"},
		"a parameter":   {"GET", prefix + "/me/plays?limit=0", nil, "limit"},
		"a nickname":    {"POST", prefix + "/users/1/edit", `{"nickName":"\u200b"}`, "nickName"},
		"a redirect":    {"GET", prefix + "/spotify-auth/url?redirectUri=https://evil.test", nil, "redirectUri"},
		"no code":       {"POST", prefix + "/spotify-auth", nil, "code"},
		"unknown route": {"GET", "/nowhere", nil, ""},
	} {
		a := e.Call(c.method, c.path, c.body, bearer...)
		var fault struct{ Error struct{ Field *string } }
		if err := json.Unmarshal(a.Body, &fault); err != nil || deref(fault.Error.Field) != c.field || (fault.Error.Field == nil) != (c.field == "") {
			t.Errorf("%s: answered %s, error %v", name, a.Body, err)
		}
	}
}

func TestFaults_MethodNotAllowedNamesTheAllowedOnes(t *testing.T) {
	e := newTestServer(t)
	for path, allow := range map[string]string{"/healthz": "GET, HEAD", prefix + "/google-auth": "POST"} {
		if a := e.Call("PATCH", path, nil); a.Status != 405 || a.Header.Get("Allow") != allow {
			t.Errorf("%s: status %d, Allow %q, want %q", path, a.Status, a.Header.Get("Allow"), allow)
		}
	}
}

func TestMessages_MatchTheContract(t *testing.T) {
	for code := range messageByCode {
		if !FaultCode(code).Valid() {
			t.Errorf("the contract's enum lacks %s", code)
		}
	}
	spec := openapi3.NewLoader()
	doc, err := spec.LoadFromFile("../../openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, code := range doc.Components.Schemas["Fault"].Value.Properties["code"].Value.Enum {
		if _, ok := messageByCode[fmt.Sprint(code)]; !ok {
			t.Errorf("%v of the contract has no message", code)
		}
	}
}

func TestMessages_NameTheLimits(t *testing.T) {
	for code, limit := range map[string]string{"TOO_MANY_EMBEDS": strconv.Itoa(songspy.EmbedTokensMax), "TOO_MANY_HIDDEN_ITEMS": "1,000"} {
		if m := messageByCode[code]; !strings.Contains(m.english, limit) || !strings.Contains(m.korean, limit) {
			t.Errorf("the message of %s does not name the limit %s: %+v", code, limit, m)
		}
	}
	if songspy.HiddenItemsMax != 1000 {
		t.Error("the message of TOO_MANY_HIDDEN_ITEMS names another limit")
	}
}

func TestMessages_CoverEveryCodeInBothLanguages(t *testing.T) {
	for _, kind := range faultByCode {
		if _, ok := messageByCode[kind.reason]; !ok {
			t.Errorf("%s has no message", kind.reason)
		}
	}
	for reason := range statusByReason {
		if _, ok := messageByCode[reason]; !ok {
			t.Errorf("%s has no message", reason)
		}
	}
	for code, m := range messageByCode {
		if m.english == "" || m.korean == "" || strings.Count(m.english, "%s") != strings.Count(m.korean, "%s") {
			t.Errorf("%s lacks a language, or the texts have different details: %+v", code, m)
		}
	}
}

func TestFaults_OfDisconnectedClientsAreNotLogged(t *testing.T) {
	for name, gone := range map[string]bool{"disconnected": true, "connected": false} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if gone {
			cancel()
		}
		log := &syncBuffer{}
		s := &server{opts: Options{Contract: &Contract{}, Log: telemetry.NewLogger(log, "debug", "json")}}
		c, _ := gin.CreateTestContext(httptest.NewRecorder())
		c.Request = httptest.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
		s.writeFault(c, fmt.Errorf("reading: %w", context.Canceled))
		if logged := len(log.Bytes()) > 0; logged == gone {
			t.Errorf("%s: the error is logged: %v", name, logged)
		}
	}
}
