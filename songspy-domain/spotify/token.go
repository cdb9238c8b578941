package spotify

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"golang.org/x/oauth2"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// tokenLife is the lifetime of an access token in Spotify's documentation. It is
// used if an answer does not state the lifetime.
const tokenLife = time.Hour

// Exchange exchanges an authorization code for tokens. It calls Spotify only
// once, because a code can be used only once. Later renewals must use the Auth
// method in the returned Grant.
//
// Errors: CodeInvalid/SPOTIFY_CODE_INVALID for a code that was used before,
// belongs to another app, or does not fit its redirect URI or verifier.
// CodeInvalid/SPOTIFY_USER_APP_REFUSED if Spotify rejects a user-supplied app.
// CodeUnavailable with RetryAfter while Spotify does not respond or the app is
// blocked.
func (c *Client) Exchange(ctx context.Context, code songspy.AuthorizationCode) (songspy.Grant, error) {
	if code.Auth == "" {
		code.Auth = songspy.AuthPKCE
		if c.config.ClientSecret != "" {
			code.Auth = songspy.AuthBasic
		}
	}
	if code.Code == "" {
		return songspy.Grant{}, codeInvalid("The authorization code is missing; send the one that Spotify redirected with.")
	}
	if code.Auth == songspy.AuthPKCE && code.Verifier == "" {
		return songspy.Grant{}, codeInvalid("Without an app secret the code needs its PKCE verifier; send both.")
	}
	grant, err := c.token(ctx, c.exchanges, code.Auth, code.RedirectURI, func(ctx context.Context, o *oauth2.Config) (*oauth2.Token, error) {
		var opts []oauth2.AuthCodeOption
		if code.Verifier != "" {
			opts = append(opts, oauth2.VerifierOption(code.Verifier.Reveal()))
		}
		return o.Exchange(ctx, code.Code.Reveal(), opts...)
	})
	if r, ok := errors.AsType[*grantRefusal](err); ok {
		if r.ofUserApp {
			return songspy.Grant{}, &songspy.Error{
				Code: songspy.CodeInvalid, Reason: ReasonUserAppRefused,
				Message: "Spotify does not know this app, or it needs a secret. Check its client ID.",
			}
		}
		return songspy.Grant{}, codeInvalid("Spotify does not accept the authorization code. It may have been used before, or belong to another app or redirect address. Please link again.")
	}
	return grant, err
}

// Refresh renews the access token of a link. It authenticates with the method with which
// the link was made. The Grant's RefreshToken is empty if the old one stays valid.
//
// Errors carry a Disposition: NeedsUser with ReasonGrantExpired, ReasonGrantRevoked or
// ReasonGrantRefused if Spotify rejects the refresh token or a user-supplied app;
// AppBlocked while Spotify blocks the app, so that no link of the app can be renewed;
// else RetryLater.
func (c *Client) Refresh(ctx context.Context, link songspy.Link) (songspy.Grant, error) {
	if link.App != "" && link.App != c.config.App {
		return songspy.Grant{}, &songspy.Error{
			Code:        songspy.CodeInternal,
			Message:     "The link was made through another Spotify app than the one configured.",
			Disposition: songspy.DispositionRetryLater,
			RetryAfter:  misconfiguredRetryAfter,
		}
	}
	if link.RefreshToken == "" {
		return songspy.Grant{}, grantRefused("")
	}
	grant, err := c.token(ctx, c.renewals, link.AuthMethod, "", func(ctx context.Context, o *oauth2.Config) (*oauth2.Token, error) {
		// This makes exactly one call, because the token source is used only
		// once.
		return o.TokenSource(ctx, &oauth2.Token{RefreshToken: link.RefreshToken.Reveal()}).Token()
	})
	if r, ok := errors.AsType[*grantRefusal](err); ok {
		if r.code != "invalid_grant" && !r.ofUserApp {
			return songspy.Grant{}, unavailable(r, 0)
		}
		return songspy.Grant{}, grantRefused(r.description)
	}
	if grant.RefreshToken == link.RefreshToken {
		grant.RefreshToken = "" // oauth2 repeats the old one if Spotify returned none
	}
	return grant, err
}

// token makes one call of the token endpoint and returns its tokens as a grant. The
// function fetch makes the call with package oauth2. It gets the oauth2 configuration of
// the app, and a context that contains the HTTP client via, which oauth2 uses.
func (c *Client) token(
	ctx context.Context, via *http.Client, auth songspy.AuthMethod, redirectURI string,
	fetch func(context.Context, *oauth2.Config) (*oauth2.Token, error),
) (grant songspy.Grant, err error) {
	started := c.now()
	defer func() { c.config.Observe(endpointToken, outcomeLabel(err), c.now().Sub(started)) }()
	if auth == songspy.AuthBasic && c.config.ClientSecret == "" {
		err := appRefused()
		c.config.Logger.ErrorContext(ctx, "a link needs the app's secret, but none is configured: set SONGSPY_SPOTIFY_CLIENT_SECRET, or the app's entry in SONGSPY_SPOTIFY_APPS")
		return songspy.Grant{}, err
	}
	ctx, cancel := c.withTimeout(ctx)
	defer cancel()
	t, err := fetch(context.WithValue(ctx, oauth2.HTTPClient, via), c.oauthConfig(auth, redirectURI))
	if err != nil {
		return songspy.Grant{}, c.classifyTokenError(ctx, err)
	}
	life := time.Duration(t.ExpiresIn) * time.Second
	if life <= 0 {
		life = tokenLife
	}
	scope, _ := t.Extra("scope").(string)
	return songspy.Grant{
		AccessToken:  songspy.Secret(t.AccessToken),
		RefreshToken: songspy.Secret(t.RefreshToken),
		// The lifetime is counted from the start of the call, so that ExpiresAt
		// is never too late.
		ExpiresAt: started.Add(life),
		Scope:     cleanID(scope, nameMaxRunes),
		Auth:      auth,
	}, nil
}

// oauthConfig returns the app's configuration for package oauth2. It always sets
// AuthStyle: otherwise oauth2 would repeat a failed request with the other style, even if
// its code is already used up.
func (c *Client) oauthConfig(auth songspy.AuthMethod, redirectURI string) *oauth2.Config {
	o := &oauth2.Config{
		ClientID:    c.config.ClientID,
		RedirectURL: cmp.Or(redirectURI, c.config.RedirectURL),
		Scopes:      songspy.NeededScopes(),
		Endpoint: oauth2.Endpoint{
			AuthURL:   c.config.AuthorizeURL,
			TokenURL:  c.config.AccountsURL + "/api/token",
			AuthStyle: oauth2.AuthStyleInParams,
		},
	}
	if auth == songspy.AuthBasic {
		o.ClientSecret = c.config.ClientSecret.Reveal()
		o.Endpoint.AuthStyle = oauth2.AuthStyleInHeader
	}
	return o
}

// grantRefusal is Spotify's rejection of the code or the refresh token itself,
// or of a user-supplied app. Spotify's description may repeat the secret, so it
// must not be logged.
type grantRefusal struct {
	code, description string
	ofUserApp         bool
}

func (*grantRefusal) Error() string { return "spotify rejects the grant" }

// classifyTokenError converts an error of the token endpoint into a *songspy.Error or a
// *grantRefusal. It never returns oauth2's own errors, because they print the body of
// the answer.
func (c *Client) classifyTokenError(ctx context.Context, err error) error {
	r, ok := errors.AsType[*oauth2.RetrieveError](err)
	if !ok {
		return unreachable(ctx, err)
	}
	status := r.Response.StatusCode
	if status != http.StatusBadRequest && status != http.StatusUnauthorized {
		return refusalError(status, r.Response.Header, nil, c.now())
	}
	switch r.ErrorCode {
	case "invalid_grant", "invalid_request":
		return &grantRefusal{code: r.ErrorCode, description: r.ErrorDescription}
	case "invalid_client", "unauthorized_client":
		if _, isUserApp := songspy.UserAppClientID(c.config.App); isUserApp {
			return &grantRefusal{code: r.ErrorCode, ofUserApp: true} // only the user of the app can correct it, and no other user is affected
		}
		e := appRefused()
		c.config.Logger.ErrorContext(ctx, "no link of this app can be made or renewed", logkey.Error, e)
		return e
	default:
		return unavailable(errors.New("spotify's token endpoint answered unexpectedly"), retryAfter(r.Response.Header, c.now()))
	}
}

func codeInvalid(message string) *songspy.Error {
	return &songspy.Error{Code: songspy.CodeInvalid, Reason: ReasonCodeInvalid, Message: message}
}

// grantRefused returns the error for a refresh token that Spotify rejects. It computes
// the Reason from words in the description that Spotify sent.
func grantRefused(description string) *songspy.Error {
	e := &songspy.Error{
		Code:        songspy.CodeUnauthorized,
		Reason:      ReasonGrantRefused,
		Message:     "Spotify no longer accepts the link. Please link again.",
		Disposition: songspy.DispositionNeedsUser,
	}
	switch d := strings.ToLower(description); {
	case strings.Contains(d, "expired"):
		e.Reason = ReasonGrantExpired
	case strings.Contains(d, "revoked"):
		e.Reason = ReasonGrantRevoked
	}
	return e
}

// grantLimit is how much of an answer of the token endpoint is read, in bytes:
// as much as package oauth2 reads.
const grantLimit = 1 << 20

// tokenLifeMax is the longest lifetime of an access token that is believed, in
// seconds.
const tokenLifeMax = 24 * 60 * 60

// tidyGrantBody reads and closes body, and returns a body with the content that tidyGrant
// has rewritten. If reading fails, the returned body yields the bytes that arrived, and
// then the same error.
func tidyGrantBody(body io.ReadCloser) io.ReadCloser {
	b, err := io.ReadAll(io.LimitReader(body, grantLimit))
	_ = body.Close()
	if err != nil {
		return io.NopCloser(io.MultiReader(bytes.NewReader(b), errorReader{err}))
	}
	return io.NopCloser(bytes.NewReader(tidyGrant(b)))
}

// errorReader is a reader that always returns its error.
type errorReader struct{ err error }

func (f errorReader) Read([]byte) (int, error) { return 0, f.err }

// tidyGrant returns a successful answer of the token endpoint with only the fields that
// package oauth2 reads, and only if they have the type that it expects. Otherwise oauth2
// would reject the whole answer if one field has another type, and the refresh token in
// the answer may be the only valid one. If the body is not a JSON object or has no
// access token, tidyGrant returns it unchanged.
func tidyGrant(body []byte) []byte {
	var fields map[string]json.RawMessage
	if json.Unmarshal(body, &fields) != nil {
		return body
	}
	tidy := make(map[string]any, len(fields))
	for _, name := range []string{"access_token", "token_type", "refresh_token", "scope", "error", "error_description"} {
		var text string
		if json.Unmarshal(fields[name], &text) == nil && text != "" {
			tidy[name] = text
		}
	}
	if tidy["access_token"] == nil {
		return body
	}
	if life, ok := parseTokenLife(fields["expires_in"]); ok {
		tidy["expires_in"] = life
	}
	b, err := json.Marshal(tidy)
	if err != nil { // cannot happen: strings and a number
		return body
	}
	return b
}

// parseTokenLife returns the lifetime of an access token in whole seconds, at most
// tokenLifeMax. ok is false if raw is not a number of at least 1. Spotify sends integers
// and decimals, with or without quotes.
func parseTokenLife(raw json.RawMessage) (seconds int64, ok bool) {
	text := strings.TrimSpace(strings.Trim(string(raw), `"`))
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < 1 {
		return 0, false
	}
	return int64(min(n, tokenLifeMax)), true
}
