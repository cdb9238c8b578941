// Package spotify calls Spotify for linked users: it exchanges and renews their
// tokens, reads their account, and polls their player and history.
//
// It is a thin client that knows every form of answer that Spotify has been
// observed to send. It turns each into a value of package songspy, or into a
// songspy.Error whose Disposition says what to do. Every call passes the
// circuit breaker of its app. No error contains a token, a code or a URL.
//
// Spotify's documentation: https://developer.spotify.com/documentation/web-api.
package spotify

import (
	"cmp"
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
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// Spotify's own addresses, which are used if a Config sets none.
const (
	AuthorizeURL = "https://accounts.spotify.com/authorize"
	AccountsURL  = "https://accounts.spotify.com"
	APIURL       = "https://api.spotify.com"
)

// The names of the endpoints for Config.Observe.
const (
	endpointToken   = "token"
	endpointAccount = "me"
	endpointPlaying = "currently-playing"
	endpointHistory = "recently-played"
)

// Config says how a Client reaches one Spotify app. Every field except ClientID
// may be zero.
type Config struct {
	// App is the name of this Spotify app in Link.App. The Client does not renew links
	// that name another app. Empty means the client ID.
	App          string
	ClientID     string
	ClientSecret songspy.Secret // empty for an app without a secret, which needs PKCE
	// AuthorizeURL is the page that browsers open. AccountsURL and APIURL are
	// the hosts that the Client calls. Empty means Spotify's own.
	AuthorizeURL, AccountsURL, APIURL string
	// RedirectURL is where Spotify redirects the browser after the consent, unless the
	// call passes another URL.
	RedirectURL string
	// Transport makes the HTTP calls; nil means the result of NewTransport, which is
	// tuned for many calls a second to few hosts.
	Transport http.RoundTripper
	// Timeout limits one call from its start to the last byte; 0 means 10 s.
	Timeout time.Duration
	// MaxConns limits the connections to each host; 0 means 256. It does not
	// apply if Transport is set.
	MaxConns int
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// Observe is called after every call with the call's endpoint, a word for its
	// outcome and its duration. Endpoint and outcome are meant as labels of metrics.
	// Calls that were blocked before they were sent are observed too. It may be nil.
	Observe func(endpoint, outcome string, d time.Duration)
	// Logger receives messages for the operator; nil means slog.Default().
	Logger *slog.Logger
	// Breakers stores the state of the app's circuit breakers, so that all processes of
	// the instance share it. Calls read it if it is stale; SyncBreakers also exchanges it
	// in the background, with the call counts. nil means that this is the only process,
	// and that the state is lost at a restart.
	Breakers BreakerStore
	// DailyCalls is how many calls to the Web API the operator allows the developer
	// account in 24 hours; 0 means as many as Spotify allows. Token renewals do not
	// count. Urgent calls count, but are not limited.
	DailyCalls int64
	// countLocally says that calls are counted in this process only, and not stored.
	// It is set for user-supplied apps, because there may be very many, each with a
	// few users.
	countLocally bool
	// Share returns the fraction of the app's call rate that this process may use,
	// from 0 to 1; nil means all of it.
	Share func() float64
	// MayCall is called directly before a routine or a background call to the Web API,
	// not before an urgent one. It returns false if another process may take over the
	// users of this process before the call ends. Then the call is not sent, and its
	// error has DispositionMayNotCall. nil means that every call may be sent.
	MayCall func() bool
}

// Client calls Spotify through one app. It is safe for concurrent use.
type Client struct {
	config Config
	guard  *breakerGuard
	// exchanges and renewals are for package oauth2, which exchanges codes and
	// renews tokens. Calls to the Web API use the transports routine, urgent and
	// background directly, so that they follow no redirects and store no cookies.
	exchanges, renewals         *http.Client
	routine, urgent, background *guardedTransport
	playingURL, accountURL      *url.URL
	historyURL                  *url.URL
	// configErr says that the APIURL of the Config is wrong. Every call to the Web API
	// returns it, and so does Ready.
	configErr error
}

// New returns a client. If the APIURL of the Config is wrong, every call to the Web API
// returns an error.
func New(c Config) *Client {
	c = c.withDefaults()
	return newClient(c, newBreakerGuard(c))
}

// withDefaults returns the Config with defaults for fields that are zero.
func (c Config) withDefaults() Config {
	c.App = cmp.Or(c.App, c.ClientID)
	c.AuthorizeURL = cmp.Or(c.AuthorizeURL, AuthorizeURL)
	c.AccountsURL = strings.TrimSuffix(cmp.Or(c.AccountsURL, AccountsURL), "/")
	c.APIURL = strings.TrimSuffix(cmp.Or(c.APIURL, APIURL), "/")
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
	c.Logger = c.Logger.With(logkey.App, c.App)
	return c
}

// newClient returns a client for a Config with defaults. It makes only the calls
// that guard allows.
func newClient(c Config, guard *breakerGuard) *Client {
	cl := &Client{
		config:     c,
		guard:      guard,
		routine:    &guardedTransport{next: c.Transport, guard: guard, circuit: breaker.CircuitAPI, urgency: breaker.Routine, endpoint: quota.EndpointPlaying, mayCall: c.MayCall},
		urgent:     &guardedTransport{next: c.Transport, guard: guard, circuit: breaker.CircuitAPI, urgency: breaker.Urgent, endpoint: quota.EndpointAccount},
		background: &guardedTransport{next: c.Transport, guard: guard, circuit: breaker.CircuitAPI, urgency: breaker.Background, endpoint: quota.EndpointHistory, mayCall: c.MayCall},
		renewals:   tokenClient(&guardedTransport{next: tokenTransport{c.Transport}, guard: guard, circuit: breaker.CircuitAccounts, urgency: breaker.Routine}),
		exchanges:  tokenClient(&guardedTransport{next: tokenTransport{c.Transport}, guard: guard, circuit: breaker.CircuitAccounts, urgency: breaker.Urgent}),
	}
	base, err := url.Parse(c.APIURL + "/v1/me")
	if err != nil || base.Host == "" {
		cl.configErr = &songspy.Error{
			Code:        songspy.CodeInternal,
			Message:     "The address of Spotify's Web API is not a URL; set it to something like " + APIURL + ".",
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

// AuthorizeURL returns the URL of the page on which a user consents to the scopes that
// the service needs. After the consent, Spotify redirects the browser with a code and
// the given state. challenge is the S256 PKCE challenge; empty if PKCE is not used. If
// redirectURI is empty, the configured one is used.
func (c *Client) AuthorizeURL(state, challenge, redirectURI string) string {
	var opts []oauth2.AuthCodeOption
	if challenge != "" {
		opts = append(opts,
			oauth2.SetAuthURLParam("code_challenge_method", "S256"),
			oauth2.SetAuthURLParam("code_challenge", challenge))
	}
	return c.oauthConfig("", redirectURI).AuthCodeURL(state, opts...)
}

// Ready returns nil if urgent calls to both hosts (accounts and Web API) would pass
// their circuit breakers, or else an error with CodeUnavailable and RetryAfter. If the
// APIURL of the Config is wrong, the error has CodeInternal. Call Ready before using an
// authorization code: linking calls both hosts, and a code can be used only once, so it
// would be lost if the second host cannot be called.
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

// Breakers returns the current state of the circuit breakers, for metrics and the
// readiness check.
func (c *Client) Breakers() breaker.Breakers { return c.guard.snapshot() }

// QuotaStatus returns the state of the developer account's quota.
func (c *Client) QuotaStatus() quota.Status {
	s, _ := c.guard.quotaStatus(c.config.Now())
	return s
}

// SyncBreakers exchanges the state of the circuit breakers with the other processes
// until ctx ends. While this process makes calls, it reads their changes within about a
// second. It repeats writes that failed.
func (c *Client) SyncBreakers(ctx context.Context) { c.guard.syncUntilDone(ctx) }

// withTimeout returns a context that ends after the Timeout of one call. If ctx ends
// earlier anyway, it returns ctx itself, which saves a context and a timer for each of
// many calls.
func (c *Client) withTimeout(ctx context.Context) (context.Context, context.CancelFunc) {
	if until, ok := ctx.Deadline(); ok && time.Until(until) <= c.config.Timeout {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, c.config.Timeout)
}

// now returns the current time in the form in which the store keeps times.
func (c *Client) now() time.Time { return storedTime(c.config.Now()) }

// storedTime returns the time in UTC and in whole microseconds, as the store
// keeps times.
func storedTime(t time.Time) time.Time { return t.UTC().Truncate(time.Microsecond) }
