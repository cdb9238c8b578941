package songspy

import (
	"errors"
	"time"
)

// Code says what kind of fault an Error is. There are few; the HTTP edge maps
// each to one status, the batch branches on Disposition instead.
type Code string

// The codes.
const (
	CodeInvalid       Code = "invalid"       // the request is at fault
	CodeUnauthorized  Code = "unauthorized"  // who asks is unknown, or no longer known
	CodeForbidden     Code = "forbidden"     // who asks is known and may not
	CodeNotFound      Code = "not_found"     // there is no such thing
	CodeConflict      Code = "conflict"      // it collides with something that is there
	CodeGone          Code = "gone"          // it was there and will not come back
	CodeUnprocessable Code = "unprocessable" // well formed, and still not usable
	CodeTooMany       Code = "too_many"      // asked too often; see RetryAfter
	CodeUnavailable   Code = "unavailable"   // something we depend on does not answer; see RetryAfter
	CodeInternal      Code = "internal"      // our fault
)

// Error is the one error type that crosses package borders with a meaning.
//
// Message is for a person and never shows internals or secrets; Err is for the
// log and must not hold secrets either.
type Error struct {
	Code Code
	// Reason is the stable upper-snake word that a client can branch on, such
	// as SPOTIFY_LINKED_ELSEWHERE. Empty means that Code says it all.
	Reason string
	// Message is an English sentence that names the fault and the remedy.
	Message string
	// RetryAfter is how long to wait before trying again; zero if unknown.
	RetryAfter time.Duration
	// Disposition is what a caller without a person in front of it should do.
	Disposition Disposition
	Err         error
}

// Error implements the error interface.
func (e *Error) Error() string {
	s := string(e.Code)
	if e.Reason != "" {
		s += " " + e.Reason
	}
	if e.Message != "" {
		s += ": " + e.Message
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf is the code of the first Error in err's chain; CodeInternal for any
// other error, and empty for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// ReasonOf is the reason of the first Error in err's chain, or empty.
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// Disposition says what to do about a provider's refusal. The batch branches
// on it and never on HTTP statuses.
type Disposition int

// The dispositions.
const (
	// DispositionNone: nothing special; log it and go on.
	DispositionNone Disposition = iota
	// DispositionRetryLater: this call failed; another one may succeed, not
	// before RetryAfter where that is given.
	DispositionRetryLater
	// DispositionRenewToken: the access token is spent; renew it, once, and ask again.
	DispositionRenewToken
	// DispositionNeedsPerson: the refresh token was refused; only the person
	// can mend the link, if the refusal is to be believed.
	DispositionNeedsUser
	// DispositionNotRegistered: the app's owner has not entered the person in
	// the app's dashboard.
	DispositionNotRegistered
	// DispositionRefused: Spotify forbids the call in words that are not known.
	// One user or the whole app is meant; several such refusals show which.
	DispositionRefused
	// DispositionAppPaused: nobody can be asked through this app for RetryAfter.
	DispositionAppBlocked
	// DispositionNotNow: the call never left, since this process may ask nobody
	// just now; nothing is known by it. It may again after RetryAfter.
	DispositionMayNotCall
)

// DispositionOf is the disposition of the first Error in err's chain.
// Any other error is DispositionRetryLater.
func DispositionOf(err error) Disposition {
	if err == nil {
		return DispositionNone
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Disposition
	}
	return DispositionRetryLater
}

// RetryAfterOf is the wait that the first Error in err's chain asks for, or zero.
func RetryAfterOf(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
