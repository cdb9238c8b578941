package google

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/consent"
	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/quirks"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// The registered apps and their secrets: Songspy's and a foreign one.
const (
	ClientID            = "songspy-sim-google"
	ClientSecret        = "songspy-sim-google-secret"
	ForeignClientID     = "somebody-elses-app"
	ForeignClientSecret = "somebody-elses-secret"
)

var (
	clients       = []string{ClientID, ForeignClientID} // token.Claims.Client is an index of this slice
	clientSecrets = []string{ClientSecret, ForeignClientSecret}
)

// The bits of token.Claims.Scopes in a Google token. Each but the last is a scope.
const (
	openID = 1 << iota
	email
	profile
	offline // not a scope: the app sent access_type=offline, which requests a refresh token
)

const (
	accessLife = time.Hour
	codeLife   = 10 * time.Minute
)

// Server imitates Google's sign-in service over HTTP. All fields must be set.
type Server struct {
	World      *population.World
	TokenCodec *token.Codec
	RequestLog *requestlog.Log
	Faults     *faults.Registry
	Quirks     *quirks.Switch
	Now        func() time.Time
	PublicURL  string // the simulator's address for browsers, without a slash at the end

	usedTokens token.UsedTokens
	signer     signer
}

// Routes adds Google's routes to a mux.
func (s *Server) Routes(mux *http.ServeMux) {
	mux.Handle("GET /google/o/oauth2/v2/auth", s.RequestLog.Wrap(requestlog.GoogleAuthorize, s.authorize))
	mux.Handle("POST /google/token", s.RequestLog.Wrap(requestlog.GoogleToken, s.token))
	mux.Handle("/google/tokeninfo", s.RequestLog.Wrap(requestlog.Tokeninfo, s.tokeninfo))
	for _, version := range []string{"v1", "v2"} {
		mux.Handle("/google/oauth2/"+version+"/tokeninfo", s.RequestLog.Wrap(requestlog.Tokeninfo, s.oldTokeninfo))
		mux.Handle("/google/oauth2/"+version+"/userinfo", s.RequestLog.Wrap(requestlog.Userinfo, s.userinfo))
	}
	mux.Handle("/google/oauth2/v3/userinfo", s.RequestLog.Wrap(requestlog.Userinfo, s.openIDUserinfo))
	mux.Handle("/google/v1/userinfo", s.RequestLog.Wrap(requestlog.Userinfo, s.openIDUserinfo))
	mux.Handle("GET /google/.well-known/openid-configuration", s.RequestLog.Wrap(requestlog.Other, s.discovery))
	mux.Handle("GET /google/oauth2/v3/certs", s.RequestLog.Wrap(requestlog.Other, s.certs))
}

// AccessToken returns an access token of a person, as a browser would get it from the
// implicit grant. Without scopes, it has openid, email and profile. AccessToken returns an
// error if the client is unknown.
func (s *Server) AccessToken(person int, clientID string, scopes ...string) (string, error) {
	client := slices.Index(clients, clientID)
	if client < 0 {
		return "", fmt.Errorf("google: client %q is not registered: use %s or %s", clientID, ClientID, ForeignClientID)
	}
	set := uint8(openID | email | profile)
	if len(scopes) > 0 {
		set = parseScopes(scopes)
	}
	return s.newAccessToken(token.Claims{Person: person, Client: uint8(client), Scopes: set}), nil
}

func (s *Server) newAccessToken(c token.Claims) string {
	c.At, c.Redirect = s.Now().Add(accessLife), ""
	return s.TokenCodec.Issue(token.GoogleAccess, c)
}

func parseScopes(names []string) (set uint8) {
	for _, name := range names {
		switch name {
		case "openid":
			set |= openID
		case "email", "https://www.googleapis.com/auth/userinfo.email":
			set |= email
		case "profile", "https://www.googleapis.com/auth/userinfo.profile":
			set |= profile
		}
	}
	return set
}

func scopeNames(set uint8) string {
	var names []string
	for bit, name := range map[uint8]string{
		openID: "openid", email: "https://www.googleapis.com/auth/userinfo.email",
		profile: "https://www.googleapis.com/auth/userinfo.profile",
	} {
		if set&bit != 0 {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// authorize shows the simulated consent page. If the query already contains the person's
// decision, it redirects at once.
func (s *Server) authorize(w *requestlog.Writer, r *http.Request) {
	if s.Faults.Apply(w, r, requestlog.GoogleAuthorize) {
		return
	}
	q := r.URL.Query()
	client := slices.Index(clients, q.Get("client_id"))
	if client < 0 {
		consent.ShowError(w, "Error 401: invalid_client. The OAuth client was not found.")
		return
	}
	target := q.Get("redirect_uri")
	if !isLoopback(target) {
		consent.ShowError(w, "Error 400: redirect_uri_mismatch")
		return
	}
	back := url.Values{}
	if state, ok := q["state"]; ok {
		back["state"] = state[:1]
	}
	implicit := q.Get("response_type") == "token"
	scopes, challenge := strings.Fields(q.Get("scope")), q.Get("code_challenge")
	badChallenge := challenge != "" && (q.Get("code_challenge_method") != "S256" || len(challenge) != 43)
	switch {
	case q.Get("response_type") != "code" && !implicit:
		back.Set("error", "unsupported_response_type")
	case len(scopes) == 0, badChallenge:
		back.Set("error", "invalid_request")
	default:
		s.decide(w, r, token.Claims{
			Client: uint8(client), Scopes: parseScopes(scopes), Redirect: target,
			Challenge: challenge, Nonce: q.Get("nonce"),
		}, back, implicit)
		return
	}
	consent.Redirect(w, target, back, implicit)
}

func (s *Server) decide(w *requestlog.Writer, r *http.Request, c token.Claims, back url.Values, implicit bool) {
	q := r.URL.Query()
	app := "Songspy"
	if clients[c.Client] == ForeignClientID {
		app = "Somebody else's app"
	}
	switch consent.Decide(w, r, s.World, consent.Request{Provider: "Google", App: app, Scopes: strings.Fields(q.Get("scope"))}) {
	case consent.Pending:
		return
	case consent.Denied:
		back.Set("error", "access_denied")
	case consent.Allowed:
		c.Person = w.Person
		if implicit {
			back.Set("access_token", s.newAccessToken(c))
			back.Set("token_type", "Bearer")
			back.Set("expires_in", fmt.Sprint(int(accessLife.Seconds())))
			back.Set("scope", scopeNames(c.Scopes))
			break
		}
		if q.Get("access_type") == "offline" {
			c.Scopes |= offline
		}
		c.At = s.Now().Add(codeLife)
		back.Set("code", s.TokenCodec.Issue(token.GoogleCode, c))
		back.Set("scope", scopeNames(c.Scopes))
	}
	consent.Redirect(w, c.Redirect, back, implicit)
}

// isLoopback reports whether a redirect URI is http on a loopback address or on localhost.
// The simulated Google accepts no others, so its codes and tokens stay on this machine.
func isLoopback(target string) bool {
	u, err := url.Parse(target)
	if err != nil || u.Scheme != "http" || u.Fragment != "" {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.MarshalIndent(v, "", "  ") // Google indents its answers
	if err != nil {                              // cannot happen: v contains only strings, numbers, booleans, and slices and maps of them
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n'))
}

func writeError(w http.ResponseWriter, status int, code, description string) {
	writeJSON(w, status, map[string]string{"error": code, "error_description": description})
}
