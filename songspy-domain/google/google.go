// Package google signs users in with Google.
//
// A Client asks Google which account a browser's access token belongs to.
//
// An access token does not say which application it was issued to, and Google's
// endpoint userinfo accepts any token. Another site to which a user once signed in
// could replay the user's token here. So the Client calls the endpoint tokeninfo
// first, and rejects a token of another application before it reads the profile.
//
// An OpenID signs users in by redirect instead, and needs no access token: the ID
// token names the client that it was issued to.
//
// No error of this package contains a token or an e-mail address. The only URLs in its
// errors are the expected issuer and the wrong issuer of an ID token.
package google

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Google's own addresses, which are used if a Config sets none.
const (
	UserinfoURL  = "https://www.googleapis.com/oauth2/v1/userinfo"
	TokeninfoURL = "https://oauth2.googleapis.com/tokeninfo"
)

const (
	// userAgent names the caller to Google.
	userAgent = "songspy (+https://github.com/songspy/songspy)"
	// responseLimit limits the size of an answer, in bytes.
	responseLimit = 64 << 10
	// tokenMaxBytes is the longest token that is sent to Google, in bytes.
	// Google's tokens have about 250.
	tokenMaxBytes = 4 << 10
	// defaultTimeout is the Timeout of a Config or OpenIDConfig that sets none.
	defaultTimeout = 5 * time.Second
)

// Config says how a Client reaches Google.
type Config struct {
	// UserinfoURL and TokeninfoURL are the endpoints; empty means Google's own.
	// Every version of both is supported.
	UserinfoURL, TokeninfoURL string
	// Audiences are the client IDs whose tokens are accepted. If there are none,
	// every token is rejected.
	Audiences []string
	// Transport makes the HTTP calls; nil means an http.Transport with short timeouts.
	Transport http.RoundTripper
	// Timeout limits the time of the two calls (tokeninfo and userinfo) together; 0
	// means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Client asks Google which account an access token belongs to. It is safe for concurrent
// use.
type Client struct {
	config Config
	http   *http.Client
}

// New returns a client.
func New(c Config) *Client {
	c.UserinfoURL = cmp.Or(c.UserinfoURL, UserinfoURL)
	c.TokeninfoURL = cmp.Or(c.TokeninfoURL, TokeninfoURL)
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return &Client{config: c, http: newHTTPClient(c.Transport)}
}

// newHTTPClient returns a client that follows no redirects, because a redirect could
// forward a token to another host. A nil transport means an http.Transport with short
// timeouts.
func newHTTPClient(transport http.RoundTripper) *http.Client {
	if transport == nil {
		transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			TLSHandshakeTimeout:    3 * time.Second,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true, // a custom DialContext would disable it otherwise
		}
	}
	return &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Profile returns the profile of the Google account that the access token belongs
// to, if the token was issued to one of the configured audiences.
//
// Errors: CodeUnauthorized with GOOGLE_TOKEN_INVALID for a token that Google
// does not accept, or not any more. CodeUnauthorized with GOOGLE_TOKEN_FOREIGN
// for a token of another application. CodeUnavailable with GOOGLE_UNAVAILABLE
// and RetryAfter if Google is down or slow, or its answer cannot be read.
func (c *Client) Profile(ctx context.Context, access songspy.Secret) (songspy.GoogleProfile, error) {
	token := access.Reveal()
	if token == "" || len(token) > tokenMaxBytes || strings.ContainsFunc(token, isNotPrintable) {
		return songspy.GoogleProfile{}, invalidToken("it does not have the form of a token")
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()

	address, err := url.Parse(c.config.TokeninfoURL)
	if err != nil {
		return songspy.GoogleProfile{}, unavailable(errors.New("the address of tokeninfo is not a URL"))
	}
	query := address.Query()
	query.Set("access_token", token)
	address.RawQuery = query.Encode()
	body, err := c.get(ctx, address.String(), "")
	if err != nil {
		return songspy.GoogleProfile{}, err
	}
	issued, err := readTokeninfo(body)
	if err != nil {
		return songspy.GoogleProfile{}, err
	}
	if err := issued.check(c.config.Audiences, c.config.Now()); err != nil {
		return songspy.GoogleProfile{}, err
	}

	body, err = c.get(ctx, c.config.UserinfoURL, token)
	if err != nil {
		return songspy.GoogleProfile{}, err
	}
	profile, err := readUserinfo(body)
	if err != nil {
		return songspy.GoogleProfile{}, err
	}
	if issued.subject != "" && issued.subject != profile.Subject {
		return songspy.GoogleProfile{}, invalidToken("tokeninfo and userinfo name different accounts")
	}
	return profile, nil
}

// get makes one call and returns the body of a successful answer. bearer is the
// token for the Authorization header; it is empty if the address contains the
// token.
func (c *Client) get(ctx context.Context, address, bearer string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, unavailable(errors.New("an address of Google is not a URL"))
	}
	req.Header.Set("User-Agent", userAgent)
	req.Header.Set("Accept", "application/json")
	if bearer != "" {
		req.Header.Set("Authorization", "Bearer "+bearer)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, unreachable(ctx, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, responseLimit+1))
	switch {
	case resp.StatusCode == http.StatusBadRequest, resp.StatusCode == http.StatusUnauthorized,
		resp.StatusCode == http.StatusForbidden && bearer != "": // userinfo answers 403: the token may not read the profile
		return nil, invalidToken("google rejects it")
	case resp.StatusCode != http.StatusOK:
		return nil, badStatus(resp.StatusCode)
	case err != nil:
		return nil, unreachable(ctx, err)
	case len(body) > responseLimit:
		return nil, unavailable(errors.New("google's answer is too long"))
	}
	return body, nil
}

func isNotPrintable(r rune) bool { return r <= ' ' || r > '~' }
