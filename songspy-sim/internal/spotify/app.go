package spotify

// ClientID and ClientSecret are the credentials of the first simulated app. It
// works for all people, except those that a test has unregistered.
const (
	ClientID     = "songspy-sim-spotify"
	ClientSecret = "songspy-sim-secret"
)

// DevelopmentClientID and DevelopmentClientSecret are the credentials of an app
// in development mode: people who are not registered can sign in, but every
// call is rejected.
const (
	DevelopmentClientID     = "songspy-sim-small"
	DevelopmentClientSecret = "songspy-sim-small-secret"
)

// UserAppClientID is the client ID of a simulated app that a user owns. It has
// no secret, so it needs PKCE. It has the form of Spotify's own client IDs.
const UserAppClientID = "50a95b1e00000000000000000000c0de"

// maxApps is the largest number of apps that can be simulated: a person's
// registrations are stored in sixteen bits.
const maxApps = 16

type app struct {
	id, secret  string
	development bool
	account     int // the developer account of the app
}

// apps lists the apps that the simulated Spotify knows. token.Claims.Client is
// an index of this list.
var apps = []app{{ClientID, ClientSecret, false, 0}, {DevelopmentClientID, DevelopmentClientSecret, true, 0}, {UserAppClientID, "", false, 1}}

// AppIndex returns the index of a registered app; false if it is not
// registered.
func AppIndex(clientID string) (index int, known bool) {
	for index, a := range apps {
		if a.id == clientID {
			return index, true
		}
	}
	return 0, false
}

// DevelopmentApps reports for each app whether it is in development mode.
func DevelopmentApps() []bool {
	development := make([]bool, len(apps))
	for index, a := range apps {
		development[index] = a.development
	}
	return development
}
