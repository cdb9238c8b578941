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

// readyz returns the /readyz answer of the batch that was started last.
func (w *simWorld) readyz() (status int, body string) {
	answer := httptest.NewRecorder()
	telemetry.Readyz(w.batch.ready, w.batch.notes).ServeHTTP(answer,
		httptest.NewRequestWithContext(w.t.Context(), http.MethodGet, "/readyz", http.NoBody))
	return answer.Code, answer.Body.String()
}

// expectReadyz fails the test unless /readyz returns the status and the lines. In a
// line, … stands for any text.
func (w *simWorld) expectReadyz(when string, status int, lines ...string) {
	w.t.Helper()
	gotStatus, body := w.readyz()
	got := strings.Split(strings.TrimSpace(body), "\n")
	matches := gotStatus == status && len(got) == len(lines)
	for i := 0; matches && i < len(lines); i++ {
		for _, part := range strings.Split(lines[i], "…") {
			matches = matches && strings.Contains(got[i], part)
		}
	}
	if !matches {
		w.t.Errorf("%s: %d\n%swant %d\n%s", when, gotStatus, body, status, strings.Join(lines, "\n"))
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
		w.expectReadyz("when nothing is wrong", 200, "ready")

		retryAfter := 3600
		w.sim.Fault(sim.Fault{Endpoint: "currently-playing", Person: sim.Everyone, Kind: sim.RateLimited, RetryAfter: &retryAfter, Times: 1})
		<-time.After(5 * time.Minute)
		w.expectReadyz("while the breaker is open", 200, "ready",
			"Calls to circuit api of Spotify app … are blocked (rate limited) until ….")
		<-time.After(3 * time.Hour)
		w.expectReadyz("after the breaker has closed", 200, "ready")

		end := w.sim.Fault(sim.Fault{Endpoint: "token", Person: sim.Everyone, Kind: sim.InvalidGrant})
		<-time.After(40 * time.Minute)
		w.expectReadyz("during an outage", 200, "ready",
			"Spotify has rejected most renewals of app … since …. This counts as an outage: no user is asked to link again.")
		end()
		<-time.After(2 * time.Hour)
		w.expectReadyz("after the outage", 200, "ready")
		stop()

		stop, _ = w.start(func(s *settings) { s.Spotify.DailyCalls = people * 200 })
		<-time.After(10 * time.Minute)
		w.expectReadyz("with a quota", 200, "ready",
			"The 2340 calls that are planned for 24 hours for app … do not allow a poll every 3m0s: idle users are polled about every ….")
		stop()

		w.batch = newBatch(w.batch.settings, w.batch.db, w.sim.Transport(), nil, w.batch.log)
		w.expectReadyz("before the first plan", 503, "The users have not been read yet.")
	})
}
