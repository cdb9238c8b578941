package spotify

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// userAgent is the User-Agent header of all calls.
const userAgent = "songspy (+https://github.com/songspy/songspy)"

// refusalLimit limits how much of an error body is read, in bytes.
const refusalLimit = 64 << 10

// NewTransport returns the transport that a Client uses by default. It is tuned
// for thousands of small calls a second to two hosts: connections are kept
// open, and answers are not compressed, because decompressing a few kilobytes
// costs more than transferring them.
func NewTransport(maxConns int) *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout:    5 * time.Second,
		MaxIdleConns:           2 * maxConns,
		MaxIdleConnsPerHost:    maxConns,
		MaxConnsPerHost:        maxConns,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		DisableCompression:     true,
		ForceAttemptHTTP2:      true, // a custom DialContext would disable it otherwise
	}
}

// guardedTransport makes calls to one of Spotify's two hosts if the guard allows them:
// the circuit breaker of that host, the rate limiter and the quota. If a call is not
// allowed, or if its answer says that Spotify blocks the whole app, RoundTrip returns a
// *songspy.Error instead of a response.
type guardedTransport struct {
	next     http.RoundTripper
	guard    *breakerGuard
	circuit  breaker.Circuit
	urgency  breaker.Urgency
	endpoint quota.Endpoint // the endpoint under which the calls count against the quota
	mayCall  func() bool    // see Config.MayCall; nil means that every call may be sent
}

// RoundTrip implements http.RoundTripper.
func (g *guardedTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, _, err := g.call(req)
	return resp, err
}

// call does what RoundTrip does, and also returns the time at which the answer arrived
// or the call failed. It returns the zero time if it did not try to send the call.
func (g *guardedTransport) call(req *http.Request) (resp *http.Response, arrived time.Time, err error) {
	permit, countedAt, err := g.guard.acquire(req.Context(), g.circuit, g.urgency, g.endpoint)
	if err == nil {
		if err = g.abandonReason(req.Context()); err != nil {
			g.guard.uncount(g.circuit, countedAt, g.endpoint)
			g.guard.report(req.Context(), g.guard.now(), g.circuit, permit, g.endpoint, breaker.Outcome{Result: breaker.Abandoned})
		}
	}
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, time.Time{}, err
	}
	resp, err = g.next.RoundTrip(req)
	now := g.guard.now()
	if err != nil {
		if isUnconnected(err) {
			g.guard.uncount(g.circuit, countedAt, g.endpoint)
		}
		result := breaker.Failed
		if errors.Is(req.Context().Err(), context.Canceled) {
			result = breaker.Abandoned
		}
		g.guard.report(req.Context(), now, g.circuit, permit, g.endpoint, breaker.Outcome{Result: result})
		return nil, now, err
	}
	o := classifyResponse(resp, now)
	g.guard.report(req.Context(), now, g.circuit, permit, g.endpoint, o)
	switch o.Result {
	case breaker.RateLimited, breaker.QuotaExceeded, breaker.PremiumRequired:
		_ = resp.Body.Close()
		if err := g.guard.check(req.Context(), g.circuit); err != nil {
			return nil, now, appBlockedError(err)
		}
		// The circuit breaker has opened and closed again since this call was sent, so
		// the refusal says nothing about the app any more.
		return nil, now, unavailable(nil, 0)
	}
	return resp, now, nil
}

// abandonReason returns the error for a call that must not be sent although the circuit
// breaker allows it: this process may not call for the user, or the caller has given up.
// It returns nil if the call may be sent.
func (g *guardedTransport) abandonReason(ctx context.Context) error {
	if g.mayCall != nil && !g.mayCall() {
		return mayNotCallError()
	}
	return ctx.Err()
}

// isUnconnected reports whether a call failed because no connection was made, so
// that it was never sent.
func isUnconnected(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// classifyResponse returns what a response means for the circuit breaker. It may read
// the body of a refusal; then it replaces the body, so that the caller can read it again.
func classifyResponse(resp *http.Response, now time.Time) breaker.Outcome {
	o := breaker.Outcome{Result: breaker.Answered}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		o.Result = breaker.RateLimited
		if bytes.Contains(peekBody(resp), []byte("QUOTA_EXCEEDED")) {
			o.Result = breaker.QuotaExceeded
		}
		o.RetryAfter = retryAfter(resp.Header, now)
	case resp.StatusCode == http.StatusForbidden:
		switch parseForbidden(peekBody(resp)) {
		case forbiddenApp:
			o.Result = breaker.PremiumRequired
			o.RetryAfter = retryAfter(resp.Header, now)
		case forbiddenUnknown:
			o.Result = breaker.Forbidden
		case forbiddenByProxy:
			o.Result = breaker.Failed
		}
	case resp.StatusCode >= http.StatusInternalServerError:
		o.Result = breaker.Failed
	}
	return o
}

// peekBody returns the first refusalLimit bytes of the body, and replaces the body by
// these bytes, so that they can be read again. If the connection breaks, it returns the
// bytes that arrived.
func peekBody(resp *http.Response) []byte {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, refusalLimit))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return b
}

// says reports whether a body contains the phrase, given in lower case. Spotify
// sends the same sentences as plain text and in JSON.
func says(body []byte, phrase string) bool {
	return bytes.Contains(bytes.ToLower(body), []byte(phrase))
}

// retryAfterMax is the longest wait that retryAfter returns, even if Spotify asks for more.
const retryAfterMax = 24 * time.Hour

// retryAfter returns the wait that a Retry-After header asks for, as a number of seconds
// or as a date, but at most retryAfterMax. It returns zero if the header is missing,
// cannot be parsed or is not in the future.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if math.IsNaN(s) || s <= 0 {
			return 0
		}
		return time.Duration(min(s, retryAfterMax.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil {
		if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
			now = theirs // the server computed the date by its own clock, which its Date header shows
		}
		return min(max(0, at.Sub(now)), retryAfterMax)
	}
	return 0
}

// tokenClient returns a client that never follows a redirect, because a
// redirect would forward the credentials.
func tokenClient(via http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     via,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// tokenTransport adapts calls of the token endpoint for package oauth2. The endpoint
// always answers with JSON, but with any Content-Type, and oauth2 would parse text/plain
// as a form. So the transport sets the Content-Type of all answers to JSON. It rewrites
// successful answers by tidyGrant.
type tokenTransport struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (t tokenTransport) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json")
	resp, err := t.next.RoundTrip(req)
	if err != nil {
		return nil, err
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	resp.Header.Set("Content-Type", "application/json")
	if resp.StatusCode == http.StatusOK && resp.Body != nil {
		resp.Body = tidyGrantBody(resp.Body)
		resp.ContentLength = -1
	}
	return resp, nil
}
