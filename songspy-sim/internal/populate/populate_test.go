package populate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/populate"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// fakeSongspy implements, in memory, the part of Songspy's API that a frontend needs.
type fakeSongspy struct {
	client *http.Client // sends this service's own requests to the simulator
	base   string       // the simulator's address

	mu         sync.Mutex
	users      map[string]*fakeUser // by Google's ID
	calls      map[string]int       // how many calls there were, by path without the digits at its end
	pkceLinks  int                  // how many people have linked with PKCE
	retries    int                  // how many more calls get 503 with Retry-After
	notReady   int                  // how many more readiness checks fail
	refuseWith string               // the error code with which links are refused; empty if they are accepted
	invite     string               // the invite that a new user needs; empty if none is needed
}

type fakeUser struct {
	id       int
	nickname *string
	spotify  string
}

func (a *fakeSongspy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r.URL.Path == "/readyz" {
		if a.notReady--; a.notReady >= 0 {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		return
	}
	if a.retries--; a.retries >= 0 {
		w.Header().Set("Retry-After", "2")
		envelope(w, http.StatusServiceUnavailable, "PROVIDER_UNAVAILABLE", nil)
		return
	}
	path := strings.TrimPrefix(r.URL.Path, "/v1/songspy")
	a.calls[strings.TrimRight(path, "0123456789")]++
	var body map[string]string
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Header.Get("Content-Type") != "application/json" {
		envelope(w, http.StatusBadRequest, "INVALID_REQUEST", nil)
		return
	}
	if path == "/google-auth" {
		a.signIn(w, body["accessToken"], body["invite"])
		return
	}
	u := a.users[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer jwt-")]
	switch {
	case u == nil:
		envelope(w, http.StatusUnauthorized, "UNAUTHORIZED", nil)
	case path == "/spotify-auth":
		a.link(w, u, body)
	case path == fmt.Sprintf("/users/%d/edit", u.id):
		name := body["nickName"]
		u.nickname = &name
		envelope(w, http.StatusOK, "", map[string]string{"nickName": name})
	default:
		envelope(w, http.StatusForbidden, "FORBIDDEN", nil)
	}
}

func envelope(w http.ResponseWriter, status int, code string, data any) {
	out := map[string]any{"result": "SUCCESS", "data": data, "error": nil}
	if code != "" {
		out["result"], out["error"] = "ERROR", map[string]string{"code": code, "message": "no"}
	}
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(out)
}

// fetch sends a request to the simulator and decodes its response.
func (a *fakeSongspy) fetch(r *http.Request) map[string]any {
	resp, err := a.client.Do(r)
	if err != nil {
		return nil
	}
	defer resp.Body.Close()
	var out map[string]any
	_ = json.NewDecoder(resp.Body).Decode(&out)
	return out
}

func (a *fakeSongspy) signIn(w http.ResponseWriter, token, invite string) {
	r, _ := http.NewRequest(http.MethodGet, a.base+"/google/oauth2/v1/userinfo", nil)
	r.Header.Set("Authorization", "Bearer "+token)
	id, _ := a.fetch(r)["id"].(string)
	if id == "" {
		envelope(w, http.StatusUnauthorized, "GOOGLE_TOKEN_INVALID", nil)
		return
	}
	if a.users[id] == nil && invite != a.invite {
		envelope(w, http.StatusForbidden, "INVITE_REQUIRED", nil)
		return
	}
	if a.users[id] == nil {
		a.users[id] = &fakeUser{id: len(a.users) + 1}
	}
	u := a.users[id]
	envelope(w, http.StatusOK, "", map[string]any{"id": u.id, "nickName": u.nickname, "hasSpotify": u.spotify != "", "token": "jwt-" + id})
}

func (a *fakeSongspy) link(w http.ResponseWriter, u *fakeUser, body map[string]string) {
	if a.refuseWith != "" {
		envelope(w, http.StatusConflict, a.refuseWith, nil)
		return
	}
	form := url.Values{"grant_type": {"authorization_code"}, "code": {body["code"]}, "redirect_uri": {body["redirectUri"]}}
	if body["codeVerifier"] != "" {
		form.Set("code_verifier", body["codeVerifier"])
		a.pkceLinks++
	}
	r, _ := http.NewRequest(http.MethodPost, a.base+"/spotify/accounts/api/token", strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(sim.SpotifyClientID, sim.SpotifyClientSecret)
	u.spotify, _ = a.fetch(r)["access_token"].(string)
	if u.spotify == "" {
		envelope(w, http.StatusBadRequest, "SPOTIFY_CODE_INVALID", nil)
		return
	}
	envelope(w, http.StatusOK, "", true)
}

// start returns a simulator of 24 people, a fake Songspy, and the options that sign these
// people up. Both run in this process, without sockets.
func start(t *testing.T) (*sim.Sim, *fakeSongspy, populate.Options) {
	t.Helper()
	s, err := sim.New(sim.Options{People: 24})
	if err != nil {
		t.Fatal(err)
	}
	api := &fakeSongspy{
		client: &http.Client{Transport: s.Transport()}, base: "http://sim", users: map[string]*fakeUser{}, calls: map[string]int{},
	}
	return s, api, populate.Options{
		API: "http://api", Simulator: "http://sim", People: 24, Workers: 3, ReadyTimeout: time.Minute,
		GoogleRedirect: "http://127.0.0.1:3000/g", SpotifyRedirect: "http://127.0.0.1:3000/s",
		Client: &http.Client{Transport: hosts{"api": inProcess{api}, "sim": s.Transport()}},
	}
}

// hosts is an http.RoundTripper that passes each request to the RoundTripper of the
// request's host.
type hosts map[string]http.RoundTripper

func (h hosts) RoundTrip(r *http.Request) (*http.Response, error) { return h[r.URL.Host].RoundTrip(r) }

// inProcess is an http.RoundTripper that answers requests by a handler, without sockets.
type inProcess struct{ http.Handler }

func (h inProcess) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w.Result(), nil
}

func run(t *testing.T, o populate.Options) (populate.Result, error) {
	t.Helper()
	p, err := populate.New(o)
	if err != nil {
		t.Fatal(err)
	}
	return p.Run(t.Context())
}

func TestPopulate_SignsEverybodyUpOnce(t *testing.T) {
	s, api, o := start(t)
	named := 0
	for n := range 24 {
		if s.Person(n).Nickname != "" {
			named++
		}
	}
	first, err := run(t, o)
	if err != nil || first != (populate.Result{SignedIn: 24, Linked: 24, Named: int64(named)}) {
		t.Fatalf("first: %+v, %v", first, err)
	}
	if named == 24 || named < 12 || api.pkceLinks != 12 {
		t.Errorf("%d of 24 set a nickname, %d used PKCE", named, api.pkceLinks)
	}
	second, err := run(t, o)
	if err != nil || second != (populate.Result{SignedIn: 24}) {
		t.Errorf("second: %+v, %v", second, err)
	}
	if len(api.users) != 24 || api.calls["/spotify-auth"] != 24 {
		t.Errorf("%d users, calls %v", len(api.users), api.calls)
	}
}

func TestPopulate_WaitsForTheAPIAndRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, api, o := start(t)
		api.notReady, api.retries = 5, 2
		began := time.Now()
		if got, err := run(t, o); err != nil || got.Linked != 24 {
			t.Errorf("%+v, %v", got, err)
		}
		if time.Since(began) < 3*time.Second {
			t.Errorf("it did not wait for Retry-After: %v", time.Since(began))
		}
	})
}

func TestPopulate_TimesOutIfTheAPIIsNeverReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		_, api, o := start(t)
		api.notReady = 1 << 30
		if _, err := run(t, o); err == nil || !strings.Contains(err.Error(), "http://api/readyz was not ready within 1m0s: it answers 503") {
			t.Errorf("error is %v", err)
		}
	})
}

func TestPopulate_ReportsErrorsOfTheAPI(t *testing.T) {
	_, api, o := start(t)
	api.refuseWith = "SPOTIFY_LINKED_ELSEWHERE"
	got, err := run(t, o)
	if err == nil || !strings.Contains(err.Error(), "SPOTIFY_LINKED_ELSEWHERE") || !strings.Contains(err.Error(), "and 19 more people") {
		t.Errorf("error is %v", err)
	}
	if got.SignedIn != 24 || got.Linked != 0 {
		t.Errorf("one failure stopped the others: %+v", got)
	}
	for _, secret := range []string{"ya29", "AC", "jwt-"} {
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error contains a secret: %v", err)
		}
	}
}

func TestPopulate_SendsAnInvite(t *testing.T) {
	_, api, o := start(t)
	api.invite = "ABCD-EFGH-JKLM-NPQR"
	if got, err := run(t, o); err == nil || !strings.Contains(err.Error(), "INVITE_REQUIRED") || got.SignedIn != 0 {
		t.Errorf("without an invite: %+v, %v", got, err)
	}
	o.Invite = api.invite
	if got, err := run(t, o); err != nil || got.Linked != 24 {
		t.Errorf("with an invite: %+v, %v", got, err)
	}
}

func TestPopulate_StopsWhenCanceled(t *testing.T) {
	_, _, o := start(t)
	p, err := populate.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := p.Run(ctx); err == nil || got.Linked != 0 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestNew_RejectsInvalidAddresses(t *testing.T) {
	_, _, o := start(t)
	for _, spoil := range []func(*populate.Options){
		func(o *populate.Options) { o.API = "127.0.0.1:8080" },
		func(o *populate.Options) { o.Simulator = "" },
		func(o *populate.Options) { o.People = 0 },
		func(o *populate.Options) { o.Workers = 0 },
	} {
		bad := o
		spoil(&bad)
		if _, err := populate.New(bad); err == nil {
			t.Errorf("accepted %+v", bad)
		}
	}
}
