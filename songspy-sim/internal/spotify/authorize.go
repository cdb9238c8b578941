package spotify

import (
	"errors"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/consent"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
)

// codeLife is how long an authorization code is valid.
const codeLife = 10 * time.Minute

// authorize shows the simulated consent page. If the query already says which
// person allows or denies the app, it redirects at once.
func (s *Server) authorize(w *requestlog.Writer, r *http.Request) {
	if s.Faults.Apply(w, r, requestlog.Authorize) {
		return
	}
	q := r.URL.Query()
	app, known := AppIndex(q.Get("client_id"))
	if !known {
		consent.ShowError(w, "INVALID_CLIENT: Invalid client")
		return
	}
	target := q.Get("redirect_uri")
	if problem := redirectProblem(s.RedirectURIs, target); problem != "" {
		consent.ShowError(w, problem)
		return
	}
	back := url.Values{}
	if state, ok := q["state"]; ok {
		back["state"] = state[:1]
	}
	refuse := func(code string) {
		back.Set("error", code)
		consent.Redirect(w, target, back, false)
	}
	scopes, unknown := ParseScopes(strings.Fields(q.Get("scope")))
	challenge := q.Get("code_challenge")
	switch {
	case q.Get("response_type") != "code": // Spotify has removed the implicit grant
		refuse("unsupported_response_type")
		return
	case unknown != "":
		refuse("invalid_scope")
		return
	case (challenge != "" || q.Has("code_challenge_method")) && (q.Get("code_challenge_method") != "S256" || len(challenge) != 43):
		refuse("invalid_request")
		return
	}
	person, remembered := s.rememberedPerson(r, q, app, scopes)
	decision := consent.Allowed
	if remembered {
		w.Person = person
	} else {
		decision = consent.Decide(w, r, s.World, consent.Request{Provider: "Spotify", App: "Songspy", Scopes: scopes.Names()})
	}
	switch decision {
	case consent.Allowed:
		http.SetCookie(w, &http.Cookie{
			Name: consentCookie, Value: strconv.Itoa(w.Person) + "." + strconv.Itoa(int(scopes)) + "." + strconv.Itoa(app),
			Path: "/spotify/accounts", HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		back.Set("code", s.Code(w.Person, app, target, challenge, scopes))
		consent.Redirect(w, target, back, false)
	case consent.Denied:
		refuse("access_denied")
	}
}

// consentCookie stores in the browser which person allowed which app.
const consentCookie = "songspy_sim_consent"

// rememberedPerson returns the person who has allowed the app these scopes
// before in this browser. ok is false if there is none, if the quirk
// RememberConsent is off, or if the app demands the dialog.
func (s *Server) rememberedPerson(r *http.Request, q url.Values, app int, scopes Scopes) (person int, ok bool) {
	cookie, err := r.Cookie(consentCookie)
	if err != nil || !s.Quirks.Get().RememberConsent || q.Get("show_dialog") == "true" || q.Has("allow") {
		return 0, false
	}
	personText, rest, _ := strings.Cut(cookie.Value, ".")
	scopesText, appText, _ := strings.Cut(rest, ".")
	person, err = strconv.Atoi(personText)
	allowed, err2 := strconv.Atoi(scopesText)
	known := errors.Join(err, err2) == nil && appText == strconv.Itoa(app) && person >= 0 && person < s.World.People()
	return person, known && scopes&^Scopes(allowed) == 0
}

// The texts of Spotify's error page for a redirect URI that it does not accept.
const (
	invalidRedirect  = "INVALID_CLIENT: Invalid redirect URI"
	insecureRedirect = "INVALID_CLIENT: Insecure redirect URI"
)

// redirectProblem returns what is wrong with a redirect URI by Spotify's rules,
// or "". It must be https, or http on a literal loopback address, and be
// registered exactly; only the port may differ if a loopback address is
// registered without one. If no redirect URI is registered, every loopback
// address is allowed.
func redirectProblem(registered []string, target string) string {
	u, err := url.Parse(target)
	if err != nil || u.Host == "" || u.Fragment != "" {
		return invalidRedirect
	}
	ip := net.ParseIP(u.Hostname())
	loopback := ip != nil && (u.Hostname() == "127.0.0.1" || u.Hostname() == "::1")
	switch {
	case u.Scheme == "http" && !loopback, u.Scheme != "http" && u.Scheme != "https":
		return insecureRedirect
	case len(registered) == 0 && loopback, slices.Contains(registered, target):
		return ""
	case loopback && u.Port() != "":
		withoutPort := *u
		withoutPort.Host = strings.TrimSuffix(u.Host, ":"+u.Port())
		if slices.Contains(registered, withoutPort.String()) {
			return ""
		}
	}
	return invalidRedirect
}
