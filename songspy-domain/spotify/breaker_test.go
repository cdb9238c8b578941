package spotify_test

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/spotify"
)

func TestOpenBreaker_SendsNoCall(t *testing.T) {
	p := newFakeSpotify(t, says(429, "Too many requests", "Retry-After", "90"))
	clk := newClock()
	c := p.client(t, func(c *spotify.Config) { c.Now = clk.now })
	if err := c.Ready(t.Context()); err != nil {
		t.Fatalf("not ready before the first call: %v", err)
	}
	_ = poll(c)
	p.respondWith(says(204, ""))
	clk.advance(89 * time.Second)
	for _, err := range []error{poll(c), identify(c), c.Ready(t.Context())} {
		wantError(t, err, songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, time.Second)
	}
	if n := len(p.requests()); n != 1 {
		t.Fatalf("%d calls were sent, want only the refused one", n)
	}
	clk.advance(time.Second)
	if err := c.Ready(t.Context()); err != nil {
		t.Fatalf("not ready when the breaker is half open: %v", err)
	}
	if err := poll(c); err != nil {
		t.Fatalf("the probe: %v", err)
	}
	if d := c.Breakers(); d.API.Cause != "" || d.Accounts.Cause != "" {
		t.Fatalf("the breakers after the probe are %+v", d)
	}
}

func TestBreakers_TripByRefusingHost(t *testing.T) {
	p := newFakeSpotify(t, says(429, "", "Retry-After", "90"))
	c := p.client(t)
	_ = renew(c)
	p.respondWith(says(204, ""))
	if err := poll(c); err != nil {
		t.Errorf("the breaker of the Web API opened with that of accounts: %v", err)
	}
	wantError(t, exchange(c), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, 90*time.Second)
	wantError(t, c.Ready(t.Context()), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, 90*time.Second)
}

func TestPremiumRefusal_BlocksAppAndNotRegisteredDoesNot(t *testing.T) {
	p := newFakeSpotify(t, says(403, notRegistered))
	c := p.client(t)
	_ = poll(c)
	if err := c.Ready(t.Context()); err != nil {
		t.Errorf("the refusal of one user opened a breaker: %v", err)
	}
	p.respondWith(says(403, premium))
	_ = poll(c)
	wantError(t, c.Ready(t.Context()), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionAppBlocked, time.Hour)
	if cause := c.Breakers().API.Cause; cause != breaker.CausePremiumRequired {
		t.Errorf("the cause is %q, want premium_required", cause)
	}
}

func TestOutages_TripNoBreaker(t *testing.T) {
	p := newFakeSpotify(t, says(503, "upstream connect error"))
	c := p.client(t)
	for range 3 {
		_ = poll(c)
		_ = renew(c)
	}
	if n := len(p.requests()); n != 6 {
		t.Fatalf("%d calls were sent, want 6", n)
	}
}

func TestBreaker_LogsTripOnce(t *testing.T) {
	var log bytes.Buffer
	p := newFakeSpotify(t, says(429, "", "Retry-After", "90"))
	clk := newClock()
	c := p.client(t, func(c *spotify.Config) { c.Now, c.Logger = clk.now, slog.New(slog.NewTextHandler(&log, nil)) })
	for range 5 {
		_ = poll(c)
	}
	p.respondWith(says(204, ""))
	clk.advance(90 * time.Second)
	_ = poll(c)
	text := log.String()
	if strings.Count(text, "circuit breaker is open") != 1 || strings.Count(text, "circuit breaker closed") != 1 || !strings.Contains(text, "cause=rate_limited") {
		t.Fatalf("the log is:\n%s", text)
	}
}

func TestObserve_OutcomeLabelsAreFew(t *testing.T) {
	for want, c := range map[string]struct {
		answer http.HandlerFunc
		call   func(*spotify.Client) error
	}{
		"me ok":                            {says(200, `{"id":"a"}`), identify},
		"token ok":                         {says(200, granted), renew},
		"token grant_refused":              {says(400, `{"error":"invalid_grant"}`), renew},
		"token app_blocked":                {says(429, ""), renew},
		"currently-playing not_registered": {says(403, notRegistered), poll},
		"currently-playing token_refused":  {says(401, ""), poll},
		"currently-playing unavailable":    {says(500, ""), poll},
		"currently-playing timeout":        {stall, poll},
	} {
		t.Run(want, func(t *testing.T) {
			var seen []string
			_ = c.call(newFakeSpotify(t, c.answer).client(t, func(c *spotify.Config) {
				if strings.HasSuffix(want, "timeout") {
					c.Timeout = time.Millisecond
				}
				c.Observe = func(endpoint, outcome string, _ time.Duration) { seen = append(seen, endpoint+" "+outcome) }
			}))
			if strings.Join(seen, ", ") != want {
				t.Fatalf("observed %v", seen)
			}
		})
	}
	t.Run("a call that was not sent", func(t *testing.T) {
		var seen []string
		c := newFakeSpotify(t, says(429, "")).client(t, func(c *spotify.Config) {
			c.Observe = func(endpoint, outcome string, _ time.Duration) { seen = append(seen, outcome) }
		})
		_, _ = poll(c), poll(c)
		if strings.Join(seen, ", ") != "app_blocked, blocked" {
			t.Fatalf("observed %v", seen)
		}
	})
}

// scriptedTransport answers the n-th call, counted from 1, with the result of the
// function answer, without a network.
type scriptedTransport struct {
	mu     sync.Mutex
	calls  int
	answer func(n int, r *http.Request) (*http.Response, error)
}

func (s *scriptedTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.calls++
	n := s.calls
	s.mu.Unlock()
	return s.answer(n, r)
}

func status(code int, header ...string) (*http.Response, error) {
	h := http.Header{}
	for i := 0; i+1 < len(header); i += 2 {
		h.Set(header[i], header[i+1])
	}
	return &http.Response{StatusCode: code, Header: h, Body: http.NoBody}, nil
}

func TestHalfOpenBreaker_SendsOneProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		s := &scriptedTransport{answer: func(n int, _ *http.Request) (*http.Response, error) {
			if n == 1 {
				return status(429, "Retry-After", "30")
			}
			<-release
			return status(204)
		}}
		c := spotify.New(spotify.Config{ClientID: "id", Transport: s, Logger: slog.New(slog.DiscardHandler)})
		_ = poll(c)
		<-time.After(30 * time.Second)

		var wg sync.WaitGroup
		for range 100 {
			wg.Go(func() { _ = poll(c) })
		}
		synctest.Wait()
		if s.calls != 2 {
			t.Errorf("%d calls were sent during the probe, want one", s.calls-1)
		}
		close(release)
		wg.Wait()
		if err := poll(c); err != nil {
			t.Errorf("after the probe: %v", err)
		}
	})
}

func TestProbe_OfCancelledCallerIsReplacedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &scriptedTransport{answer: func(n int, r *http.Request) (*http.Response, error) {
			switch n {
			case 1:
				return status(429, "Retry-After", "30")
			case 2:
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return status(204)
		}}
		c := spotify.New(spotify.Config{ClientID: "id", Transport: s, Logger: slog.New(slog.DiscardHandler)})
		_ = poll(c)
		<-time.After(30 * time.Second)

		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { _, _ = c.CurrentlyPlaying(ctx, access) })
		synctest.Wait()
		cancel()
		wg.Wait()
		if err := poll(c); err != nil {
			t.Errorf("the next probe: %v", err)
		}
	})
}

func TestMayCall_IsCheckedRightBeforeSending(t *testing.T) {
	p := newFakeSpotify(t, says(204, ""))
	may := false
	c := p.client(t, func(c *spotify.Config) { c.MayCall = func() bool { return may } })
	wantError(t, poll(c), songspy.CodeUnavailable, spotify.ReasonUnavailable, songspy.DispositionMayNotCall, time.Second)
	if n := len(p.requests()); n != 0 {
		t.Errorf("%d calls were sent, want none", n)
	}
	may = true
	if err := poll(c); err != nil {
		t.Errorf("once calls are allowed: %v", err)
	}
}
