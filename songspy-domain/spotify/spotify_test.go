package spotify_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/spotify"
)

const (
	access   = songspy.Secret("access-BQDx81")
	refresh  = songspy.Secret("refresh-AQCz55")
	code     = songspy.Secret("code-AQDf77")
	verifier = songspy.Secret("verifier-0123456789abcdefghijklmnopqrstuvwxyzABCD")
	secret   = songspy.Secret("app-secret-9f3b")
)

// fakeSpotify is an HTTP server in place of Spotify. It answers every request with the
// current handler and records the request.
type fakeSpotify struct {
	url    string
	answer atomic.Pointer[http.HandlerFunc]

	mu       sync.Mutex
	received []request
}

// request is one recorded request.
type request struct {
	method, path, query string
	header              http.Header
	form                url.Values
}

// fakeClock is a clock that moves only when a test advances it.
type fakeClock struct{ at atomic.Int64 }

func newClock() *fakeClock {
	c := &fakeClock{}
	c.at.Store(time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC).UnixNano())
	return c
}

func (c *fakeClock) now() time.Time          { return time.Unix(0, c.at.Load()) }
func (c *fakeClock) advance(d time.Duration) { c.at.Add(int64(d)) }

// newFakeSpotify starts a server that answers every request with h.
func newFakeSpotify(t *testing.T, h http.HandlerFunc) *fakeSpotify {
	t.Helper()
	p := &fakeSpotify{}
	p.respondWith(h)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Errorf("reading a request: %v", err)
		}
		form, _ := url.ParseQuery(string(body))
		p.mu.Lock()
		p.received = append(p.received, request{r.Method, r.URL.Path, r.URL.RawQuery, r.Header, form})
		p.mu.Unlock()
		(*p.answer.Load())(w, r)
	}))
	t.Cleanup(srv.Close)
	p.url = srv.URL
	return p
}

func (p *fakeSpotify) respondWith(h http.HandlerFunc) { p.answer.Store(&h) }

func (p *fakeSpotify) requests() []request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]request(nil), p.received...)
}

// client returns a client of the server. configure may change its Config.
func (p *fakeSpotify) client(t *testing.T, configure ...func(*spotify.Config)) *spotify.Client {
	t.Helper()
	transport := &http.Transport{}
	t.Cleanup(transport.CloseIdleConnections)
	c := spotify.Config{
		App: "main", ClientID: "app-id", ClientSecret: secret,
		AuthorizeURL: p.url + "/authorize", AccountsURL: p.url, APIURL: p.url + "/",
		RedirectURL: "http://127.0.0.1:8080/back",
		Transport:   transport,
		Now:         newClock().now,
		Logger:      slog.New(slog.DiscardHandler),
	}
	for _, f := range configure {
		f(&c)
	}
	return spotify.New(c)
}

// says returns a handler that answers with a status and a body, with the Content-Type
// that Spotify sends. header holds names and values in turn.
func says(status int, body string, header ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		contentType := "text/plain"
		if strings.HasPrefix(body, "{") {
			contentType = "application/json; charset=utf-8"
		}
		w.Header().Set("Content-Type", contentType)
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// rawResponse returns a handler that answers with bytes that need not be HTTP.
func rawResponse(answer string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		_, _ = io.WriteString(conn, answer)
		_ = conn.Close()
	}
}

// stall does not answer until the caller disconnects.
func stall(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

func link(auth songspy.AuthMethod) songspy.Link {
	return songspy.Link{UserID: 7, App: "main", AuthMethod: auth, AccessToken: access, RefreshToken: refresh}
}

// poll makes one call of currently-playing.
func poll(c *spotify.Client) error {
	_, err := c.CurrentlyPlaying(context.Background(), access)
	return err
}

func renew(c *spotify.Client) error {
	_, err := c.Refresh(context.Background(), link(songspy.AuthBasic))
	return err
}

func exchange(c *spotify.Client) error {
	_, err := c.Exchange(context.Background(), songspy.AuthorizationCode{Code: code, Verifier: verifier})
	return err
}

func identify(c *spotify.Client) error {
	_, err := c.Account(context.Background(), access)
	return err
}

// wantError asserts an error's code, reason, disposition and RetryAfter.
func wantError(t *testing.T, err error, c songspy.Code, reason string, d songspy.Disposition, wait time.Duration) {
	t.Helper()
	if songspy.CodeOf(err) != c || songspy.ReasonOf(err) != reason || songspy.DispositionOf(err) != d || songspy.RetryAfterOf(err) != wait {
		t.Fatalf("got %q %q, disposition %d, retry after %v (%v)\nwant %q %q, disposition %d, retry after %v",
			songspy.CodeOf(err), songspy.ReasonOf(err), songspy.DispositionOf(err), songspy.RetryAfterOf(err), err,
			c, reason, d, wait)
	}
}
