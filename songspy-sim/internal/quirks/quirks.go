// Package quirks holds the known or suspected ways in which the real Spotify and Google
// change their responses over time, or deviate from their documentation. Each quirk can be
// switched while the simulator runs. The zero value of a Set is the behaviour that is
// documented best.
package quirks

import (
	"sync"
	"sync/atomic"
)

// Set is one choice for every quirk. The JSON names are those of /admin/quirks.
type Set struct {
	// RotateRefreshTokens gives PKCE clients without a secret a new refresh token at
	// each refresh and invalidates the old one. Without it, a refresh returns none.
	RotateRefreshTokens bool `json:"rotateRefreshTokens"`
	// MeExtended adds the fields of /v1/me that Spotify has marked as deprecated.
	MeExtended bool `json:"meExtended"`
	// MeWithoutAccountID omits account_id from /v1/me, as Spotify did before May 2026.
	MeWithoutAccountID bool `json:"meWithoutAccountId"`
	// ForbiddenJSON sends the text of the 403 for people who are not registered
	// with the app in the JSON body of Spotify's errors, and not as plain text.
	ForbiddenJSON bool `json:"forbiddenJson"`
	// MissingScope401 answers a missing scope with 401 "Permissions missing"
	// instead of 403 "Insufficient client scope".
	MissingScope401 bool `json:"missingScope401"`
	// LocalFiles400 answers 400 "invalid id" while a local file plays.
	LocalFiles400 bool `json:"localFiles400"`
	// Idle404 answers 404 "non existing id" instead of 204 while the player is
	// idle.
	Idle404 bool `json:"idle404"`
	// ExpiresIn is the form in which the token endpoint sends expires_in: "" means an
	// integer, "decimal" means 3600.0, "string" means "3600", and "none" means that the
	// endpoint omits it.
	ExpiresIn string `json:"expiresIn"`
	// HistoryCompleteOnly makes history list only plays that reached the end of their
	// track.
	HistoryCompleteOnly bool `json:"historyCompleteOnly"`
	// RevokeKillsAccess makes access tokens invalid as soon as the consent is revoked.
	// Without it, only refresh tokens become invalid, and access tokens remain valid
	// until they expire.
	RevokeKillsAccess bool `json:"revokeKillsAccess"`
	// RememberConsent redirects a browser to the app without showing the consent page,
	// if a person has allowed the app in this browser before. The app can prevent that
	// by show_dialog=true.
	RememberConsent bool `json:"rememberConsent"`
	// TokeninfoWithoutSubject omits the person's ID and e-mail address from Google's
	// tokeninfo.
	TokeninfoWithoutSubject bool `json:"tokeninfoWithoutSubject"`
	// UserinfoFlatError makes userinfo of /oauth2/v1 and v2 answer errors as v3
	// does: {"error", "error_description"} without a nested object.
	UserinfoFlatError bool `json:"userinfoFlatError"`
	// IDTokenFlaw names a flaw of the ID tokens that the real Google never sends: the token
	// is "expired"; its "audience", "issuer" or "nonce" is wrong; another "key" has signed
	// it; or its algorithm is "none" or "HS256". If IDTokenFlaw is empty, ID tokens are
	// valid.
	IDTokenFlaw string `json:"idTokenFlaw"`
	// CallsPer30s is how many calls to the Web API an app may make in a rolling 30 seconds.
	// Further calls get 429 with Retry-After. Zero means no limit.
	CallsPer30s int `json:"callsPer30s"`
	// QuotaPer24h is how many calls to the Web API a developer account may make in a
	// rolling 24 hours. Further calls get 429 with QUOTA_EXCEEDED. Their Retry-After is the
	// time until the oldest counted call is 24 hours ago. Zero means no limit. The
	// user-supplied app has its own developer account; the other simulated apps share one.
	QuotaPer24h int `json:"quotaPer24h"`
	// QuotaWithoutRetryAfter omits Retry-After from the answers with
	// QUOTA_EXCEEDED that QuotaPer24h causes.
	QuotaWithoutRetryAfter bool `json:"quotaWithoutRetryAfter"`
}

// Switch holds the current Set. All methods are safe for concurrent use.
type Switch struct {
	mu  sync.Mutex
	set atomic.Pointer[Set]
}

// New returns a switch that is set to s.
func New(s Set) *Switch {
	sw := &Switch{}
	sw.set.Store(&s)
	return sw
}

// Get returns the current set.
func (s *Switch) Get() Set { return *s.set.Load() }

// Change lets the function change edit a copy of the current set. The copy then becomes the
// current set, and Change returns it.
func (s *Switch) Change(change func(*Set)) Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.set.Load()
	change(&next)
	s.set.Store(&next)
	return next
}
