package auth

import (
	"errors"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Policy says which users may sign up.
type Policy string

// The policies.
const (
	PolicyOpen      Policy = "open"      // everyone
	PolicyInvite    Policy = "invite"    // users with an invite
	PolicyAllowlist Policy = "allowlist" // users whose verified address is on the list
)

// SignUp decides who may sign up. It concerns new users only: a user who has
// signed up before can always sign in.
type SignUp struct {
	Policy Policy
	// Allowlist is used by PolicyAllowlist.
	Allowlist Allowlist
}

var errInviteRequired = &songspy.Error{
	Code: songspy.CodeForbidden, Reason: "INVITE_REQUIRED",
	Message: "Signing up needs an invite; ask the operator for one.",
}

// Condition returns the condition under which a new user with this Google profile
// and this invite code may sign up. The code is empty if the user sent none.
func (s SignUp) Condition(p songspy.GoogleProfile, invite songspy.Secret) songspy.SignUpCondition {
	switch s.Policy {
	case PolicyOpen:
		return songspy.SignUpCondition{}
	case PolicyInvite:
		if strings.TrimSpace(invite.Reveal()) == "" {
			return songspy.SignUpCondition{Refusal: errInviteRequired}
		}
		hash, ok := HashInviteCode(invite)
		if !ok {
			return songspy.SignUpCondition{Refusal: songspy.ErrInviteInvalid}
		}
		return songspy.SignUpCondition{InviteHash: hash}
	case PolicyAllowlist:
		if s.Allowlist.Contains(p.Email) {
			return songspy.SignUpCondition{}
		}
	}
	return songspy.SignUpCondition{Refusal: newSignUpClosedError(p.Email)}
}

// newSignUpClosedError returns the error for an address that is not on the
// list. If Google gave no address, the log says that the frontend must request
// it. The answer to the user is the same in both cases.
func newSignUpClosedError(email songspy.Secret) error {
	closed := &songspy.Error{
		Code: songspy.CodeForbidden, Reason: "SIGN_UP_CLOSED",
		Message: "Only users on the operator's list can sign up; ask the operator.",
	}
	if email == "" {
		closed.Err = errors.New("google gave no verified address: the frontend must request the scope email")
	}
	return closed
}
