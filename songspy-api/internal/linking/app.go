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
const Ours = "ours"

// appMark stands between the parts of a verifier: random text, the seal that binds
// it to its user, and the app's id. Verifiers may hold it, and our random texts
// and seals do not.
const appMark = "~"

// ownClientID is the form of Spotify's client ids.
var ownClientID = regexp.MustCompile(`^[0-9a-f]{32}$`)

// choose is the app through which a person is to link, and whether, for all that
// is known, it knows them.
func (s *Service) choose(ctx context.Context, user songspy.UserID, clientID string) (app App, registered bool, err error) {
	if clientID != "" && clientID != Ours {
		if _, ours := s.instances(clientID); !ours {
			app, err = s.own(clientID)
			return app, true, err
		}
		clientID = Ours
	}
	// Who brought an app to an instance that takes none any more goes to one of its own.
	own := clientID == "" && s.o.Own != nil
	id, registered, err := s.o.Seats.ChooseApp(ctx, user, s.seats(), own)
	if err != nil {
		return App{}, false, err
	}
	app, err = s.app(id)
	return app, registered, err
}

// appOf returns the app that a verifier was made for. A verifier that is not
// ours is a frontend's own, which knows the first app alone. One of ours that was
// made for another user is refused, and so is a state that does not belong to it.
func (s *Service) appOf(user songspy.UserID, r Redemption) (App, error) {
	verifier := r.Verifier.Reveal()
	parts := strings.SplitN(verifier, appMark, 3)
	if len(parts) < 3 || len(parts[1]) != sealLength {
		return s.o.Apps[0], nil
	}
	for _, key := range s.o.Keys {
		if !hmac.Equal([]byte(parts[1]), []byte(seal(key, "verifier", user, parts[0], parts[2]))) {
			continue
		}
		if state := r.State.Reveal(); state != "" && !hmac.Equal([]byte(state), []byte(s.stateOf(key, user, verifier))) {
			return App{}, errNotBegunHere
		}
		return s.app(parts[2])
	}
	return App{}, errNotBegunHere
}

var errNotBegunHere = &songspy.Error{
	Code: songspy.CodeInvalid, Reason: "SPOTIFY_CODE_INVALID",
	Message: "This authorization was begun by another user, or long ago; begin it again.",
}

// bindVerifier makes PKCE's verifier for one user and app.
func (s *Service) bindVerifier(user songspy.UserID, random, app string) string {
	return random + appMark + seal(s.o.Keys[0], "verifier", user, random, app) + appMark + app
}

// stateOf is the state that belongs to a verifier of ours.
func (s *Service) stateOf(key []byte, user songspy.UserID, verifier string) string {
	return seal(key, "state", user, verifier)
}

// sealLength is the length of a seal: 16 bytes in base64url.
const sealLength = 22

// seal authenticates texts of one user for one purpose. No text holds a NUL.
func seal(key []byte, purpose string, user songspy.UserID, texts ...string) string {
	mac := hmac.New(sha256.New, key)
	fmt.Fprintf(mac, "%s\x00%d\x00%s", purpose, user, strings.Join(texts, "\x00"))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}

// app is the app of that name. A name that is none of ours is a frontend's own
// random text, and its authorization the first app's.
//
// Verifiers come from browsers: one that calls an app of the instance somebody's
// own must not get around its seats, its doors and its day's calls.
func (s *Service) app(name string) (App, error) {
	clientID, own := songspy.OwnClientID(name)
	if app, ours := s.instances(clientID); ours {
		return app, nil
	}
	if own {
		return s.own(clientID)
	}
	return s.o.Apps[0], nil
}

// instances is the instance's app of that client id; false if it has none.
func (s *Service) instances(clientID string) (App, bool) {
	for _, app := range s.o.Apps {
		if app.ID == clientID {
			return app, true
		}
	}
	return App{}, false
}

// own is the app of a client id that a person brought.
func (s *Service) own(clientID string) (App, error) {
	switch {
	case s.o.Own == nil:
		return App{}, &songspy.Error{
			Code: songspy.CodeForbidden, Reason: "SPOTIFY_OWN_APPS_OFF",
			Message: "This instance takes no Spotify apps that people bring.",
		}
	case !ownClientID.MatchString(clientID):
		return App{}, &songspy.Error{
			Code: songspy.CodeInvalid, Message: "clientId is not the client id of a Spotify app.", Err: UnknownClient{},
		}
	}
	return App{ID: songspy.OwnApp(clientID), Spotify: s.o.Own(clientID)}, nil
}

// seats are the instance's apps and how many people each admits.
func (s *Service) seats() []songspy.AppSeats {
	seats := make([]songspy.AppSeats, len(s.o.Apps))
	for i, app := range s.o.Apps {
		seats[i] = songspy.AppSeats{App: app.ID, Seats: app.Seats}
	}
	return seats
}

// UnknownClient says that the client id is no app's.
type UnknownClient struct{}

// Error implements the error interface.
func (UnknownClient) Error() string { return "not 32 hexadecimal digits" }

// Field names the field at fault.
func (UnknownClient) Field() string { return "clientId" }
