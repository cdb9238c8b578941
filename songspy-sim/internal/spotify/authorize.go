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

// authorize shows the simulated consent page. If the query already contains the person's
// decision, or the quirk RememberConsent applies, it redirects at once.
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
	case q.Get("response_type") != "code": // Spotify has removed the implicit grant (response_type=token)
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

// consentCookie is the name of the cookie that stores in the browser which person allowed
// which app which scopes.
const consentCookie = "songspy_sim_consent"

// rememberedPerson returns the person who last allowed an app in this browser. The result
// ok is false if that was another app or did not include all of the scopes. It is also
// false if the quirk RememberConsent is off, if the app demands the dialog, or if the
// query contains the decision.
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

// The texts of Spotify's error page for a redirect URI that Spotify does not accept.
const (
	invalidRedirect  = "INVALID_CLIENT: Invalid redirect URI"
	insecureRedirect = "INVALID_CLIENT: Insecure redirect URI"
)

// redirectProblem returns the text of Spotify's error page for a redirect URI, or "" if
// Spotify accepts the redirect URI. Its scheme must be https, or http with the host
// 127.0.0.1 or [::1]. It must be equal to a registered redirect URI, or equal except for
// its port to a registered loopback address without a port. If no redirect URI is
// registered, every redirect URI on a loopback address is accepted.
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
