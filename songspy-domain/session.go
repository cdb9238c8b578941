package songspy

import "time"

// Session is one refresh token's life. A sign-in starts a family; each rotation
// adds a session to it, and a token used again too late revokes the family.
type Session struct {
	ID     int64 `gorm:"primaryKey"`
	UserID UserID
	// Family is the id of the session that the sign-in started.
	Family int64
	// RefreshHash is the SHA-256 of the opaque refresh token.
	RefreshHash []byte
	// Label is what signed in, as it named itself; empty if it did not.
	Label     string
	CreatedAt time.Time `gorm:"autoCreateTime:false"`
	// SignedInAt is when the family began: its absolute lifetime counts from here.
	SignedInAt time.Time
	// LastUsedAt is when a request last came through the session; it is written
	// now and then only.
	LastUsedAt time.Time
	ExpiresAt  time.Time
	// RotatedAt is when the successor was issued; nil: this is the newest.
	RotatedAt *time.Time
	RevokedAt *time.Time
}

// TableName is the table of sessions.
func (Session) TableName() string { return "sessions" }

// Alive reports whether the session may still speak for its person.
func (s Session) IsActive(at time.Time) bool {
	return s.RevokedAt == nil && at.Before(s.ExpiresAt)
}
