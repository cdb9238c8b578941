package sim

import (
	"cmp"
	"fmt"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/spotify"
)

// CodeOptions say for what an authorization code is issued.
type CodeOptions struct {
	ClientID    string // default SpotifyClientID
	RedirectURI string // must be the same at the exchange
	Challenge   string // PKCE S256 challenge; empty: none, so the secret is needed
	Scopes      []string
}

func (s *Sim) checkPerson(person int) {
	if person < 0 || person >= s.world.People() {
		panic(fmt.Sprintf("sim: there is no person %d: they are numbered 0 to %d", person, s.world.People()-1))
	}
}

// People is the number of people.
func (s *Sim) People() int { return s.world.People() }

// Person tells who somebody is at Google and Spotify.
func (s *Sim) Person(person int) Person {
	s.checkPerson(person)
	return s.world.Person(person)
}

// Track returns one of the catalogue's CatalogueSize tracks, for scripts. The
// same number is the same track in every world with the same seed. Songs come
// first, then 300 episodes, then 300 local files.
func (s *Sim) Track(number int) Track { return *s.world.Track(number) }

// GoogleToken issues an access token as the browser would hold it, good for an
// hour. Without scopes it is for openid, email and profile. It panics if the
// client is neither GoogleClientID nor ForeignGoogleClientID.
func (s *Sim) GoogleToken(person int, clientID string, scopes ...string) string {
	s.checkPerson(person)
	token, err := s.google.AccessToken(person, clientID, scopes...)
	if err != nil {
		panic("sim: " + err.Error())
	}
	return token
}

// SpotifyCode issues an authorization code as the authorize page would. It is
// good for ten minutes and once. Without Scopes it is for those that Songspy
// needs. It panics if the client or a scope is not known.
func (s *Sim) SpotifyCode(person int, o CodeOptions) string {
	s.checkPerson(person)
	app := s.appIndex(cmp.Or(o.ClientID, SpotifyClientID))
	if o.RedirectURI == "" {
		panic("sim: a code is bound to a redirect URI: give CodeOptions.RedirectURI")
	}
	scopes := spotify.ListeningScopes
	if o.Scopes != nil {
		var unknown string
		if scopes, unknown = spotify.ParseScopes(o.Scopes); unknown != "" {
			panic(fmt.Sprintf("sim: scope %q is not known", unknown))
		}
	}
	return s.spotify.Code(person, app, o.RedirectURI, o.Challenge, scopes)
}

// SpotifyTokens issues what an exchange with the client secret would, for bulk
// loading: consent is given now, and the refresh token does not rotate.
func (s *Sim) SpotifyTokens(person int) (access, refresh string) {
	s.checkPerson(person)
	return s.spotify.Tokens(person)
}

// Revoke withdraws a person's consent: refresh tokens and codes issued so far
// are refused with invalid_grant. Linking again heals it.
func (s *Sim) Revoke(person int) {
	s.checkPerson(person)
	s.consents.Revoke(person)
}

// Unregister takes a person off the first app's list of users: signing in goes
// on working, the Web API answers 403.
func (s *Sim) Unregister(person int) {
	s.checkPerson(person)
	s.consents.Register(person, 0, false)
}

// Register undoes Unregister.
func (s *Sim) Register(person int) { s.RegisterWith(person, SpotifyClientID) }

// RegisterWith enters a person in an app's dashboard, as its owner would. It
// panics if the client is not known.
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

// Truth lists every real play of a person that overlaps [from, to), oldest
// first, hidden ones included.
func (s *Sim) Truth(person int, from, to time.Time) []Play {
	s.checkPerson(person)
	return s.world.Truth(person, from, to)
}

// Now tells what a person's player really does at an instant.
func (s *Sim) PlaybackAt(person int, at time.Time) Playback {
	s.checkPerson(person)
	return s.world.PlaybackAt(person, at)
}

// Script replaces a person's listening. Nil gives the invented listening back,
// an empty list is silence. Only Track.URI and Start are needed: a track
// without a Duration lasts three minutes or until End, and a play ends with
// its track, at its End or where the next one starts, whichever comes first.
func (s *Sim) Script(person int, plays []Play) {
	s.checkPerson(person)
	s.world.Script(person, plays)
}

// Fault puts a misbehaviour to work until cancel is called or its Times are
// used up. The first fault that fits a request strikes. It panics if the
// fault makes no sense.
func (s *Sim) Fault(f Fault) (cancel func()) {
	id, err := s.faults.Add(f)
	if err != nil {
		panic("sim: " + err.Error())
	}
	return func() { s.faults.Remove(id) }
}

// ClearFaults ends all faults.
func (s *Sim) ClearFaults() { s.faults.Clear() }

// Vary changes how the services answer where they are known to vary.
func (s *Sim) ChangeQuirks(change func(*Quirks)) { s.quirks.Change(change) }

// Stats tells what was asked so far.
func (s *Sim) Stats() Stats { return s.requestLog.Stats() }
