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
	SmallClientID     = "songspy-sim-small"
	SmallClientSecret = "songspy-sim-small-secret"
)

// OwnClientID is an app that a person has made for themselves. It has no
// secret, so it needs PKCE, and the form of Spotify's own ids.
const OwnClientID = "50a95b1e00000000000000000000c0de"

// maxApps is how many apps a person's standing has room for.
const maxApps = 16

type app struct {
	id, secret string
	small      bool
	account    int // of the developer to whom it belongs
}

// apps are the registered apps; token.Claims.Client is the place in it.
var apps = []app{{ClientID, ClientSecret, false, 0}, {SmallClientID, SmallClientSecret, true, 0}, {OwnClientID, "", false, 1}}

// AppOf is the place of an app among those that are registered; false if it is
// none of them.
func AppOf(clientID string) (place int, known bool) {
	for place, a := range apps {
		if a.id == clientID {
			return place, true
		}
	}
	return 0, false
}

// SmallApps says of each app, in their order, whether it serves only those who
// are registered with it.
func SmallApps() []bool {
	small := make([]bool, len(apps))
	for place, a := range apps {
		small[place] = a.small
	}
	return small
}
