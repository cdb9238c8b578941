// Package spotify talks to Spotify on behalf of linked people: it exchanges
// and renews their tokens, asks who they are, and looks at what they play.
//
// It is a thin client that knows every form of answer Spotify has been seen to
// give, and turns each into one of the vocabulary's values or into a
// songspy.Error whose Disposition says what to do. All its calls pass the gate
// of their app. None of its errors holds a token, a code or a URL.
//
// What Spotify documents: https://developer.spotify.com/documentation/web-api.
package spotify

import (
	"context"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"golang.org/x/oauth2"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/quota"
)

// Spotify's own addresses, used where a Config names none.
const (
	AuthorizeURL = "https://accounts.spotify.com/authorize"
	AccountsURL  = "https://accounts.spotify.com"
	APIURL       = "https://api.spotify.com"
)

// The endpoints, as Config.Observe is told them.
const (
	endpointToken   = "token"
	endpointAccount = "me"
	endpointPlaying = "currently-playing"
	endpointHistory = "recently-played"
)

// Config is how a Client reaches one Spotify app. The zero value of every
// field but ClientID has a meaning.
type Config struct {
	// App names the app in links; links of another app are not renewed here.
	// Empty means the client id.
	App          string
	ClientID     string
	ClientSecret songspy.Secret // empty: an app without a secret, which needs PKCE
	// AuthorizeURL is what browsers open, AccountsURL and APIURL are what we
	// call; empty means Spotify's own.
	AuthorizeURL, AccountsURL, APIURL string
	// RedirectURL is where consent returns to when a call names no other.
	RedirectURL string
	// Transport carries the calls; nil means one tuned for many calls a second to few hosts.
	Transport http.RoundTripper
	// Timeout bounds one call from start to the last byte; 0 means 10 s.
	Timeout time.Duration
	// MaxConns bounds the connections to each host; 0 means 256. Transport overrides it.
	MaxConns int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Observe is told of every call: which endpoint, a word for the outcome
	// that is fit for a metric's label, and how long it took. It may be nil.
	Observe func(endpoint, outcome string, d time.Duration)
	// Logger hears what the operator must know; nil means slog.Default().
	Logger *slog.Logger
	// Doors keeps the app's doors for every process of the instance; nil means
	// that this process is alone, and learns them anew. Keep brings the others' news.
	Breakers BreakerStore
	// DailyCalls is how many calls to the Web API the developer account may make
	// in 24 hours, renewals aside; 0 means as many as Spotify lets it.
	DailyCalls int64
	// countAlone keeps the calls in this process alone: the app is one of very
	// many, and used for a user or five.
	countLocally bool
	// Share is the part of the app's pace that this process may use; nil means all.
	Share func() float64
	// May is asked when a routine call to the Web API is about to leave, whatever
	// it has waited for by then; if it says no the call stays, with
	// DispositionNotNow. Nil: it may always.
	MayCall func() bool
}

// Client calls Spotify through one app. It is safe for concurrent use.
type Client struct {
	config Config
	guard  *breakerGuard
	// Tokens are fetched by oauth2, which wants an http.Client. The Web API is
	// called through its transport directly: no redirects, no cookies.
	exchanges, renewals         *http.Client
	routine, urgent, background http.RoundTripper
	playingURL, accountURL      *url.URL
	historyURL                  *url.URL
	// fault is what is wrong with the Config; every call returns it.
	configErr error
}

// New makes a client. Faults of the Config come out of the first call.
func New(c Config) *Client {
	c = c.withDefaults()
	return newClient(c, newBreakerGuard(c))
}

// completed fills in what was left out.
func (c Config) withDefaults() Config {
	c.App = orDefault(c.App, c.ClientID)
	c.AuthorizeURL = orDefault(c.AuthorizeURL, AuthorizeURL)
	c.AccountsURL = strings.TrimSuffix(orDefault(c.AccountsURL, AccountsURL), "/")
	c.APIURL = strings.TrimSuffix(orDefault(c.APIURL, APIURL), "/")
	if c.Timeout <= 0 {
		c.Timeout = 10 * time.Second
	}
	if c.MaxConns <= 0 {
		c.MaxConns = 256
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Observe == nil {
		c.Observe = func(string, string, time.Duration) {}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Transport == nil {
		c.Transport = NewTransport(c.MaxConns)
	}
	c.Logger = c.Logger.With("app", c.App)
	return c
}

// newClient makes a client whose calls pass that gate.
func newClient(c Config, k *breakerGuard) *Client {
	cl := &Client{
		config:     c,
		guard:      k,
		routine:    guardedTransport{next: c.Transport, guard: k, circuit: breaker.CircuitAPI, urgency: breaker.Routine, endpoint: quota.EndpointPlaying, mayCall: c.MayCall},
		urgent:     guardedTransport{next: c.Transport, guard: k, circuit: breaker.CircuitAPI, urgency: breaker.Urgent, endpoint: quota.EndpointAccount},
		background: guardedTransport{next: c.Transport, guard: k, circuit: breaker.CircuitAPI, urgency: breaker.Background, endpoint: quota.EndpointHistory, mayCall: c.MayCall},
		renewals:   tokenClient(guardedTransport{next: tokenTransport{c.Transport}, guard: k, circuit: breaker.CircuitAccounts, urgency: breaker.Routine}),
		exchanges:  tokenClient(guardedTransport{next: tokenTransport{c.Transport}, guard: k, circuit: breaker.CircuitAccounts, urgency: breaker.Urgent}),
	}
	base, err := url.Parse(c.APIURL + "/v1/me")
	if err != nil || base.Host == "" {
		cl.configErr = &songspy.Error{
			Code:        songspy.CodeInternal,
			Message:     "The address of Spotify's Web API is not a URL; set it like " + APIURL + ".",
			Disposition: songspy.DispositionAppBlocked,
			RetryAfter:  misconfiguredRetryAfter,
		}
		return cl
	}
	cl.accountURL = base
	cl.playingURL = base.JoinPath("player", "currently-playing")
	cl.playingURL.RawQuery = "additional_types=track,episode"
	cl.historyURL = base.JoinPath("player", "recently-played")
	return cl
}

// AuthorizeURL is the page on which a person consents to the scopes that the
// service needs. State comes back with the code; challenge is the S256 PKCE
// challenge, empty for none; redirectURI is empty for the configured one.
func (c *Client) AuthorizeURL(state, challenge, redirectURI string) string {
	var opts []oauth2.AuthCodeOption
	if challenge != "" {
		opts = append(opts,
			oauth2.SetAuthURLParam("code_challenge_method", "S256"),
			oauth2.SetAuthURLParam("code_challenge", challenge))
	}
	return c.oauthConfig("", redirectURI).AuthCodeURL(state, opts...)
}

// Ready says whether both of the app's doors would let a person's call pass.
// Whoever is about to spend an authorization code asks first: the code lives
// once, and needs both. The error is CodeUnavailable with RetryAfter.
func (c *Client) Ready(ctx context.Context) error {
	if c.configErr != nil {
		return c.configErr
	}
	for _, circuit := range breaker.Circuits() {
		if err := c.guard.check(ctx, circuit); err != nil {
			return err
		}
	}
	return nil
}

// Doors is the present state of the gate, for metrics and readiness.
func (c *Client) Breakers() breaker.Breakers { return c.guard.snapshot() }

// QuotaStanding is how the developer account stands to its quota.
func (c *Client) QuotaStatus() quota.Status {
	s, _ := c.guard.quotaStatus(c.config.Now())
	return s
}

// Keep shares the doors with the other processes until ctx ends: their news
// come in within a moment, and what could not be told is told again.
func (c *Client) SyncBreakers(ctx context.Context) { c.guard.syncUntilDone(ctx) }

// bounded is ctx for one call. A caller's own bound that comes first is enough,
// and another context and timer for each of many calls are not free.
func (c *Client) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if until, ok := ctx.Deadline(); ok && time.Until(until) <= c.config.Timeout {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.config.Timeout)
}

// now is the time as entities keep it.
func (c *Client) now() time.Time { return c.config.Now().UTC().Truncate(time.Microsecond) }

func orDefault[T comparable](v, otherwise T) T {
	var zero T
	if v != zero {
		return v
	}
	return otherwise
}
