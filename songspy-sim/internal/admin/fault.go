package admin

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/quirks"
)

// faultJSON is faults.Fault as JSON.
type faultJSON struct {
	Endpoint       string  `json:"endpoint"`
	Person         *int    `json:"person,omitempty"` // absent if the fault affects everyone
	Kind           string  `json:"kind"`
	Share          float64 `json:"share,omitempty"`
	PeopleShare    float64 `json:"peopleShare,omitempty"`
	Times          int     `json:"times,omitempty"`
	RetryAfter     *int    `json:"retryAfter,omitempty"`
	RetryAfterText string  `json:"retryAfterText,omitempty"`
	Status         int     `json:"status,omitempty"`
	DelayMS        int64   `json:"delayMs,omitempty"`
	Body           string  `json:"body,omitempty"`
}

type activeFaultJSON struct {
	ID   int   `json:"id"`
	Hits int64 `json:"hits"`
	faultJSON
}

func (f faultJSON) toFault() faults.Fault {
	person := faults.Everyone
	if f.Person != nil {
		person = *f.Person
	}
	return faults.Fault{
		Endpoint: f.Endpoint, Person: person, Kind: faults.Kind(f.Kind), Share: f.Share, PeopleShare: f.PeopleShare,
		Times: f.Times, RetryAfter: f.RetryAfter, RetryAfterText: f.RetryAfterText, Status: f.Status,
		Delay: time.Duration(f.DelayMS) * time.Millisecond, Body: f.Body,
	}
}

func toActiveFaultJSON(p faults.ActiveFault) activeFaultJSON {
	f := p.Fault
	out := activeFaultJSON{ID: p.ID, Hits: p.Hits, faultJSON: faultJSON{
		Endpoint: f.Endpoint, Kind: string(f.Kind), Share: f.Share, PeopleShare: f.PeopleShare, Times: f.Times,
		RetryAfter: f.RetryAfter, RetryAfterText: f.RetryAfterText, Status: f.Status, DelayMS: f.Delay.Milliseconds(), Body: f.Body,
	}}
	if f.Person != faults.Everyone {
		out.Person = &f.Person
	}
	return out
}

func (s *Server) listFaults(w http.ResponseWriter, _ *http.Request) {
	list := []activeFaultJSON{}
	for _, p := range s.Faults.List() {
		list = append(list, toActiveFaultJSON(p))
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": list})
}

func (s *Server) addFault(w http.ResponseWriter, r *http.Request) {
	var f faultJSON
	if err := readJSON(w, r, &f); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	id, err := s.Faults.Add(f.toFault())
	if err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]int{"id": id})
}

func (s *Server) removeFault(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !s.Faults.Remove(id) {
		writeError(w, http.StatusNotFound, fmt.Errorf("there is no fault %q", r.PathValue("id")))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) changeQuirks(w http.ResponseWriter, r *http.Request) {
	next := s.Quirks.Get()
	if err := readJSON(w, r, &next); err != nil {
		writeError(w, http.StatusBadRequest, err)
		return
	}
	writeJSON(w, http.StatusOK, s.Quirks.Change(func(v *quirks.Set) { *v = next }))
}
