package songspy

import "time"

// Session is the lifetime of one refresh token. A sign-in starts a family. Each
// refresh adds a session to the family. If a token is used a second time, too
// late, the whole family is revoked.
type Session struct {
	ID     int64 `gorm:"primaryKey"`
	UserID UserID
	// Family is the ID of the session that the sign-in created.
	Family int64
	// RefreshHash is the SHA-256 of the opaque refresh token.
	RefreshHash []byte
	// Label is the name that the client gave itself; empty if it gave none.
	Label     string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	// SignedInAt is when the family began. The absolute lifetime counts from
	// then.
	SignedInAt time.Time
	// LastUsedAt is when the session was last used by a request. It is not
	// written at every request.
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
