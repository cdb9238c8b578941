package songspy

import "time"

// Invite lets a limited number of new users sign up, on an instance of Songspy
// that requires invites. The code itself is shown once, when the invite is
// created, and not stored.
type Invite struct {
	ID int64 `gorm:"primaryKey"`
	// CodeHash is the SHA-256 of the invite code without its separators.
	CodeHash []byte
	// Note is the operator's text, stored unchanged.
	Note string
	// Uses is how many users the invite was created for. UsesLeft is how many
	// may still sign up with it.
	Uses, UsesLeft int
	CreatedAt      time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt      time.Time
	// RevokedAt is when the operator revoked the invite; nil if it is not
	// revoked.
	RevokedAt *time.Time
}

// TableName returns the name of the table of invites.
func (Invite) TableName() string { return "invites" }

// InviteState says whether an invite is valid and, if not, why.
type InviteState string

// The states of an invite.
const (
	InviteValid   InviteState = "valid"
	InviteUsedUp  InviteState = "used_up"
	InviteExpired InviteState = "expired"
	InviteRevoked InviteState = "revoked"
)

// State returns the state of the invite at the given time.
func (i Invite) State(at time.Time) InviteState {
	switch {
	case i.RevokedAt != nil:
		return InviteRevoked
	case i.UsesLeft <= 0:
		return InviteUsedUp
	case !at.Before(i.ExpiresAt):
		return InviteExpired
	}
	return InviteValid
}

// ErrInviteInvalid is returned for an invite code that lets nobody sign up:
// unknown, revoked, expired or used up. The error does not say which, so that
// guessing codes reveals nothing.
var ErrInviteInvalid = &Error{
	Code: CodeForbidden, Reason: "INVITE_INVALID",
	Message: "This invite is not valid or has expired. Please check it or ask for another.",
}

// SignUpCondition says under which condition a new user may sign up. It does not
// apply to users who have signed up before. The zero value lets everyone sign
// up.
type SignUpCondition struct {
	// Refusal is the error that a new user gets instead of an account; nil if
	// the user may sign up.
	Refusal error
	// InviteHash is the CodeHash of the invite that the sign-up uses; nil if no
	// invite is needed.
	InviteHash []byte
}
