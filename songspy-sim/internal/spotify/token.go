package spotify

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"

	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// consentMonths is for how many months after the consent a refresh token is valid. Neither
// its use nor its rotation prolongs that.
const consentMonths = 6

// oauthError is the JSON body of an error of the token endpoint (RFC 6749). The endpoint
// sends all its errors with status 400.
type oauthError struct {
	Code        string `json:"error"`
	Description string `json:"error_description"`
}

// The errors of the token endpoint.
var (
	errUnknownClient  = &oauthError{"invalid_client", "Failed to get client"}
	errClient         = &oauthError{"invalid_client", "Invalid client"}
	errNoGrantType    = &oauthError{"unsupported_grant_type", "grant_type parameter is missing"}
	errGrantType      = &oauthError{"unsupported_grant_type", "grant_type must be authorization_code or refresh_token"}
	errNoCode         = &oauthError{"invalid_request", "code must be supplied"}
	errNoRedirect     = &oauthError{"invalid_request", "redirect_uri must be supplied"}
	errNoVerifier     = &oauthError{"invalid_request", "code_verifier must be supplied"}
	errNoRefreshToken = &oauthError{"invalid_request", "refresh_token must be supplied"}
	errCode           = &oauthError{"invalid_grant", "Invalid authorization code"}
	errCodeExpired    = &oauthError{"invalid_grant", "Authorization code expired"}
	errRedirect       = &oauthError{"invalid_grant", "Invalid redirect URI"}
	errVerifier       = &oauthError{"invalid_grant", "code_verifier was incorrect"}
	errRefreshToken   = &oauthError{"invalid_grant", "Invalid refresh token"}
	errRefreshExpired = &oauthError{"invalid_grant", "Refresh token expired"}
	errRefreshRevoked = &oauthError{"invalid_grant", "Refresh token revoked"}
	errBodyTooLarge   = &oauthError{"invalid_request", "request body is too large"}
)

type tokenResponse struct {
	AccessToken  string          `json:"access_token"`
	TokenType    string          `json:"token_type"`
	Scope        string          `json:"scope"`
	ExpiresIn    json.RawMessage `json:"expires_in,omitempty"`
	RefreshToken string          `json:"refresh_token,omitempty"`
}

// expiresIn returns a lifetime in seconds as JSON, in the form that the quirk ExpiresIn
// names. It returns nil if the answer must have no expires_in.
func expiresIn(seconds int, form string) json.RawMessage {
	text := strconv.Itoa(seconds)
	switch form {
	case "decimal":
		text += ".0"
	case "string":
		text = strconv.Quote(text)
	case "none":
		return nil
	}
	return json.RawMessage(text)
}

// token answers the token endpoint: it exchanges a code or a refresh token for new tokens.
func (s *Server) token(w *requestlog.Writer, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		writeJSON(w, http.StatusBadRequest, errBodyTooLarge)
		return
	}
	claims, kind := s.tokenClaims(r.PostForm)
	if kind != "" {
		w.Person = claims.Person
	}
	if s.Faults.Apply(w, r, requestlog.Token) {
		return
	}
	app, public, problem := identifyClient(r)
	if problem == nil {
		switch r.PostForm.Get("grant_type") {
		case "":
			problem = errNoGrantType
		case "authorization_code":
			problem = s.redeemCode(r.PostForm, claims, kind == token.SpotifyCode && claims.Client == app, public)
		case "refresh_token":
			problem = s.redeemRefreshToken(r.PostForm, claims, kind == token.SpotifyRefresh && claims.Client == app, public)
		default:
			problem = errGrantType
		}
	}
	if problem != nil {
		writeJSON(w, http.StatusBadRequest, problem)
		return
	}
	g := tokenResponse{
		AccessToken: s.newAccessToken(claims), TokenType: "Bearer",
		Scope: Scopes(claims.Scopes).String(), ExpiresIn: expiresIn(int(s.AccessLife.Seconds()), s.Quirks.Get().ExpiresIn),
	}
	switch {
	case kind == token.SpotifyCode:
		claims.Public = public
		g.RefreshToken = s.newRefreshToken(claims, s.Now())
	case claims.Public && s.Quirks.Get().RotateRefreshTokens:
		g.RefreshToken = s.newRefreshToken(claims, claims.At)
	}
	writeJSON(w, http.StatusOK, g)
}

// tokenClaims returns the claims and the kind of the authorization code or refresh token in
// a form. The kind is empty if there is none or it is not authentic. tokenClaims does not
// check whether it has expired.
func (s *Server) tokenClaims(form url.Values) (token.Claims, token.Kind) {
	kind, field := token.SpotifyCode, "code"
	if form.Get("grant_type") == "refresh_token" {
		kind, field = token.SpotifyRefresh, "refresh_token"
	}
	claims, ok := s.TokenCodec.Read(kind, form.Get(field))
	if !ok || claims.Person >= s.World.People() {
		return token.Claims{}, ""
	}
	return claims, kind
}

// identifyClient identifies the app that makes the request, by its ID and secret in HTTP
// Basic authentication or in the body. A public client sends only its ID, in the body; the
// result public is then true. The result asking is the index of the app in the slice apps.
// If the app or its secret is wrong, the result problem is not nil.
func identifyClient(r *http.Request) (asking uint8, public bool, problem *oauthError) {
	id, secret, basic := r.BasicAuth()
	if basic {
		// The client form-encodes the ID and the secret before it concatenates them
		// (RFC 6749, section 2.3.1).
		id, secret = unescape(id), unescape(secret)
	} else {
		if r.Header.Get("Authorization") != "" {
			return 0, false, errClient
		}
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	index, known := AppIndex(id)
	asking = uint8(index)
	switch {
	case id == "":
		return 0, false, errClient
	case !known:
		return 0, false, errUnknownClient
	case secret == "" && !basic:
		return asking, true, nil
	case secret != apps[index].secret || secret == "":
		return 0, false, errClient
	}
	return asking, false, nil
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}

// redeemCode checks an authorization code and, if it accepts the code, marks it as used.
// The argument known says that c was read from an authentic code, which was issued to the
// app that makes the request. The argument public says that the app sent no secret.
// redeemCode returns nil if it accepts the code.
func (s *Server) redeemCode(form url.Values, c token.Claims, known, public bool) *oauthError {
	verifier := form.Get("code_verifier")
	switch {
	case form.Get("code") == "":
		return errNoCode
	case form.Get("redirect_uri") == "":
		return errNoRedirect
	case !known || c.Generation != s.Consents.Generation(c.Person):
		return errCode
	case !s.Now().Before(c.At):
		return errCodeExpired
	case form.Get("redirect_uri") != c.Redirect:
		return errRedirect
	case c.Challenge == "" && public:
		return errClient // without PKCE, the app must send its secret
	case c.Challenge != "" && verifier == "":
		return errNoVerifier
	case c.Challenge == "" && verifier != "", c.Challenge != "" && token.Challenge(verifier) != c.Challenge:
		return errVerifier
	case !s.usedTokens.MarkUsed(form.Get("code"), s.Now(), c.At):
		return errCode
	}
	return nil
}

// redeemRefreshToken checks a refresh token. The arguments known and public mean the same
// as those of redeemCode. With the quirk RotateRefreshTokens, each refresh replaces the
// refresh token of a public client, so redeemRefreshToken marks the old one as used.
func (s *Server) redeemRefreshToken(form url.Values, c token.Claims, known, public bool) *oauthError {
	presented := form.Get("refresh_token")
	expiresAt := c.At.AddDate(0, consentMonths, 0)
	switch {
	case presented == "":
		return errNoRefreshToken
	case !known:
		return errRefreshToken
	case !s.Now().Before(expiresAt):
		return errRefreshExpired
	case c.Generation != s.Consents.Generation(c.Person):
		return errRefreshRevoked
	case public && !c.Public:
		return errClient // a token that was obtained with the secret is refreshed only with the secret
	case c.Public && s.Quirks.Get().RotateRefreshTokens && !s.usedTokens.MarkUsed(presented, s.Now(), expiresAt):
		return errRefreshRevoked
	}
	return nil
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // cannot happen: v is a struct of strings and numbers
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(body)
}
