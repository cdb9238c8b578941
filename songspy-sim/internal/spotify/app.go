package spotify

// ClientID and ClientSecret are the credentials of the first app, which serves
// whoever comes until somebody is taken off its list.
const (
	ClientID     = "songspy-sim-spotify"
	ClientSecret = "songspy-sim-secret"
)

// SmallClientID and SmallClientSecret are those of an app in development mode:
// whoever its owner has not registered can sign in, and nothing more.
const (
	DevelopmentClientID     = "songspy-sim-small"
	DevelopmentClientSecret = "songspy-sim-small-secret"
)

// OwnClientID is an app that a person has made for themselves. It has no
// secret, so it needs PKCE, and the form of Spotify's own ids.
const UserAppClientID = "50a95b1e00000000000000000000c0de"

// maxApps is how many apps a person's standing has room for.
const maxApps = 16

type app struct {
	id, secret  string
	development bool
	account     int // of the developer to whom it belongs
}

// apps are the registered apps; token.Claims.Client is the place in it.
var apps = []app{{ClientID, ClientSecret, false, 0}, {DevelopmentClientID, DevelopmentClientSecret, true, 0}, {UserAppClientID, "", false, 1}}

// AppOf is the place of an app among those that are registered; false if it is
// none of them.
func AppIndex(clientID string) (index int, known bool) {
	for index, a := range apps {
		if a.id == clientID {
			return index, true
		}
	}
	return 0, false
}

// SmallApps says of each app, in their order, whether it serves only those who
// are registered with it.
func DevelopmentApps() []bool {
	development := make([]bool, len(apps))
	for index, a := range apps {
		development[index] = a.development
	}
	return development
}
