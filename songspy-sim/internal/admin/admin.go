// Package admin serves the simulator's admin API. Other processes use it to add faults
// (simulated errors), change quirks (deviations from the documentation), revoke consents
// and read the true plays.
package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/consents"
	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/quirks"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
)

// Issuer issues tokens of simulated people, with which scripts can act as these people.
type Issuer interface {
	GoogleToken(person int, clientID string, scopes ...string) string
	SpotifyTokens(person int) (access, refresh string)
}

// Server serves /admin. All fields must be set.
type Server struct {
	World      *population.World
	Consents   *consents.Store
	RequestLog *requestlog.Log
	Faults     *faults.Registry
	Quirks     *quirks.Switch
	Now        func() time.Time
	Issuer     Issuer
}

// Routes adds the routes of the admin API to a mux.
func (s *Server) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /admin/faults", s.listFaults)
	mux.HandleFunc("POST /admin/faults", s.addFault)
	mux.HandleFunc("DELETE /admin/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.Faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /admin/faults/{id}", s.removeFault)
	mux.HandleFunc("GET /admin/quirks", func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Quirks.Get()) })
	mux.HandleFunc("PATCH /admin/quirks", s.changeQuirks)
	mux.HandleFunc("GET /admin/population", s.getPopulation)
	mux.HandleFunc("GET /admin/stats", s.getStats)
	mux.HandleFunc("GET /admin/truth", s.withPerson(s.getTruth))
	mux.HandleFunc("GET /admin/now", s.withPerson(s.getNow))
	mux.HandleFunc("PUT /admin/people/{person}/script", s.withPerson(s.putScript))
	mux.HandleFunc("GET /admin/people/{person}", s.withPerson(s.getPerson))
	mux.HandleFunc("GET /admin/people/{person}/tokens", s.withPerson(s.getTokens))
	mux.HandleFunc("POST /admin/people/{person}/revoke", s.withPerson(func(w http.ResponseWriter, _ *http.Request, n int) {
		s.Consents.Revoke(n)
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("POST /admin/people/{person}/register", s.withPerson(s.setRegistered(true)))
	mux.HandleFunc("POST /admin/people/{person}/unregister", s.withPerson(s.setRegistered(false)))
}

// withPerson returns a handler that calls h with the number of a person. The handler
// reads the number from the path or, if the path has none, from the query parameter
// "person". It answers 400 if there is no such person.
func (s *Server) withPerson(h func(http.ResponseWriter, *http.Request, int)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text := r.PathValue("person")
		if text == "" {
			text = r.URL.Query().Get("person")
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= s.World.People() {
			writeError(w, http.StatusBadRequest, fmt.Errorf("person %q does not exist: they are numbered 0 to %d", text, s.World.People()-1))
			return
		}
		h(w, r, n)
	}
}

// timeParameter returns the time in the query parameter with the given name. The
// parameter is in RFC 3339, or in milliseconds since 1970. If the query lacks it,
// timeParameter returns the given fallback.
func timeParameter(r *http.Request, name string, fallback time.Time) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s=%q is not a time: use RFC 3339 or milliseconds since 1970", name, text)
	}
	return at, nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		writeError(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func writeError(w http.ResponseWriter, status int, err error) {
	writeJSON(w, status, map[string]string{"error": err.Error()})
}

// readJSON decodes the JSON body of a request into v. It returns an error for an unknown
// field, so that a misspelled one does not pass unnoticed.
func readJSON(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the body is invalid: %w", err)
	}
	return nil
}
