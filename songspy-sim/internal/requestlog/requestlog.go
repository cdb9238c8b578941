// Package requestlog counts the calls that the simulator receives, by endpoint and status.
// It also stores the time of the last call about each person.
package requestlog

import (
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Endpoint is one endpoint of Spotify or Google. Calls are counted by Endpoint, and a fault
// (simulated error) affects one Endpoint.
type Endpoint uint8

// The endpoints. Other stands for all endpoints that are not in this list.
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

// EndpointByName returns the endpoint with the given name. The second result is false if
// there is none.
func EndpointByName(name string) (Endpoint, bool) {
	for i, n := range endpointNames {
		if n == name {
			return Endpoint(i), true
		}
	}
	return Other, false
}

// NoPerson is recorded as the number of the person for a request that concerns no
// particular person.
const NoPerson = -1

// Call is one answered request.
type Call struct {
	At       time.Time // when the request arrived
	Endpoint Endpoint
	Person   int // NoPerson if the request concerns no particular person
	Status   int // 0 if the connection was broken before a response; after DropResponse, that of the discarded response
}

// Log counts the calls that the simulator receives. All methods are safe for
// concurrent use.
type Log struct {
	now            func() time.Time
	observe        func(Call)
	counts         [endpointCount][600]atomic.Int64 // by endpoint and status
	lastByEndpoint [endpointCount]atomic.Int64      // the last call, in milliseconds since 1970; 0 if there was none
	lastByPerson   []atomic.Int64                   // the last call about each person, in the same unit; 0 if there was none
	writers        sync.Pool
}

// New returns a log for people with the numbers 0 to people−1. The log calls the function
// observe with every call after its response, in the goroutine of the request. The
// function may be nil.
func New(people int, now func() time.Time, observe func(Call)) *Log {
	l := &Log{now: now, observe: observe, lastByPerson: make([]atomic.Int64, people)}
	l.writers.New = func() any { return new(Writer) }
	return l
}

// Writer is the http.ResponseWriter that a Handler gets. It stores the person and the
// status of the call, for the Log, which counts the call after the Handler has returned.
type Writer struct {
	http.ResponseWriter
	ReceivedAt time.Time // when the request arrived
	Person     int       // NoPerson until the Handler sets it
	status     int       // 0 until the Handler writes a response
	dropped    bool      // DropResponse was called
}

// DropResponse discards the response that the Handler writes afterwards, and breaks the
// connection when the Handler has returned.
func (w *Writer) DropResponse() {
	w.ResponseWriter, w.dropped = &discard{http.Header{}}, true
}

// discard is an http.ResponseWriter that ignores everything.
type discard struct{ header http.Header }

func (d *discard) Header() http.Header         { return d.header }
func (d *discard) Write(b []byte) (int, error) { return len(b), nil }
func (d *discard) WriteHeader(int)             {}

// WriteHeader records the status and passes it to the underlying writer.
func (w *Writer) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
	w.ResponseWriter.WriteHeader(status)
}

// Write passes a part of the body to the underlying writer. If no status was written, it
// records 200, as net/http sends.
func (w *Writer) Write(b []byte) (int, error) {
	if w.status == 0 {
		w.status = http.StatusOK
	}
	return w.ResponseWriter.Write(b)
}

// Unwrap lets http.ResponseController find the underlying writer.
func (w *Writer) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Handler answers a request that a Log counts.
type Handler func(*Writer, *http.Request)

// Wrap returns an HTTP handler that calls h and counts the request as one to the endpoint e.
func (l *Log) Wrap(e Endpoint, h Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		w := l.writers.Get().(*Writer)
		*w = Writer{ResponseWriter: rw, ReceivedAt: l.now(), Person: NoPerson}
		defer func() { // deferred, because a fault breaks the connection by a panic
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

// Stats holds the numbers and the times of the calls so far.
type Stats struct {
	Requests map[string]map[int]int64 // the numbers of calls, by name of the endpoint and status
	Last     map[string]time.Time     // the time of the last call, by name of the endpoint
	log      *Log
}

// Stats returns the present values of the counters.
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

// Total returns the number of calls to an endpoint, whatever their status.
func (s Stats) Total(endpoint string) int64 {
	var n int64
	for _, count := range s.Requests[endpoint] {
		n += count
	}
	return n
}

// LastCall returns the time of the last call about a person, or the zero time if there was
// none. It reads the present counters of the Log, so the call may be newer than s.
func (s Stats) LastCall(person int) time.Time {
	if at := s.log.lastByPerson[person].Load(); at != 0 {
		return time.UnixMilli(at).UTC()
	}
	return time.Time{}
}
