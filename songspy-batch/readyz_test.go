package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-sim/sim"
)

// readyz is what the batch that was started last says of itself.
func (w *simWorld) readyz() (status int, words string) {
	answer := httptest.NewRecorder()
	telemetry.Readyz(w.batch.ready, w.batch.notes).ServeHTTP(answer,
		httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/readyz", http.NoBody))
	return answer.Code, answer.Body.String()
}

// says fails the test unless the batch says that, line by line; … stands for anything.
func (w *simWorld) expectReadyz(when string, status int, lines ...string) {
	w.t.Helper()
	got, words := w.readyz()
	said := strings.Split(strings.TrimSpace(words), "\n")
	fits := got == status && len(said) == len(lines)
	for i := 0; fits && i < len(lines); i++ {
		for _, part := range strings.Split(lines[i], "…") {
			fits = fits && strings.Contains(said[i], part)
		}
	}
	if !fits {
		w.t.Errorf("%s: %d\n%swant %d\n%s", when, got, words, status, strings.Join(lines, "\n"))
	}
}

func TestReadyzExplainsWhatIsWrong(t *testing.T) {
	long(t)
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		const people = 12
		w := newSimWorld(t, sim.Options{People: people, Population: "regular", Epoch: time.Now()})
		stop, _ := w.start(func(s *settings) { s.Spotify.DailyCalls = 100_000 })
		<-time.After(time.Hour)
		w.expectReadyz("when all is well", 200, "ready")

		retryAfter := 3600
		w.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &retryAfter, Times: 1})
		<-time.After(5 * time.Minute)
		w.expectReadyz("behind a closed door", 200, "ready",
			"Spotify's api door of app … is closed (throttled) until …; nobody is asked before.")
		<-time.After(3 * time.Hour)
		w.expectReadyz("once it is open again", 200, "ready")

		end := w.sim.Fault(sim.Fault{Endpoint: "token", Person: sim.Everyone, Kind: sim.InvalidGrant})
		<-time.After(40 * time.Minute)
		w.expectReadyz("in an outage", 200, "ready",
			"Spotify has refused nearly every renewal of app … since …; that is taken for an outage, and nobody is asked to link anew.")
		end()
		<-time.After(2 * time.Hour)
		w.expectReadyz("after it", 200, "ready")
		stop()

		stop, _ = w.start(func(s *settings) { s.Spotify.DailyCalls = people * 200 })
		<-time.After(10 * time.Minute)
		w.expectReadyz("on a budget", 200, "ready",
			"The 2340 calls that are planned for 24 hours for app … do not allow a poll every 3m0s: idle users are polled about every ….")
		stop()

		w.batch = newBatch(w.batch.settings, w.batch.db, w.sim.Transport(), w.batch.log)
		w.expectReadyz("before it works", 503, "The listeners have not been read yet.")
	})
}
