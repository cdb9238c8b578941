package admin

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/songspy/songspy/songspy-sim/internal/google"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/spotify"
)

// sampled is how many people are looked at to tell what a population does.
const sampled = 1000

// population tells how many people there are and what they do just now.
func (s *Server) population(w http.ResponseWriter, _ *http.Request) {
	now := s.Now()
	states := map[population.State]int{}
	looked := min(sampled, s.World.People())
	for n := range looked {
		states[s.World.Look(n, now).State]++
	}
	answer(w, http.StatusOK, map[string]any{
		"people": s.World.People(), "epoch": s.World.Epoch(), "now": now.UTC(), "lookedAt": looked, "states": states,
	})
}

// person tells who somebody is and what they do just now.
func (s *Server) person(w http.ResponseWriter, _ *http.Request, n int) {
	who := s.World.Person(n)
	answer(w, http.StatusOK, map[string]any{
		"person": n, "googleId": who.GoogleID, "email": who.Email, "givenName": who.GivenName, "familyName": who.FamilyName,
		"spotifyId": who.SpotifyID, "accountId": who.AccountID, "displayName": who.DisplayName, "nickname": who.Nickname,
		"heardAtEnd": who.HeardAtEnd, "frozenTimestamp": who.FrozenTimestamp, "free": who.Free,
		"crossfadeMs": who.Crossfade.Milliseconds(), "registered": s.Ledger.Registered(n, 0),
		"now": showing(s.World.Now(n, s.Now())),
	})
}

// tokens issues what a script needs to be a person. client_id chooses the app
// of the Google token.
func (s *Server) tokens(w http.ResponseWriter, r *http.Request, n int) {
	client := r.URL.Query().Get("client_id")
	switch client {
	case "":
		client = google.ClientID
	case google.ClientID, google.ForeignClientID:
	default:
		refuse(w, http.StatusBadRequest, fmt.Errorf("client_id %q is not registered: use %s or %s", client, google.ClientID, google.ForeignClientID))
		return
	}
	access, refresh := s.Issuer.SpotifyTokens(n)
	answer(w, http.StatusOK, map[string]any{
		"google":  map[string]string{"accessToken": s.Issuer.GoogleToken(n, client), "clientId": client},
		"spotify": map[string]string{"accessToken": access, "refreshToken": refresh, "clientId": spotify.ClientID},
	})
}

// stats tells what was asked so far; with person=N also when about them.
func (s *Server) stats(w http.ResponseWriter, r *http.Request) {
	stats := s.Meter.Stats()
	out := map[string]any{"requests": stats.Requests, "last": stats.Last}
	if r.URL.Query().Has("person") {
		s.forPerson(func(w http.ResponseWriter, _ *http.Request, n int) {
			if at := stats.LastCall(n); !at.IsZero() {
				out["lastCall"] = at
			}
			answer(w, http.StatusOK, out)
		})(w, r)
		return
	}
	answer(w, http.StatusOK, out)
}

// register enters a person in an app's dashboard, or takes them off it.
// client_id chooses the app; without it, it is the first.
func (s *Server) register(registered bool) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, n int) {
		client := cmp.Or(r.URL.Query().Get("client_id"), spotify.ClientID)
		app, known := spotify.AppOf(client)
		if !known {
			refuse(w, http.StatusBadRequest, fmt.Errorf("client_id %q is not registered: use %s or %s", client, spotify.ClientID, spotify.SmallClientID))
			return
		}
		s.Ledger.Register(n, app, registered)
		w.WriteHeader(http.StatusNoContent)
	}
}
