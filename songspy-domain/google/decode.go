package google

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

// nameMax is the longest name that is kept, in runes.
const nameMaxRunes = 200

// word is a JSON string or number as text; Google sends the same field as
// either, by version. Anything else counts as missing.
type stringOrNumber string

// UnmarshalJSON implements json.Unmarshaler.
func (w *stringOrNumber) UnmarshalJSON(b []byte) error {
	*w = ""
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(w))
	case len(b) > 0 && (b[0] == '-' || (b[0] >= '0' && b[0] <= '9')):
		*w = stringOrNumber(b)
	}
	return nil
}

// truth is a JSON boolean, or the same as text; anything else is neither.
type looseBool string

// UnmarshalJSON implements json.Unmarshaler.
func (t *looseBool) UnmarshalJSON(b []byte) error {
	*t = looseBool(strings.Trim(string(b), `"`))
	return nil
}

// orUnsaid reports whether t and other, as far as they are said, are true.
func (t looseBool) isTrueWith(other looseBool) bool {
	return t == "true" && (other == "true" || other == "") || t == "" && other == "true"
}

// issue is what tokeninfo tells of a token.
type tokenInfo struct {
	// audiences are all the client ids that the answer names as the one that
	// the token is for, and parties those that it names as having asked for it.
	audiences, authorizedParties []string
	subject                      string         // empty if it was not told
	expiresAt                    stringOrNumber // seconds since 1970
	expiresIn                    stringOrNumber // seconds
}

// readTokeninfo reads an answer of tokeninfo: the present form (aud, azp, sub,
// exp) or the older one (audience, issued_to, user_id).
func readTokeninfo(body []byte) (tokenInfo, error) {
	var t struct {
		Aud       stringOrNumber `json:"aud"`
		Audience  stringOrNumber `json:"audience"`
		Azp       stringOrNumber `json:"azp"`
		IssuedTo  stringOrNumber `json:"issued_to"`
		Sub       stringOrNumber `json:"sub"`
		UserID    stringOrNumber `json:"user_id"`
		Exp       stringOrNumber `json:"exp"`
		ExpiresIn stringOrNumber `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return tokenInfo{}, unavailable(errors.New("tokeninfo's answer is not what was expected"))
	}
	if t.Sub != "" && t.UserID != "" && t.Sub != t.UserID {
		return tokenInfo{}, invalidToken("tokeninfo names two people")
	}
	return tokenInfo{
		audiences:         nonEmpty(t.Aud, t.Audience),
		authorizedParties: nonEmpty(t.Azp, t.IssuedTo),
		subject:           string(firstNonEmpty(t.Sub, t.UserID)),
		expiresAt:         t.Exp,
		expiresIn:         t.ExpiresIn,
	}, nil
}

// check reports whether the token is ours and alive. What is not told is not
// believed: without an audience a token is foreign, without an expiry dead.
func (i tokenInfo) check(clientIDs []string, now time.Time) error {
	if len(i.audiences) == 0 {
		return foreignToken("tokeninfo does not say for whom it is")
	}
	for _, id := range slices.Concat(i.audiences, i.authorizedParties) {
		if !slices.Contains(clientIDs, id) {
			return foreignToken("its client id is none of ours: see SONGSPY_GOOGLE_CLIENT_ID")
		}
	}
	switch {
	case i.expiresAt != "":
		at, err := strconv.ParseInt(string(i.expiresAt), 10, 64)
		if err != nil || at <= now.Unix() {
			return invalidToken("it has expired")
		}
	default:
		left, err := strconv.ParseInt(string(i.expiresIn), 10, 64)
		if err != nil || left <= 0 {
			return invalidToken("it has expired")
		}
	}
	return nil
}

// readUserinfo reads an answer of userinfo: v1 and v2 name the person id, v3
// and OpenID Connect sub.
func readUserinfo(body []byte) (songspy.GoogleProfile, error) {
	var u struct {
		ID      stringOrNumber `json:"id"`
		Sub     stringOrNumber `json:"sub"`
		Name    stringOrNumber `json:"name"`
		Picture stringOrNumber `json:"picture"`
		Email   stringOrNumber `json:"email"`
		// v1 and v2 say the former, v3 and OpenID Connect the latter.
		VerifiedEmail looseBool `json:"verified_email"`
		EmailVerified looseBool `json:"email_verified"`
	}
	if err := json.Unmarshal(body, &u); err != nil {
		return songspy.GoogleProfile{}, unavailable(errors.New("userinfo's answer is not what was expected"))
	}
	if u.ID != "" && u.Sub != "" && u.ID != u.Sub {
		return songspy.GoogleProfile{}, invalidToken("userinfo names two people")
	}
	p := songspy.GoogleProfile{
		Subject:    string(firstNonEmpty(u.Sub, u.ID)),
		Name:       sanitize.Text(string(u.Name), nameMaxRunes),
		PictureURL: sanitize.WebURL(string(u.Picture)),
	}
	if !isSubject(p.Subject) {
		return songspy.GoogleProfile{}, unavailable(errors.New("userinfo names nobody"))
	}
	if u.VerifiedEmail.isTrueWith(u.EmailVerified) && len(u.Email) <= songspy.EmailMaxBytes {
		p.Email = songspy.Secret(u.Email)
	}
	return p, nil
}

// plainSubject reports whether s can be a subject: at most 255 printable ASCII
// characters, as OpenID Connect has it.
func isSubject(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for _, r := range s {
		if isNotPrintable(r) {
			return false
		}
	}
	return true
}

// told are the words that hold something.
func nonEmpty(words ...stringOrNumber) []string {
	var s []string
	for _, w := range words {
		if w != "" {
			s = append(s, string(w))
		}
	}
	return s
}

// first is the first word that holds something.
func firstNonEmpty(words ...stringOrNumber) stringOrNumber {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
