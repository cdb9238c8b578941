package auth

import (
	"context"
	"crypto/sha256"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
	"github.com/songspy/songspy/songspy-api/internal/viewercache"
)

// OpenID is Google as an OpenID provider.
type OpenID interface {
	// AuthorizeURL returns the address to which the browser is sent.
	AuthorizeURL(ctx context.Context, state, nonce string, verifier songspy.Secret) (string, error)
	// Redeem exchanges the code for an ID token and returns its profile. It returns an error if
	// the ID token does not carry the nonce.
	Redeem(ctx context.Context, code, verifier songspy.Secret, nonce string) (songspy.GoogleProfile, error)
}

// errRedirectOff is returned if the instance has no client secret of Google.
var errRedirectOff = &songspy.Error{
	Code: songspy.CodeNotFound, Reason: "SIGN_IN_BY_REDIRECT_OFF", Message: "This instance does not sign users in by redirect.",
}

// CanRedirect reports whether users can sign in by redirect.
func (s *Service) CanRedirect() bool { return s.opts.OpenID != nil }

// Redirect is where the browser is sent to sign in.
type Redirect struct {
	URL string
	// BrowserSecret binds the sign-in to the browser, which keeps it in a cookie for
	// attempt.Lifetime.
	BrowserSecret songspy.Secret
}

// BeginSignIn begins a sign-in by redirect. After the sign-in, the browser is redirected to the
// path returnTo. The parameter invite is the invite code that the user entered, or empty.
func (s *Service) BeginSignIn(ctx context.Context, returnTo string, invite songspy.Secret) (Redirect, error) {
	if !s.CanRedirect() {
		return Redirect{}, errRedirectOff
	}
	state, browser, nonce, verifier := attempt.NewSecret(), attempt.NewSecret(), attempt.NewSecret().Reveal(), attempt.NewSecret()
	address, err := s.opts.OpenID.AuthorizeURL(ctx, state.Reveal(), nonce, verifier)
	if err != nil {
		return Redirect{}, err
	}
	err = attempt.Begin(ctx, s.opts.Attempts, songspy.AuthorizationAttempt{
		Provider: songspy.AuthorizationGoogle, Verifier: verifier, Nonce: nonce, Invite: invite, ReturnPath: returnTo,
	}, state, browser, s.opts.Now())
	return Redirect{address, browser}, err
}

// BrowserSession is a new session of a browser.
type BrowserSession struct {
	// Cookie is the secret that the browser keeps, for at most MaxLife.
	Cookie     songspy.Secret
	MaxLife    time.Duration
	ReturnPath string
}

// FinishSignIn finishes a sign-in that this browser began. It signs the user up or in as SignIn
// does, with one difference: a new user shares with nobody until they choose an audience. If
// the browser sent the cookie old, the session of that cookie ends. The parameter label is the
// User-Agent, which the list of sessions shows.
//
// The reasons of errors are those of attempt.Finish and SignIn, and SIGN_IN_BY_REDIRECT_OFF.
func (s *Service) FinishSignIn(ctx context.Context, c attempt.Callback, old songspy.Secret, label string) (BrowserSession, error) {
	if !s.CanRedirect() {
		return BrowserSession{}, errRedirectOff
	}
	a, err := attempt.Finish(ctx, s.opts.Attempts, songspy.AuthorizationGoogle, 0, c, s.opts.Now())
	if err != nil {
		return BrowserSession{}, err
	}
	profile, err := s.opts.OpenID.Redeem(ctx, c.Code, a.Verifier, a.Nonce)
	if err != nil {
		return BrowserSession{}, err
	}
	user, _, err := s.findOrSignUp(ctx, profile, songspy.AudienceNobody, a.Invite)
	if err != nil {
		return BrowserSession{}, err
	}
	if err := s.endCookieSession(ctx, old); err != nil {
		return BrowserSession{}, err
	}
	now, cookie := s.opts.Now(), attempt.NewSecret()
	_, err = s.opts.Sessions.CreateSession(ctx, songspy.Session{
		UserID: user.ID, Kind: songspy.SessionCookie, OperatorHash: s.opts.Operators.hashOf(profile.Email), Label: sanitize.Text(label, labelLengthMax), SecretHash: attempt.Hash(cookie),
		CreatedAt: now, SignedInAt: now, LastUsedAt: now, ExpiresAt: now.Add(s.opts.SessionMaxLife),
	})
	return BrowserSession{Cookie: cookie, MaxLife: s.opts.SessionMaxLife, ReturnPath: a.ReturnPath}, err
}

// endCookieSession ends the browser session of the cookie. It does nothing if there is no such
// session, or if the cookie holds a refresh token.
func (s *Service) endCookieSession(ctx context.Context, cookie songspy.Secret) error {
	if cookie == "" {
		return nil
	}
	session, err := s.opts.Sessions.SessionBySecret(ctx, attempt.Hash(cookie))
	switch {
	case songspy.CodeOf(err) == songspy.CodeNotFound, err == nil && session.Kind != songspy.SessionCookie:
		return nil
	case err != nil:
		return err
	}
	return s.opts.Sessions.RevokeFamily(ctx, session.Family, songspy.ActorSelf)
}

// AuthenticateCookie returns the caller whose browser sent the cookie. It checks the
// session as Authenticate does. The reason of a rejection is SESSION_ENDED.
func (s *Service) AuthenticateCookie(ctx context.Context, cookie songspy.Secret) (Caller, error) {
	hash := attempt.Hash(cookie)
	session, err := s.opts.Viewers.Session(viewercache.SessionKey{Hash: [sha256.Size]byte(hash)}, s.isAliveAndTouched,
		func() (songspy.Session, error) { return s.opts.Sessions.SessionBySecret(ctx, hash) })
	if err == nil && session.Kind != songspy.SessionCookie {
		err = errSessionEnded // a refresh token is no cookie
	}
	caller, err := s.callerOf(ctx, session, err)
	if err == nil {
		caller.cookie = cookie
	}
	return caller, err
}

// Cookie returns the cookie with which the request was authenticated, and false if
// it was authenticated with a JWT.
func (c Caller) Cookie() (songspy.Secret, bool) { return c.cookie, c.cookie != "" }
