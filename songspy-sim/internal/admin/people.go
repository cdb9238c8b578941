package admin

import (
	"cmp"
	"fmt"
	"net/http"

	"github.com/songspy/songspy/songspy-sim/internal/google"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/spotify"
)

// sampleSize is the maximum number of people that getPopulation examines. These people
// stand for the whole population, which may be a million people.
const sampleSize = 1000

// getPopulation returns the number of people, and how many of a sample of them play, are
// paused and are idle now.
func (s *Server) getPopulation(w http.ResponseWriter, _ *http.Request) {
	now := s.Now()
	states := map[population.State]int{}
	observed := min(sampleSize, s.World.People())
	for n := range observed {
		states[s.World.View(n, now).State]++
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"people": s.World.People(), "epoch": s.World.Epoch(), "now": now.UTC(), "sampled": observed, "states": states,
	})
}

// getPerson returns a person's identity and current playback.
func (s *Server) getPerson(w http.ResponseWriter, _ *http.Request, n int) {
	person := s.World.Person(n)
	writeJSON(w, http.StatusOK, map[string]any{
		"person": n, "googleId": person.GoogleID, "email": person.Email, "givenName": person.GivenName, "familyName": person.FamilyName,
		"spotifyId": person.SpotifyID, "accountId": person.AccountID, "displayName": person.DisplayName, "nickname": person.Nickname,
		"playedAtIsEnd": person.PlayedAtIsEnd, "frozenTimestamp": person.FrozenTimestamp, "free": person.Free,
		"crossfadeMs": person.Crossfade.Milliseconds(), "registered": s.Consents.Registered(n, 0),
		"now": playbackJSON(s.World.PlaybackAt(n, s.Now())),
	})
}

// getTokens returns a Google token and Spotify tokens with which a script can act as a
// person. The query parameter client_id chooses the Google app to which the Google token
// is issued.
func (s *Server) getTokens(w http.ResponseWriter, r *http.Request, n int) {
	client := r.URL.Query().Get("client_id")
	switch client {
	case "":
		client = google.ClientID
	case google.ClientID, google.ForeignClientID:
	default:
		writeError(w, http.StatusBadRequest, fmt.Errorf("client_id %q is not registered: use %s or %s", client, google.ClientID, google.ForeignClientID))
		return
	}
	access, refresh := s.Issuer.SpotifyTokens(n)
	writeJSON(w, http.StatusOK, map[string]any{
		"google":  map[string]string{"accessToken": s.Issuer.GoogleToken(n, client), "clientId": client},
		"spotify": map[string]string{"accessToken": access, "refreshToken": refresh, "clientId": spotify.ClientID},
	})
}

// getStats returns the numbers of calls so far by endpoint and status, and the time of the
// last call to each endpoint. With person=N in the query it also returns the time of the
// last call about that person, if there was one.
func (s *Server) getStats(w http.ResponseWriter, r *http.Request) {
	stats := s.RequestLog.Stats()
	out := map[string]any{"requests": stats.Requests, "last": stats.Last}
	if r.URL.Query().Has("person") {
		s.withPerson(func(w http.ResponseWriter, _ *http.Request, n int) {
			if at := stats.LastCall(n); !at.IsZero() {
				out["lastCall"] = at
			}
			writeJSON(w, http.StatusOK, out)
		})(w, r)
		return
	}
	writeJSON(w, http.StatusOK, out)
}

// setRegistered returns a handler that registers a person in the dashboard of a Spotify
// app, or removes the person from it if the argument registered is false. The query
// parameter client_id chooses the app; the default is the first app.
func (s *Server) setRegistered(registered bool) func(http.ResponseWriter, *http.Request, int) {
	return func(w http.ResponseWriter, r *http.Request, n int) {
		client := cmp.Or(r.URL.Query().Get("client_id"), spotify.ClientID)
		app, known := spotify.AppIndex(client)
		if !known {
			writeError(w, http.StatusBadRequest, fmt.Errorf("client_id %q is not registered: use %s, %s or %s", client, spotify.ClientID, spotify.DevelopmentClientID, spotify.UserAppClientID))
			return
		}
		s.Consents.Register(n, app, registered)
		w.WriteHeader(http.StatusNoContent)
	}
}
