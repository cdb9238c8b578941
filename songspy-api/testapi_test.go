package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store/storetest"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-sim/sim"

	"github.com/songspy/songspy/songspy-api/internal/contracttest"
)

const (
	prefix   = contracttest.Prefix
	redirect = "http://127.0.0.1:5173/callback"
)

// testAPI is the whole API on a real database, with simulated providers.
type testAPI struct {
	*contracttest.Client
	*service
	sim     *sim.Sim
	env     map[string]string
	log     *syncBuffer
	secrets []string
}

// syncBuffer is a log that several goroutines may write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *syncBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *syncBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// environment returns the configuration of the API in these tests.
func environment(t *testing.T, database, providers string) map[string]string {
	t.Helper()
	return map[string]string{
		"SONGSPY_ENV": config.Development, "SONGSPY_DATABASE_URL": database, "SONGSPY_STATE_DIR": t.TempDir(),
		"SONGSPY_API_ADDR": "127.0.0.1:0", "SONGSPY_API_ADMIN_ADDR": "127.0.0.1:0", "SONGSPY_LOG_LEVEL": "debug",
		"SONGSPY_SPOTIFY_CLIENT_ID": sim.SpotifyClientID, "SONGSPY_SPOTIFY_CLIENT_SECRET": sim.SpotifyClientSecret,
		"SONGSPY_SPOTIFY_REDIRECT_URL":  redirect,
		"SONGSPY_SPOTIFY_AUTHORIZE_URL": providers + "/spotify/accounts/authorize",
		"SONGSPY_SPOTIFY_ACCOUNTS_URL":  providers + "/spotify/accounts",
		"SONGSPY_SPOTIFY_API_URL":       providers + "/spotify/api",
		"SONGSPY_GOOGLE_CLIENT_ID":      sim.GoogleClientID,
		"SONGSPY_GOOGLE_CLIENT_SECRET":  sim.GoogleClientSecret,
		"SONGSPY_GOOGLE_USERINFO_URL":   providers + "/google/oauth2/v1/userinfo",
		"SONGSPY_GOOGLE_TOKENINFO_URL":  providers + "/google/tokeninfo",
		"SONGSPY_GOOGLE_ISSUER_URL":     providers + "/google",
	}
}

// newTestAPI starts the API on a database of the engine. The argument more holds alternating names and
// values of further environment variables. At its end, the test fails if the log holds a secret.
func newTestAPI(t *testing.T, engine string, more ...string) *testAPI {
	t.Helper()
	// The simulator must know the address of its server. So the server starts first, and gets its
	// handler below.
	var handler http.Handler
	providers := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	t.Cleanup(providers.Close)
	s, err := sim.New(sim.Options{Seed: 1, People: 4, PublicURL: providers.URL})
	if err != nil {
		t.Fatal(err)
	}
	handler = s.Handler()
	w := &testAPI{sim: s, log: &syncBuffer{}, env: environment(t, storetest.Migrated(t, engine).URL, providers.URL)}
	for i := 0; i < len(more); i += 2 {
		w.env[more[i]] = more[i+1]
	}
	if code := run(t.Context(), []string{"migrate"}, w.env, w.log, w.log); code != 0 {
		t.Fatalf("migrate: code %d\n%s", code, w.log)
	}
	var loaded settings
	if err := config.Load(&loaded, w.env); err != nil {
		t.Fatal(err)
	}
	if w.service, err = newService(t.Context(), loaded, telemetry.NewLogger(w.log, "debug", "json")); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- w.run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the service ended with error %v", err)
		}
		for _, secret := range w.secrets {
			if secret == "" || strings.Contains(w.log.String(), secret) {
				t.Errorf("the log holds the secret %q", secret)
			}
		}
	})
	w.Client = contracttest.New(t, "http://"+w.publicListener.Addr().String(), contract)
	w.eventually(t, "ready", func() bool { return w.Call("GET", "/readyz", nil).Status == 200 })
	return w
}

func (w *testAPI) eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !holds() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("waited too long for %s", what)
		}
	}
}

// signedIn is what a client stores of a sign-in.
type signedIn struct {
	ID              int64
	NickName        *string
	HasSpotify      bool
	ProfileImageURL *string
	Token           string
	RefreshToken    string
	ExpiresIn       int
	UserID          songspy.UserID `json:"-"` // the internal id, which the database has
}

func (s signedIn) handle() string { return songspy.Handle(songspy.PublicID(s.ID)) }

func (s signedIn) bearer() []string { return []string{"Authorization", "Bearer " + s.Token} }

func (w *testAPI) signIn(t *testing.T, person int) signedIn {
	t.Helper()
	google := w.sim.GoogleToken(person, sim.GoogleClientID)
	a := w.Call("POST", prefix+"/google-auth", map[string]any{"accessToken": google, "unknown": 1})
	if a.Status != 200 {
		t.Fatalf("sign-in: status %d, %s", a.Status, a.Body)
	}
	var in signedIn
	a.DecodeData(t, &in)
	stored, err := w.db.PersonByPublicID(t.Context(), songspy.PublicID(in.ID))
	if err != nil {
		t.Fatal(err)
	}
	in.UserID = stored.User.ID
	w.secrets = append(w.secrets, google, in.Token, in.RefreshToken, w.sim.Person(person).Email)
	return in
}

// spotifyCode returns the authorization code that Spotify issues after the person has consented. If
// verifier is not empty, the code is bound to its PKCE challenge.
func (w *testAPI) spotifyCode(person int, verifier string, scopes ...string) string {
	o := sim.CodeOptions{ClientID: sim.SpotifyClientID, RedirectURI: redirect, Scopes: scopes}
	if verifier != "" {
		sum := sha256.Sum256([]byte(verifier))
		o.Challenge = base64.RawURLEncoding.EncodeToString(sum[:])
		w.secrets = append(w.secrets, verifier)
	}
	code := w.sim.SpotifyCode(person, o)
	w.secrets = append(w.secrets, code)
	return code
}

func (w *testAPI) wantStatus(t *testing.T, a contracttest.Response, status int, code string) {
	t.Helper()
	if a.Status != status || a.ErrorCode() != code {
		t.Fatalf("status %d, %s, want %d %s", a.Status, a.Body, status, code)
	}
}

// forEachDatabase runs a test on every database.
func forEachDatabase(t *testing.T, test func(*testing.T, *testAPI), more ...string) {
	for _, engine := range []string{storetest.SQLite, storetest.Postgres} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			test(t, newTestAPI(t, engine, more...))
		})
	}
}
