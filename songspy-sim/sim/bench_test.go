package sim_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// BenchmarkCurrentlyPlaying asks about a million listeners in turn, without
// sockets: what the simulator itself costs a request.
func BenchmarkCurrentlyPlaying(b *testing.B) {
	const people, tokens = 1_000_000, 10_000
	s, err := sim.New(sim.Options{Seed: 1, People: people, Population: "tenth"})
	if err != nil {
		b.Fatal(err)
	}
	requests := make([]*http.Request, tokens)
	for i := range requests {
		access, _ := s.SpotifyTokens(i * (people / tokens))
		requests[i] = request(b, http.MethodGet, apiURL+playing+"?additional_types=track,episode", "Bearer "+access, nil)
		requests[i].RequestURI = ""
		requests[i].URL.Scheme, requests[i].URL.Host = "", ""
	}
	h, w := s.Handler(), &nobody{http.Header{}}
	began, n := time.Now(), 0
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, requests[n%tokens])
		n++
	}
	b.ReportMetric(float64(n)/time.Since(began).Seconds(), "requests/s")
}

// nobody reads no answer.
type nobody struct{ header http.Header }

func (n *nobody) Header() http.Header         { return n.header }
func (n *nobody) Write(b []byte) (int, error) { return len(b), nil }
func (n *nobody) WriteHeader(int)             {}
