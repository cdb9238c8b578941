package songspy

import "time"

// Invite lets a number of newcomers sign up where the instance asks for one.
// The code itself is shown once, to whoever made it, and kept nowhere.
type Invite struct {
	ID int64 `gorm:"primaryKey"`
	// CodeHash is the SHA-256 of the code without its separators.
	CodeHash []byte
	// Note is the operator's own, and stored as it is.
	Note string
	// Uses is how many people it was made for, UsesLeft how many it still admits.
	Uses, UsesLeft int
	CreatedAt      time.Time `gorm:"autoCreateTime:false"`
	ExpiresAt      time.Time
	// RevokedAt is when the operator took it back; nil: they did not.
	RevokedAt *time.Time
}

// TableName is the table of invites.
func (Invite) TableName() string { return "invites" }

// InviteState is whether an invite still admits somebody, and else why not.
type InviteState string

// The states of an invite.
const (
	InviteValid   InviteState = "good"
	InviteUsedUp  InviteState = "spent"
	InviteExpired InviteState = "expired"
	InviteRevoked InviteState = "revoked"
)

// State is the invite's state at the time.
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

// ErrInviteInvalid is what a newcomer is told whose invite admits nobody. It
// does not say why, so that nothing can be learnt by trying.
var ErrInviteInvalid = &Error{
	Code: CodeForbidden, Reason: "INVITE_INVALID",
	Message: "The invite is not valid, or not any more; ask for another.",
}

// Terms are on what a newcomer is let in; who has signed up before is not asked.
// The zero value lets everybody in.
type SignUpPolicy struct {
	// Refusal is what a newcomer is told who is not let in; nil: they are.
	Refusal error
	// InviteHash is the CodeHash of the invite that a newcomer spends a use of;
	// nil: none is needed.
	InviteHash []byte
}
