// Package admin lets other processes do to the simulator what tests do in Go:
// place faults, switch variants, revoke consent, and read out the truth.
package admin

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/standing"
	"github.com/songspy/songspy/songspy-sim/internal/traffic"
	"github.com/songspy/songspy/songspy-sim/internal/variant"
)

// Issuer hands out tokens for scripts.
type Issuer interface {
	GoogleToken(person int, clientID string, scopes ...string) string
	SpotifyTokens(person int) (access, refresh string)
}

// Server answers under /admin. All fields must be set.
type Server struct {
	World    *population.World
	Ledger   *standing.Ledger
	Meter    *traffic.Meter
	Faults   *faults.Book
	Variants *variant.Switch
	Now      func() time.Time
	Issuer   Issuer
}

// Routes adds the admin's paths to a mux.
func (s *Server) Routes(mux *http.ServeMux) {
	mux.HandleFunc("GET /admin/faults", s.listFaults)
	mux.HandleFunc("POST /admin/faults", s.placeFault)
	mux.HandleFunc("DELETE /admin/faults", func(w http.ResponseWriter, _ *http.Request) {
		s.Faults.Clear()
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /admin/faults/{id}", s.removeFault)
	mux.HandleFunc("GET /admin/variants", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, s.Variants.Get()) })
	mux.HandleFunc("PATCH /admin/variants", s.changeVariants)
	mux.HandleFunc("GET /admin/population", s.population)
	mux.HandleFunc("GET /admin/stats", s.stats)
	mux.HandleFunc("GET /admin/truth", s.forPerson(s.truth))
	mux.HandleFunc("GET /admin/now", s.forPerson(s.now))
	mux.HandleFunc("PUT /admin/people/{person}/script", s.forPerson(s.script))
	mux.HandleFunc("GET /admin/people/{person}", s.forPerson(s.person))
	mux.HandleFunc("GET /admin/people/{person}/tokens", s.forPerson(s.tokens))
	mux.HandleFunc("POST /admin/people/{person}/revoke", s.forPerson(func(w http.ResponseWriter, _ *http.Request, n int) {
		s.Ledger.Revoke(n)
		w.WriteHeader(http.StatusNoContent)
	}))
	mux.HandleFunc("POST /admin/people/{person}/register", s.forPerson(s.register(true)))
	mux.HandleFunc("POST /admin/people/{person}/unregister", s.forPerson(s.register(false)))
}

// forPerson reads the person whom a request is about, from its path or query.
func (s *Server) forPerson(h func(http.ResponseWriter, *http.Request, int)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		text := r.PathValue("person")
		if text == "" {
			text = r.URL.Query().Get("person")
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 0 || n >= s.World.People() {
			refuse(w, http.StatusBadRequest, fmt.Errorf("person %q does not exist: they are numbered 0 to %d", text, s.World.People()-1))
			return
		}
		h(w, r, n)
	}
}

// instant reads a time of the query, in RFC 3339 or as milliseconds since 1970.
func instant(r *http.Request, name string, fallback time.Time) (time.Time, error) {
	text := r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil {
		return time.UnixMilli(ms).UTC(), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, fmt.Errorf("%s=%q is no time: give RFC 3339 or milliseconds since 1970", name, text)
	}
	return at, nil
}

func answer(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		refuse(w, http.StatusInternalServerError, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func refuse(w http.ResponseWriter, status int, err error) {
	answer(w, status, map[string]string{"error": err.Error()})
}

// read decodes a JSON body and refuses what it does not know.
func read(w http.ResponseWriter, r *http.Request, v any) error {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 8<<20))
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		return fmt.Errorf("the body is not what was expected: %w", err)
	}
	return nil
}
