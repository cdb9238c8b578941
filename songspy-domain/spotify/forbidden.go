package spotify

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// forbidden is whom a 403 of the Web API concerns.
type forbidden int

const (
	// forbidsNobody: the answer is not Spotify's, but that of something in
	// front of it. It is an outage.
	forbidsNobody forbidden = iota
	// forbidsApp: the app's owner has no Premium subscription.
	forbidsApp
	// forbidsScope: the link lacks a permission.
	forbidsScope
	// forbidsUser: the app's owner has not entered the user.
	forbidsUser
	// forbidsUnknown: Spotify refuses in words that are not known. The user or
	// the app is meant.
	forbidsUnknown
)

// sentences are the phrases that decide, in lower case. Spotify has changed
// them several times, and sends them bare and in JSON.
var sentences = []struct {
	phrase string
	whom   forbidden
}{
	{"premium subscription required", forbidsApp},
	{"insufficient client scope", forbidsScope},
	{"permissions missing", forbidsScope},
	{"may not be registered", forbidsUser},
	{"user not registered", forbidsUser},
	{"not registered in the developer dashboard", forbidsUser},
	{"user not approved", forbidsUser},
	{"not approved for app", forbidsUser},
}

// forbids reads the body of a 403.
func forbids(body []byte) forbidden {
	if markup(body) {
		return forbidsNobody
	}
	for _, s := range sentences {
		if says(body, s.phrase) {
			return s.whom
		}
	}
	if spotifysOwn(body) {
		return forbidsUnknown
	}
	return forbidsNobody
}

// markup reports whether a body is a page of HTML or XML.
func markup(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// spotifysOwn reports whether a refusal was written by the Web API itself: its
// JSON error, or a bare sentence that names what is refused. Proxies answer
// with a page, a status phrase or nothing.
func spotifysOwn(body []byte) bool {
	var wrapped struct {
		Error struct {
			Message string `json:"message"`
			Reason  string `json:"reason"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &wrapped) == nil {
		return wrapped.Error.Message != "" || wrapped.Error.Reason != ""
	}
	const sentence = 500 // bytes
	if len(body) > sentence {
		return false
	}
	words := strings.FieldsFunc(strings.ToLower(string(body)), func(r rune) bool { return r < 'a' || r > 'z' })
	return slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"user", "users", "app", "application", "developer", "dashboard", "spotify", "premium", "account"}, w)
	})
}
