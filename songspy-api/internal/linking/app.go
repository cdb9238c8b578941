package linking

import (
	"context"
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

// appMark stands between a verifier's random part and the app's id. Verifiers
// may hold it, and our random parts do not.
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

// appOf is the app that a verifier was made for; one that names none is the first's.
func (s *Service) appOf(verifier songspy.Secret) (App, error) {
	_, id, named := strings.Cut(verifier.Reveal(), appMark)
	if !named {
		return s.o.Apps[0], nil
	}
	return s.app(id)
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
