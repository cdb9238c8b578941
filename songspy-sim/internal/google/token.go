package google

import (
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"

	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

type tokenResponse struct {
	AccessToken  string `json:"access_token"`
	ExpiresIn    int    `json:"expires_in"`
	RefreshToken string `json:"refresh_token,omitempty"`
	Scope        string `json:"scope"`
	TokenType    string `json:"token_type"`
	IDToken      string `json:"id_token,omitempty"`
}

// token answers the token endpoint: it exchanges a code or a refresh token for new tokens.
func (s *Server) token(w *requestlog.Writer, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 64<<10)
	if err := r.ParseForm(); err != nil {
		writeError(w, http.StatusBadRequest, "invalid_request", "Bad Request")
		return
	}
	kind, field := token.GoogleCode, "code"
	switch r.PostForm.Get("grant_type") {
	case "authorization_code":
	case "refresh_token":
		kind, field = token.GoogleRefresh, "refresh_token"
	default:
		writeError(w, http.StatusBadRequest, "unsupported_grant_type", "Invalid grant_type: "+r.PostForm.Get("grant_type"))
		return
	}
	c, known := s.TokenCodec.Read(kind, r.PostForm.Get(field))
	known = known && c.Person < s.World.People()
	if known {
		w.Person = c.Person
	}
	if s.Faults.Apply(w, r, requestlog.GoogleToken) {
		return
	}
	client, confidential, ok := clientCredentials(r)
	if !ok {
		writeError(w, http.StatusUnauthorized, "invalid_client", "Unauthorized")
		return
	}
	if !known || client != int(c.Client) {
		description := "Malformed auth code."
		if kind == token.GoogleRefresh {
			description = "Bad Request"
		}
		writeError(w, http.StatusBadRequest, "invalid_grant", description)
		return
	}
	if kind == token.GoogleCode {
		if code, description := s.redeemCode(r.PostForm, c, confidential); code != "" {
			writeError(w, http.StatusBadRequest, code, description)
			return
		}
	}
	g := tokenResponse{
		AccessToken: s.newAccessToken(c), ExpiresIn: int(accessLife.Seconds()), Scope: scopeNames(c.Scopes), TokenType: "Bearer",
	}
	if c.Scopes&openID != 0 {
		g.IDToken = s.idToken(r, c)
	}
	if kind == token.GoogleCode && c.Scopes&offline != 0 {
		c.Redirect, c.At = "", s.Now()
		g.RefreshToken = s.TokenCodec.Issue(token.GoogleRefresh, c)
	}
	writeJSON(w, http.StatusOK, g)
}

// clientCredentials returns the index, in the slice clients, of the app that makes the
// request. The result confidential says that the app sent a client secret. The result ok
// is false if the app is unknown or its secret is wrong.
func clientCredentials(r *http.Request) (client int, confidential, ok bool) {
	id, secret, basic := r.BasicAuth()
	if !basic {
		id, secret = r.PostForm.Get("client_id"), r.PostForm.Get("client_secret")
	}
	client = slices.Index(clients, id)
	if client < 0 {
		return 0, false, false
	}
	if secret == "" {
		return client, false, true
	}
	return client, true, subtle.ConstantTimeCompare([]byte(secret), []byte(clientSecrets[client])) == 1
}

// redeemCode checks an authorization code and marks it as used. If it refuses the code, it
// returns the OAuth error code and the description of the error. Otherwise both are "".
func (s *Server) redeemCode(form url.Values, c token.Claims, confidential bool) (code, description string) {
	switch {
	case form.Get("redirect_uri") != c.Redirect:
		return "redirect_uri_mismatch", "Bad Request"
	case c.Challenge == "" && !confidential:
		return "invalid_request", "client_secret is missing."
	case c.Challenge != "" && form.Get("code_verifier") == "":
		return "invalid_grant", "Missing code verifier."
	case c.Challenge != "" && token.Challenge(form.Get("code_verifier")) != c.Challenge:
		return "invalid_grant", "Invalid code verifier."
	case !s.Now().Before(c.At), !s.usedTokens.MarkUsed(form.Get("code"), s.Now(), c.At):
		return "invalid_grant", "Bad Request"
	}
	return "", ""
}
