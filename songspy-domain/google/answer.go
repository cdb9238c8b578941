package google

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/internal/outside"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

// nameMax is the longest name that is kept, in runes.
const nameMax = 200

// word is a JSON string or number as text; Google sends the same field as
// either, by version. Anything else counts as missing.
type word string

// UnmarshalJSON implements json.Unmarshaler.
func (w *word) UnmarshalJSON(b []byte) error {
	*w = ""
	switch {
	case len(b) > 0 && b[0] == '"':
		return json.Unmarshal(b, (*string)(w))
	case len(b) > 0 && (b[0] == '-' || (b[0] >= '0' && b[0] <= '9')):
		*w = word(b)
	}
	return nil
}

// truth is a JSON boolean, or the same as text; anything else is neither.
type truth string

// UnmarshalJSON implements json.Unmarshaler.
func (t *truth) UnmarshalJSON(b []byte) error {
	*t = truth(strings.Trim(string(b), `"`))
	return nil
}

// orUnsaid reports whether t and other, as far as they are said, are true.
func (t truth) orUnsaid(other truth) bool {
	return t == "true" && (other == "true" || other == "") || t == "" && other == "true"
}

// issue is what tokeninfo tells of a token.
type issue struct {
	// audiences are all the client ids that the answer names as the one that
	// the token is for, and parties those that it names as having asked for it.
	audiences, parties []string
	subject            string // empty if it was not told
	expiresAt          word   // seconds since 1970
	expiresIn          word   // seconds
}

// readTokeninfo reads an answer of tokeninfo: the present form (aud, azp, sub,
// exp) or the older one (audience, issued_to, user_id).
func readTokeninfo(body []byte) (issue, error) {
	var t struct {
		Aud       word `json:"aud"`
		Audience  word `json:"audience"`
		Azp       word `json:"azp"`
		IssuedTo  word `json:"issued_to"`
		Sub       word `json:"sub"`
		UserID    word `json:"user_id"`
		Exp       word `json:"exp"`
		ExpiresIn word `json:"expires_in"`
	}
	if err := json.Unmarshal(body, &t); err != nil {
		return issue{}, unavailable(errors.New("tokeninfo's answer is not what was expected"))
	}
	if t.Sub != "" && t.UserID != "" && t.Sub != t.UserID {
		return issue{}, invalid("tokeninfo names two people")
	}
	return issue{
		audiences: told(t.Aud, t.Audience),
		parties:   told(t.Azp, t.IssuedTo),
		subject:   string(first(t.Sub, t.UserID)),
		expiresAt: t.Exp,
		expiresIn: t.ExpiresIn,
	}, nil
}

// check reports whether the token is ours and alive. What is not told is not
// believed: without an audience a token is foreign, without an expiry dead.
func (i issue) check(ours []string, now time.Time) error {
	if len(i.audiences) == 0 {
		return foreign("tokeninfo does not say for whom it is")
	}
	for _, id := range slices.Concat(i.audiences, i.parties) {
		if !slices.Contains(ours, id) {
			return foreign("its client id is none of ours: see SONGSPY_GOOGLE_CLIENT_ID")
		}
	}
	switch {
	case i.expiresAt != "":
		at, err := strconv.ParseInt(string(i.expiresAt), 10, 64)
		if err != nil || at <= now.Unix() {
			return invalid("it has expired")
		}
	default:
		left, err := strconv.ParseInt(string(i.expiresIn), 10, 64)
		if err != nil || left <= 0 {
			return invalid("it has expired")
		}
	}
	return nil
}

// readUserinfo reads an answer of userinfo: v1 and v2 name the person id, v3
// and OpenID Connect sub.
func readUserinfo(body []byte) (songspy.GoogleProfile, error) {
	var u struct {
		ID      word `json:"id"`
		Sub     word `json:"sub"`
		Name    word `json:"name"`
		Picture word `json:"picture"`
		Email   word `json:"email"`
		// v1 and v2 say the former, v3 and OpenID Connect the latter.
		VerifiedEmail truth `json:"verified_email"`
		EmailVerified truth `json:"email_verified"`
	}
	if err := json.Unmarshal(body, &u); err != nil {
		return songspy.GoogleProfile{}, unavailable(errors.New("userinfo's answer is not what was expected"))
	}
	if u.ID != "" && u.Sub != "" && u.ID != u.Sub {
		return songspy.GoogleProfile{}, invalid("userinfo names two people")
	}
	p := songspy.GoogleProfile{
		Subject:    string(first(u.Sub, u.ID)),
		Name:       sanitize.Text(string(u.Name), nameMax),
		PictureURL: outside.WebURL(string(u.Picture)),
	}
	if !plainSubject(p.Subject) {
		return songspy.GoogleProfile{}, unavailable(errors.New("userinfo names nobody"))
	}
	if u.VerifiedEmail.orUnsaid(u.EmailVerified) && len(u.Email) <= songspy.AddressMax {
		p.Email = songspy.Secret(u.Email)
	}
	return p, nil
}

// plainSubject reports whether s can be a subject: at most 255 printable ASCII
// characters, as OpenID Connect has it.
func plainSubject(s string) bool {
	if s == "" || len(s) > 255 {
		return false
	}
	for _, r := range s {
		if notPrintable(r) {
			return false
		}
	}
	return true
}

// told are the words that hold something.
func told(words ...word) []string {
	var s []string
	for _, w := range words {
		if w != "" {
			s = append(s, string(w))
		}
	}
	return s
}

// first is the first word that holds something.
func first(words ...word) word {
	for _, w := range words {
		if w != "" {
			return w
		}
	}
	return ""
}
