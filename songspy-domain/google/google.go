// Package google asks Google who a browser's access token belongs to.
//
// An access token says nothing of the application it was issued to, and
// userinfo answers to any: a site that somebody once signed in to could replay
// their token here. So tokeninfo is asked first, and a token that was issued
// to another application is refused before anything is learnt of the person.
//
// None of its errors holds a token, an e-mail address or a URL.
package google

import (
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

// Google's own addresses, used where a Config names none.
const (
	UserinfoURL  = "https://www.googleapis.com/oauth2/v1/userinfo"
	TokeninfoURL = "https://oauth2.googleapis.com/tokeninfo"
)

const (
	// userAgent tells Google who calls.
	userAgent = "songspy (+https://github.com/songspy/songspy)"
	// answerLimit bounds an answer, in bytes.
	responseLimit = 64 << 10
	// tokenMax is the longest token that is passed on, in bytes; Google's take some 250.
	tokenMaxBytes = 4 << 10
)

// Config is how a Client reaches Google.
type Config struct {
	// UserinfoURL and TokeninfoURL are what we call; empty means Google's own.
	// Every version of both is understood.
	UserinfoURL, TokeninfoURL string
	// Audiences are the client ids whose tokens are ours. Without one, every
	// token is foreign.
	Audiences []string
	// Transport carries the calls; nil means a plain one.
	Transport http.RoundTripper
	// Timeout bounds the two calls together; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// Client asks Google. It is safe for concurrent use.
type Client struct {
	config Config
	http   *http.Client
}

// New makes a client.
func New(c Config) *Client {
	if c.UserinfoURL == "" {
		c.UserinfoURL = UserinfoURL
	}
	if c.TokeninfoURL == "" {
		c.TokeninfoURL = TokeninfoURL
	}
	if c.Timeout <= 0 {
		c.Timeout = 5 * time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Transport == nil {
		c.Transport = &http.Transport{
			Proxy:                  http.ProxyFromEnvironment,
			DialContext:            (&net.Dialer{Timeout: 3 * time.Second}).DialContext,
			TLSHandshakeTimeout:    3 * time.Second,
			MaxIdleConnsPerHost:    16,
			IdleConnTimeout:        90 * time.Second,
			MaxResponseHeaderBytes: 64 << 10,
			ForceAttemptHTTP2:      true, // a DialContext of one's own turns it off otherwise
		}
	}
	return &Client{config: c, http: &http.Client{
		Transport: c.Transport,
		// A redirect would carry the token elsewhere.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Profile says who the access token belongs to, if it was issued to one of
// our audiences.
//
// Errors: CodeUnauthorized with GOOGLE_TOKEN_INVALID for a token that Google
// does not accept, or no longer; CodeUnauthorized with GOOGLE_TOKEN_FOREIGN for
// one that was issued to another application; CodeUnavailable with
// GOOGLE_UNAVAILABLE and RetryAfter where Google is down, slow or unintelligible.
func (c *Client) Profile(ctx context.Context, access songspy.Secret) (songspy.GoogleProfile, error) {
	token := access.Reveal()
	if token == "" || len(token) > tokenMaxBytes || strings.ContainsFunc(token, isNotPrintable) {
		return songspy.GoogleProfile{}, invalidToken("it is no token")
	}
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()

	address, err := url.Parse(c.config.TokeninfoURL)
	if err != nil {
		return songspy.GoogleProfile{}, unavailable(errors.New("tokeninfo's address is no URL"))
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
		return songspy.GoogleProfile{}, invalidToken("tokeninfo and userinfo name two people")
	}
	return profile, nil
}

// get makes one call and returns the body of its success. Bearer is empty
// where the address holds the token.
func (c *Client) get(ctx context.Context, address, bearer string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, unavailable(errors.New("an address of Google's is no URL"))
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
		resp.StatusCode == http.StatusForbidden && bearer != "": // may not read the profile
		return nil, invalidToken("google refuses it")
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
