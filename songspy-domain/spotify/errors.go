package spotify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/sanitize"
)

// The reasons of this package's errors.
const (
	ReasonUnavailable   = "SPOTIFY_UNAVAILABLE"
	ReasonCodeInvalid   = "SPOTIFY_CODE_INVALID"
	ReasonScopesMissing = "SPOTIFY_SCOPES_MISSING"
	ReasonNotRegistered = "SPOTIFY_NOT_REGISTERED"
	// ReasonRefused means that Spotify answered 403 with a body that Songspy
	// does not know, so that the cause is unclear.
	ReasonRefused = "SPOTIFY_REFUSED"
	// ReasonTokenRefused means that the access token is not valid any more.
	ReasonTokenRefused = "SPOTIFY_TOKEN_REFUSED"
	// ReasonGrantExpired, ReasonGrantRevoked and ReasonGrantRefused mean that
	// Spotify rejected the refresh token: because it expired, because it was
	// revoked, or for any other reason.
	ReasonGrantExpired = "SPOTIFY_GRANT_EXPIRED"
	ReasonGrantRevoked = "SPOTIFY_GRANT_REVOKED"
	ReasonGrantRefused = "SPOTIFY_GRANT_REFUSED"
	// ReasonAppRefused means that Spotify rejects the client ID or secret of
	// the app. The operator has to correct it.
	ReasonAppRefused = "SPOTIFY_APP_REFUSED"
	// ReasonUserAppRefused means that Spotify rejects the client ID of a user-supplied
	// app. The user has to correct it.
	ReasonUserAppRefused = "SPOTIFY_USER_APP_REFUSED"
)

const (
	// defaultRetryAfter is how long to wait after a failed call if Spotify sent
	// no Retry-After.
	defaultRetryAfter = 5 * time.Second
	// misconfiguredRetryAfter is how long to wait after a failure that only the
	// operator can repair.
	misconfiguredRetryAfter = 5 * time.Minute
)

const messageUnavailable = "Spotify is not available right now. Please try again later."

// errNotSent is wrapped by the errors of calls that were blocked before they were sent
// to Spotify.
var errNotSent = errors.New("blocked before it was sent")

// unavailable returns the error for a call that failed because of Spotify or the
// network. Its RetryAfter is wait, or defaultRetryAfter if wait is not positive.
func unavailable(cause error, wait time.Duration) *songspy.Error {
	if wait <= 0 {
		wait = defaultRetryAfter
	}
	return &songspy.Error{
		Code:        songspy.CodeUnavailable,
		Reason:      ReasonUnavailable,
		Message:     messageUnavailable,
		RetryAfter:  wait,
		Disposition: songspy.DispositionRetryLater,
		Err:         cause,
	}
}

// blockedError returns the error for a call that was not sent, because the circuit
// breaker is open or the rate limiter or the quota requires the call to wait.
func blockedError(circuit breaker.Circuit, v breaker.Decision) *songspy.Error {
	e := unavailable(fmt.Errorf("%w: circuit %s, %s", errNotSent, circuit, v.Cause), v.RetryAfter)
	e.Disposition = songspy.DispositionAppBlocked
	return e
}

// mayNotCallError returns the error for a call that this process may not make any more,
// because another process may take over the user before the call ends.
func mayNotCallError() *songspy.Error {
	e := unavailable(fmt.Errorf("%w: this process does not own the user at the moment", errNotSent), time.Second)
	e.Disposition = songspy.DispositionMayNotCall
	return e
}

// appBlockedError returns the error for a call that was sent, and that Spotify refused
// because it blocks the whole app. Its RetryAfter is that of the argument blocked, the
// error of a call that the circuit breaker, which is open now, does not let pass.
func appBlockedError(blocked error) *songspy.Error {
	e := unavailable(errors.New("spotify blocks the whole app"), songspy.RetryAfterOf(blocked))
	e.Disposition = songspy.DispositionAppBlocked
	return e
}

// appRefused returns the error for a call that Spotify rejects because of the app's
// client ID or secret. The user's link stays unchanged, because the fault is the
// app's.
func appRefused() *songspy.Error {
	return &songspy.Error{
		Code:        songspy.CodeUnavailable,
		Reason:      ReasonAppRefused,
		Message:     messageUnavailable,
		RetryAfter:  misconfiguredRetryAfter,
		Disposition: songspy.DispositionAppBlocked,
		Err:         errors.New("spotify rejects the app's client ID or secret: check SONGSPY_SPOTIFY_CLIENT_ID and SONGSPY_SPOTIFY_CLIENT_SECRET, or the app's entry in SONGSPY_SPOTIFY_APPS"),
	}
}

// unreachable converts the error of a call that got no usable response into an error
// that contains no secret.
func unreachable(ctx context.Context, err error) *songspy.Error {
	if e, ok := errors.AsType[*songspy.Error](err); ok {
		return e
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return unavailable(sanitize.SafeError(err), 0)
}

// refusalError converts an unsuccessful answer of the Web API or the token endpoint into
// an error. A 429, and the 403 about the owner's Premium subscription, never get here,
// because the transport turns them into an error and opens the circuit breaker.
func refusalError(status int, h http.Header, body []byte, now time.Time) *songspy.Error {
	e := unavailable(fmt.Errorf("spotify answered %d", status), retryAfter(h, now))
	switch {
	case status == http.StatusUnauthorized && parseForbidden(body) == forbiddenScope,
		status == http.StatusForbidden && parseForbidden(body) == forbiddenScope:
		e.Code, e.Reason, e.Disposition = songspy.CodeUnprocessable, ReasonScopesMissing, songspy.DispositionNeedsUser
		e.Message = "The link lacks a permission. Please link Spotify again and grant all permissions."
	case status == http.StatusUnauthorized,
		status == http.StatusBadRequest && says(body, "bearer authentication"):
		e.Code, e.Reason, e.Disposition = songspy.CodeUnauthorized, ReasonTokenRefused, songspy.DispositionRenewToken
		e.Message = "Spotify no longer accepts the access token; renew it."
	case status == http.StatusForbidden && parseForbidden(body) == forbiddenUser:
		e.Code, e.Reason, e.Disposition = songspy.CodeForbidden, ReasonNotRegistered, songspy.DispositionNotRegistered
		e.Message = "The app's owner has to register this Spotify account first. Please ask the owner, and link again."
	case status == http.StatusForbidden && parseForbidden(body) == forbiddenUnknown:
		e.Code, e.Reason, e.Disposition = songspy.CodeForbidden, ReasonRefused, songspy.DispositionRefused
		e.Message = "Spotify refuses the call. Please ask the owner of this instance to check the app in the Spotify dashboard."
	default:
		return e
	}
	e.RetryAfter = 0
	return e
}

// outcomeLabel returns the metric label for an error.
func outcomeLabel(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errNotSent):
		return "blocked"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	}
	if _, ok := errors.AsType[*grantRefusal](err); ok {
		return "grant_refused"
	}
	switch songspy.DispositionOf(err) {
	case songspy.DispositionRenewToken:
		return "token_refused"
	case songspy.DispositionNeedsUser:
		return "grant_refused"
	case songspy.DispositionNotRegistered:
		return "not_registered"
	case songspy.DispositionRefused:
		return "refused"
	case songspy.DispositionAppBlocked:
		return "app_blocked"
	case songspy.DispositionNone:
		return "invalid"
	default:
		return "unavailable"
	}
}

// forbiddenCause says what a 403 of the Web API concerns (the whole app, only the user, or
// a permission), or that the answer does not come from Spotify.
type forbiddenCause int

const (
	// forbiddenByProxy means that the answer comes from a proxy and not from
	// Spotify. It counts as a failed call, like a 5xx.
	forbiddenByProxy forbiddenCause = iota
	// forbiddenApp means that the app's owner has no Premium subscription.
	forbiddenApp
	// forbiddenScope means that the user has not granted a permission (OAuth
	// scope) that the call needs.
	forbiddenScope
	// forbiddenUser means that the app's owner has not registered the user.
	forbiddenUser
	// forbiddenUnknown means that Songspy does not know the body. The refusal
	// may concern the user or the whole app.
	forbiddenUnknown
)

// forbiddenPhrases are the phrases, in lower case, by which the cause of a 403
// is recognized. Spotify has changed them several times, and sends them as
// plain text and in JSON.
var forbiddenPhrases = []struct {
	phrase   string
	concerns forbiddenCause
}{
	{"premium subscription required", forbiddenApp},
	{"insufficient client scope", forbiddenScope},
	{"permissions missing", forbiddenScope},
	{"may not be registered", forbiddenUser},
	{"user not registered", forbiddenUser},
	{"not registered in the developer dashboard", forbiddenUser},
	{"user not approved", forbiddenUser},
	{"not approved for app", forbiddenUser},
}

// parseForbidden returns what a 403 with the given body concerns.
func parseForbidden(body []byte) forbiddenCause {
	if isMarkup(body) {
		return forbiddenByProxy
	}
	for _, s := range forbiddenPhrases {
		if says(body, s.phrase) {
			return s.concerns
		}
	}
	if isSpotifyError(body) {
		return forbiddenUnknown
	}
	return forbiddenByProxy
}

// isMarkup reports whether a body is a page of HTML or XML.
func isMarkup(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// isSpotifyError reports whether a refusal was written by the Web API itself: it is a
// JSON error, or a short sentence with a word such as "user" or "app". A proxy would
// answer with a page, a status phrase or nothing.
func isSpotifyError(body []byte) bool {
	var wrapped struct {
		Error struct {
			Message string `json:"message"`
			Reason  string `json:"reason"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &wrapped) == nil {
		return wrapped.Error.Message != "" || wrapped.Error.Reason != ""
	}
	const sentence = 500 // the length of the longest sentence, in bytes
	if len(body) > sentence {
		return false
	}
	words := strings.FieldsFunc(strings.ToLower(string(body)), func(r rune) bool { return r < 'a' || r > 'z' })
	return slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"user", "users", "app", "application", "developer", "dashboard", "spotify", "premium", "account"}, w)
	})
}
