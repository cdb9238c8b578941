// Package quirks holds the ways in which the real services respond differently
// at different times, as far as this is known or suspected. Each can be
// switched while the simulator runs. The zero value is the best documented
// behaviour.
package quirks

import (
	"sync"
	"sync/atomic"
)

// Set is one choice for every quirk. The JSON names are those of /admin/quirks.
type Set struct {
	// RotateRefreshTokens gives PKCE clients a new refresh token at each
	// refresh and invalidates the old one. Without it, a refresh returns none.
	RotateRefreshTokens bool `json:"rotateRefreshTokens"`
	// MeExtended adds the fields of /v1/me that Spotify has marked as deprecated.
	MeExtended bool `json:"meExtended"`
	// MeWithoutAccountID serves the form of /v1/me before May 2026.
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
	// ExpiresIn is how the token endpoint writes expires_in: "" as an integer,
	// "decimal" as 3600.0, "string" as "3600", "none" not at all.
	ExpiresIn string `json:"expiresIn"`
	// HistoryCompleteOnly makes history list only tracks that reached their
	// end.
	HistoryCompleteOnly bool `json:"historyCompleteOnly"`
	// RevokeKillsAccess makes a revoked consent end access tokens at once, not
	// only refresh tokens.
	RevokeKillsAccess bool `json:"revokeKillsAccess"`
	// RememberConsent redirects a browser at once if it has allowed the app
	// before and the app does not send show_dialog=true.
	RememberConsent bool `json:"rememberConsent"`
	// TokeninfoWithoutSubject omits sub and e-mail from Google's tokeninfo.
	TokeninfoWithoutSubject bool `json:"tokeninfoWithoutSubject"`
	// UserinfoFlatError makes userinfo of /oauth2/v1 and v2 answer errors as v3
	// does: {"error", "error_description"} without a nested object.
	UserinfoFlatError bool `json:"userinfoFlatError"`
	// IDTokenFlaw is what is wrong with Google's ID tokens, which the real Google
	// never sends: "expired", "audience", "issuer" or "nonce" (another one), "key"
	// (signed by another key), "none" or "HS256" (that algorithm). Empty: nothing.
	IDTokenFlaw string `json:"idTokenFlaw"`
	// CallsPer30s is the limit of the app's rolling window on the Web API. Zero
	// means no limit. Calls beyond it get 429 with Retry-After.
	CallsPer30s int `json:"callsPer30s"`
	// QuotaPer24h is how many calls to the Web API a developer account may make
	// in a rolling 24 hours. Zero means no limit. Calls beyond it get 429 with
	// QUOTA_EXCEEDED, and Retry-After until the oldest counted call leaves the
	// window. The user-supplied app has its own account; the other simulated apps
	// share one.
	QuotaPer24h int `json:"quotaPer24h"`
	// QuotaWithoutRetryAfter omits Retry-After from the answers with
	// QUOTA_EXCEEDED that QuotaPer24h causes.
	QuotaWithoutRetryAfter bool `json:"quotaWithoutRetryAfter"`
}

// Switch holds the current Set.
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

// Change calls change with a copy of the current set, which change edits. The
// result becomes the current set. Change returns it.
func (s *Switch) Change(change func(*Set)) Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.set.Load()
	change(&next)
	s.set.Store(&next)
	return next
}
