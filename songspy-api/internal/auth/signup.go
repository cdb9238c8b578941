package auth

import (
	"errors"
	"strings"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Policy is who may sign up.
type Policy string

// The policies.
const (
	PolicyOpen      Policy = "open"      // whoever comes
	PolicyInvite    Policy = "invite"    // who has an invite
	PolicyAllowlist Policy = "allowlist" // whose address is on a list
)

// SignUp says who may sign up. It concerns newcomers: who has signed up before
// always signs in.
type SignUp struct {
	Policy Policy
	// Allowlist is PolicyAllowlist's.
	Allowlist Allowlist
}

var errInviteRequired = &songspy.Error{
	Code: songspy.CodeForbidden, Reason: "INVITE_REQUIRED",
	Message: "Signing up here needs an invite; ask the operator for one.",
}

// Terms are those on which a newcomer is let in whom Google describes so, and
// who shows that invite, if any.
func (s SignUp) Terms(p songspy.GoogleProfile, invite songspy.Secret) songspy.SignUpPolicy {
	switch s.Policy {
	case PolicyOpen:
		return songspy.SignUpPolicy{}
	case PolicyInvite:
		if strings.TrimSpace(invite.Reveal()) == "" {
			return songspy.SignUpPolicy{Refusal: errInviteRequired}
		}
		hash, ok := HashInviteCode(invite)
		if !ok {
			return songspy.SignUpPolicy{Refusal: songspy.ErrInviteInvalid}
		}
		return songspy.SignUpPolicy{InviteHash: hash}
	case PolicyAllowlist:
		if s.Allowlist.Contains(p.Email) {
			return songspy.SignUpPolicy{}
		}
	}
	return songspy.SignUpPolicy{Refusal: newSignUpClosedError(p.Email)}
}

// signUpClosed says to the log, and not to the newcomer, if it may be the
// frontend's fault.
func newSignUpClosedError(email songspy.Secret) error {
	closed := &songspy.Error{
		Code: songspy.CodeForbidden, Reason: "SIGN_UP_CLOSED",
		Message: "Signing up here is for those whom the operator has listed; ask them.",
	}
	if email == "" {
		closed.Err = errors.New("google told no verified address: the frontend must ask for the scope email")
	}
	return closed
}
