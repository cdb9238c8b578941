package sim

import (
	"cmp"
	"fmt"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/spotify"
)

// CodeOptions are the properties of an authorization code that SpotifyCode returns.
type CodeOptions struct {
	ClientID    string   // the app to which the code is issued; default SpotifyClientID
	RedirectURI string   // the exchange of the code must name the same redirect URI
	Challenge   string   // PKCE S256 challenge; if it is empty, the exchange needs the app's secret
	Scopes      []string // default: the scopes that Songspy requests
}

func (s *Sim) checkPerson(person int) {
	if person < 0 || person >= s.world.People() {
		panic(fmt.Sprintf("sim: person %d does not exist: the numbers are 0 to %d", person, s.world.People()-1))
	}
}

// People returns the number of people.
func (s *Sim) People() int { return s.world.People() }

// Person returns a person's identity at Google and Spotify.
func (s *Sim) Person(person int) Person {
	s.checkPerson(person)
	return s.world.Person(person)
}

// Track returns the track of the catalogue with the given number, from 0 to
// CatalogueSize−1, for scripts. The same number is the same track in every simulation with
// the same seed. The songs have the lowest numbers, then come 300 episodes, and then 300
// local files.
func (s *Sim) Track(number int) Track { return *s.world.Track(number) }

// GoogleToken returns a Google access token of a person, as a browser would get it. The
// token is valid for an hour. Without scopes, it has openid, email and profile. GoogleToken
// panics if clientID is neither GoogleClientID nor ForeignGoogleClientID.
func (s *Sim) GoogleToken(person int, clientID string, scopes ...string) string {
	s.checkPerson(person)
	token, err := s.google.AccessToken(person, clientID, scopes...)
	if err != nil {
		panic("sim: " + err.Error())
	}
	return token
}

// SpotifyCode returns an authorization code of a person, as the authorize page would. The
// code can be used once within ten minutes. SpotifyCode panics if the app or a scope is
// unknown, or if o.RedirectURI is empty.
func (s *Sim) SpotifyCode(person int, o CodeOptions) string {
	s.checkPerson(person)
	app := s.appIndex(cmp.Or(o.ClientID, SpotifyClientID))
	if o.RedirectURI == "" {
		panic("sim: a code needs a redirect URI: set CodeOptions.RedirectURI")
	}
	scopes := spotify.ListeningScopes
	if o.Scopes != nil {
		var unknown string
		if scopes, unknown = spotify.ParseScopes(o.Scopes); unknown != "" {
			panic(fmt.Sprintf("sim: scope %q is unknown", unknown))
		}
	}
	return s.spotify.Code(person, app, o.RedirectURI, o.Challenge, scopes)
}

// SpotifyTokens returns the Spotify tokens of a person, as if the person had consented now
// and the first app had exchanged the code with its secret. It is fast, so that a load test
// can link many people. Using the refresh token does not invalidate it.
func (s *Sim) SpotifyTokens(person int) (access, refresh string) {
	s.checkPerson(person)
	return s.spotify.Tokens(person)
}

// Revoke revokes a person's consent at Spotify. The token endpoint then rejects the person's
// earlier codes and refresh tokens with invalid_grant. Codes and tokens that are issued
// afterwards belong to a new consent and are valid.
func (s *Sim) Revoke(person int) {
	s.checkPerson(person)
	s.consents.Revoke(person)
}

// Unregister removes a person from the dashboard of the first Spotify app. The person can
// still allow the app, but the Web API answers the app's calls for the person with 403.
func (s *Sim) Unregister(person int) {
	s.checkPerson(person)
	s.consents.Register(person, 0, false)
}

// Register undoes Unregister.
func (s *Sim) Register(person int) { s.RegisterWith(person, SpotifyClientID) }

// RegisterWith registers a person in the dashboard of a Spotify app, as the app's owner
// would. It panics if clientID is unknown.
func (s *Sim) RegisterWith(person int, clientID string) {
	s.checkPerson(person)
	s.consents.Register(person, s.appIndex(clientID), true)
}

func (s *Sim) appIndex(clientID string) int {
	app, known := spotify.AppIndex(clientID)
	if !known {
		panic(fmt.Sprintf("sim: client %q is not registered: use %s, %s or %s", clientID, SpotifyClientID, DevelopmentClientID, UserAppClientID))
	}
	return app
}

// Truth returns every real play of a person that overlaps [from, to), oldest first,
// including plays that Spotify does not show.
func (s *Sim) Truth(person int, from, to time.Time) []Play {
	s.checkPerson(person)
	return s.world.Truth(person, from, to)
}

// PlaybackAt returns what a person's player really does at the given time.
func (s *Sim) PlaybackAt(person int, at time.Time) Playback {
	s.checkPerson(person)
	return s.world.PlaybackAt(person, at)
}

// Script replaces a person's generated plays. A nil slice restores the generated plays. An
// empty slice that is not nil means that the person plays nothing. Only Track.URI and Start
// are required. A track without a Duration is as long as the play lasts until End, or three
// minutes if there is no End either. A play ends at the end of its track, at its End or at
// the Start of the next play, whichever comes first.
func (s *Sim) Script(person int, plays []Play) {
	s.checkPerson(person)
	s.world.Script(person, plays)
}

// Fault activates a fault (simulated error) until the returned function is called. If Times
// is not 0, the fault also ends after it has affected that many requests. If several faults
// match a request, only the one that was activated first is applied. Fault panics if f is
// invalid.
func (s *Sim) Fault(f Fault) (cancel func()) {
	id, err := s.faults.Add(f)
	if err != nil {
		panic("sim: " + err.Error())
	}
	return func() { s.faults.Remove(id) }
}

// ClearFaults removes all faults.
func (s *Sim) ClearFaults() { s.faults.Clear() }

// ChangeQuirks changes how the imitated services respond in cases in which the real services
// have behaved differently at different times. The function change edits a copy of the
// present quirks, which then replaces them.
func (s *Sim) ChangeQuirks(change func(*Quirks)) { s.quirks.Change(change) }

// Stats returns how many calls the simulator has received so far, by endpoint and status,
// and when the last ones came.
func (s *Sim) Stats() Stats { return s.requestLog.Stats() }
