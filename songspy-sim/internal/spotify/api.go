package spotify

import (
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/quirks"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// admit checks a request to the endpoint e of the Web API: faults (simulated errors), rate
// limit, quota, access token, registration and scopes. If the caller may answer the request,
// admit returns true, and w.Person is the person of the token. Otherwise admit answers the
// request itself and returns false. The token must have at least one of the scopes in
// needed, unless needed is 0.
func (s *Server) admit(w *requestlog.Writer, r *http.Request, e requestlog.Endpoint, needed Scopes) bool {
	claims, status, problem := s.accessClaims(r)
	if problem == "" {
		w.Person = claims.Person
	}
	if s.Faults.Apply(w, r, e) {
		return false
	}
	if problem != "" { // the request counts against no app, because no app is known
		writeError(w, status, problem)
		return false
	}
	v := s.Quirks.Get()
	if v.CallsPer30s > 0 {
		if after, ok := s.windows[claims.Client].Admit(w.ReceivedAt, v.CallsPer30s); !ok {
			w.Header().Set("Retry-After", strconv.Itoa(after))
			writeBody(w, http.StatusTooManyRequests, "text/plain", "Too many requests")
			return false
		}
	}
	if v.QuotaPer24h > 0 {
		if after, ok := s.quotas[apps[claims.Client].account].Admit(w.ReceivedAt, v.QuotaPer24h); !ok {
			if !v.QuotaWithoutRetryAfter {
				w.Header().Set("Retry-After", strconv.Itoa(after))
			}
			writeBody(w, http.StatusTooManyRequests, "application/json; charset=utf-8", faults.QuotaExceededBody)
			return false
		}
	}
	switch {
	case !w.ReceivedAt.Before(claims.At):
		writeError(w, http.StatusUnauthorized, "The access token expired")
	case v.RevokeKillsAccess && claims.Generation != s.Consents.Generation(claims.Person):
		writeError(w, http.StatusUnauthorized, "Invalid access token")
	case !s.Consents.Registered(claims.Person, int(claims.Client)):
		s.writeNotRegistered(w, v)
	case needed != 0 && Scopes(claims.Scopes)&needed == 0:
		if v.MissingScope401 {
			writeError(w, http.StatusUnauthorized, "Permissions missing")
		} else {
			writeError(w, http.StatusForbidden, "Insufficient client scope")
		}
	default:
		return true
	}
	return false
}

// accessClaims returns the claims of the access token of a request. If the token is missing
// or invalid, it returns the status and the message of Spotify's error instead. The
// message is the result problem, which is otherwise empty. accessClaims does not check
// whether the token has expired.
func (s *Server) accessClaims(r *http.Request) (c token.Claims, status int, problem string) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return c, http.StatusUnauthorized, "No token provided"
	}
	scheme, value, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "Bearer") || value == "" {
		return c, http.StatusBadRequest, "Only valid bearer authentication supported"
	}
	c, ok := s.TokenCodec.Read(token.SpotifyAccess, value)
	if !ok || c.Person >= s.World.People() {
		return c, http.StatusUnauthorized, "Invalid access token"
	}
	return c, 0, ""
}

// writeNotRegistered answers 403, because the person is not registered with the app.
func (s *Server) writeNotRegistered(w http.ResponseWriter, v quirks.Set) {
	if v.ForbiddenJSON {
		writeError(w, http.StatusForbidden, faults.NotRegisteredText)
		return
	}
	writeBody(w, http.StatusForbidden, "text/plain", faults.NotRegisteredText)
}

func writeError(w http.ResponseWriter, status int, message string) {
	writeBody(w, status, "application/json; charset=utf-8", faults.APIError(status, message))
}

func writeBody(w http.ResponseWriter, status int, contentType, body string) {
	w.Header().Set("Content-Type", contentType)
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

// profile is the answer of /v1/me. If AccountID is nil, the JSON has no account_id. If
// deprecatedProfile is nil, the JSON lacks the fields of
// that type. If DisplayName is nil,
// display_name is null.
type profile struct {
	AccountID    *string           `json:"account_id,omitempty"`
	DisplayName  *string           `json:"display_name"`
	ExternalURLs map[string]string `json:"external_urls"`
	Href         string            `json:"href"`
	ID           string            `json:"id"`
	Images       []image           `json:"images"`
	Type         string            `json:"type"`
	URI          string            `json:"uri"`
	*deprecatedProfile
}

// deprecatedProfile has the fields of /v1/me that Spotify has marked as deprecated. The
// quirk MeExtended adds them.
type deprecatedProfile struct {
	Country         string          `json:"country"`
	Email           string          `json:"email"`
	ExplicitContent map[string]bool `json:"explicit_content"`
	Followers       followers       `json:"followers"`
	Product         string          `json:"product"`
}

type followers struct {
	Href  *string `json:"href"`
	Total int     `json:"total"`
}

type image struct {
	URL    string `json:"url"`
	Height *int   `json:"height"`
	Width  *int   `json:"width"`
}

func (s *Server) me(w *requestlog.Writer, r *http.Request) {
	if !s.admit(w, r, requestlog.Me, 0) {
		return
	}
	person, v := s.World.Person(w.Person), s.Quirks.Get()
	p := profile{
		AccountID:    &person.AccountID,
		DisplayName:  &person.DisplayName,
		ExternalURLs: map[string]string{"spotify": "https://open.spotify.com/user/" + person.SpotifyID},
		Href:         "https://api.spotify.com/v1/users/" + person.SpotifyID,
		ID:           person.SpotifyID,
		Images:       []image{},
		Type:         "user",
		URI:          "spotify:user:" + person.SpotifyID,
	}
	if v.MeWithoutAccountID {
		p.AccountID = nil
	}
	if person.DisplayName == "" {
		p.DisplayName = nil
	}
	if person.HasImage {
		p.Images = []image{{URL: s.PublicURL + "/portraits/" + strconv.Itoa(person.Number) + ".svg"}} // height and width are null
	}
	if v.MeExtended {
		p.deprecatedProfile = &deprecatedProfile{
			Country: "KR", Email: person.Email, Product: "premium", Followers: followers{Total: person.Number % 97},
			ExplicitContent: map[string]bool{"filter_enabled": false, "filter_locked": false},
		}
		if person.Free {
			p.Product = "free"
		}
	}
	body, err := json.Marshal(p)
	if err != nil { // cannot happen: p contains only strings, numbers, booleans, and slices and maps of them
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	_, _ = w.Write(body)
}
