package auth

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/viewercache"
)

// testService is a Service over fakes, and its clock.
type testService struct {
	*Service
	store *fakeStore
	now   time.Time
	log   bytes.Buffer
}

func newTestService(t *testing.T, keys ...Key) *testService {
	t.Helper()
	if len(keys) == 0 {
		keys = []Key{key("a")}
	}
	w := &testService{store: &fakeStore{sessions: map[int64]songspy.Session{}}, now: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)}
	w.store.now = func() time.Time { return w.now }
	// The clock of the cache stands still, so that the cache keeps sessions until a change is
	// reported.
	began := w.now
	w.store.viewers = viewercache.New(func() time.Time { return began })
	w.store.viewers.CaughtUp(began)
	service, err := New(Options{
		Google: fakeGoogle{}, Users: w.store, Sessions: w.store, Keys: keys, Issuer: "http://songspy.test",
		TokenLife: time.Hour, SessionLife: 30 * 24 * time.Hour, SessionMaxLife: 180 * 24 * time.Hour, Audience: songspy.AudienceEveryone, SignUp: SignUp{Policy: PolicyOpen}, Viewers: w.store.viewers,
		Now: w.store.now, Log: slog.New(slog.NewTextHandler(&w.log, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	w.Service = service
	return w
}

func key(id string) Key { return Key{ID: id, Seed: bytes.Repeat([]byte(id), 32)} }

func (w *testService) signIn(t *testing.T) Tokens {
	t.Helper()
	_, _, tokens, err := w.SignIn(t.Context(), "good", "", "")
	if err != nil {
		t.Fatal(err)
	}
	return tokens
}

func wantReason(t *testing.T, err error, reason string) {
	t.Helper()
	if got := songspy.ReasonOf(err); got != reason {
		t.Fatalf("reason %q (%v), want %q", got, err, reason)
	}
}

func TestSignIn_StoresNothingIfGoogleRejectsTheToken(t *testing.T) {
	w := newTestService(t)
	_, _, _, err := w.SignIn(t.Context(), "foreign", "", "")
	wantReason(t, err, "GOOGLE_TOKEN_FOREIGN")
	if w.store.signIns != 0 || len(w.store.sessions) != 0 {
		t.Errorf("stored %d users and %d sessions, want none", w.store.signIns, len(w.store.sessions))
	}
}

func TestSignIn_StoresOnlyTheHashOfTheToken(t *testing.T) {
	w := newTestService(t)
	tokens := w.signIn(t)
	for _, s := range w.store.sessions {
		if bytes.Contains(s.SecretHash, []byte(tokens.Refresh.Reveal())) || len(s.SecretHash) != 32 {
			t.Errorf("the stored hash is %q", s.SecretHash)
		}
	}
}

func TestAuthenticate_ReturnsTheCaller(t *testing.T) {
	w := newTestService(t)
	caller, err := w.Authenticate(t.Context(), w.signIn(t).Access)
	if err != nil || caller.UserID != 1 {
		t.Errorf("caller %+v, error %v", caller, err)
	}
}

func TestAuthenticate_DistinguishesExpiredTokensFromInvalidOnes(t *testing.T) {
	w := newTestService(t)
	access := w.signIn(t).Access
	w.now = w.now.Add(time.Hour)
	_, err := w.Authenticate(t.Context(), access)
	wantReason(t, err, "TOKEN_EXPIRED")
}

func TestAuthenticate_RejectsForgedTokens(t *testing.T) {
	w := newTestService(t)
	session := songspy.Session{ID: 1, UserID: 1}
	sign := func(change func(*jwt.Token, *claims)) songspy.Secret {
		c := claims{RegisteredClaims: jwt.RegisteredClaims{
			Issuer: "http://songspy.test", Audience: jwt.ClaimStrings{audience}, Subject: "1",
			ExpiresAt: jwt.NewNumericDate(w.now.Add(time.Hour)),
		}, SessionID: session.ID}
		token := jwt.NewWithClaims(jwt.SigningMethodEdDSA, &c)
		token.Header["typ"], token.Header["kid"] = tokenType, "a"
		change(token, &c)
		signed, err := token.SignedString(w.signer.privateKey)
		if err != nil {
			t.Fatal(err)
		}
		return songspy.Secret(signed)
	}
	w.signIn(t)
	if _, err := w.Authenticate(t.Context(), sign(func(*jwt.Token, *claims) {})); err != nil {
		t.Fatalf("a correct token: %v", err)
	}

	hmacKeyed := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "1", "sid": 1})
	hmacKeyed.Header["kid"], hmacKeyed.Header["typ"] = "a", tokenType
	confused, err := hmacKeyed.SignedString([]byte(w.signer.publicKeys["a"]))
	if err != nil {
		t.Fatal(err)
	}
	unsigned, err := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.MapClaims{"sub": "1"}).SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	valid := sign(func(*jwt.Token, *claims) {}).Reveal()

	for name, token := range map[string]songspy.Secret{
		"empty":                      "",
		"not a JWT":                  "abc",
		"no signature":               songspy.Secret(unsigned),
		"signed with our public key": songspy.Secret(confused),
		"another signature":          songspy.Secret(valid[:strings.LastIndex(valid, ".")+1] + strings.Repeat("A", 86)),
		"unknown key":                sign(func(t *jwt.Token, _ *claims) { t.Header["kid"] = "b" }),
		"no key":                     sign(func(t *jwt.Token, _ *claims) { delete(t.Header, "kid") }),
		"another type":               sign(func(t *jwt.Token, _ *claims) { t.Header["typ"] = "JWT" }),
		"another issuer":             sign(func(_ *jwt.Token, c *claims) { c.Issuer = "http://evil.test" }),
		"another audience":           sign(func(_ *jwt.Token, c *claims) { c.Audience = jwt.ClaimStrings{"elsewhere"} }),
		"no expiry":                  sign(func(_ *jwt.Token, c *claims) { c.ExpiresAt = nil }),
		"no user":                    sign(func(_ *jwt.Token, c *claims) { c.Subject = "" }),
		"a negative user id":         sign(func(_ *jwt.Token, c *claims) { c.Subject = "-1" }),
		"no session":                 sign(func(_ *jwt.Token, c *claims) { c.SessionID = 0 }),
	} {
		_, err := w.Authenticate(t.Context(), token)
		if songspy.ReasonOf(err) != "UNAUTHORIZED" {
			t.Errorf("%s: error %v, want UNAUTHORIZED", name, err)
		}
	}
}

func TestAuthenticate_AcceptsTokensOfARetiredKey(t *testing.T) {
	w := newTestService(t)
	access := w.signIn(t).Access
	rotated := newTestService(t, key("b"), key("a"))
	rotated.store.sessions = w.store.sessions
	if _, err := rotated.Authenticate(t.Context(), access); err != nil {
		t.Errorf("after the keys were replaced: %v", err)
	}
	gone := newTestService(t, key("b"))
	gone.store.sessions = w.store.sessions
	_, err := gone.Authenticate(t.Context(), access)
	wantReason(t, err, "UNAUTHORIZED")
}

func TestLogout_WorksImmediately(t *testing.T) {
	w := newTestService(t)
	first := w.signIn(t)
	second, err := w.Refresh(t.Context(), first.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	caller, err := w.Authenticate(t.Context(), second.Access)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Logout(t.Context(), caller); err != nil {
		t.Fatal(err)
	}
	for _, access := range []songspy.Secret{first.Access, second.Access} {
		_, err := w.Authenticate(t.Context(), access)
		wantReason(t, err, "SESSION_ENDED")
	}
	_, err = w.Refresh(t.Context(), second.Refresh)
	wantReason(t, err, "REFRESH_TOKEN_INVALID")
}

func TestRefresh_ReturnsTheSameSuccessorWithinTheReplayWindow(t *testing.T) {
	w := newTestService(t)
	presented := w.signIn(t).Refresh
	first, err := w.Refresh(t.Context(), presented)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(replayWindow)
	again, err := w.Refresh(t.Context(), presented)
	if err != nil || again.Refresh != first.Refresh {
		t.Errorf("the replay returned another successor, or an error: %v", err)
	}
	if len(w.store.sessions) != 2 {
		t.Errorf("%d sessions, want the first and one successor", len(w.store.sessions))
	}
}

func TestRefresh_ReturnsTheSameSuccessorToTwoTabs(t *testing.T) {
	w := newTestService(t)
	presented := w.signIn(t).Refresh
	var inner Tokens
	w.store.beforeRotate = func() { // the other tab refreshes first
		var err error
		if inner, err = w.Refresh(t.Context(), presented); err != nil {
			t.Fatal(err)
		}
	}
	outer, err := w.Refresh(t.Context(), presented)
	if err != nil || outer.Refresh != inner.Refresh {
		t.Errorf("the second tab: error %v, another successor: %v", err, outer.Refresh != inner.Refresh)
	}
}

func TestRefresh_IsRejectedForAUserErasedMeanwhile(t *testing.T) {
	w := newTestService(t)
	presented := w.signIn(t).Refresh
	w.store.beforeRotate = func() { clear(w.store.sessions) }
	_, err := w.Refresh(t.Context(), presented)
	wantReason(t, err, "REFRESH_TOKEN_INVALID")
}

func TestRefresh_ReplayWorksWhileKeysAreRotated(t *testing.T) {
	w := newTestService(t)
	presented := w.signIn(t).Refresh
	first, err := w.Refresh(t.Context(), presented)
	if err != nil {
		t.Fatal(err)
	}
	rotated := newTestService(t, key("b"), key("a"))
	rotated.store.sessions = w.store.sessions
	again, err := rotated.Refresh(t.Context(), presented)
	if err != nil || again.Refresh != first.Refresh {
		t.Errorf("the replay returned another successor, or an error: %v", err)
	}
}

func TestRefresh_EndsTheFamilyIfATokenIsReusedLater(t *testing.T) {
	w := newTestService(t)
	stolen := w.signIn(t)
	next, err := w.Refresh(t.Context(), stolen.Refresh)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(replayWindow + time.Microsecond)
	_, err = w.Refresh(t.Context(), stolen.Refresh)
	wantReason(t, err, "REFRESH_TOKEN_REUSED")
	_, err = w.Refresh(t.Context(), next.Refresh)
	wantReason(t, err, "REFRESH_TOKEN_INVALID")
	_, err = w.Authenticate(t.Context(), next.Access)
	wantReason(t, err, "SESSION_ENDED")
	if strings.Contains(w.log.String(), stolen.Refresh.Reveal()) {
		t.Error("the log holds the token")
	}
}

func TestRefresh_RejectsAnExpiredOrUnknownToken(t *testing.T) {
	w := newTestService(t)
	tokens := w.signIn(t)
	_, err := w.Refresh(t.Context(), "unknown")
	wantReason(t, err, "REFRESH_TOKEN_INVALID")
	w.now = w.now.Add(30 * 24 * time.Hour)
	_, err = w.Refresh(t.Context(), tokens.Refresh)
	wantReason(t, err, "REFRESH_TOKEN_INVALID")
}

func TestRefresh_ReportsAnUnavailableStore(t *testing.T) {
	w := newTestService(t)
	tokens := w.signIn(t)
	w.store.failing = true
	if _, err := w.Refresh(t.Context(), tokens.Refresh); songspy.CodeOf(err) != songspy.CodeUnavailable {
		t.Errorf("refresh: error %v, want unavailable", err)
	}
	if _, err := w.Authenticate(t.Context(), tokens.Access); songspy.CodeOf(err) != songspy.CodeUnavailable {
		t.Errorf("authenticate: error %v, want unavailable", err)
	}
}

func TestNew_RejectsInvalidKeys(t *testing.T) {
	for name, keys := range map[string][]Key{"none": nil, "short": {{ID: "a", Seed: []byte("short")}}} {
		if _, err := New(Options{Keys: keys, SignUp: SignUp{Policy: PolicyOpen}}); err == nil {
			t.Errorf("%s: the key is accepted", name)
		}
	}
}

func TestSignIn_StoresAnAddressOnlyIfMailIsConfigured(t *testing.T) {
	w := newTestService(t)
	w.signIn(t)
	if w.store.addresses != nil {
		t.Error("an address is stored although mail is not configured")
	}
	w.opts.Addresses = w.store
	w.signIn(t)
	if got := w.store.addresses[1]; got != "ann@example.org" {
		t.Errorf("the stored address is %q", got.Reveal())
	}
}
