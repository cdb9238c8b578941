package sim_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/songspy/songspy/songspy-sim/sim"
)

// BenchmarkCurrentlyPlaying polls ten thousand of a million simulated people, one after
// another, without sockets. It measures what a request costs in the simulator itself.
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
	h, w := s.Handler(), &discardWriter{http.Header{}}
	began, n := time.Now(), 0
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, requests[n%tokens])
		n++
	}
	b.ReportMetric(float64(n)/time.Since(began).Seconds(), "requests/s")
}

// BenchmarkCurrentlyPlayingOverHTTP polls over HTTP on loopback. Its client needs more CPU
// time than the simulator. With -cpu 1 both share one core, so the result contains the cost
// of both.
func BenchmarkCurrentlyPlayingOverHTTP(b *testing.B) {
	const people = 1_000_000
	s, err := sim.New(sim.Options{Seed: 1, People: people, Population: "tenth"})
	if err != nil {
		b.Fatal(err)
	}
	server := httptest.NewServer(s.Handler())
	b.Cleanup(server.Close)
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
	b.SetParallelism(16)
	b.ReportAllocs()
	began := time.Now()
	b.RunParallel(func(pb *testing.PB) {
		for person := 0; pb.Next(); person = (person + 7919) % people {
			access, _ := s.SpotifyTokens(person)
			resp, err := client.Do(request(b, http.MethodGet, server.URL+"/spotify/api/v1"+playing, "Bearer "+access, nil))
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
	})
	b.ReportMetric(float64(b.N)/time.Since(began).Seconds(), "requests/s")
}

// discardWriter is an http.ResponseWriter that discards the response.
type discardWriter struct{ header http.Header }

func (n *discardWriter) Header() http.Header         { return n.header }
func (n *discardWriter) Write(b []byte) (int, error) { return len(b), nil }
func (n *discardWriter) WriteHeader(int)             {}
