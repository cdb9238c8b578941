package spotify_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/spotify"
)

func TestApps_UserIsPolledThroughTheirApp(t *testing.T) {
	var mu sync.Mutex
	used := map[string]int{} // how many calls of the token endpoint came from each client ID
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		switch id, _, basic := r.BasicAuth(); {
		case basic:
			used[id]++
			_, _ = w.Write([]byte(`{"access_token":"fresh","token_type":"Bearer","expires_in":3600}`))
		case r.Header.Get("Authorization") == "Bearer refused":
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
		default:
			w.WriteHeader(http.StatusNoContent)
		}
	}))
	defer server.Close()
	apps := spotify.NewApps(spotify.Config{AccountsURL: server.URL, APIURL: server.URL, Logger: slog.New(slog.DiscardHandler)},
		spotify.App{ID: "one", Secret: "s1"}, spotify.App{ID: "two", Secret: "s2"})

	for _, app := range []string{"one", "two", "two", ""} {
		if _, err := apps.Refresh(t.Context(), songspy.Link{App: app, RefreshToken: "r", AuthMethod: songspy.AuthBasic}); err != nil {
			t.Fatal(err)
		}
	}
	if used["one"] != 2 || used["two"] != 2 {
		t.Errorf("renewals went through %v; a link without an app belongs to the first one", used)
	}
	poll := func(app string, token songspy.Secret) error {
		_, err := apps.CurrentlyPlaying(context.WithoutCancel(t.Context()), songspy.Credentials{App: app, Token: token})
		return err
	}
	if poll("one", "refused") == nil || apps.Breakers()["one"].API.Cause != breaker.CauseRateLimited || apps.Breakers()["two"].API.Cause != "" {
		t.Errorf("after a refusal of one app the breakers are %+v", apps.Breakers())
	}
	if err := poll("two", "good"); err != nil {
		t.Errorf("a poll through another app: %v", err)
	}
	if len(apps.Notes()) > 0 {
		t.Errorf("notes without an unknown app: %q", apps.Notes())
	}
	err := poll("gone", "good")
	if songspy.ReasonOf(err) != spotify.ReasonAppUnknown || songspy.DispositionOf(err) != songspy.DispositionRetryLater {
		t.Errorf("a poll through an app that is not configured: %v", err)
	}
	if notes := strings.Join(apps.Notes(), ""); !strings.Contains(notes, "app gone, which is not configured") {
		t.Errorf("the notes are %q", notes)
	}
}

func TestApps_OfOneAccountShareBreakersAndQuota(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Authorization") == "Bearer refused" {
			w.Header().Set("Retry-After", "60")
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	apps := spotify.NewApps(spotify.Config{APIURL: server.URL, Logger: slog.New(slog.DiscardHandler), DailyCalls: 3},
		spotify.App{ID: "one", Account: "one"}, spotify.App{ID: "two", Account: "one"}, spotify.App{ID: "three"})
	poll := func(app string, token songspy.Secret) error {
		_, err := apps.CurrentlyPlaying(t.Context(), songspy.Credentials{App: app, Token: token})
		return err
	}
	if err := errors.Join(poll("one", "good"), poll("two", "good"), poll("three", "good")); err != nil {
		t.Fatal(err)
	}
	account := apps.QuotaAccount("two")
	if shared, other := apps.QuotaHeadroom(account, time.Now()), apps.QuotaHeadroom("three", time.Now()); account != "one" || shared.Calls != 2 || other.Calls != 1 {
		t.Errorf("account %q has made %d calls and three %d, want 2 and 1", account, shared.Calls, other.Calls)
	}
	if poll("two", "refused") == nil || poll("one", "good") == nil {
		t.Error("a blocked account is still called through its other app")
	}
	if err := poll("three", "good"); err != nil {
		t.Errorf("a poll through another account: %v", err)
	}
	if len(apps.Breakers()) != 2 {
		t.Errorf("the breakers are %v, want those of two accounts", apps.Breakers())
	}
}

func TestApps_UserAppUsesClientIDOnly(t *testing.T) {
	const id = "0123456789abcdef0123456789abcdef"
	var form url.Values
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/api/token" {
			_ = r.ParseForm()
			form = r.PostForm
			_, _ = w.Write([]byte(`{"access_token":"fresh","token_type":"Bearer","expires_in":3600,"refresh_token":"next"}`))
			return
		}
		w.Header().Set("Retry-After", "60")
		w.WriteHeader(http.StatusTooManyRequests)
	}))
	defer server.Close()
	apps := spotify.NewApps(spotify.Config{AccountsURL: server.URL, APIURL: server.URL, Logger: slog.New(slog.DiscardHandler), DailyCalls: 1},
		spotify.App{ID: "one", Secret: "s1"})
	userApp := songspy.UserApp(id)
	grant, err := apps.Refresh(t.Context(), songspy.Link{App: userApp, RefreshToken: "r", AuthMethod: songspy.AuthPKCE})
	if err != nil || grant.RefreshToken != "next" || form.Get("client_id") != id || form.Has("client_secret") {
		t.Errorf("%v: the form was %v", err, form)
	}
	if account := apps.QuotaAccount(userApp); account != userApp {
		t.Errorf("the calls of the user-supplied app count against the quota of %s", account)
	}
	if _, err := apps.CurrentlyPlaying(t.Context(), songspy.Credentials{App: userApp, Token: "t"}); err == nil {
		t.Fatal("a refusal caused no error")
	}
	if len(apps.Breakers()) != 1 || apps.Breakers()["one"].API.Cause != "" {
		t.Errorf("the breakers of the instance are %v", apps.Breakers())
	}
	if notes := strings.Join(apps.Notes(), ""); !strings.Contains(notes, "blocks the calls of 1 user-supplied apps") || strings.Contains(notes, id) {
		t.Errorf("the notes are %q", notes)
	}
}
