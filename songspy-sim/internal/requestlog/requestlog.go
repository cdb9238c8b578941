// Package requestlog counts the calls to the simulator by endpoint and status,
// and stores the time of the last call about each person.
package requestlog

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Endpoint is one endpoint of Spotify or Google.
type Endpoint uint8

// The endpoints by which calls are counted and faults are chosen.
const (
	Other Endpoint = iota
	Authorize
	Token
	Me
	CurrentlyPlaying
	RecentlyPlayed
	GoogleAuthorize
	GoogleToken
	Tokeninfo
	Userinfo
	endpointCount
)

var endpointNames = [endpointCount]string{
	"other", "authorize", "token", "me", "currently-playing", "recently-played",
	"google-authorize", "google-token", "tokeninfo", "userinfo",
}

func (e Endpoint) String() string { return endpointNames[e] }

// EndpointByName returns the endpoint with the name, or false if there is none.
func EndpointByName(name string) (Endpoint, bool) {
	for i, n := range endpointNames {
		if n == name {
			return Endpoint(i), true
		}
	}
	return Other, false
}

// NoPerson is the number that is recorded for a request that is about no
// particular person.
const NoPerson = -1

// Call is one answered request.
type Call struct {
	At       time.Time // when the request arrived
	Endpoint Endpoint
	Person   int // NoPerson if the request names none
	Status   int // 0 if the connection was broken before a response
}

// Log counts the calls that the simulator receives. All methods are safe for
// concurrent use.
type Log struct {
	now            func() time.Time
	observe        func(Call)
	counts         [endpointCount][600]atomic.Int64
	lastByEndpoint [endpointCount]atomic.Int64 // milliseconds since 1970, 0 for never
	lastByPerson   []atomic.Int64              // milliseconds since 1970, 0 for never; by person
	writers        sync.Pool
}

// New returns a log. observe is called with every call after its response, in
// the goroutine of the request; it may be nil.
func New(people int, now func() time.Time, observe func(Call)) *Log {
	l := &Log{now: now, observe: observe, lastByPerson: make([]atomic.Int64, people)}
	l.writers.New = func() any { return new(Writer) }
	return l
}

// Writer is the http.ResponseWriter that a Handler gets. It holds the person and
// the status of the call until the Log counts the call.
type Writer struct {
	http.ResponseWriter
	ReceivedAt time.Time // when the request arrived
	Person     int       // set by the handler once it is known
	status     int
	dropped    bool
}

// DropResponse discards the handler's response and breaks the connection.
func (w *Writer) DropResponse() {
	w.ResponseWriter, w.dropped = &discard{http.Header{}}, true
}

// discard is an http.ResponseWriter that ignores everything.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// WriteHeader records the status and passes it on.
func (w *Writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write passes the body on.
func (w *Writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the underlying writer.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Handler answers a counted request.
type Handler func(*Writer, *http.Request)

// Wrap returns an HTTP handler that calls h and counts the request.
func (l *Log) Wrap(e Endpoint, h Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := l.writers.Get().(*Writer)
		*w = Writer{ResponseWriter: rw, ReceivedAt: l.now(), Person: NoPerson}
		defer func() { // also when a fault cuts the connection by a panic
			l.record(Call{At: w.ReceivedAt, Endpoint: e, Person: w.Person, Status: w.status})
			w.ResponseWriter = nil
			l.writers.Put(w)
		}()
		h(w, r)
		if w.dropped {
			panic(http.ErrAbortHandler)
		}
		if w.status == 0 {
			w.status = http.StatusOK
		}
	})
}

func (l *Log) record(c Call) {
	l.counts[c.Endpoint][min(max(c.Status, 0), 599)].Add(1)
	at := c.At.UnixMilli()
	l.lastByEndpoint[c.Endpoint].Store(at)
	if c.Person >= 0 && c.Person < len(l.lastByPerson) {
		l.lastByPerson[c.Person].Store(at)
	}
	if l.observe != nil {
		l.observe(c)
	}
}

// Stats holds the numbers of calls so far.
type Stats struct {
	Requests map[string]map[int]int64 // by endpoint name and status
	Last     map[string]time.Time     // the last call of each endpoint
	log      *Log
}

// Stats reads the counters.
func (l *Log) Stats() Stats {
	s := Stats{Requests: map[string]map[int]int64{}, Last: map[string]time.Time{}, log: l}
	for e := range endpointCount {
		for status := range l.counts[e] {
			if n := l.counts[e][status].Load(); n > 0 {
				if s.Requests[e.String()] == nil {
					s.Requests[e.String()] = map[int]int64{}
				}
				s.Requests[e.String()][status] = n
			}
		}
		if at := l.lastByEndpoint[e].Load(); at != 0 {
			s.Last[e.String()] = time.UnixMilli(at).UTC()
		}
	}
	return s
}

// Total returns the number of calls to an endpoint with any status.
func (s Stats) Total(endpoint string) int64 {
	var n int64
	for _, count := range s.Requests[endpoint] {
		n += count
	}
	return n
}

// LastCall returns the time of the last call about a person; zero for never.
func (s Stats) LastCall(person int) time.Time {
	if at := s.log.lastByPerson[person].Load(); at != 0 {
		return time.UnixMilli(at).UTC()
	}
	return time.Time{}
}
