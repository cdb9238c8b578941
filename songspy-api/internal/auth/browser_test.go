package auth

import (
	"context"
	"net/url"
	"strings"
	"testing"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
)

// fakeOpenID is Google. The code that it accepts for a sign-in consists of the nonce and the
// verifier that the sign-in sent.
type fakeOpenID struct{}

func (fakeOpenID) AuthorizeURL(_ context.Context, state, nonce string, verifier songspy.Secret) (string, error) {
	return "https://google.test/?" + url.Values{"state": {state}, "nonce": {nonce}, "verifier": {verifier.Reveal()}}.Encode(), nil
}

func (fakeOpenID) Redeem(_ context.Context, code, verifier songspy.Secret, nonce string) (songspy.GoogleProfile, error) {
	if code.Reveal() != nonce+verifier.Reveal() {
		return songspy.GoogleProfile{}, &songspy.Error{Code: songspy.CodeUnauthorized, Reason: "GOOGLE_TOKEN_INVALID"}
	}
	return songspy.GoogleProfile{Subject: "g-1", Name: "Ann", Email: annsMail}, nil
}

func (f *fakeStore) CreateAuthorizationAttempt(_ context.Context, a songspy.AuthorizationAttempt) error {
	f.attempts = append(f.attempts, a)
	return nil
}

func (f *fakeStore) TakeAuthorizationAttempt(_ context.Context, hash []byte, at time.Time) (songspy.AuthorizationAttempt, error) {
	for i, a := range f.attempts {
		if string(a.StateHash) == string(hash) && at.Before(a.ExpiresAt) {
			f.attempts = append(f.attempts[:i:i], f.attempts[i+1:]...)
			return a, nil
		}
	}
	return songspy.AuthorizationAttempt{}, &songspy.Error{Code: songspy.CodeNotFound}
}

// begin begins a sign-in and returns the callback that the browser brings back from Google.
func (w *testService) begin(t *testing.T, invite songspy.Secret) attempt.Callback {
	t.Helper()
	to, err := w.BeginSignIn(t.Context(), "/me", invite)
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(to.URL)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	return attempt.Callback{State: songspy.Secret(q.Get("state")), Code: songspy.Secret(q.Get("nonce") + q.Get("verifier")), BrowserSecret: to.BrowserSecret}
}

func newBrowserTestService(t *testing.T) *testService {
	w := newTestService(t)
	w.opts.OpenID, w.opts.Attempts = fakeOpenID{}, w.store
	return w
}

func TestFinishSignIn_WorksForTenMinutes(t *testing.T) {
	for after, want := range map[time.Duration]string{attempt.Lifetime - time.Second: "", attempt.Lifetime: "AUTHORIZATION_EXPIRED"} {
		w := newBrowserTestService(t)
		callback := w.begin(t, "")
		w.now = w.now.Add(after)
		session, err := w.FinishSignIn(t.Context(), callback, "", "")
		if wantReason(t, err, want); err == nil && session.ReturnPath != "/me" {
			t.Errorf("the browser returns to %q", session.ReturnPath)
		}
	}
}

func TestBeginSignIn_SendsNoSecretTwice(t *testing.T) {
	w := newBrowserTestService(t)
	seen := map[songspy.Secret]bool{}
	for range 3 {
		c := w.begin(t, "")
		for _, secret := range []songspy.Secret{c.State, c.BrowserSecret, c.Code} {
			if len(secret) < 43 || seen[secret] {
				t.Errorf("the secret %q is short or was used before", secret.Reveal())
			}
			seen[secret] = true
		}
	}
	for _, a := range w.store.attempts {
		for secret := range seen {
			if strings.Contains(string(a.StateHash)+string(a.BrowserHash), secret.Reveal()) {
				t.Error("an attempt stores a secret that is not hashed")
			}
		}
	}
}

func TestFinishSignIn_AppliesTheInviteOfTheAttempt(t *testing.T) {
	w := newBrowserTestService(t)
	w.opts.SignUp.Policy = PolicyInvite
	code, hash := NewInviteCode()
	if _, err := w.FinishSignIn(t.Context(), w.begin(t, code), "", ""); err != nil || string(w.store.condition.InviteHash) != string(hash) {
		t.Errorf("the condition is %+v, error %v", w.store.condition, err)
	}
	if w.store.audience != songspy.AudienceNobody {
		t.Errorf("the audience is %q, want that of nobody", w.store.audience)
	}
	w = newBrowserTestService(t)
	w.opts.SignUp.Policy = PolicyInvite
	_, err := w.FinishSignIn(t.Context(), w.begin(t, ""), "", "")
	if wantReason(t, err, "INVITE_REQUIRED"); len(w.store.sessions) > 0 {
		t.Error("a session was stored")
	}
}

func TestCookieSessions_EndUnusedAndAtTheirAbsoluteLifetime(t *testing.T) {
	w := newBrowserTestService(t)
	session, err := w.FinishSignIn(t.Context(), w.begin(t, ""), "", "Firefox")
	if err != nil {
		t.Fatal(err)
	}
	began, end := w.now, w.now.Add(180*24*time.Hour)
	const step = 29 * 24 * time.Hour
	for w.now.Add(step).Before(end) { // each use prolongs the session
		w.now = w.now.Add(step)
		caller, err := w.AuthenticateCookie(t.Context(), session.Cookie)
		if err != nil {
			t.Fatalf("at %s: %v", w.now, err)
		}
		listed, err := w.Sessions(t.Context(), caller)
		if err != nil || len(listed) != 1 || listed[0].Kind != songspy.SessionCookie || !listed[0].Current || !listed[0].SignedInAt.Equal(began) {
			t.Fatalf("listed %+v, error %v", listed, err)
		}
		want := w.now.Add(30 * 24 * time.Hour)
		if want.After(end) {
			want = end
		}
		if !listed[0].EndsAt.Equal(want) {
			t.Errorf("at %s it ends at %s, want %s", w.now, listed[0].EndsAt, want)
		}
	}
	w.now = end
	_, err = w.AuthenticateCookie(t.Context(), session.Cookie)
	wantReason(t, err, "SESSION_ENDED")

	w = newBrowserTestService(t)
	if session, err = w.FinishSignIn(t.Context(), w.begin(t, ""), "", ""); err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(30 * 24 * time.Hour) // the session was not used in this time
	_, err = w.AuthenticateCookie(t.Context(), session.Cookie)
	wantReason(t, err, "SESSION_ENDED")
}

func TestCookieSessions_AreNoBearerSessions(t *testing.T) {
	w := newBrowserTestService(t)
	tokens := w.signIn(t)
	session, err := w.FinishSignIn(t.Context(), w.begin(t, ""), "", "")
	if err != nil {
		t.Fatal(err)
	}
	_, err = w.AuthenticateCookie(t.Context(), tokens.Refresh)
	wantReason(t, err, "SESSION_ENDED")
	_, err = w.Refresh(t.Context(), session.Cookie)
	wantReason(t, err, "REFRESH_TOKEN_INVALID")
	// If the browser's cookie holds a refresh token, a sign-in must not end the bearer session
	// of that token.
	if _, err := w.FinishSignIn(t.Context(), w.begin(t, ""), tokens.Refresh, ""); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Refresh(t.Context(), tokens.Refresh); err != nil {
		t.Errorf("the bearer session has ended: %v", err)
	}
	// If the cookie holds the secret of a browser session, a sign-in must end that session.
	if _, err := w.FinishSignIn(t.Context(), w.begin(t, ""), session.Cookie, ""); err != nil {
		t.Fatal(err)
	}
	_, err = w.AuthenticateCookie(t.Context(), session.Cookie)
	wantReason(t, err, "SESSION_ENDED")
}

func TestCallers_SayHowTheyWereAuthenticated(t *testing.T) {
	w := newBrowserTestService(t)
	session, err := w.FinishSignIn(t.Context(), w.begin(t, ""), "", "")
	if err != nil {
		t.Fatal(err)
	}
	byCookie, err := w.AuthenticateCookie(t.Context(), session.Cookie)
	if cookie, ok := byCookie.Cookie(); err != nil || !ok || cookie != session.Cookie || byCookie.Self().ID() != byCookie.UserID {
		t.Errorf("the caller is %+v, error %v", byCookie, err)
	}
	byToken, err := w.Authenticate(t.Context(), w.signIn(t).Access)
	if _, ok := byToken.Cookie(); err != nil || ok || byToken.Self().ID() != byToken.UserID {
		t.Errorf("the caller is %+v, error %v", byToken, err)
	}
}
