package spotify

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
)

// forbidden is whom a 403 of the Web API concerns.
type forbiddenCause int

const (
	// forbidsNobody: the answer is not Spotify's, but that of something in
	// front of it. It is an outage.
	forbiddenByProxy forbiddenCause = iota
	// forbidsApp: the app's owner has no Premium subscription.
	forbiddenApp
	// forbidsScope: the link lacks a permission.
	forbiddenScope
	// forbidsUser: the app's owner has not entered the user.
	forbiddenUser
	// forbidsUnknown: Spotify refuses in words that are not known. The user or
	// the app is meant.
	forbiddenUnknown
)

// sentences are the phrases that decide, in lower case. Spotify has changed
// them several times, and sends them bare and in JSON.
var forbiddenPhrases = []struct {
	phrase   string
	concerns forbiddenCause
}{
	{"premium subscription required", forbiddenApp},
	{"insufficient client scope", forbiddenScope},
	{"permissions missing", forbiddenScope},
	{"may not be registered", forbiddenUser},
	{"user not registered", forbiddenUser},
	{"not registered in the developer dashboard", forbiddenUser},
	{"user not approved", forbiddenUser},
	{"not approved for app", forbiddenUser},
}

// forbids reads the body of a 403.
func parseForbidden(body []byte) forbiddenCause {
	if isMarkup(body) {
		return forbiddenByProxy
	}
	for _, s := range forbiddenPhrases {
		if says(body, s.phrase) {
			return s.concerns
		}
	}
	if isSpotifyError(body) {
		return forbiddenUnknown
	}
	return forbiddenByProxy
}

// markup reports whether a body is a page of HTML or XML.
func isMarkup(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// spotifysOwn reports whether a refusal was written by the Web API itself: its
// JSON error, or a bare sentence that names what is refused. Proxies answer
// with a page, a status phrase or nothing.
func isSpotifyError(body []byte) bool {
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
