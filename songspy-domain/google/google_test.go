package google_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/google"
)

const (
	token            = songspy.Secret("ya29.a0AfH6SMB-token")
	acceptedClientID = "client.apps.googleusercontent.com"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

// fakeGoogle answers tokeninfo and userinfo with the given handlers.
type fakeGoogle struct {
	tokeninfo, userinfo http.HandlerFunc
	requests            atomic.Int32 // the number of userinfo requests
}

func (s *fakeGoogle) client(t *testing.T, configure ...func(*google.Config)) *google.Client {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("GET /tokeninfo", func(w http.ResponseWriter, r *http.Request) { s.tokeninfo(w, r) })
	mux.HandleFunc("GET /userinfo", func(w http.ResponseWriter, r *http.Request) {
		s.requests.Add(1)
		s.userinfo(w, r)
	})
	srv := httptest.NewServer(mux)
	t.Cleanup(srv.Close)
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := google.Config{
		UserinfoURL: srv.URL + "/userinfo", TokeninfoURL: srv.URL + "/tokeninfo",
		Audiences: []string{acceptedClientID, "android"}, Transport: transport,
		Now: func() time.Time { return noon },
	}
	for _, f := range configure {
		f(&c)
	}
	return google.New(c)
}

func respond(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func stall(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func cutOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "500")
	_, _ = io.WriteString(w, `{"aud":"`)
}

// good is an answer of tokeninfo for a token that was issued to an accepted client and
// expires an hour after noon.
var good = fmt.Sprintf(`{"azp":"%s","aud":"%s","sub":"1107","scope":"openid","exp":"%d","expires_in":"3560","email":"ada@example.org","email_verified":"true","access_type":"online"}`,
	acceptedClientID, acceptedClientID, noon.Add(time.Hour).Unix())

const person = `{"id":"1107","email":"ada@example.org","verified_email":true,"name":"Ada","given_name":"Ada","picture":"https://lh3.googleusercontent.com/a/x","locale":"ko"}`

func profile(c *google.Client) (songspy.GoogleProfile, error) {
	return c.Profile(context.Background(), token)
}

func wantError(t *testing.T, err error, c songspy.Code, reason string, wait time.Duration) {
	t.Helper()
	if songspy.CodeOf(err) != c || songspy.ReasonOf(err) != reason || songspy.RetryAfterOf(err) != wait {
		t.Fatalf("got %q %q, retry after %v (%v)\nwant %q %q, retry after %v",
			songspy.CodeOf(err), songspy.ReasonOf(err), songspy.RetryAfterOf(err), err, c, reason, wait)
	}
}

func TestProfile_ReadsEveryVersion(t *testing.T) {
	old := fmt.Sprintf(`{"issued_to":"%s","audience":"%s","user_id":"1107","expires_in":3000,"email":"ada@example.org","verified_email":true}`, acceptedClientID, acceptedClientID)
	withoutSubject := fmt.Sprintf(`{"aud":"%s","exp":"%d"}`, acceptedClientID, noon.Add(time.Minute).Unix())
	android := fmt.Sprintf(`{"azp":"android","aud":"%s","sub":"1107","exp":%d}`, acceptedClientID, noon.Add(time.Minute).Unix())
	plain := songspy.GoogleProfile{Subject: "1107", Name: "Ada", PictureURL: "https://lh3.googleusercontent.com/a/x"}
	ada := plain
	ada.Email = "ada@example.org"
	for name, c := range map[string]struct {
		tokeninfo, userinfo string
		want                songspy.GoogleProfile
	}{
		"current tokeninfo, v1":                {good, person, ada},
		"older tokeninfo":                      {old, person, ada},
		"tokeninfo without a sub":              {withoutSubject, person, ada},
		"requested by another accepted client": {android, person, ada},
		"v3":                                   {good, `{"sub":"1107","name":"Ada","picture":"https://lh3.googleusercontent.com/a/x","email_verified":true}`, plain},
		"number as ID":                         {good, `{"id":1107,"name":"Ada"}`, songspy.GoogleProfile{Subject: "1107", Name: "Ada"}},
		"neither name nor picture":             {good, `{"id":"1107","name":null}`, songspy.GoogleProfile{Subject: "1107"}},
		"hostile":                              {good, `{"id":"1107","name":"A\u0000d\u202ea  \n","picture":"javascript:alert(1)"}`, songspy.GoogleProfile{Subject: "1107", Name: "Ada"}},
		"a simulator's picture":                {good, `{"id":"1107","picture":"http://127.0.0.1:8090/p.svg"}`, songspy.GoogleProfile{Subject: "1107", PictureURL: "http://127.0.0.1:8090/p.svg"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := &fakeGoogle{tokeninfo: respond(200, c.tokeninfo), userinfo: respond(200, c.userinfo)}
			got, err := profile(s.client(t))
			if err != nil || got != c.want {
				t.Fatalf("got %+v, %v", got, err)
			}
		})
	}
}

func TestProfile_EmailOnlyIfVerified(t *testing.T) {
	for reported, want := range map[string]songspy.Secret{
		`"email":"ada@example.org","verified_email":true`:                              "ada@example.org",
		`"email":"ada@example.org","email_verified":true`:                              "ada@example.org",
		`"email":"ada@example.org","email_verified":"true"`:                            "ada@example.org",
		`"email":"ada@example.org","verified_email":true,"email_verified":true`:        "ada@example.org",
		`"email":"ada@example.org"`:                                                    "",
		`"email":"ada@example.org","verified_email":false`:                             "",
		`"email":"ada@example.org","email_verified":"false"`:                           "",
		`"email":"ada@example.org","email_verified":1`:                                 "",
		`"email":"ada@example.org","email_verified":{"true":true}`:                     "",
		`"email":"ada@example.org","verified_email":true,"email_verified":false`:       "",
		`"email":"ada@example.org","verified_email":null,"email_verified":"false"`:     "",
		`"email":["ada@example.org"],"email_verified":true`:                            "",
		`"email":"` + strings.Repeat("a", 250) + `@example.org","email_verified":true`: "",
	} {
		s := &fakeGoogle{tokeninfo: respond(200, good), userinfo: respond(200, `{"id":"1107",`+reported+`}`)}
		if got, err := profile(s.client(t)); err != nil || got.Email != want {
			t.Errorf("%s: got %q, %v, want %q", reported, got.Email.Reveal(), err, want.Reveal())
		}
	}
}

func TestProfile_SendsTokenWhereItBelongs(t *testing.T) {
	s := &fakeGoogle{
		tokeninfo: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Query().Get("access_token") != token.Reveal() || r.Header.Get("Authorization") != "" {
				t.Errorf("tokeninfo got %s with %v", r.URL, r.Header)
			}
			respond(200, good)(w, r)
		},
		userinfo: func(w http.ResponseWriter, r *http.Request) {
			if r.URL.RawQuery != "" || r.Header.Get("Authorization") != "Bearer "+token.Reveal() {
				t.Errorf("userinfo got %s with %v", r.URL, r.Header)
			}
			respond(200, person)(w, r)
		},
	}
	if _, err := profile(s.client(t)); err != nil {
		t.Fatal(err)
	}
}

func TestProfile_RejectsForeignToken(t *testing.T) {
	exp := noon.Add(time.Hour).Unix()
	for name, tokeninfo := range map[string]string{
		"another application":                     fmt.Sprintf(`{"azp":"evil","aud":"evil","sub":"1107","exp":"%d"}`, exp),
		"requested by another application":        fmt.Sprintf(`{"azp":"evil","aud":"%s","sub":"1107","exp":"%d"}`, acceptedClientID, exp),
		"older, another application":              `{"issued_to":"evil","audience":"evil","user_id":"1107","expires_in":3000}`,
		"older, requested by another application": fmt.Sprintf(`{"issued_to":"evil","audience":"%s","expires_in":3000}`, acceptedClientID),
		"two audiences, one foreign":              fmt.Sprintf(`{"aud":"%s","audience":"evil","exp":"%d"}`, acceptedClientID, exp),
		"a list of audiences":                     fmt.Sprintf(`{"aud":["%s"],"exp":"%d"}`, acceptedClientID, exp),
		"empty audience":                          fmt.Sprintf(`{"azp":"%s","aud":"","exp":"%d"}`, acceptedClientID, exp),
		"no audience":                             fmt.Sprintf(`{"azp":"%s","exp":"%d"}`, acceptedClientID, exp),
		"empty object":                            `{}`,
	} {
		t.Run(name, func(t *testing.T) {
			s := &fakeGoogle{tokeninfo: respond(200, tokeninfo), userinfo: respond(200, person)}
			_, err := profile(s.client(t))
			wantError(t, err, songspy.CodeUnauthorized, google.ReasonTokenForeign, 0)
			if s.requests.Load() != 0 {
				t.Error("userinfo was called with a foreign token")
			}
		})
	}
	t.Run("no accepted audience", func(t *testing.T) {
		s := &fakeGoogle{tokeninfo: respond(200, good), userinfo: respond(200, person)}
		_, err := profile(s.client(t, func(c *google.Config) { c.Audiences = []string{""} }))
		wantError(t, err, songspy.CodeUnauthorized, google.ReasonTokenForeign, 0)
	})
}

func TestProfile_RejectsInvalidOrExpiredToken(t *testing.T) {
	for name, c := range map[string]struct{ tokeninfo, userinfo http.HandlerFunc }{
		"tokeninfo's 400":         {respond(400, `{"error":"invalid_token","error_description":"Invalid Value"}`), respond(200, person)},
		"tokeninfo's 401":         {respond(401, ``), respond(200, person)},
		"expired":                 {respond(200, fmt.Sprintf(`{"aud":"%s","exp":"%d","expires_in":"5"}`, acceptedClientID, noon.Unix())), respond(200, person)},
		"older, expired":          {respond(200, fmt.Sprintf(`{"audience":"%s","expires_in":0}`, acceptedClientID)), respond(200, person)},
		"no expiry":               {respond(200, fmt.Sprintf(`{"aud":"%s"}`, acceptedClientID)), respond(200, person)},
		"expiry is not a number":  {respond(200, fmt.Sprintf(`{"aud":"%s","exp":"later"}`, acceptedClientID)), respond(200, person)},
		"userinfo's v2 401":       {respond(200, good), respond(401, `{"error":{"code":401,"message":"Request is missing required authentication credential.","status":"UNAUTHENTICATED"}}`)},
		"userinfo's v3 401":       {respond(200, good), respond(401, `{"error":"invalid_request","error_description":"Invalid Credentials"}`)},
		"userinfo's 403":          {respond(200, good), respond(403, ``)},
		"another account":         {respond(200, good), respond(200, `{"id":"2208","name":"Eve"}`)},
		"two accounts, userinfo":  {respond(200, good), respond(200, `{"id":"1107","sub":"2208"}`)},
		"two accounts, tokeninfo": {respond(200, fmt.Sprintf(`{"aud":"%s","sub":"1107","user_id":"2208","expires_in":9}`, acceptedClientID)), respond(200, person)},
	} {
		t.Run(name, func(t *testing.T) {
			s := &fakeGoogle{tokeninfo: c.tokeninfo, userinfo: c.userinfo}
			_, err := profile(s.client(t))
			wantError(t, err, songspy.CodeUnauthorized, google.ReasonTokenInvalid, 0)
			holdsNoSecret(t, err)
		})
	}
	for name, token := range map[string]songspy.Secret{"empty": "", "two lines": "a\nb", "too long": songspy.Secret(strings.Repeat("x", 5000))} {
		t.Run(name, func(t *testing.T) {
			s := &fakeGoogle{tokeninfo: func(http.ResponseWriter, *http.Request) { t.Error("google was called") }}
			_, err := s.client(t).Profile(context.Background(), token)
			wantError(t, err, songspy.CodeUnauthorized, google.ReasonTokenInvalid, 0)
		})
	}
}

func TestProfile_OutageIsUnavailable(t *testing.T) {
	echo := func(w http.ResponseWriter, r *http.Request) {
		conn, _, _ := w.(http.Hijacker).Hijack()
		_, _ = io.WriteString(conn, r.URL.String()+r.Header.Get("Authorization")+"\r\n\r\n")
		_ = conn.Close()
	}
	for name, c := range map[string]struct{ tokeninfo, userinfo http.HandlerFunc }{
		"500":             {respond(500, "<html>"), respond(200, person)},
		"429":             {respond(429, ""), respond(200, person)},
		"tokeninfo's 403": {respond(403, ""), respond(200, person)},
		"404":             {respond(404, ""), respond(200, person)},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/userinfo?"+r.URL.RawQuery, http.StatusFound)
		}, respond(200, person)},
		"HTML":                      {respond(200, "<html>"), respond(200, person)},
		"cut":                       {cutOff, respond(200, person)},
		"slow":                      {stall, respond(200, person)},
		"not HTTP":                  {echo, respond(200, person)},
		"endless":                   {respond(200, `{"aud":"`+strings.Repeat("x", 100_000)+`"}`), respond(200, person)},
		"userinfo's 503":            {respond(200, good), respond(503, "")},
		"userinfo's HTML":           {respond(200, good), respond(200, "<html>")},
		"userinfo names no account": {respond(200, good), respond(200, `{"name":"Ada"}`)},
		"userinfo cut":              {respond(200, good), cutOff},
		"userinfo slow":             {respond(200, good), stall},
		"userinfo not HTTP":         {respond(200, good), echo},
		"a list":                    {respond(200, good), respond(200, `[]`)},
	} {
		t.Run(name, func(t *testing.T) {
			s := &fakeGoogle{tokeninfo: c.tokeninfo, userinfo: c.userinfo}
			_, err := profile(s.client(t, func(c *google.Config) { c.Timeout = 200 * time.Millisecond }))
			wantError(t, err, songspy.CodeUnavailable, google.ReasonUnavailable, 5*time.Second)
			holdsNoSecret(t, err)
		})
	}
	t.Run("no server", func(t *testing.T) {
		s := &fakeGoogle{}
		_, err := profile(s.client(t, func(c *google.Config) { c.TokeninfoURL = "http://127.0.0.1:1/" }))
		wantError(t, err, songspy.CodeUnavailable, google.ReasonUnavailable, 5*time.Second)
		holdsNoSecret(t, err)
	})
	t.Run("an invalid address", func(t *testing.T) {
		s := &fakeGoogle{}
		_, err := profile(s.client(t, func(c *google.Config) { c.TokeninfoURL = "http://%zz" }))
		wantError(t, err, songspy.CodeUnavailable, google.ReasonUnavailable, 5*time.Second)
		holdsNoSecret(t, err)
	})
}

func TestProfile_StopsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	s := &fakeGoogle{tokeninfo: func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() }}
	if _, err := s.client(t).Profile(ctx, token); !errors.Is(err, context.Canceled) {
		t.Fatalf("the cause is %v", err)
	}
}

func holdsNoSecret(t *testing.T, err error) {
	t.Helper()
	asJSON, _ := json.Marshal(err)
	for ; err != nil; err = errors.Unwrap(err) {
		shown := fmt.Sprintf("%v %+v %#v %s", err, err, err, asJSON)
		for _, s := range []string{token.Reveal(), "ya29", "ada@example.org", "access_token=", "Bearer ", "://", "1107"} {
			if strings.Contains(shown, s) {
				t.Errorf("the error contains %q: %s", s, shown)
			}
		}
	}
}
