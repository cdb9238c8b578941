package faults

import (
	"io"
	"net/http"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
)

// activeFault is a fault that was added to a Registry and not removed.
type activeFault struct {
	Fault
	id       int
	endpoint requestlog.Endpoint
	status   int           // the result of Fault.response; 0 if the kind sends no response of its own
	body     body          // the result of Fault.response
	requests atomic.Uint64 // how many requests were considered for Fault.Share
	hits     atomic.Int64  // how many requests the fault has affected
}

// Registry holds the active faults. All methods are safe for concurrent use.
type Registry struct {
	mu     sync.Mutex
	nextID int
	faults atomic.Pointer[[]*activeFault] // oldest first; copied on write; nil if there are none
}

// Add validates and activates a fault. It returns the number by which Remove ends it.
func (b *Registry) Add(f Fault) (int, error) {
	if err := f.Validate(); err != nil {
		return 0, err
	}
	p := &activeFault{Fault: f}
	p.endpoint, _ = requestlog.EndpointByName(f.Endpoint)
	p.status, p.body, _ = f.response()
	b.mu.Lock()
	defer b.mu.Unlock()
	b.nextID++
	p.id = b.nextID
	b.store(append(slices.Clone(b.load()), p))
	return p.id, nil
}

// Remove ends a fault. It reports whether the fault was active.
func (b *Registry) Remove(id int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	before := b.load()
	after := slices.DeleteFunc(slices.Clone(before), func(p *activeFault) bool { return p.id == id })
	b.store(after)
	return len(after) < len(before)
}

// Clear ends all faults.
func (b *Registry) Clear() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.store(nil)
}

func (b *Registry) load() []*activeFault {
	if f := b.faults.Load(); f != nil {
		return *f
	}
	return nil
}

func (b *Registry) store(faults []*activeFault) {
	if len(faults) == 0 {
		b.faults.Store(nil)
		return
	}
	b.faults.Store(&faults)
}

// ActiveFault describes an active fault for the admin API.
type ActiveFault struct {
	ID    int
	Fault Fault
	Hits  int64 // how many requests the fault has affected
}

// List returns the active faults, oldest first.
func (b *Registry) List() []ActiveFault {
	list := []ActiveFault{}
	for _, p := range b.load() {
		list = append(list, ActiveFault{ID: p.id, Fault: p.Fault, Hits: p.hits.Load()})
	}
	return list
}

// Apply applies the oldest active fault that matches the endpoint e and the person of the
// request, w.Person, and whose Share and Times include the request. It returns true if it
// has answered the request. If it returns false, the caller must answer. To break a
// connection, it panics with http.ErrAbortHandler, as net/http requires.
func (b *Registry) Apply(w *requestlog.Writer, r *http.Request, e requestlog.Endpoint) bool {
	if b.faults.Load() == nil {
		return false
	}
	for _, p := range b.load() {
		if p.endpoint == e && p.matches(w.Person) {
			return p.apply(w, r)
		}
	}
	return false
}

func (p *activeFault) matches(person int) bool {
	if p.Person != Everyone && p.Person != person {
		return false
	}
	if p.PeopleShare > 0 && (person < 0 || hashUnit(uint64(person)) >= p.PeopleShare) {
		return false
	}
	if p.Share > 0 && hashUnit(p.requests.Add(1)<<20+uint64(p.id)) >= p.Share {
		return false
	}
	if n := p.hits.Add(1); p.Times > 0 && n > int64(p.Times) {
		p.hits.Add(-1)
		return false
	}
	return true
}

// hashUnit maps a number to [0, 1), always to the same result. The results are evenly
// distributed.
func hashUnit(n uint64) float64 {
	n = (n ^ n>>30) * 0xbf58476d1ce4e5b9
	n = (n + 0x9e3779b97f4a7c15) * 0x94d049bb133111eb
	n ^= n >> 31
	n *= 0xbf58476d1ce4e5b9
	return float64(n>>11) / (1 << 53)
}

func (p *activeFault) apply(w *requestlog.Writer, r *http.Request) bool {
	h := w.Header()
	switch {
	case p.RetryAfterText != "":
		h.Set("Retry-After", p.RetryAfterText)
	case p.RetryAfter != nil:
		h.Set("Retry-After", strconv.Itoa(*p.RetryAfter))
	}
	switch p.Kind {
	case Slow:
		sleep(r, p.Delay)
		return false
	case LostResponse:
		w.DropResponse()
		return false
	case Hangup:
		panic(http.ErrAbortHandler)
	case Cut:
		h.Set("Content-Type", json)
		h.Set("Content-Length", "2048")
		_, _ = io.WriteString(w, `{"timestamp":1490252122574,"progress_ms":44272,"item":{"album":{"na`)
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	if p.body.contentType != "" {
		h.Set("Content-Type", p.body.contentType)
	}
	if p.status != http.StatusNoContent {
		h.Set("Content-Length", strconv.Itoa(len(p.body.text)))
	}
	w.WriteHeader(p.status)
	if p.status != http.StatusNoContent {
		_, _ = io.WriteString(w, p.body.text)
	}
	return true
}

// sleep waits for the delay, or for 30 s if it is 0. If the client cancels the request
// before that, sleep ends the handler by a panic.
func sleep(r *http.Request, delay time.Duration) {
	if delay == 0 {
		delay = 30 * time.Second
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-r.Context().Done():
		panic(http.ErrAbortHandler)
	}
}
