package linking

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"regexp"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// App is one Spotify app.
type App struct {
	// ID is the client id, or as songspy.OwnApp names one that a person brought.
	ID string
	// Seats is how many people it admits; 0: as many as come.
	Seats   int
	Spotify Spotify
}

// Ours asks for one of the instance's apps where a client id is asked for.
const InstanceApps = "ours"

// appMark stands between the parts of a verifier: random text, the seal that binds
// it to its user, and the app's id. Verifiers may hold it, and our random texts
// and seals do not.
const verifierSeparator = "~"

// ownClientID is the form of Spotify's client ids.
var clientIDPattern = regexp.MustCompile(`^[0-9a-f]{32}$`)

// choose is the app through which a person is to link, and whether, for all that
// is known, it knows them.
func (s *Service) chooseApp(ctx context.Context, user songspy.UserID, clientID string) (app App, registered bool, err error) {
	if clientID != "" && clientID != InstanceApps {
		if _, ours := s.instanceApp(clientID); !ours {
			app, err = s.userApp(clientID)
			return app, true, err
		}
		clientID = InstanceApps
	}
	// Who brought an app to an instance that takes none any more goes to one of its own.
	userApp := clientID == "" && s.opts.UserApp != nil
	id, registered, err := s.opts.Seats.ChooseApp(ctx, user, s.appSeats(), userApp)
	if err != nil {
		return App{}, false, err
	}
	app, err = s.appByName(id)
	return app, registered, err
}

// appOf returns the app that a verifier was made for. A verifier that is not
// ours is a frontend's own, which knows the first app alone. One of ours that was
// made for another user is refused, and so is a state that does not belong to it.
func (s *Service) appOfVerifier(user songspy.UserID, r AuthorizationCode) (App, error) {
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
	Message: "This authorization was begun by another user, or long ago; begin it again.",
}

// bindVerifier makes PKCE's verifier for one user and app.
func (s *Service) newVerifier(user songspy.UserID, random, app string) string {
	return random + verifierSeparator + bindingMAC(s.opts.Keys[0], "verifier", user, random, app) + verifierSeparator + app
}

// stateOf is the state that belongs to a verifier of ours.
func (s *Service) stateFor(key []byte, user songspy.UserID, verifier string) string {
	return bindingMAC(key, "state", user, verifier)
}

// sealLength is the length of a seal: 16 bytes in base64url.
const macLength = 22

// seal authenticates texts of one user for one purpose. No text holds a NUL.
func bindingMAC(key []byte, purpose string, user songspy.UserID, texts ...string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\x00%d\x00%s", purpose, user, strings.Join(texts, "\x00"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// app is the app of that name. A name that is none of ours is a frontend's own
// random text, and its authorization the first app's.
//
// Verifiers come from browsers: one that calls an app of the instance somebody's
// own must not get around its seats, its doors and its day's calls.
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

// instances is the instance's app of that client id; false if it has none.
func (s *Service) instanceApp(clientID string) (App, bool) {
	for _, app := range s.opts.Apps {
		if app.ID == clientID {
			return app, true
		}
	}
	return App{}, false
}

// own is the app of a client id that a person brought.
func (s *Service) userApp(clientID string) (App, error) {
	switch {
	case s.opts.UserApp == nil:
		return App{}, &songspy.Error{
			Code: songspy.CodeForbidden, Reason: "SPOTIFY_OWN_APPS_OFF",
			Message: "This instance takes no Spotify apps that people bring.",
		}
	case !clientIDPattern.MatchString(clientID):
		return App{}, &songspy.Error{
			Code: songspy.CodeInvalid, Message: "clientId is not the client id of a Spotify app.", Err: InvalidClientID{},
		}
	}
	return App{ID: songspy.UserApp(clientID), Spotify: s.opts.UserApp(clientID)}, nil
}

// seats are the instance's apps and how many people each admits.
func (s *Service) appSeats() []songspy.AppSeats {
	seats := make([]songspy.AppSeats, len(s.opts.Apps))
	for i, app := range s.opts.Apps {
		seats[i] = songspy.AppSeats{App: app.ID, Seats: app.Seats}
	}
	return seats
}

// UnknownClient says that the client id is no app's.
type InvalidClientID struct{}

// Error implements the error interface.
func (InvalidClientID) Error() string { return "not 32 hexadecimal digits" }

// Field names the field at fault.
func (InvalidClientID) Field() string { return "clientId" }
