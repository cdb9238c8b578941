package auth

import "github.com/songspy/songspy/songspy-domain/visibility"

// Self returns the caller as the owner of their data. Only this function makes one, so
// that own data is read for an authenticated caller only; the zero Caller is nobody.
func (c Caller) Self() visibility.Self { return visibility.NewSelf(c.UserID) }
