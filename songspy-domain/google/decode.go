package google

import (
	"cmp"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

// nameMaxRunes is the length of the longest name of a Google account that is
// stored, in runes. Longer names are truncated.
const nameMaxRunes = 200

// stringOrNumber is a JSON string or number as text. Google sends the same
// field as either, depending on the version of the endpoint. Any other JSON
// value counts as missing and becomes "".
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

// looseBool is a JSON boolean, or the text "true" or "false". Google sends
// either. Any other value counts as not true.
type looseBool string

// UnmarshalJSON implements json.Unmarshaler.
func (t *looseBool) UnmarshalJSON(b []byte) error {
	*t = looseBool(strings.Trim(string(b), `"`))
	return nil
}

// isTrueWith reports whether a claim is true that Google sends under one of two names
// or both (verified_email and email_verified). t and other are the values under these
// names. Both must be true, or one must be true and the other missing.
func (t looseBool) isTrueWith(other looseBool) bool {
	return t == "true" && (other == "true" || other == "") || t == "" && other == "true"
}

// tokenInfo is what Google's endpoint tokeninfo returns about an access token.
type tokenInfo struct {
	// audiences are all client IDs that the token is for. authorizedParties are
	// the client IDs that requested the token.
	audiences, authorizedParties []string
	subject                      string         // empty if it is missing
	expiresAt                    stringOrNumber // in seconds since 1970; empty if it is missing
	expiresIn                    stringOrNumber // in seconds from now; used only if expiresAt is missing
}

// readTokeninfo reads an answer of tokeninfo, in the current form (aud, azp,
// sub, exp) or the older one (audience, issued_to, user_id).
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
		return tokenInfo{}, unavailable(errors.New("the answer of tokeninfo is not valid JSON of the expected form"))
	}
	if t.Sub != "" && t.UserID != "" && t.Sub != t.UserID {
		return tokenInfo{}, invalidToken("tokeninfo names different accounts")
	}
	return tokenInfo{
		audiences:         nonEmpty(t.Aud, t.Audience),
		authorizedParties: nonEmpty(t.Azp, t.IssuedTo),
		subject:           string(cmp.Or(t.Sub, t.UserID)),
		expiresAt:         t.Exp,
		expiresIn:         t.ExpiresIn,
	}, nil
}

// check returns nil if clientIDs contains all audiences and authorized parties
// of the token, and the token has not expired. A token without an audience counts
// as one of another application, a token without an expiry as expired.
func (i tokenInfo) check(clientIDs []string, now time.Time) error {
	if len(i.audiences) == 0 {
		return foreignToken("tokeninfo names no audience")
	}
	for _, id := range slices.Concat(i.audiences, i.authorizedParties) {
		if !slices.Contains(clientIDs, id) {
			return foreignToken("its client ID is not in SONGSPY_GOOGLE_CLIENT_ID")
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

// readUserinfo reads the profile in an answer of Google's endpoint userinfo, or in
// the claims of an ID token. The subject is in the field "id" in v1 and v2 of
// userinfo, and in the field "sub" in v3 and OpenID Connect.
func readUserinfo(body []byte) (songspy.GoogleProfile, error) {
	var u struct {
		ID      stringOrNumber `json:"id"`
		Sub     stringOrNumber `json:"sub"`
		Name    stringOrNumber `json:"name"`
		Picture stringOrNumber `json:"picture"`
		Email   stringOrNumber `json:"email"`
		// v1 and v2 send verified_email; v3 and OpenID Connect send email_verified.
		VerifiedEmail looseBool `json:"verified_email"`
		EmailVerified looseBool `json:"email_verified"`
	}
	if err := json.Unmarshal(body, &u); err != nil {
		return songspy.GoogleProfile{}, unavailable(errors.New("the answer of userinfo is not valid JSON of the expected form"))
	}
	if u.ID != "" && u.Sub != "" && u.ID != u.Sub {
		return songspy.GoogleProfile{}, invalidToken("userinfo names different accounts")
	}
	p := songspy.GoogleProfile{
		Subject:    string(cmp.Or(u.Sub, u.ID)),
		Name:       sanitize.Text(string(u.Name), nameMaxRunes),
		PictureURL: sanitize.WebURL(string(u.Picture)),
	}
	if !isSubject(p.Subject) {
		return songspy.GoogleProfile{}, unavailable(errors.New("userinfo names no account"))
	}
	if u.VerifiedEmail.isTrueWith(u.EmailVerified) && len(u.Email) <= songspy.EmailMaxBytes {
		p.Email = songspy.Secret(u.Email)
	}
	return p, nil
}

// isSubject reports whether s can be a subject, the ID of a Google account: 1 to 255
// ASCII characters, as OpenID Connect defines it, all of them visible.
func isSubject(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, isNotPrintable)
}

// nonEmpty returns the values that are not empty.
func nonEmpty(words ...stringOrNumber) []string {
	var s []string
	for _, w := range words {
		if w != "" {
			s = append(s, string(w))
		}
	}
	return s
}
