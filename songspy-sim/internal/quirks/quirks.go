// Package variant holds the ways in which the real services are known or
// suspected to answer differently at different times. Each can be switched
// while the simulator runs; the zero value is what is best attested.
package quirks

import (
	"sync"
	"sync/atomic"
)

// Set is one choice for every way. The JSON names are those of /admin/variants.
type Set struct {
	// RotateRefreshTokens gives PKCE clients a new refresh token at each
	// refresh and spends the old one; without it none is returned.
	RotateRefreshTokens bool `json:"rotateRefreshTokens"`
	// MeExtended adds the fields that /v1/me marks as deprecated.
	MeExtended bool `json:"meExtended"`
	// MeWithoutAccountID is /v1/me as it was before May 2026.
	MeWithoutAccountID bool `json:"meWithoutAccountId"`
	// ForbiddenJSON wraps the two plain-text 403 bodies in the JSON error.
	ForbiddenJSON bool `json:"forbiddenJson"`
	// MissingScope401 answers a missing scope with 401 "Permissions missing"
	// instead of 403 "Insufficient client scope".
	MissingScope401 bool `json:"missingScope401"`
	// LocalFiles400 answers 400 "invalid id" while a local file plays.
	LocalFiles400 bool `json:"localFiles400"`
	// Idle404 answers 404 "non existing id" instead of 204 while nothing plays.
	Idle404 bool `json:"idle404"`
	// ExpiresIn is how the token endpoint writes expires_in: "" as an integer,
	// "decimal" as 3600.0, "string" as "3600", "none" not at all.
	ExpiresIn string `json:"expiresIn"`
	// HistoryCompleteOnly lists only tracks that reached their end.
	HistoryCompleteOnly bool `json:"historyCompleteOnly"`
	// RevokeKillsAccess lets a withdrawn consent end access tokens at once,
	// not only refresh tokens.
	RevokeKillsAccess bool `json:"revokeKillsAccess"`
	// RememberConsent redirects a browser straight back if it has allowed the
	// app before and the app does not ask with show_dialog=true.
	RememberConsent bool `json:"rememberConsent"`
	// TokeninfoWithoutSubject leaves sub and e-mail out of Google's tokeninfo.
	TokeninfoWithoutSubject bool `json:"tokeninfoWithoutSubject"`
	// UserinfoFlatError gives /oauth2/v1 and v2 userinfo the flat error of v3.
	UserinfoFlatError bool `json:"userinfoFlatError"`
	// CallsPer30s is the size of the app's rolling window on the Web API.
	// Zero is no limit. What exceeds it is answered 429 with Retry-After.
	CallsPer30s int `json:"callsPer30s"`
	// QuotaPer24h is how many calls to the Web API a developer account may make
	// in a rolling 24 hours. Zero is no limit. What exceeds it is answered 429
	// with QUOTA_EXCEEDED, and Retry-After until the oldest counted call leaves
	// the window. The person's own app has an account of its own, the others share one.
	QuotaPer24h int `json:"quotaPer24h"`
	// QuotaWithoutRetryAfter leaves Retry-After out of those answers.
	QuotaWithoutRetryAfter bool `json:"quotaWithoutRetryAfter"`
}

// Switch holds the current Set.
type Switch struct {
	mu  sync.Mutex
	set atomic.Pointer[Set]
}

// NewSwitch starts with a set.
func New(s Set) *Switch {
	sw := &Switch{}
	sw.set.Store(&s)
	return sw
}

// Get returns the current set.
func (s *Switch) Get() Set { return *s.set.Load() }

// Change alters the set and returns the new one.
func (s *Switch) Change(change func(*Set)) Set {
	s.mu.Lock()
	defer s.mu.Unlock()
	next := *s.set.Load()
	change(&next)
	s.set.Store(&next)
	return next
}
