package identity

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
func (s SignUp) Terms(p songspy.GoogleProfile, invite songspy.Secret) songspy.Terms {
	switch s.Policy {
	case PolicyOpen:
		return songspy.Terms{}
	case PolicyInvite:
		if strings.TrimSpace(invite.Reveal()) == "" {
			return songspy.Terms{Refusal: errInviteRequired}
		}
		hash, ok := InviteHash(invite)
		if !ok {
			return songspy.Terms{Refusal: songspy.ErrInviteInvalid}
		}
		return songspy.Terms{InviteHash: hash}
	case PolicyAllowlist:
		if s.Allowlist.Has(p.Email) {
			return songspy.Terms{}
		}
	}
	return songspy.Terms{Refusal: signUpClosed(p.Email)}
}

// signUpClosed says to the log, and not to the newcomer, if it may be the
// frontend's fault.
func signUpClosed(email songspy.Secret) error {
	closed := &songspy.Error{
		Code: songspy.CodeForbidden, Reason: "SIGN_UP_CLOSED",
		Message: "Signing up here is for those whom the operator has listed; ask them.",
	}
	if email == "" {
		closed.Err = errors.New("google told no verified address: the frontend must ask for the scope email")
	}
	return closed
}
