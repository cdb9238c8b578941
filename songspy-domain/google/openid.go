package google

import (
	"cmp"
	"context"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync/atomic"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// IssuerURL is Google's address as an OpenID provider.
const IssuerURL = "https://accounts.google.com"

// signingAlgorithm is the only algorithm that Google signs ID tokens with.
const signingAlgorithm = oidc.RS256

// OpenIDConfig says how an OpenID reaches Google, and as which client.
type OpenIDConfig struct {
	// IssuerURL is the OpenID provider; empty means Google.
	IssuerURL    string
	ClientID     string
	ClientSecret songspy.Secret
	// RedirectURL is where Google sends the browser back, as registered with Google.
	RedirectURL string
	// Transport makes the HTTP calls; nil means an http.Transport with short timeouts.
	Transport http.RoundTripper
	// Timeout limits the time of all calls to Google of one AuthorizeURL or Redeem
	// together; 0 means 5 s.
	Timeout time.Duration
	// Now is the clock; nil means time.Now.
	Now func() time.Time
}

// OpenID signs users in by redirect: OpenID Connect's code flow with PKCE. It is
// safe for concurrent use.
type OpenID struct {
	config   OpenIDConfig
	http     *http.Client
	provider atomic.Pointer[provider] // nil until the first successful discovery
}

// provider holds Google's endpoints, and the keys that verify ID tokens. Google's
// discovery document names both.
type provider struct {
	endpoint oauth2.Endpoint
	issuer   string
	keys     oidc.KeySet
}

// NewOpenID returns an OpenID. It makes no call: the first sign-in requests the
// endpoints from Google.
func NewOpenID(c OpenIDConfig) *OpenID {
	c.IssuerURL = cmp.Or(c.IssuerURL, IssuerURL)
	if c.Timeout <= 0 {
		c.Timeout = defaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	client := newHTTPClient(c.Transport)
	client.Timeout = c.Timeout // needed because go-oidc fetches keys without the caller's context
	return &OpenID{config: c, http: client}
}

// AuthorizeURL returns the address at Google that the browser opens. Google repeats
// the state in its redirect and the nonce in the ID token. verifier is the PKCE
// verifier, which Redeem needs later.
//
// It returns CodeUnavailable with GOOGLE_UNAVAILABLE if Google's discovery document,
// which names that address, cannot be read.
func (o *OpenID) AuthorizeURL(ctx context.Context, state, nonce string, verifier songspy.Secret) (string, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, o.http), o.config.Timeout)
	defer cancel()
	p, err := o.discover(ctx)
	if err != nil {
		return "", err
	}
	return o.oauthConfig(p).AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier.Reveal())), nil
}

// Redeem exchanges the code that Google sent back for tokens, and returns the profile
// in the ID token. The ID token must be signed by Google with RS256 for this client,
// contain the nonce and not be expired.
//
// Errors: CodeUnauthorized with GOOGLE_TOKEN_INVALID for a code or an ID token that
// is not valid, with GOOGLE_TOKEN_FOREIGN for the ID token of another client.
// CodeUnavailable with GOOGLE_UNAVAILABLE and RetryAfter if Google is down or slow,
// its answer cannot be read, or it rejects this client.
func (o *OpenID) Redeem(ctx context.Context, code, verifier songspy.Secret, nonce string) (songspy.GoogleProfile, error) {
	ctx, cancel := context.WithTimeout(oidc.ClientContext(ctx, o.http), o.config.Timeout)
	defer cancel()
	p, err := o.discover(ctx)
	if err != nil {
		return songspy.GoogleProfile{}, err
	}
	tokens, err := o.oauthConfig(p).Exchange(ctx, code.Reveal(), oauth2.VerifierOption(verifier.Reveal()))
	if err != nil {
		return songspy.GoogleProfile{}, exchangeError(ctx, err)
	}
	raw, _ := tokens.Extra("id_token").(string)
	token, err := o.verify(ctx, p, raw)
	if err != nil {
		return songspy.GoogleProfile{}, err
	}
	var claims struct {
		AuthorizedParty string `json:"azp"`
	}
	var profile json.RawMessage
	if err := errors.Join(token.Claims(&claims), token.Claims(&profile)); err != nil {
		return songspy.GoogleProfile{}, invalidToken("the claims of the ID token have the wrong form")
	}
	isForeign := func(client string) bool { return client != o.config.ClientID }
	switch {
	case len(token.Audience) == 0 || slices.ContainsFunc(token.Audience, isForeign),
		claims.AuthorizedParty != "" && isForeign(claims.AuthorizedParty):
		return songspy.GoogleProfile{}, foreignToken("the ID token was issued to another client")
	case nonce == "" || subtle.ConstantTimeCompare([]byte(token.Nonce), []byte(nonce)) != 1:
		return songspy.GoogleProfile{}, invalidToken("the ID token has another nonce")
	}
	return readUserinfo(profile)
}

// verify verifies the signature, the algorithm, the issuer and the times of the ID
// token raw. It does not verify the audience: Redeem does, and returns
// GOOGLE_TOKEN_FOREIGN for a wrong one.
func (o *OpenID) verify(ctx context.Context, p *provider, raw string) (*oidc.IDToken, error) {
	keys := &recordingKeySet{KeySet: p.keys}
	token, err := oidc.NewVerifier(p.issuer, keys, &oidc.Config{
		SkipClientIDCheck: true, SupportedSigningAlgs: []string{signingAlgorithm}, Now: o.config.Now,
	}).Verify(ctx, raw)
	switch {
	case err == nil:
		return token, nil
	case keys.unreachable:
		return nil, unavailable(errors.New("google's keys could not be read"))
	}
	if _, expired := errors.AsType[*oidc.TokenExpiredError](err); expired {
		return nil, invalidToken("the ID token has expired")
	}
	// The library's messages do not quote the token, except its issuer or algorithm.
	return nil, invalidToken(fmt.Sprintf("the ID token is not valid: %.200s", err))
}

// recordingKeySet records whether Google's keys could not be read. The verifier's
// error does not show that: it is of the same kind as that for a wrong signature.
type recordingKeySet struct {
	oidc.KeySet
	unreachable bool
}

// VerifySignature implements oidc.KeySet.
func (k *recordingKeySet) VerifySignature(ctx context.Context, jwt string) ([]byte, error) {
	payload, err := k.KeySet.VerifySignature(ctx, jwt)
	k.unreachable = errors.Unwrap(err) != nil // the library wraps only errors of the call that fetches keys
	return payload, err
}

// discover returns the endpoints and keys in Google's discovery document
// (/.well-known/openid-configuration). It fetches the document once and keeps
// it; after a failure the next call tries again.
func (o *OpenID) discover(ctx context.Context) (*provider, error) {
	if known := o.provider.Load(); known != nil {
		return known, nil
	}
	found, err := oidc.NewProvider(ctx, o.config.IssuerURL)
	if err != nil {
		if _, mismatch := errors.AsType[*oidc.IssuerMismatchError](err); mismatch {
			return nil, unavailable(errors.New("the provider at SONGSPY_GOOGLE_ISSUER_URL names another issuer in its OpenID configuration; set the variable to that issuer"))
		}
		return nil, unavailable(errors.New("the OpenID configuration at SONGSPY_GOOGLE_ISSUER_URL could not be read"))
	}
	var document struct {
		Keys string `json:"jwks_uri"`
	}
	if err := found.Claims(&document); err != nil {
		return nil, unavailable(errors.New("google's OpenID configuration is not valid"))
	}
	endpoint := found.Endpoint()
	endpoint.AuthStyle = oauth2.AuthStyleInParams // otherwise oauth2 tries both styles after an error, and sends a used code twice
	p := &provider{endpoint: endpoint, issuer: o.config.IssuerURL, keys: oidc.NewRemoteKeySet(ctx, document.Keys)}
	o.provider.Store(p)
	return p, nil
}

func (o *OpenID) oauthConfig(p *provider) *oauth2.Config {
	return &oauth2.Config{
		ClientID: o.config.ClientID, ClientSecret: o.config.ClientSecret.Reveal(), RedirectURL: o.config.RedirectURL,
		Endpoint: p.endpoint, Scopes: []string{oidc.ScopeOpenID, "email", "profile"},
	}
}

// exchangeError classifies an error of the token endpoint. The result does not
// wrap an error that quotes Google's answer.
func exchangeError(ctx context.Context, err error) error {
	refusal, ok := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case !ok:
		return unreachable(ctx, err)
	case refusal.ErrorCode == "invalid_grant":
		return invalidToken("google rejects the code")
	case refusal.ErrorCode == "invalid_client", refusal.ErrorCode == "unauthorized_client":
		return unavailable(errors.New("google rejects the client: check SONGSPY_GOOGLE_CLIENT_ID and SONGSPY_GOOGLE_CLIENT_SECRET"))
	case refusal.ErrorCode == "redirect_uri_mismatch":
		return unavailable(errors.New("google does not know the redirect URL: register the value of SONGSPY_PUBLIC_URL, followed by /v1/songspy/auth/google/callback"))
	}
	return badStatus(refusal.Response.StatusCode)
}
