package google

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// accessClaims returns the claims of the access token in the Authorization header of a
// request or, if there is none, in the parameter access_token. The second result is false
// if the token is invalid or has expired.
func (s *Server) accessClaims(w *requestlog.Writer, r *http.Request) (token.Claims, bool) {
	text, bearer := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !bearer {
		r.Body = http.MaxBytesReader(w, r.Body, 16<<10)
		text = r.FormValue("access_token")
	}
	c, ok := s.TokenCodec.Read(token.GoogleAccess, text)
	if !ok || c.Person >= s.World.People() {
		return token.Claims{}, false
	}
	w.Person = c.Person
	return c, w.ReceivedAt.Before(c.At)
}

// tokeninfo answers with the app to which a token was issued, the person, the scopes and
// the expiry. As at Google, all values are strings.
func (s *Server) tokeninfo(w *requestlog.Writer, r *http.Request) {
	c, ok := s.accessClaims(w, r)
	if s.Faults.Apply(w, r, requestlog.Tokeninfo) {
		return
	}
	if !ok {
		writeError(w, http.StatusBadRequest, "invalid_token", "Invalid Value")
		return
	}
	info := map[string]string{
		"azp": clients[c.Client], "aud": clients[c.Client], "scope": scopeNames(c.Scopes), "access_type": "online",
		"exp": strconv.FormatInt(c.At.Unix(), 10), "expires_in": strconv.Itoa(int(c.At.Sub(w.ReceivedAt).Seconds())),
	}
	person := s.World.Person(c.Person)
	if !s.Quirks.Get().TokeninfoWithoutSubject {
		if c.Scopes&(openID|email|profile) != 0 {
			info["sub"] = person.GoogleID
		}
		if c.Scopes&email != 0 {
			info["email"], info["email_verified"] = person.Email, "true"
		}
	}
	writeJSON(w, http.StatusOK, info)
}

// oldTokeninfo answers tokeninfo in its older form, at /oauth2/v1 and /oauth2/v2.
func (s *Server) oldTokeninfo(w *requestlog.Writer, r *http.Request) {
	c, ok := s.accessClaims(w, r)
	if s.Faults.Apply(w, r, requestlog.Tokeninfo) {
		return
	}
	if !ok {
		writeError(w, http.StatusBadRequest, "invalid_token", "Invalid Value")
		return
	}
	info := map[string]any{
		"issued_to": clients[c.Client], "audience": clients[c.Client], "scope": scopeNames(c.Scopes),
		"expires_in": int(c.At.Sub(w.ReceivedAt).Seconds()), "access_type": "online",
	}
	person := s.World.Person(c.Person)
	if !s.Quirks.Get().TokeninfoWithoutSubject {
		info["user_id"] = person.GoogleID
		if c.Scopes&email != 0 {
			info["email"], info["verified_email"] = person.Email, true
		}
	}
	writeJSON(w, http.StatusOK, info)
}

// userinfo answers in the form of /oauth2/v1 and /oauth2/v2. As at Google, it accepts a
// token whichever app the token was issued to.
func (s *Server) userinfo(w *requestlog.Writer, r *http.Request) {
	c, ok := s.accessClaims(w, r)
	if s.Faults.Apply(w, r, requestlog.Userinfo) {
		return
	}
	if !ok {
		if s.Quirks.Get().UserinfoFlatError {
			writeError(w, http.StatusUnauthorized, "invalid_request", "Invalid Credentials")
			return
		}
		writeJSON(w, http.StatusUnauthorized, map[string]any{"error": map[string]any{
			"code": http.StatusUnauthorized, "status": "UNAUTHENTICATED",
			"message": "Request is missing required authentication credential. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
		}})
		return
	}
	info := map[string]any{"id": s.World.Person(c.Person).GoogleID}
	if c.Scopes&email != 0 {
		info["email"], info["verified_email"] = s.World.Person(c.Person).Email, true
	}
	s.addProfile(info, c)
	writeJSON(w, http.StatusOK, info)
}

// openIDUserinfo answers userinfo in the form of OpenID Connect and of
// /oauth2/v3.
func (s *Server) openIDUserinfo(w *requestlog.Writer, r *http.Request) {
	c, ok := s.accessClaims(w, r)
	if s.Faults.Apply(w, r, requestlog.Userinfo) {
		return
	}
	if !ok {
		writeError(w, http.StatusUnauthorized, "invalid_request", "Invalid Credentials")
		return
	}
	info := map[string]any{"sub": s.World.Person(c.Person).GoogleID}
	if c.Scopes&email != 0 {
		info["email"], info["email_verified"] = s.World.Person(c.Person).Email, true
	}
	s.addProfile(info, c)
	writeJSON(w, http.StatusOK, info)
}

// addProfile adds the names and the picture to info, if the token has the scope "profile".
func (s *Server) addProfile(info map[string]any, c token.Claims) {
	if c.Scopes&profile == 0 {
		return
	}
	person := s.World.Person(c.Person)
	info["name"] = strings.TrimSpace(person.GivenName + " " + person.FamilyName)
	info["given_name"] = person.GivenName
	if person.FamilyName != "" {
		info["family_name"] = person.FamilyName
	}
	if person.HasPicture {
		info["picture"] = s.PublicURL + "/portraits/" + strconv.Itoa(person.Number) + ".png"
	}
}
