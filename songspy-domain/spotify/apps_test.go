package spotify_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/gate"
	"github.com/songspy/songspy/songspy-domain/spotify"
)

func TestApps_EachPersonIsAskedByWayOfTheirOwn(t *testing.T) {
	var mu sync.Mutex
	used := map[string]int{} // client ids at the token endpoint
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
		t.Errorf("renewals went through %v; a link that names no app is the first's", used)
	}
	look := func(app string, token songspy.Secret) error {
		_, err := apps.CurrentlyPlaying(context.WithoutCancel(t.Context()), songspy.Access{App: app, Token: token})
		return err
	}
	if look("one", "refused") == nil || apps.Doors()["one"].API.Why != gate.WhyThrottled || apps.Doors()["two"].API.Why != "" {
		t.Errorf("a refusal of one app: %+v", apps.Doors())
	}
	if err := look("two", "good"); err != nil {
		t.Errorf("another app's door: %v", err)
	}
	if len(apps.Notes()) > 0 {
		t.Errorf("nothing is unknown, and %q", apps.Notes())
	}
	err := look("gone", "good")
	if songspy.ReasonOf(err) != spotify.ReasonAppUnknown || songspy.DispositionOf(err) != songspy.DispositionRetryLater {
		t.Errorf("of an app that is not configured: %v", err)
	}
	if notes := strings.Join(apps.Notes(), ""); !strings.Contains(notes, "app gone, which is not configured") {
		t.Errorf("the notes say %q", notes)
	}
}
