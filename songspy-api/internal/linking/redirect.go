package linking

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
)

// BeginLinking begins a linking by redirect, and returns the address at Spotify that the browser
// opens. It stores an authorization attempt, which is bound to the session: only this browser
// has the cookie of the session. The attempt holds the verifier, so the browser need not keep
// it. In the end, the browser goes to the path returnTo. The argument clientID selects the app
// as described at Authorization. The argument move says whether the Spotify account may be moved
// from another user to this one.
func (s *Service) BeginLinking(ctx context.Context, user songspy.UserID, session songspy.Secret, clientID, returnTo string, move bool) (string, error) {
	a, err := s.authorize(ctx, user, clientID, s.opts.CallbackURL)
	if err != nil {
		return "", err
	}
	err = attempt.Begin(ctx, s.opts.Attempts, songspy.AuthorizationAttempt{
		Provider: songspy.AuthorizationSpotify, UserID: user, Verifier: a.CodeVerifier, Move: move, ReturnPath: returnTo,
	}, a.State, session, s.opts.Now())
	return a.URL, err
}

// FinishLinking finishes a linking that BeginLinking began, and returns the path to which the
// browser goes. The cookie c.BrowserSecret must be that of the session that began the linking.
// Otherwise an attacker could begin a linking, send Spotify's page to another person, and get
// that person's Spotify account linked to the attacker's user.
func (s *Service) FinishLinking(ctx context.Context, user songspy.UserID, c attempt.Callback) (returnTo string, err error) {
	a, err := attempt.Finish(ctx, s.opts.Attempts, songspy.AuthorizationSpotify, user, c, s.opts.Now())
	if err != nil {
		return "", err
	}
	_, err = s.linkByCode(ctx, user, songspy.AuthorizationCode{Code: c.Code, RedirectURI: s.opts.CallbackURL, Verifier: a.Verifier, State: c.State}, a.Move)
	return a.ReturnPath, err
}
