package songspy

import (
	"errors"
	"time"
)

// Code classifies an Error. The HTTP API maps each code to one status. The
// batch decides by the Disposition instead.
type Code string

// The codes.
const (
	CodeInvalid       Code = "invalid"       // the request is wrong
	CodeUnauthorized  Code = "unauthorized"  // the caller is not authenticated, or not any more
	CodeForbidden     Code = "forbidden"     // the caller is known and lacks the permission
	CodeNotFound      Code = "not_found"     // what the request names does not exist
	CodeConflict      Code = "conflict"      // the request conflicts with existing data
	CodeGone          Code = "gone"          // what the request names existed and will not come back
	CodeUnprocessable Code = "unprocessable" // the request is well formed, but cannot be carried out
	CodeTooMany       Code = "too_many"      // too many requests; see RetryAfter
	CodeUnavailable   Code = "unavailable"   // a dependency does not respond; see RetryAfter
	CodeInternal      Code = "internal"      // a server error
)

// Error is the error type that packages return when callers have to distinguish
// errors.
//
// Message is for users and contains no internals and no secrets. Err is for the
// log and must not contain secrets either.
type Error struct {
	Code Code
	// Reason is a stable word that clients can branch on, such as
	// SPOTIFY_LINKED_ELSEWHERE. It is empty if Code alone tells clients enough.
	Reason string
	// Message is an English sentence that says what is wrong and what to do.
	Message string
	// RetryAfter is how long the caller should wait before it tries again; zero
	// if that is unknown.
	RetryAfter time.Duration
	// Disposition says what an automatic caller, such as the batch, should do.
	Disposition Disposition
	Err         error
}

// Error returns the code, the reason, the message and the cause.
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

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// CodeOf returns the code of the first Error in err's chain. It returns
// CodeInternal for any other error and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	return CodeInternal
}

// ReasonOf returns the reason of the first Error in err's chain, or "".
func ReasonOf(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	return ""
}

// Disposition says how to react to an error of Spotify or Google. The batch
// decides by it and never by HTTP statuses.
type Disposition int

// The dispositions.
const (
	// DispositionNone means that the caller only logs the error and continues.
	DispositionNone Disposition = iota
	// DispositionRetryLater means that this call failed, and that the same call
	// may succeed later: after RetryAfter, if that is set.
	DispositionRetryLater
	// DispositionRenewToken means that the access token is not valid any more:
	// renew it once, and call again.
	DispositionRenewToken
	// DispositionNeedsUser means that Spotify rejected the refresh token, or that a
	// needed OAuth scope is missing. If later tries confirm this, only the user can
	// repair the connection, by linking Spotify again.
	DispositionNeedsUser
	// DispositionNotRegistered means that the Spotify app's owner has not registered
	// the user in the app's dashboard.
	DispositionNotRegistered
	// DispositionRefused means that Spotify answered 403 with a body that
	// Songspy does not know. Only several such answers show whether the refusal
	// concerns this user or the whole app.
	DispositionRefused
	// DispositionAppBlocked means that no call of this app may be made for
	// RetryAfter.
	DispositionAppBlocked
	// DispositionMayNotCall means that the call was not made, because another
	// process may poll this user at the moment. This process may try again after
	// RetryAfter.
	DispositionMayNotCall
)

// DispositionOf returns the disposition of the first Error in err's chain. It
// returns DispositionRetryLater for any other error, and DispositionNone for nil.
func DispositionOf(err error) Disposition {
	if err == nil {
		return DispositionNone
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Disposition
	}
	return DispositionRetryLater
}

// RetryAfterOf returns the RetryAfter of the first Error in err's chain, or
// zero.
func RetryAfterOf(err error) time.Duration {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.RetryAfter
	}
	return 0
}
