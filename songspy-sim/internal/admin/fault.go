package admin

import (
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/variant"
)

// fault is faults.Fault on the wire.
type fault struct {
	Endpoint       string  `json:"endpoint"`
	Person         *int    `json:"person,omitempty"` // left out: everyone
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

type placedFault struct {
	ID      int   `json:"id"`
	Strikes int64 `json:"strikes"`
	fault
}

func (f fault) place() faults.Fault {
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

func listed(p faults.Placed) placedFault {
	f := p.Fault
	out := placedFault{ID: p.ID, Strikes: p.Strikes, fault: fault{
		Endpoint: f.Endpoint, Kind: string(f.Kind), Share: f.Share, PeopleShare: f.PeopleShare, Times: f.Times,
		RetryAfter: f.RetryAfter, RetryAfterText: f.RetryAfterText, Status: f.Status, DelayMS: f.Delay.Milliseconds(), Body: f.Body,
	}}
	if f.Person != faults.Everyone {
		out.Person = &f.Person
	}
	return out
}

func (s *Server) listFaults(w http.ResponseWriter, _ *http.Request) {
	list := []placedFault{}
	for _, p := range s.Faults.List() {
		list = append(list, listed(p))
	}
	answer(w, http.StatusOK, map[string]any{"items": list})
}

func (s *Server) placeFault(w http.ResponseWriter, r *http.Request) {
	var f fault
	if err := read(w, r, &f); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	id, err := s.Faults.Place(f.place())
	if err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	answer(w, http.StatusCreated, map[string]int{"id": id})
}

func (s *Server) removeFault(w http.ResponseWriter, r *http.Request) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil || !s.Faults.Remove(id) {
		refuse(w, http.StatusNotFound, fmt.Errorf("there is no fault %q", r.PathValue("id")))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func (s *Server) changeVariants(w http.ResponseWriter, r *http.Request) {
	next := s.Variants.Get()
	if err := read(w, r, &next); err != nil {
		refuse(w, http.StatusBadRequest, err)
		return
	}
	answer(w, http.StatusOK, s.Variants.Change(func(v *variant.Set) { *v = next }))
}
