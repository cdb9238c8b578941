package songspy

import "time"

// Invite lets a number of new users sign up if the instance requires invites.
// The code itself is shown once, when the invite is created, and not stored.
type Invite struct {
	ID int64 `gorm:"primaryKey"`
	// CodeHash is the SHA-256 of the code without its separators.
	CodeHash []byte
	// Note is the operator's text, stored unchanged.
	Note string
	// Uses is how many users the invite was created for, UsesLeft how many it
	// still admits.
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

// ErrInviteInvalid is returned for an invite that admits no user. It does not
// say why, so that guessing codes reveals nothing.
var ErrInviteInvalid = &Error{
	Code: CodeForbidden, Reason: "INVITE_INVALID",
	Message: "This invite is not valid or has expired. Please check it or ask for another.",
}

// SignUpPolicy says under which condition a new user may sign up. It does not
// apply to users who have signed up before. The zero value admits everyone.
type SignUpPolicy struct {
	// Refusal is the error for a new user who may not sign up; nil if they may.
	Refusal error
	// InviteHash is the CodeHash of the invite that the sign-up uses; nil if no
	// invite is needed.
	InviteHash []byte
}
