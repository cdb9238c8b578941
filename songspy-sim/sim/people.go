package sim

import (
	"cmp"
	"fmt"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/spotify"
)

// CodeOptions are the properties of an authorization code that SpotifyCode
// returns.
type CodeOptions struct {
	ClientID    string // default SpotifyClientID
	RedirectURI string // the exchange of the code must name the same redirect URI
	Challenge   string // PKCE S256 challenge; empty: the exchange needs the secret
	Scopes      []string
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

// Track returns one of the CatalogueSize tracks of the catalogue, for scripts.
// The same number is the same track in every simulation with the same seed.
// Songs come first, then 300 episodes, then 300 local files.
func (s *Sim) Track(number int) Track { return *s.world.Track(number) }

// GoogleToken returns a Google access token of a person, as a browser would get
// it, valid for an hour. The default scopes are openid, email and profile. It
// panics if the client is neither GoogleClientID nor ForeignGoogleClientID.
func (s *Sim) GoogleToken(person int, clientID string, scopes ...string) string {
	s.checkPerson(person)
	token, err := s.google.AccessToken(person, clientID, scopes...)
	if err != nil {
		panic("sim: " + err.Error())
	}
	return token
}

// SpotifyCode returns an authorization code as the authorize page would. It can
// be used once within ten minutes. The default scopes are those that Songspy
// needs. It panics if the client or a scope is unknown.
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

// SpotifyTokens returns the Spotify tokens of a person, as if the person had
// consented now and the app had exchanged the code with its secret. It is fast,
// to link many people at once. The refresh token stays valid when it is used.
func (s *Sim) SpotifyTokens(person int) (access, refresh string) {
	s.checkPerson(person)
	return s.spotify.Tokens(person)
}

// Revoke revokes a person's consent: the token endpoint rejects codes and
// refresh tokens issued so far with invalid_grant. If the person links again,
// that is a new consent.
func (s *Sim) Revoke(person int) {
	s.checkPerson(person)
	s.consents.Revoke(person)
}

// Unregister removes a person from the first app's dashboard. Signing in still
// works, but the Web API answers 403.
func (s *Sim) Unregister(person int) {
	s.checkPerson(person)
	s.consents.Register(person, 0, false)
}

// Register undoes Unregister.
func (s *Sim) Register(person int) { s.RegisterWith(person, SpotifyClientID) }

// RegisterWith registers a person in an app's dashboard, as its owner would. It
// panics if the client is unknown.
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

// Truth returns every real play of a person that overlaps [from, to), oldest
// first, including hidden plays.
func (s *Sim) Truth(person int, from, to time.Time) []Play {
	s.checkPerson(person)
	return s.world.Truth(person, from, to)
}

// PlaybackAt returns what a person's player really does at the given time.
func (s *Sim) PlaybackAt(person int, at time.Time) Playback {
	s.checkPerson(person)
	return s.world.PlaybackAt(person, at)
}

// Script replaces a person's plays. Nil restores the generated plays, and an
// empty list means none. Only Track.URI and Start are required: a track without
// a Duration lasts three minutes or until End. A play ends with its track, at
// its End or where the next one starts, whichever comes first.
func (s *Sim) Script(person int, plays []Play) {
	s.checkPerson(person)
	s.world.Script(person, plays)
}

// Fault activates a fault until cancel is called or its Times are used up. The
// first fault that matches a request is applied. It panics if the fault is
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

// ChangeQuirks changes how the imitated services respond in cases in which the
// real ones have behaved differently at different times.
func (s *Sim) ChangeQuirks(change func(*Quirks)) { s.quirks.Change(change) }

// Stats returns how many calls the simulator has received so far, by endpoint
// and status.
func (s *Sim) Stats() Stats { return s.requestLog.Stats() }
