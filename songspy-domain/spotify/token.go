package spotify

import (
	"bytes"
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
)

// tokenLife is what Spotify documents; used where an answer does not say.
const tokenLife = time.Hour

// Code is an authorization code with what proves that it is ours to spend.
type AuthorizationCode struct {
	Code songspy.Secret
	// RedirectURI must be the one that the consent was asked with; empty means
	// the configured one.
	RedirectURI string
	// Verifier is the PKCE verifier; empty if the consent was asked without a challenge.
	Verifier songspy.Secret
	// Auth is how to prove the app; empty means with the secret where there is
	// one, and by PKCE alone where there is none.
	Auth songspy.AuthMethod
}

// Exchange spends an authorization code. It asks Spotify once: a code lives
// once. The Grant's Auth is what renewals have to use.
//
// Errors: CodeInvalid/SPOTIFY_CODE_INVALID for a code that is spent, foreign or
// does not fit its redirect URI or verifier; CodeUnavailable with RetryAfter
// while Spotify or the app cannot answer.
func (c *Client) Exchange(ctx context.Context, code AuthorizationCode) (songspy.Grant, error) {
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
		return songspy.Grant{}, codeInvalid("Without an app secret the code needs its PKCE verifier; send it along.")
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
				Message: "Spotify does not know this app, or it needs a secret; check its client id.",
			}
		}
		return songspy.Grant{}, codeInvalid("Spotify does not accept the authorization code. It may be spent, or belong to another app or redirect address; please link again.")
	}
	return grant, err
}

// Refresh renews a link's access token, once, in the way in which the link was
// made. The Grant's RefreshToken is empty where the old one stays in use.
//
// Errors carry a Disposition: NeedsPerson with ReasonGrantExpired,
// ReasonGrantRevoked or ReasonGrantRefused where Spotify refuses the refresh
// token; AppPaused while nobody can be renewed; else RetryLater.
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
		// A source made for one call makes one call.
		return o.TokenSource(ctx, &oauth2.Token{RefreshToken: link.RefreshToken.Reveal()}).Token()
	})
	if r, ok := errors.AsType[*grantRefusal](err); ok {
		if r.code != "invalid_grant" && !r.ofUserApp {
			return songspy.Grant{}, unavailable(r, 0)
		}
		return songspy.Grant{}, grantRefused(r.description)
	}
	if grant.RefreshToken == link.RefreshToken {
		grant.RefreshToken = "" // oauth2 repeats the old one where none was returned
	}
	return grant, err
}

// token makes one call of the token endpoint.
func (c *Client) token(
	ctx context.Context, via *http.Client, auth songspy.AuthMethod, redirectURI string,
	fetch func(context.Context, *oauth2.Config) (*oauth2.Token, error),
) (grant songspy.Grant, err error) {
	started := c.now()
	defer func() { c.config.Observe(endpointToken, outcomeLabel(err), c.now().Sub(started)) }()
	if auth == songspy.AuthBasic && c.config.ClientSecret == "" {
		err := appRefused()
		c.config.Logger.ErrorContext(ctx, "a link needs the app's secret and none is configured: set SONGSPY_SPOTIFY_CLIENT_SECRET")
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
		// Counted from the question, so that it errs to the safe side.
		ExpiresAt: started.Add(life),
		Scope:     cleanID(scope, nameMaxRunes),
		Auth:      auth,
	}, nil
}

// oauth is the app as oauth2 needs it. The style is always fixed: where it is
// left open, oauth2 sends whatever failed a second time, spent codes included.
func (c *Client) oauthConfig(auth songspy.AuthMethod, redirectURI string) *oauth2.Config {
	o := &oauth2.Config{
		ClientID:    c.config.ClientID,
		RedirectURL: orDefault(redirectURI, c.config.RedirectURL),
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

// grantRefusal is Spotify refusing the code or the refresh token itself, or the
// app that a person brought, in words that may repeat it and are not shown.
type grantRefusal struct {
	code, description string
	ofUserApp         bool
}

func (*grantRefusal) Error() string { return "spotify refuses the grant" }

// tokenFault sorts the failures of the token endpoint. oauth2's own errors
// print the answer's body and go no further than here.
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
			return &grantRefusal{code: r.ErrorCode, ofUserApp: true} // its person's to mend, and nobody else's trouble
		}
		e := appRefused()
		c.config.Logger.ErrorContext(ctx, "nobody can be linked or renewed", "error", e)
		return e
	default:
		return unavailable(errors.New("spotify's token endpoint answered unexpectedly"), retryAfter(r.Response.Header, c.now()))
	}
}

func codeInvalid(message string) *songspy.Error {
	return &songspy.Error{Code: songspy.CodeInvalid, Reason: ReasonCodeInvalid, Message: message}
}

// grantRefused reads Spotify's few words on why a refresh token is dead.
func grantRefused(description string) *songspy.Error {
	e := &songspy.Error{
		Code:        songspy.CodeUnauthorized,
		Reason:      ReasonGrantRefused,
		Message:     "Spotify no longer accepts the link; it has to be made again.",
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

// grantLimit bounds the answers of the token endpoint, in bytes, as oauth2 does.
const grantLimit = 1 << 20

// longestLife bounds how long an access token is taken to live, in seconds.
const tokenLifeMax = 24 * 60 * 60

// tidied returns the body as tidyGrant rewrites it. A body that cannot be read
// to its end fails where it fails.
func tidyGrantBody(body io.ReadCloser) io.ReadCloser {
	b, err := io.ReadAll(io.LimitReader(body, grantLimit))
	_ = body.Close()
	if err != nil {
		return io.NopCloser(io.MultiReader(bytes.NewReader(b), errorReader{err}))
	}
	return io.NopCloser(bytes.NewReader(tidyGrant(b)))
}

// failing is a reader that returns its error.
type errorReader struct{ err error }

func (f errorReader) Read([]byte) (int, error) { return 0, f.err }

// tidyGrant keeps of a granted answer what oauth2 reads, in the types that it
// expects. oauth2 drops the whole answer when one field has another type, and
// the refresh token in it may be the only one that still works: a field that
// makes no sense is left out instead. A body that is no JSON object, or that
// holds no access token, stays as it is.
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
	if err != nil { // strings and a number
		return body
	}
	return b
}

// lifeOf reads an access token's life in whole seconds. Integers, decimals and
// both in quotes occur.
func parseTokenLife(raw json.RawMessage) (seconds int64, ok bool) {
	text := strings.TrimSpace(strings.Trim(string(raw), `"`))
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) || n < 1 {
		return 0, false
	}
	return int64(min(n, tokenLifeMax)), true
}
