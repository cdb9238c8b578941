package httpapi

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/changefeed/changefeedtest"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/contracttest"
	"github.com/songspy/songspy/songspy-api/internal/linking"
	"github.com/songspy/songspy/songspy-api/internal/people"
	"github.com/songspy/songspy/songspy-api/internal/web"
)

// These are the secrets in the requests of the tests. newTestServer checks that they are not
// logged.
const (
	googleToken = "google-access-token-of-ann"
	spotifyCode = "spotify-code-of-ann"
	annsMail    = "ann@example.org"
)

// testServer is a running HTTP server, its backend in memory, and a client of the contract.
type testServer struct {
	*contracttest.Client
	*fakeBackend
	base    string
	handler http.Handler
	log     *syncBuffer
	secrets []string
}

var parseTestContract = sync.OnceValues(func() (*Contract, error) {
	spec, err := os.ReadFile("../../openapi.yaml")
	if err != nil {
		return nil, err
	}
	return ParseContract(spec)
})

// testContract returns the contract, which all tests share.
func testContract(t *testing.T) *Contract {
	t.Helper()
	c, err := parseTestContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// newTestServer starts a server. The functions change may change its options and its backend.
// The test fails in the end if the server has logged one of the secrets.
func newTestServer(t *testing.T, change ...func(*Options, *fakeBackend)) *testServer {
	t.Helper()
	h := &fakeBackend{users: map[songspy.UserID]songspy.User{}, links: map[songspy.UserID]songspy.Link{}, sessions: map[int64]songspy.Session{}}
	e := &testServer{fakeBackend: h, log: &syncBuffer{}, secrets: []string{googleToken, spotifyCode, annsMail}}
	log := telemetry.NewLogger(e.log, "debug", "json")
	contract := testContract(t)
	authService, err := auth.New(auth.Options{
		Google: h, OpenID: fakeOpenID{}, Attempts: h, Users: signInUsers{h}, Sessions: h, Keys: []auth.Key{{ID: "k", Seed: bytes.Repeat([]byte("k"), 32)}},
		Issuer: "http://songspy.test", TokenLife: time.Hour, SessionLife: 24 * time.Hour, SessionMaxLife: 48 * time.Hour,
		Audience: songspy.AudienceEveryone, SignUp: auth.SignUp{Policy: auth.PolicyOpen}, Now: time.Now, Log: log,
	})
	if err != nil {
		t.Fatal(err)
	}
	site, err := web.New()
	if err != nil {
		t.Fatal(err)
	}
	live := board.New(board.Options{Feed: h, Render: testIDs.BoardRenderer("http://songspy.test"), RenderList: RenderList, RenderLive: RenderLive, StreamsPerAccount: 2, Now: time.Now, Log: log})
	o := Options{
		Contract: contract, Auth: authService, TrackIDs: testIDs, Board: live, Users: h, Links: h, History: h, Mailboxes: h, PublicURL: "http://songspy.test",
		Linking:         linking.New(linking.Options{Apps: []linking.App{{Spotify: h}}, Links: h, RedirectURLs: []string{"https://fe.test/callback"}, Now: time.Now}),
		ReadinessChecks: []ReadinessCheck{{Name: "backend", Run: func(context.Context) error { return h.failure() }}},
		People:          people.New(nil, live, nil, time.Now), Site: site,
		Metrics: prometheus.NewRegistry(), Now: time.Now, Log: log,
	}
	for _, c := range change {
		c(&o, h)
	}
	handler, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(handler)
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); live.Run(ctx) }()
	for h.failure() == nil && live.Ready() != nil {
		runtime.Gosched()
	}
	t.Cleanup(func() {
		server.Close()
		stop()
		<-ended
		for _, secret := range e.secrets {
			if bytes.Contains(e.log.Bytes(), []byte(secret)) {
				t.Errorf("the log holds the secret %q", secret)
			}
		}
	})
	e.handler, e.base, e.Client = handler, server.URL, contracttest.New(t, server.URL, contract.spec)
	return e
}

// signIn signs the user Ann in. It returns the answer, and the header Authorization of her
// requests as name and value.
func (e *testServer) signIn(t *testing.T) (SignedIn, []string) {
	t.Helper()
	a := e.Call("POST", contracttest.Prefix+"/google-auth", map[string]string{"accessToken": googleToken})
	if a.Status != 200 {
		t.Fatalf("sign-in: %d %s", a.Status, a.Body)
	}
	var in SignedIn
	a.DecodeData(t, &in)
	e.secrets = append(e.secrets, in.Token, in.RefreshToken)
	return in, []string{"Authorization", "Bearer " + in.Token}
}

// syncBuffer is a log that several goroutines may write.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(p)
}

func (s *syncBuffer) Bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.buf.Bytes())
}

var testIDs = NewTrackIDs([]byte("key of the test"))

var errNotFound = &songspy.Error{Code: songspy.CodeNotFound}

// fakeBackend implements the store, Google and Spotify in memory. Most of it is not locked, so a
// test sends one request at a time.
type fakeBackend struct {
	changefeedtest.Feed
	users       map[songspy.UserID]songspy.User
	links       map[songspy.UserID]songspy.Link
	sessions    map[int64]songspy.Session
	attempt     *songspy.AuthorizationAttempt
	entriesMu   sync.Mutex
	entries     []songspy.BoardEntry
	failing     atomic.Pointer[error] // the error of most reads, such as those of users, plays and the board; nil if they succeed
	panics      bool
	hangs       bool  // reads of users hang until their context ends
	spotifyErr  error // the error of Ready and Refresh
	exchangeErr error // the error of Exchange
	scope       string
	exchanges   int
	mailbox     songspy.Mailbox
}

func (h *fakeBackend) Profile(_ context.Context, access songspy.Secret) (songspy.GoogleProfile, error) {
	if access != googleToken {
		return songspy.GoogleProfile{}, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "GOOGLE_TOKEN_FOREIGN"}
	}
	return songspy.GoogleProfile{Subject: "g-ann", Name: "Ann", PictureURL: "https://pictures.test/ann"}, nil
}

// fakeOpenID implements Google as an OpenID provider, for sign-ins by redirect.
type fakeOpenID struct{}

func (fakeOpenID) AuthorizeURL(_ context.Context, state, _ string, _ songspy.Secret) (string, error) {
	return "https://google.test/?state=" + state, nil
}

func (fakeOpenID) Redeem(context.Context, songspy.Secret, songspy.Secret, string) (songspy.GoogleProfile, error) {
	return songspy.GoogleProfile{Subject: "g-ann", Name: "Ann"}, nil
}

func (h *fakeBackend) CreateAuthorizationAttempt(_ context.Context, a songspy.AuthorizationAttempt) error {
	h.attempt = &a
	return nil
}

func (h *fakeBackend) TakeAuthorizationAttempt(_ context.Context, hash []byte, _ time.Time) (songspy.AuthorizationAttempt, error) {
	a := h.attempt
	if a == nil || !bytes.Equal(a.StateHash, hash) {
		return songspy.AuthorizationAttempt{}, errNotFound
	}
	h.attempt = nil
	return *a, nil
}

func (h *fakeBackend) SignInOrUp(_ context.Context, p songspy.GoogleProfile, a songspy.Audience, _ songspy.SignUpCondition) (songspy.User, bool, error) {
	_, linked := h.links[1]
	u, ok := h.users[1]
	if !ok {
		u = songspy.User{ID: 1, PublicID: 1, GoogleSub: p.Subject, GoogleName: p.Name, PictureURL: p.PictureURL, Audience: a, CreatedAt: time.Now()}
		h.users[1] = u
	}
	return u, linked, nil
}

func (h *fakeBackend) CreateSession(_ context.Context, s songspy.Session) (songspy.Session, error) {
	s.ID = int64(len(h.sessions) + 1)
	if s.Family == 0 {
		s.Family = s.ID
	}
	h.sessions[s.ID] = s
	return s, nil
}

func (h *fakeBackend) Session(_ context.Context, id int64) (songspy.Session, error) {
	if s, ok := h.sessions[id]; ok {
		return s, nil
	}
	return songspy.Session{}, errNotFound
}

func (h *fakeBackend) SessionBySecret(_ context.Context, hash []byte) (songspy.Session, error) {
	for _, s := range h.sessions {
		if bytes.Equal(s.SecretHash, hash) {
			return s, nil
		}
	}
	return songspy.Session{}, errNotFound
}

func (h *fakeBackend) RotateSession(ctx context.Context, id int64, successor songspy.Session) (songspy.Session, error) {
	old, now := h.sessions[id], time.Now()
	old.RotatedAt = &now
	h.sessions[id] = old
	return h.CreateSession(ctx, successor)
}

func (h *fakeBackend) RevokeFamily(_ context.Context, family int64, _ songspy.AuditActor) error {
	now := time.Now()
	for id, s := range h.sessions {
		if s.Family == family {
			s.RevokedAt = &now
			h.sessions[id] = s
		}
	}
	return nil
}

func (h *fakeBackend) User(ctx context.Context, self visibility.Self) (songspy.User, error) {
	if h.panics {
		panic("at the disco")
	}
	if h.hangs {
		<-ctx.Done()
		return songspy.User{}, &songspy.Error{Code: songspy.CodeUnavailable, Err: ctx.Err()}
	}
	return h.users[self.ID()], h.failure()
}

func (h *fakeBackend) UpdateUser(_ context.Context, self visibility.Self, change func(*songspy.User) error) (songspy.User, error) {
	u := h.users[self.ID()]
	err := change(&u)
	h.users[self.ID()] = u
	return u, err
}

func (h *fakeBackend) EraseUser(_ context.Context, id songspy.UserID) (songspy.Erasure, error) {
	delete(h.users, id)
	clear(h.sessions)
	return songspy.Erasure{Plays: 3, Tracks: 2}, nil
}

func (h *fakeBackend) Link(_ context.Context, id songspy.UserID) (songspy.Link, error) {
	if l, ok := h.links[id]; ok {
		return l, nil
	}
	return songspy.Link{}, errNotFound
}

func (h *fakeBackend) Breakers(context.Context, string) (breaker.Stored, error) {
	return breaker.Stored{}, h.failure()
}

func (h *fakeBackend) Unlink(_ context.Context, id songspy.UserID) (songspy.Erasure, error) {
	_, linked := h.links[id]
	delete(h.links, id)
	return songspy.Erasure{Link: linked, Plays: 3, Tracks: 2}, nil
}

func (h *fakeBackend) SaveLink(_ context.Context, n songspy.NewLink) (songspy.Link, error) {
	if n.Account.ID == "taken" && !n.Move {
		return songspy.Link{}, &songspy.Error{Code: songspy.CodeConflict, Reason: "SPOTIFY_LINKED_ELSEWHERE"}
	}
	l := songspy.Link{UserID: n.UserID, Scope: n.Grant.Scope, State: songspy.LinkActive, StateSince: n.ConsentedAt, CreatedAt: n.ConsentedAt, AuthorizedAt: n.ConsentedAt}
	h.links[n.UserID] = l
	return l, nil
}

func (h *fakeBackend) UpdateLink(_ context.Context, user songspy.UserID, change func(*songspy.Link) error) (songspy.Link, error) {
	return songspy.Link{UserID: user}, change(&songspy.Link{UserID: user})
}

func (h *fakeBackend) SavePendingGrant(_ context.Context, n songspy.NewLink) (songspy.Link, error) {
	h.links[n.UserID] = songspy.Link{UserID: n.UserID, Scope: n.Grant.Scope, State: songspy.LinkNotRegistered, StateSince: n.ConsentedAt, AuthorizedAt: n.ConsentedAt}
	return h.links[n.UserID], nil
}

func (h *fakeBackend) Refresh(context.Context, songspy.Link) (songspy.Grant, error) {
	return songspy.Grant{}, h.spotifyErr
}

func (h *fakeBackend) ChooseApp(context.Context, songspy.UserID, []songspy.AppSeats) (string, error) {
	return "", nil
}

func (h *fakeBackend) Ready(context.Context) error { return h.spotifyErr }

func (h *fakeBackend) AuthorizeURL(state, challenge, redirectURI string) string {
	return "https://accounts.test/authorize?state=" + state + "&code_challenge=" + challenge + "&redirect_uri=" + redirectURI
}

func (h *fakeBackend) Exchange(_ context.Context, r songspy.AuthorizationCode) (songspy.Grant, error) {
	h.exchanges++
	if h.exchangeErr == nil && r.Code != spotifyCode {
		return songspy.Grant{}, &songspy.Error{Code: songspy.CodeInvalid, Reason: "SPOTIFY_CODE_INVALID"}
	}
	scope := h.scope
	if scope == "" {
		scope = songspy.ScopeRecentlyPlayed + " " + songspy.ScopeCurrentlyPlaying
	}
	return songspy.Grant{AccessToken: "a", RefreshToken: "r", Scope: scope}, h.exchangeErr
}

func (h *fakeBackend) Account(context.Context, songspy.Secret) (songspy.SpotifyAccount, error) {
	return songspy.SpotifyAccount{ID: "ann"}, nil
}

// fail makes most reads return the error from now on, such as those of users, plays and the
// board. With nil they succeed again.
func (h *fakeBackend) fail(err error) { h.failing.Store(&err) }

func (h *fakeBackend) failure() error {
	if err := h.failing.Load(); err != nil {
		return *err
	}
	return nil
}

func (h *fakeBackend) FeedBounds(ctx context.Context) (oldest, last int64, err error) {
	oldest, last, err = h.Feed.FeedBounds(ctx)
	return oldest, last, errors.Join(err, h.failure())
}

// changeEntry changes the stored entry with the index i, under the lock, because the running
// board may be reading the entries.
func (h *fakeBackend) changeEntry(i int, change func(*songspy.BoardEntry)) {
	h.entriesMu.Lock()
	defer h.entriesMu.Unlock()
	change(&h.entries[i])
}

func (h *fakeBackend) BoardEntries(_ context.Context, ids []songspy.UserID) (entries []songspy.BoardEntry, err error) {
	h.entriesMu.Lock()
	defer h.entriesMu.Unlock()
	for _, p := range h.entries {
		if slices.Contains(ids, p.User.ID) {
			entries = append(entries, p)
		}
	}
	return entries, nil
}

func (h *fakeBackend) BoardSnapshot(ctx context.Context, each func(songspy.BoardEntry) error) (int64, error) {
	h.entriesMu.Lock()
	defer h.entriesMu.Unlock()
	for _, p := range h.entries {
		if err := each(p); err != nil {
			return 0, err
		}
	}
	_, last, err := h.FeedBounds(ctx)
	return last, err
}

func (h *fakeBackend) Sessions(_ context.Context, user songspy.UserID, at time.Time, _ int) (active []songspy.Session, err error) {
	for _, s := range h.sessions {
		if s.UserID == user && s.RotatedAt == nil && s.IsActive(at) {
			active = append(active, s)
		}
	}
	return active, h.failure()
}

func (h *fakeBackend) TouchSession(context.Context, int64, time.Time) error { return nil }

func (h *fakeBackend) RevokeSessions(_ context.Context, user songspy.UserID, family int64) error {
	err := error(errNotFound)
	for id, s := range h.sessions {
		if s.UserID == user && (family == 0 || s.Family == family) && s.RevokedAt == nil {
			s.RevokedAt = &s.CreatedAt
			h.sessions[id], err = s, nil
		}
	}
	return err
}

// signInUsers adapts a fakeBackend to the interface auth.Users.
type signInUsers struct{ *fakeBackend }

func (f signInUsers) User(_ context.Context, id songspy.UserID) (songspy.User, error) {
	return f.fakeBackend.User(context.Background(), visibility.NewSelf(id))
}
