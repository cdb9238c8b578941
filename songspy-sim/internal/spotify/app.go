package spotify

// ClientID and ClientSecret are the credentials of the first simulated Spotify app. The
// Web API answers its calls for all people, except those that a test has unregistered.
const (
	ClientID     = "songspy-sim-spotify"
	ClientSecret = "songspy-sim-secret"
)

// DevelopmentClientID and DevelopmentClientSecret are the credentials of an app in
// development mode. People who are not registered with the app can allow it and get
// tokens, but the Web API answers every call for them with 403.
const (
	DevelopmentClientID     = "songspy-sim-small"
	DevelopmentClientSecret = "songspy-sim-small-secret"
)

// UserAppClientID is the client ID of the simulated user-supplied app (a Spotify app of a
// user's own). The app has no secret, so it must use PKCE. The ID has the form of Spotify's
// client IDs.
const UserAppClientID = "50a95b1e00000000000000000000c0de"

// maxApps is the largest number of apps that can be simulated, because package consents
// stores a person's registrations in sixteen bits, one for each app.
const maxApps = 16

type app struct {
	id, secret  string
	development bool
	account     int // the number of the developer account that owns the app
}

// apps are the apps that the simulated Spotify knows. In Spotify's tokens,
// token.Claims.Client is an index of this slice.
var apps = []app{{ClientID, ClientSecret, false, 0}, {DevelopmentClientID, DevelopmentClientSecret, true, 0}, {UserAppClientID, "", false, 1}}

// AppIndex returns the index, in the slice apps, of the app with the given client ID. The
// result known is false if there is no such app.
func AppIndex(clientID string) (index int, known bool) {
	for index, a := range apps {
		if a.id == clientID {
			return index, true
		}
	}
	return 0, false
}

// DevelopmentApps returns, for each app by its index, whether it is in development mode.
func DevelopmentApps() []bool {
	development := make([]bool, len(apps))
	for index, a := range apps {
		development[index] = a.development
	}
	return development
}
