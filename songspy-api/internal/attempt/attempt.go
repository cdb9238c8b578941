// Package attempt guards redirects to Google and Spotify. An attempt begins when the browser is
// sent to Google or Spotify, and is taken once when the browser comes back. It is bound to one
// browser: a secret that only this browser has must come back with the parameter state. So an
// attacker cannot finish their own attempt in the browser of another user.
package attempt

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
)

// Lifetime is how long after its beginning an attempt can be finished.
const Lifetime = 10 * time.Minute

// Store stores attempts.
type Store interface {
	CreateAuthorizationAttempt(ctx context.Context, a songspy.AuthorizationAttempt) error
	// TakeAuthorizationAttempt deletes the attempt and returns it: of two calls for the same
	// attempt, only one gets it. It returns CodeNotFound if there is none, or if it has
	// expired.
	TakeAuthorizationAttempt(ctx context.Context, stateHash []byte, at time.Time) (songspy.AuthorizationAttempt, error)
}

// Callback is what the browser brings back from the provider.
type Callback struct {
	State, Code songspy.Secret
	// Refusal is the query parameter "error" of the callback. It is not empty if the user, or
	// the provider, has refused.
	Refusal string
	// BrowserSecret is the cookie that binds the attempt to the browser: the sign-in
	// cookie at sign-in, the session cookie at linking; empty if the browser has none.
	BrowserSecret songspy.Secret
}

// Begin stores an attempt that is bound to the state and to the secret of the browser.
func Begin(ctx context.Context, s Store, a songspy.AuthorizationAttempt, state, browserSecret songspy.Secret, now time.Time) error {
	a.StateHash, a.BrowserHash, a.ExpiresAt = Hash(state), Hash(browserSecret), now.Add(Lifetime)
	a.ReturnPath = ReturnPath(a.ReturnPath)
	return s.CreateAuthorizationAttempt(ctx, a)
}

// Finish takes the attempt that a callback belongs to, and checks that it was begun at the
// given provider and by the given user; the user is 0 for a sign-in. The attempt is used up
// even if Finish rejects the callback. The reason of a rejection is AUTHORIZATION_EXPIRED,
// AUTHORIZATION_ELSEWHERE or AUTHORIZATION_DENIED.
func Finish(ctx context.Context, s Store, provider songspy.AuthorizationProvider, user songspy.UserID, c Callback, now time.Time) (songspy.AuthorizationAttempt, error) {
	a, err := s.TakeAuthorizationAttempt(ctx, Hash(c.State), now)
	switch {
	case songspy.CodeOf(err) == songspy.CodeNotFound:
		return a, expired("the state is unknown, was used before or has expired")
	case err != nil:
		return a, err
	case a.Provider != provider:
		return a, expired("the state belongs to an attempt at another provider")
	case c.BrowserSecret == "":
		return a, elsewhere("the browser has no cookie of an attempt")
	case subtle.ConstantTimeCompare(a.BrowserHash, Hash(c.BrowserSecret)) != 1:
		return a, elsewhere("the attempt belongs to another browser or session")
	case a.UserID != user:
		return a, elsewhere("the attempt belongs to another user")
	case c.Refusal != "" || c.Code == "":
		return a, &songspy.Error{
			Code: songspy.CodeForbidden, Reason: "AUTHORIZATION_DENIED", Message: "The authorization was cancelled.",
			Err: fmt.Errorf("the provider sent the error %.60q, and a code: %t", c.Refusal, c.Code != ""),
		}
	}
	return a, nil
}

func expired(cause string) error {
	return &songspy.Error{
		Code: songspy.CodeInvalid, Reason: "AUTHORIZATION_EXPIRED",
		Message: "This authorization has expired or was used before; start again.", Err: errors.New(cause),
	}
}

func elsewhere(cause string) error {
	return &songspy.Error{
		Code: songspy.CodeForbidden, Reason: "AUTHORIZATION_ELSEWHERE",
		Message: "This authorization was started in another browser or session; start again here.", Err: errors.New(cause),
	}
}

// NewSecret returns 32 random bytes in base64url: enough for a state, a cookie, a
// nonce and a PKCE verifier.
func NewSecret() songspy.Secret {
	var b [sha256.Size]byte
	rand.Read(b[:]) // never fails
	return songspy.Secret(base64.RawURLEncoding.EncodeToString(b[:]))
}

// Hash returns the SHA-256 of a random secret, such as one of NewSecret. Only
// the hash is stored. It needs no salt, because the secret is random.
func Hash(secret songspy.Secret) []byte {
	sum := sha256.Sum256([]byte(secret.Reveal()))
	return sum[:]
}

// returnPathMax is the length of the longest return path, in bytes.
const returnPathMax = 2048

// ReturnPath returns the path, with its query and fragment, if a redirect to it stays at this
// origin, and "/" otherwise. The path must begin with a slash. It must not contain two slashes
// in a row, because a browser reads "//name" as another host. It must consist of printable
// ASCII characters without spaces and backslashes: browsers read a backslash as a slash, and
// ignore tabs and line breaks.
func ReturnPath(path string) string {
	unsafe := func(r rune) bool { return r <= ' ' || r == '\\' || r >= 0x7f }
	if len(path) > returnPathMax || !strings.HasPrefix(path, "/") || strings.Contains(path, "//") || strings.ContainsFunc(path, unsafe) {
		return "/"
	}
	if u, err := url.Parse(path); err != nil || u.IsAbs() || u.Host != "" || u.User != nil {
		return "/"
	}
	return path
}
