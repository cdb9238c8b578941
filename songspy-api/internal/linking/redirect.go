package linking

import (
	"context"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/attempt"
)

// BeginLinking begins a linking by redirect, and returns the address at Spotify that
// the browser opens. The attempt is bound to the session, whose cookie only this
// browser has. It stores the verifier, so that the browser need not keep it. The verifier
// names the app and the user, as it does for clients that call Link. In the end the browser
// goes to the path returnTo. clientID selects the app as for Authorization. move says whether
// the Spotify account may be moved from another user to this one.
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

// FinishLinking finishes a linking that the session of the cookie c.BrowserSecret began,
// and returns the path to which the browser goes. A callback of another session is
// rejected: otherwise a user could be made to link their Spotify account to somebody else.
func (s *Service) FinishLinking(ctx context.Context, user songspy.UserID, c attempt.Callback) (returnTo string, err error) {
	a, err := attempt.Finish(ctx, s.opts.Attempts, songspy.AuthorizationSpotify, user, c, s.opts.Now())
	if err != nil {
		return "", err
	}
	_, err = s.linkByCode(ctx, user, songspy.AuthorizationCode{Code: c.Code, RedirectURI: s.opts.CallbackURL, Verifier: a.Verifier, State: c.State}, a.Move)
	return a.ReturnPath, err
}
