package songspy

import "time"

// SessionKind says how the secret of a session reaches the service.
type SessionKind string

// The kinds of sessions.
const (
	SessionBearer SessionKind = "bearer" // the client keeps a refresh token
	SessionCookie SessionKind = "cookie" // the browser keeps the secret in a cookie
)

// Session is one part of a sign-in. In a bearer session it is the lifetime of one refresh
// token: a sign-in starts a family of sessions, and each refresh adds one session to it.
// If a refresh token is used again more than some seconds after its first use, it counts
// as stolen and the whole family is revoked. A browser has no refresh token, so its
// session is the whole sign-in.
type Session struct {
	ID     int64 `gorm:"primaryKey"`
	UserID UserID
	// Family is the ID of the session that the sign-in created.
	Family int64
	Kind   SessionKind
	// SecretHash is the SHA-256 of the opaque refresh token, or of the cookie.
	SecretHash []byte `gorm:"column:refresh_hash"`
	// OperatorHash is a keyed hash of the verified address with which an operator
	// signed in; nil for every other user.
	OperatorHash []byte
	// Label is the name that the client gave itself; empty if it gave none.
	Label     string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	// SignedInAt is when the family began. The absolute lifetime counts from
	// then.
	SignedInAt time.Time
	// LastUsedAt is when a request last used the session. It may be too early, because
	// it is not written at every request.
	LastUsedAt time.Time
	ExpiresAt  time.Time
	// RotatedAt is when the next session of the family was issued; nil for the
	// newest.
	RotatedAt *time.Time
	RevokedAt *time.Time
}

// TableName returns the name of the table of sessions.
func (Session) TableName() string { return "sessions" }

// IsActive reports whether the session is neither revoked nor expired.
func (s Session) IsActive(at time.Time) bool {
	return s.RevokedAt == nil && at.Before(s.ExpiresAt)
}

// AuthorizationProvider is a service to which a browser is redirected, so that its user
// signs in or consents there.
type AuthorizationProvider string

// The providers.
const (
	AuthorizationGoogle  AuthorizationProvider = "google"  // sign-in
	AuthorizationSpotify AuthorizationProvider = "spotify" // linking
)

// AuthorizationAttempt is a redirect to Google or Spotify from which the browser has not
// returned yet. It can be used once.
type AuthorizationAttempt struct {
	// StateHash is the SHA-256 of the state parameter.
	StateHash []byte `gorm:"primaryKey"`
	// BrowserHash is the SHA-256 of the cookie of the browser that began the attempt.
	BrowserHash []byte
	Provider    AuthorizationProvider
	// UserID is the user who links Spotify; 0 for a sign-in.
	UserID UserID
	// Verifier is the PKCE verifier. Invite is the invite code of a sign-up; empty if
	// there is none. The store encrypts both.
	Verifier Secret `gorm:"-"`
	Invite   Secret `gorm:"-"`
	// Move says that linking succeeds even if another user is linked to the same Spotify
	// account. Then that user is unlinked.
	Move bool
	// Nonce is the value that Google's ID token must contain; empty for Spotify.
	Nonce string
	// ReturnPath is the page that the browser goes to in the end.
	ReturnPath string
	ExpiresAt  time.Time
}

// TableName returns the name of the table of authorization attempts.
func (AuthorizationAttempt) TableName() string { return "authorization_attempts" }
