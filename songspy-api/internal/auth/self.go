package auth

import "github.com/songspy/songspy/songspy-domain/visibility"

// Self returns the caller as the owner of their data. Only this function makes a
// visibility.Self, so that a user's own data is read only for an authenticated caller. The
// zero Caller is nobody.
func (c Caller) Self() visibility.Self { return visibility.NewSelf(c.UserID) }
