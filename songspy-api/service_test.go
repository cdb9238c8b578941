package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

func TestAPI_ServesEveryRouteOfTheContract(t *testing.T) {
	forEachDatabase(t, func(t *testing.T, w *testAPI) {
		w.Call("GET", "/healthz", nil)
		if a := w.Call("GET", prefix+"/sign-up", nil); string(a.Data) != `{"policy":"open","redirect":true,"seats":true}` {
			t.Errorf("the policy is %s", a.Body)
		}
		ann := w.signIn(t, 0)
		if ann.NickName != nil || ann.HasSpotify || ann.ExpiresIn != 24*3600 {
			t.Errorf("a new user is %+v", ann)
		}

		var to struct{ URL, State, CodeVerifier, RedirectURI string }
		w.Call("GET", prefix+"/spotify-auth/url", nil, ann.bearer()...).DecodeData(t, &to)
		authorizeURL, err := url.Parse(to.URL)
		if err != nil || authorizeURL.Query().Get("state") != to.State || authorizeURL.Query().Get("code_challenge_method") != "S256" {
			t.Errorf("the authorization URL is %s, error %v", to.URL, err)
		}
		code := w.spotifyCode(0, to.CodeVerifier)
		linked := w.Call("POST", prefix+"/spotify-auth", map[string]any{
			"code": code, "redirectUri": to.RedirectURI, "codeVerifier": to.CodeVerifier, "unknown": true,
		}, ann.bearer()...)
		if w.wantStatus(t, linked, 200, ""); string(linked.Data) != "true" {
			t.Errorf("linking answers %s, want true", linked.Data)
		}
		var link struct {
			State  string
			Scopes []string
		}
		w.Call("GET", prefix+"/spotify-auth", nil, ann.bearer()...).DecodeData(t, &link)
		if link.State != "active" || len(songspy.MissingScopes(strings.Join(link.Scopes, " "))) > 0 {
			t.Errorf("the link is %+v", link)
		}

		edited := w.Call("POST", fmt.Sprint(prefix, "/users/", ann.ID, "/edit"), map[string]any{"nickName": "  앤  ", "showProfileImage": true, "unknown": 1}, ann.bearer()...)
		if string(edited.Data) != `{"nickName":"앤","showProfileImage":true}` {
			t.Errorf("editing answers %s", edited.Data)
		}
		var me struct {
			NickName   string
			HasSpotify bool
			Name       string
		}
		w.Call("GET", prefix+"/me", nil, ann.bearer()...).DecodeData(t, &me)
		if me.NickName != "앤" || !me.HasSpotify {
			t.Errorf("the account is %+v", me)
		}

		bob := w.signIn(t, 1)
		for _, call := range []contracttest.Response{
			w.Call("POST", prefix+"/spotify-auth/seat", map[string]string{"email": "bob@example.org"}, bob.bearer()...),
			w.Call("GET", prefix+"/spotify-auth/seat", nil, bob.bearer()...),
			w.Call("DELETE", prefix+"/spotify-auth/seat", nil, bob.bearer()...),
		} {
			w.wantStatus(t, call, 200, "")
		}
		for method, body := range map[string]any{"PUT": map[string]bool{"email": true}, "GET": nil} {
			if a := w.Call(method, prefix+"/me/notices", body, ann.bearer()...); string(a.Data) != `{"address":null,"email":true}` {
				t.Errorf("%s notices: %s", method, a.Data)
			}
		}

		w.writePlayback(t, ann.UserID, "A song")
		w.eventually(t, "the song on the board", func() bool { return strings.Contains(w.boardJSON(t), "A song") })
		w.wantStatus(t, w.Call("POST", prefix+"/me/poll", nil, ann.bearer()...), 200, "")
		w.checkEmbeds(t, ann)
		w.checkWebhook(t, ann)
		w.checkPeople(t, ann, bob)
		w.checkHistory(t, ann)
		w.checkOperator(t, ann, bob)
		w.wantStatus(t, w.Call("DELETE", prefix+"/spotify-auth", nil, ann.bearer()...), 200, "")
		for _, list := range []string{"/me/plays", "/me/gaps"} {
			if a := w.Call("GET", prefix+list, nil, ann.bearer()...); string(a.Data) != `{"items":[],"nextCursor":null}` {
				t.Errorf("after unlinking, %s answers %s", list, a.Data)
			}
		}
		w.eventually(t, "the board without the song", func() bool { return !strings.Contains(w.boardJSON(t), "A song") })

		var next signedIn
		w.Call("POST", prefix+"/token/refresh", map[string]string{"refreshToken": ann.RefreshToken}).DecodeData(t, &next)
		w.secrets = append(w.secrets, next.Token, next.RefreshToken)
		w.wantStatus(t, w.Call("POST", prefix+"/logout", nil, next.bearer()...), 200, "")
		w.wantStatus(t, w.Call("GET", prefix+"/me", nil, ann.bearer()...), 401, "SESSION_ENDED")

		phone, laptop := w.signIn(t, 0), w.signIn(t, 0)
		var sessions []struct {
			ID      int64
			Label   string
			Current bool
		}
		w.Call("GET", prefix+"/me/sessions", nil, laptop.bearer()...).DecodeData(t, &sessions)
		if len(sessions) != 2 || !strings.HasPrefix(sessions[0].Label, "Go-http-client") {
			t.Fatalf("the sessions are %+v", sessions)
		}
		for _, s := range sessions {
			if !s.Current {
				w.wantStatus(t, w.Call("DELETE", fmt.Sprint(prefix, "/me/sessions/", s.ID), nil, laptop.bearer()...), 200, "")
			}
		}
		w.wantStatus(t, w.Call("GET", prefix+"/me", nil, phone.bearer()...), 401, "SESSION_ENDED")
		w.wantStatus(t, w.Call("DELETE", prefix+"/me/sessions", nil, laptop.bearer()...), 200, "")
		w.wantStatus(t, w.Call("GET", prefix+"/me", nil, laptop.bearer()...), 401, "SESSION_ENDED")

		tablet := w.signIn(t, 0)
		go func() {
			w.eventually(t, "a stream", func() bool { return w.board.Stats().Streams == 1 })
			if err := w.db.RevokeSessions(t.Context(), tablet.UserID, 0); err != nil {
				t.Error(err)
			}
		}()
		if a := w.Call("GET", prefix+"/listening/stream?topics=window,following", nil, tablet.bearer()...); a.Status != 200 || !strings.HasSuffix(string(a.Body), "data: {\"reason\":\"session\"}\n\n") {
			t.Errorf("the stream of a session that ends: %d %s", a.Status, a.Body)
		}

		again := w.signIn(t, 0)
		if again.ID != ann.ID || again.NickName == nil {
			t.Errorf("after the second sign-in the user is %+v", again)
		}
		w.wantStatus(t, w.Call("DELETE", prefix+"/me", nil, again.bearer()...), 200, "")
		w.wantStatus(t, w.Call("GET", prefix+"/me", nil, again.bearer()...), 401, "SESSION_ENDED")
		if created := w.signIn(t, 0); created.ID == ann.ID || created.NickName != nil {
			t.Errorf("after the erasure, a new sign-in gives %+v", created)
		}
		carol := w.newBrowser(t, 2)
		w.wantStatus(t, carol.call("POST", prefix+"/auth/google", map[string]string{"return": "/"}), 200, "")
		wantLocation(t, carol.signIn("/"), "/")
		wantLocation(t, carol.link(""), "/linked")
		if uncalled := w.UncalledOperations(); len(uncalled) > 0 {
			t.Errorf("these operations never succeeded: %v", uncalled)
		}
	}, "SONGSPY_SPOTIFY_SEATS", "5", "SONGSPY_OPERATORS", emailOf(t, 0))
}

// writePlayback writes what the batch writes after a poll that finds the user playing a song with
// the title.
func (w *testAPI) writePlayback(t *testing.T, id songspy.UserID, title string) {
	t.Helper()
	link, err := w.db.Link(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	end := now.Add(3 * time.Minute)
	written, err := w.db.WritePlaybackUpdates(t.Context(), []songspy.PlaybackUpdate{{
		Playing: songspy.NowPlaying{
			UserID: id, State: songspy.PlayerPlaying, TrackURI: "spotify:track:" + title, DurationMS: 180_000,
			StartedAt: now, ObservedAt: now, EndsAt: &end, Generation: link.Generation,
		},
		Tracks:  []songspy.Track{{URI: "spotify:track:" + title, Kind: songspy.KindTrack, Title: title, DurationMS: 180_000}},
		Visible: true,
	}})
	if err != nil || written[0].Err != nil || written[0].Dropped {
		t.Fatalf("written %+v, error %v", written, err)
	}
}

func (w *testAPI) boardJSON(t *testing.T) string {
	t.Helper()
	a := w.Call("GET", prefix+"/tracks/current-playing", nil)
	w.wantStatus(t, a, 200, "")
	return string(a.Data)
}

func TestAPI_ForeignGoogleTokenStoresNothing(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	foreign := w.sim.GoogleToken(0, sim.ForeignGoogleClientID)
	w.secrets = append(w.secrets, foreign)
	w.wantStatus(t, w.Call("POST", prefix+"/google-auth", map[string]string{"accessToken": foreign}), 401, "GOOGLE_TOKEN_FOREIGN")
	if _, err := w.db.User(t.Context(), 1); songspy.CodeOf(err) != songspy.CodeNotFound {
		t.Errorf("a user is stored, or error %v", err)
	}
	w.wantStatus(t, w.Call("POST", prefix+"/google-auth", map[string]string{"accessToken": "unknown"}), 401, "GOOGLE_TOKEN_INVALID")
	defer w.sim.Fault(sim.Fault{Endpoint: "tokeninfo", Person: sim.Everyone, Kind: sim.ServerError})()
	a := w.Call("POST", prefix+"/google-auth", map[string]string{"accessToken": w.sim.GoogleToken(0, sim.GoogleClientID)})
	if w.wantStatus(t, a, 503, "GOOGLE_UNAVAILABLE"); a.Header.Get("Retry-After") == "" {
		t.Error("the answer has no Retry-After")
	}
}

// With a wrong secret of the Spotify app, waiting does not help. So the error must ask the user to
// contact the operator, and the log must say which variables to check.
func TestAPI_WrongAppSecretPointsToTheOperator(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite, "SONGSPY_SPOTIFY_CLIENT_SECRET", "not-the-secret")
	w.secrets = append(w.secrets, "not-the-secret")
	ann := w.signIn(t, 0)
	for range 2 {
		a := w.Call("POST", prefix+"/spotify-auth", map[string]any{"code": w.spotifyCode(0, "")}, ann.bearer()...)
		w.wantStatus(t, a, 503, "SPOTIFY_APP_REFUSED")
		if a.Error == nil || !strings.Contains(a.Error.Message, "operator") || strings.Contains(a.Error.Message, "not available") {
			t.Errorf("the error is %+v", a.Error)
		}
	}
	if !strings.Contains(w.log.String(), "check SONGSPY_SPOTIFY_CLIENT_ID and SONGSPY_SPOTIFY_CLIENT_SECRET") {
		t.Error("the log does not say which variables to check")
	}
}

func TestAPI_RejectsInvalidLinkings(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	ann, bob := w.signIn(t, 0), w.signIn(t, 1)
	link := func(user signedIn, query string, body any) contracttest.Response {
		return w.Call("POST", prefix+"/spotify-auth"+query, body, user.bearer()...)
	}
	code := w.spotifyCode(0, "")
	w.wantStatus(t, link(ann, "?code="+url.QueryEscape(code), nil), 200, "")
	w.wantStatus(t, link(ann, "?code="+url.QueryEscape(code), nil), 400, "SPOTIFY_CODE_INVALID") // the code has been used
	w.wantStatus(t, link(ann, "?code=unknown", nil), 400, "SPOTIFY_CODE_INVALID")
	w.wantStatus(t, link(ann, "", map[string]any{"code": w.spotifyCode(0, "a-verifier-of-forty-three-characters-at-least-1"), "codeVerifier": "another-verifier-of-forty-three-characters-or-so"}), 400, "SPOTIFY_CODE_INVALID")
	missing := link(ann, "", map[string]any{"code": w.spotifyCode(0, "", songspy.ScopeCurrentlyPlaying)})
	w.wantStatus(t, missing, 422, "SPOTIFY_SCOPES_MISSING")
	if !strings.Contains(missing.Error.Message, songspy.ScopeRecentlyPlayed) {
		t.Errorf("the message %q does not name the scope", missing.Error.Message)
	}
	w.wantStatus(t, link(bob, "", map[string]any{"code": w.spotifyCode(0, "")}), 409, "SPOTIFY_LINKED_ELSEWHERE")
	w.wantStatus(t, link(bob, "", map[string]any{"code": w.spotifyCode(0, ""), "move": true}), 200, "")
	if a := w.Call("GET", prefix+"/spotify-auth", nil, ann.bearer()...); a.Status != 200 || string(a.Data) != "null" {
		t.Errorf("without a link: status %d, %s", a.Status, a.Body)
	}
	w.wantStatus(t, link(bob, "", map[string]any{"code": w.spotifyCode(0, "")}), 200, "") // linking again

	cancel := w.sim.Fault(sim.Fault{Endpoint: "token", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: new(40)})
	w.wantStatus(t, link(ann, "", map[string]any{"code": w.spotifyCode(1, "")}), 503, "SPOTIFY_UNAVAILABLE")
	cancel()
	unused, calls := w.spotifyCode(1, ""), w.sim.Stats().Total("token")
	a := link(ann, "", map[string]any{"code": unused})
	if w.wantStatus(t, a, 503, "SPOTIFY_UNAVAILABLE"); a.Header.Get("Retry-After") == "" || w.sim.Stats().Total("token") != calls {
		t.Error("a code was used although the breaker is open")
	}
	admin := func(path string) (status int, body string) {
		answer := httptest.NewRecorder()
		w.adminHandler.ServeHTTP(answer, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "http://127.0.0.1"+path, http.NoBody))
		return answer.Code, answer.Body.String()
	}
	status, body := admin("/readyz")
	if status != 200 || !strings.HasPrefix(body, "ready\nCalls to circuit accounts of Spotify app ") || !strings.Contains(body, " are blocked (rate limited) until ") {
		t.Errorf("with an open breaker, /readyz answers %d %q", status, body)
	}
	if _, metrics := admin("/metrics"); !strings.Contains(metrics, `songspy_spotify_call_seconds_count{endpoint="token",outcome="ok"}`) {
		t.Error("the API's calls to Spotify are not measured")
	}
}

func TestAPI_ShowsThePageAndMetrics(t *testing.T) {
	w := newTestAPI(t, storetest.SQLite)
	page := w.Call("GET", "/", nil)
	script := regexp.MustCompile(`/assets/[0-9a-f]{16}/js/router\.js`).FindString(string(page.Body))
	for path, contains := range map[string]string{"/": "hat are you listening to", script: "import", "/openapi.yaml": "openapi: 3"} {
		if a := w.Call("GET", path, nil); a.Status != 200 || !strings.Contains(string(a.Body), contains) {
			t.Errorf("%s: status %d, %.200s", path, a.Status, a.Body)
		}
	}
	policy := page.Header.Get("Content-Security-Policy")
	covers, _ := url.Parse(w.env["SONGSPY_SPOTIFY_AUTHORIZE_URL"])
	if !strings.Contains(policy, " http://"+covers.Host) || strings.Contains(policy, "unsafe") {
		t.Errorf("the Content-Security-Policy is %s", policy)
	}
	for _, path := range []string{"/metrics", "/debug/pprof/"} {
		if a := w.Call("GET", path, nil); a.Status != 404 {
			t.Errorf("%s is public: status %d", path, a.Status)
		}
	}
	admin := contracttest.New(t, "http://"+w.adminListener.Addr().String(), contract)
	if a := admin.Call("GET", "/metrics", nil); !strings.Contains(string(a.Body), "songspy_board_users 0") || !strings.Contains(string(a.Body), `route="/openapi.yaml"`) {
		t.Errorf("the metrics are %.300s", a.Body)
	}
}
