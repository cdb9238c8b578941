package linking

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"slices"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// App is one Spotify app.
type App struct {
	// ID is the client ID, or songspy.UserApp(client ID) for a user-supplied app.
	ID string
	// Seats is how many users the app admits. 0 means any number.
	Seats   int
	Spotify Spotify
}

// InstanceApps is the text that a request has in place of a client ID to select any app of the
// instance.
const InstanceApps = "ours"

// verifierSeparator separates the three parts of a PKCE verifier that newVerifier makes: random
// text, the MAC that binds the verifier to its user, and the app's ID. PKCE allows this
// character in verifiers; base64url, the encoding of the first two parts, does not use it.
const verifierSeparator = "~"

// clientIDPattern matches Spotify's client IDs.
var clientIDPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// chooseApp returns the app for a user's next link, and whether the user is registered with the
// app, as far as is known. The argument clientID selects the app as described at Authorization.
func (s *Service) chooseApp(ctx context.Context, user songspy.UserID, clientID string) (app App, registered bool, err error) {
	if clientID != "" && clientID != InstanceApps {
		if _, ours := s.instanceApp(clientID); !ours {
			app, err = s.userApp(clientID)
			return app, true, err
		}
		clientID = InstanceApps
	}
	// Without a clientID, the user-supplied app of the user's link may be chosen again. But if
	// the instance no longer accepts user-supplied apps, an app of the instance is chosen.
	userApp := clientID == "" && s.opts.UserApp != nil
	id, registered, err := s.opts.Seats.ChooseApp(ctx, user, s.appSeats(), userApp)
	if err != nil {
		return App{}, false, err
	}
	app, err = s.appByName(id)
	return app, registered, err
}

// appOfVerifier returns the app for which newVerifier made the verifier of r. A verifier of
// another form was made by a frontend that builds the authorization URL itself: it belongs to
// the instance's first app. appOfVerifier returns an error if the verifier was made for another
// user, or if the state of r was made for another verifier.
func (s *Service) appOfVerifier(user songspy.UserID, r songspy.AuthorizationCode) (App, error) {
	verifier := r.Verifier.Reveal()
	parts := strings.SplitN(verifier, verifierSeparator, 3)
	if len(parts) < 3 || len(parts[1]) != macLength {
		return s.opts.Apps[0], nil
	}
	for _, key := range s.opts.Keys {
		if !hmac.Equal([]byte(parts[1]), []byte(bindingMAC(key, "verifier", user, parts[0], parts[2]))) {
			continue
		}
		if state := r.State.Reveal(); state != "" && !hmac.Equal([]byte(state), []byte(s.stateFor(key, user, verifier))) {
			return App{}, errForeignAuthorization
		}
		return s.appByName(parts[2])
	}
	return App{}, errForeignAuthorization
}

var errForeignAuthorization = &songspy.Error{
	Code: songspy.CodeInvalid, Reason: "SPOTIFY_CODE_INVALID",
	Message: "This authorization belongs to another user, or is too old; start again.",
}

// newVerifier returns a PKCE verifier that also names the app, with a MAC that
// binds it to the user. appOfVerifier checks the MAC. So a code that one user obtained
// cannot be redeemed for another user, although Authorization stores nothing.
func (s *Service) newVerifier(user songspy.UserID, random, app string) string {
	return random + verifierSeparator + bindingMAC(s.opts.Keys[0], "verifier", user, random, app) + verifierSeparator + app
}

// stateFor returns the OAuth state that belongs to a verifier. appOfVerifier rejects it together
// with another verifier or for another user.
func (s *Service) stateFor(key []byte, user songspy.UserID, verifier string) string {
	return bindingMAC(key, "state", user, verifier)
}

// macLength is the length of a MAC in a verifier, in characters: 16 bytes in base64url.
const macLength = 22

// bindingMAC returns a MAC that binds texts to a user and a purpose. The texts must not
// contain a NUL, which separates them.
func bindingMAC(key []byte, purpose string, user songspy.UserID, texts ...string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\x00%d\x00%s", purpose, user, strings.Join(texts, "\x00"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// appByName returns the app whose ID is the argument name. For an unknown ID, such as that of an
// app that the instance no longer has, it returns the instance's first app.
//
// The ID may come from a browser. If it marks an app of the instance as user-supplied, appByName
// returns the app of the instance, because the seats, circuit breakers and quota of that app
// must apply.
func (s *Service) appByName(name string) (App, error) {
	clientID, userApp := songspy.UserAppClientID(name)
	if app, ours := s.instanceApp(clientID); ours {
		return app, nil
	}
	if userApp {
		return s.userApp(clientID)
	}
	return s.opts.Apps[0], nil
}

// instanceApp returns the instance's app with that client ID. It returns false if there is none.
func (s *Service) instanceApp(clientID string) (App, bool) {
	for _, app := range s.opts.Apps {
		if app.ID == clientID {
			return app, true
		}
	}
	return App{}, false
}

// userApp returns the user-supplied app with that client ID.
func (s *Service) userApp(clientID string) (App, error) {
	switch {
	case s.opts.UserApp == nil:
		return App{}, &songspy.Error{
			Code: songspy.CodeForbidden, Reason: "SPOTIFY_USER_APPS_OFF",
			Message: "This instance does not accept user-supplied Spotify apps.",
		}
	case !clientIDPattern.MatchString(clientID):
		return App{}, &songspy.Error{
			Code: songspy.CodeInvalid, Message: "clientId is not the client ID of a Spotify app.", Err: fieldError{"clientId", "not 32 hexadecimal digits"},
		}
	}
	return App{ID: songspy.UserApp(clientID), Spotify: s.opts.UserApp(clientID)}, nil
}

// appSeats returns the instance's apps and how many users each admits.
func (s *Service) appSeats() []songspy.AppSeats {
	seats := make([]songspy.AppSeats, len(s.opts.Apps))
	for i, app := range s.opts.Apps {
		seats[i] = songspy.AppSeats{App: app.ID, Seats: app.Seats}
	}
	return seats
}

// LimitsSeats reports whether every app of the instance admits a limited number of users, so
// that a user may have to wait for a seat.
func (s *Service) LimitsSeats() bool {
	return len(s.opts.Apps) > 0 && !slices.ContainsFunc(s.opts.Apps, func(app App) bool { return app.Seats == 0 })
}
