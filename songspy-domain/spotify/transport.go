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

	"github.com/songspy/songspy/songspy-domain/gate"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// userAgent tells Spotify who calls.
const userAgent = "songspy (+https://github.com/songspy/songspy)"

// refusalLimit bounds what is read of a refusal, in bytes.
const refusalLimit = 64 << 10

// NewTransport is what a Client carries its calls on unless it is given
// another. It is tuned for thousands of small calls a second to two hosts:
// connections are kept, and answers come uncompressed, since inflating a few
// kilobytes costs more than carrying them.
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
		ForceAttemptHTTP2:      true, // a DialContext of one's own turns it off otherwise
	}
}

// gated passes calls through one door. A closed door, and an answer that
// closes it, come back as a *songspy.Error instead of a response.
type gated struct {
	next    http.RoundTripper
	keeper  *doorkeeper
	door    gate.Door
	urgency gate.Urgency
	counts  quota.Endpoint // as what calls count against the quota
	may     func() bool    // nil: always
}

// RoundTrip implements http.RoundTripper.
func (g gated) RoundTrip(req *http.Request) (*http.Response, error) {
	pass, passed, err := g.keeper.enter(req.Context(), g.door, g.urgency, g.counts)
	if err == nil {
		if err = g.kept(req.Context()); err != nil {
			g.keeper.unsent(g.door, passed, g.counts)
			g.keeper.report(req.Context(), g.keeper.now(), g.door, pass, g.counts, gate.Outcome{Result: gate.Abandoned})
		}
	}
	if err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	resp, err := g.next.RoundTrip(req)
	now := g.keeper.now()
	if err != nil {
		if unconnected(err) {
			g.keeper.unsent(g.door, passed, g.counts)
		}
		result := gate.Failed
		if errors.Is(req.Context().Err(), context.Canceled) {
			result = gate.Abandoned
		}
		g.keeper.report(req.Context(), now, g.door, pass, g.counts, gate.Outcome{Result: result})
		return nil, err
	}
	o := judge(resp, now)
	g.keeper.report(req.Context(), now, g.door, pass, g.counts, o)
	switch o.Result {
	case gate.Throttled, gate.QuotaExceeded, gate.PremiumRequired:
		_ = resp.Body.Close()
		if err := g.keeper.look(req.Context(), g.door); err != nil {
			return nil, refusedBy(err)
		}
		// The refusal was old news: the door has been opened since.
		return nil, unavailable(nil, 0)
	}
	return resp, nil
}

// kept is why a call that has passed the door is not made after all; nil: it is.
func (g gated) kept(ctx context.Context) error {
	if g.may != nil && !g.may() {
		return notNow()
	}
	return ctx.Err()
}

// unconnected reports whether a call failed because no connection to the provider
// was made: then it never left.
func unconnected(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "dial" || op.Op == "proxyconnect")
}

// judge reads from a response what it says about the door. A refusal's body
// is read here and put back.
func judge(resp *http.Response, now time.Time) gate.Outcome {
	o := gate.Outcome{Result: gate.Answered}
	switch {
	case resp.StatusCode == http.StatusTooManyRequests:
		o.Result = gate.Throttled
		if bytes.Contains(refusal(resp), []byte("QUOTA_EXCEEDED")) {
			o.Result = gate.QuotaExceeded
		}
		o.RetryAfter = retryAfter(resp.Header, now)
	case resp.StatusCode == http.StatusForbidden:
		switch forbids(refusal(resp)) {
		case forbidsApp:
			o.Result = gate.PremiumRequired
			o.RetryAfter = retryAfter(resp.Header, now)
		case forbidsUnknown:
			o.Result = gate.Forbidden
		case forbidsNobody:
			o.Result = gate.Failed
		}
	case resp.StatusCode >= http.StatusInternalServerError:
		o.Result = gate.Failed
	}
	return o
}

// refusal reads a short body and leaves it to be read again. What is cut off
// is judged by what came.
func refusal(resp *http.Response) []byte {
	b, _ := io.ReadAll(io.LimitReader(resp.Body, refusalLimit))
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(b))
	return b
}

// says reports whether a refusal holds the phrase, given in lower case.
// Spotify sends the same sentences bare and wrapped in JSON.
func says(body []byte, phrase string) bool {
	return bytes.Contains(bytes.ToLower(body), []byte(phrase))
}

// longestWait bounds what a Retry-After can ask for.
const longestWait = 24 * time.Hour

// retryAfter is the wait that a Retry-After header asks for, in seconds or as
// a date; zero if there is none that makes sense.
func retryAfter(h http.Header, now time.Time) time.Duration {
	v := strings.TrimSpace(h.Get("Retry-After"))
	if v == "" {
		return 0
	}
	if s, err := strconv.ParseFloat(v, 64); err == nil {
		if math.IsNaN(s) || s <= 0 {
			return 0
		}
		return time.Duration(min(s, longestWait.Seconds()) * float64(time.Second))
	}
	if at, err := http.ParseTime(v); err == nil {
		if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
			now = theirs // their date is meant by their clock
		}
		return min(max(0, at.Sub(now)), longestWait)
	}
	return 0
}

// tokenClient never follows a redirect: it would carry the credentials along.
func tokenClient(via http.RoundTripper) *http.Client {
	return &http.Client{
		Transport:     via,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// tokenTransport prepares calls of the token endpoint for oauth2. The endpoint
// answers JSON whatever its Content-Type says, and oauth2 would read plain text
// as a form. A success is rewritten by tidyGrant.
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
		resp.Body = tidied(resp.Body)
		resp.ContentLength = -1
	}
	return resp, nil
}
