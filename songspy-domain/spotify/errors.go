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
	"github.com/songspy/songspy/songspy-domain/internal/outside"
)

// The reasons of this package's errors.
const (
	ReasonUnavailable   = "SPOTIFY_UNAVAILABLE"
	ReasonCodeInvalid   = "SPOTIFY_CODE_INVALID"
	ReasonScopesMissing = "SPOTIFY_SCOPES_MISSING"
	ReasonNotRegistered = "SPOTIFY_NOT_REGISTERED"
	// ReasonRefused: Spotify refuses the call in words that are not known.
	ReasonRefused = "SPOTIFY_REFUSED"
	// ReasonTokenRefused: the access token is spent.
	ReasonTokenRefused = "SPOTIFY_TOKEN_REFUSED"
	// The refusals of a refresh token. Expired and revoked are Spotify's own
	// words; refused is any other.
	ReasonGrantExpired = "SPOTIFY_GRANT_EXPIRED"
	ReasonGrantRevoked = "SPOTIFY_GRANT_REVOKED"
	ReasonGrantRefused = "SPOTIFY_GRANT_REFUSED"
	// ReasonAppRefused: the client id or secret is wrong; the operator must mend it.
	ReasonAppRefused = "SPOTIFY_APP_REFUSED"
	// ReasonOwnAppRefused: the same of an app that a person brought; they must.
	ReasonUserAppRefused = "SPOTIFY_OWN_APP_REFUSED"
)

const (
	// pause is the wait after a failure that named none.
	defaultRetryAfter = 5 * time.Second
	// misconfiguredPause is the wait where only the operator can help.
	misconfiguredRetryAfter = 5 * time.Minute
)

const messageUnavailable = "Spotify cannot be asked at the moment. Please try again later."

// errHeldBack marks the errors of calls that never left.
var errNotSent = errors.New("held back by the gate")

// unavailable is a call that failed through no fault of the caller or the
// person. A wait of zero means the usual one.
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

// heldBack is what a call gets at a closed door.
func blockedError(circuit breaker.Circuit, v breaker.Decision) *songspy.Error {
	e := unavailable(fmt.Errorf("%w: door %s, %s", errNotSent, circuit, v.Cause), v.RetryAfter)
	e.Disposition = songspy.DispositionAppBlocked
	return e
}

// notNow is what a call gets that this process may not make any more.
func mayNotCallError() *songspy.Error {
	e := unavailable(fmt.Errorf("%w: this process may ask nobody just now", errNotSent), time.Second)
	e.Disposition = songspy.DispositionMayNotCall
	return e
}

// refusedBy is the error of the very call that closed a door: the same as at
// the closed door, save that this call did leave.
func appBlockedError(held error) *songspy.Error {
	e := unavailable(errors.New("refused for the whole app"), songspy.RetryAfterOf(held))
	e.Disposition = songspy.DispositionAppBlocked
	return e
}

// appRefused is Spotify not knowing the app itself. No link is to blame.
func appRefused() *songspy.Error {
	return &songspy.Error{
		Code:        songspy.CodeUnavailable,
		Reason:      ReasonAppRefused,
		Message:     messageUnavailable,
		RetryAfter:  misconfiguredRetryAfter,
		Disposition: songspy.DispositionAppBlocked,
		Err:         errors.New("spotify refuses the app's client id or secret: check SONGSPY_SPOTIFY_CLIENT_ID and SONGSPY_SPOTIFY_CLIENT_SECRET"),
	}
}

// unreached turns the error of a call that got no usable response into one of ours.
func unreachable(ctx context.Context, err error) *songspy.Error {
	if e, ok := errors.AsType[*songspy.Error](err); ok {
		return e
	}
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return unavailable(outside.SafeError(err), 0)
}

// refused turns a Web API's answer that is no success into an error. The
// refusals that concern the whole app never come here; the gate keeps them.
func refusalError(status int, h http.Header, body []byte, now time.Time) *songspy.Error {
	e := unavailable(fmt.Errorf("spotify answered %d", status), retryAfter(h, now))
	switch {
	case status == http.StatusUnauthorized && parseForbidden(body) == forbiddenScope,
		status == http.StatusForbidden && parseForbidden(body) == forbiddenScope:
		e.Code, e.Reason, e.Disposition = songspy.CodeUnprocessable, ReasonScopesMissing, songspy.DispositionNeedsUser
		e.Message = "The link lacks a permission. Please link Spotify again and allow everything that is asked."
	case status == http.StatusUnauthorized,
		status == http.StatusBadRequest && says(body, "bearer authentication"):
		e.Code, e.Reason, e.Disposition = songspy.CodeUnauthorized, ReasonTokenRefused, songspy.DispositionRenewToken
		e.Message = "Spotify no longer accepts the access token; it has to be renewed."
	case status == http.StatusForbidden && parseForbidden(body) == forbiddenUser:
		e.Code, e.Reason, e.Disposition = songspy.CodeForbidden, ReasonNotRegistered, songspy.DispositionNotRegistered
		e.Message = "The owner of this instance has to enter you in the Spotify dashboard first. Please ask them, and link again."
	case status == http.StatusForbidden && parseForbidden(body) == forbiddenUnknown:
		e.Code, e.Reason, e.Disposition = songspy.CodeForbidden, ReasonRefused, songspy.DispositionRefused
		e.Message = "Spotify refuses the call. Please ask the owner of this instance to look at the app in the Spotify dashboard."
	default:
		return e
	}
	e.RetryAfter = 0
	return e
}

// outcome is the word for an error in metrics.
func outcomeLabel(err error) string {
	switch {
	case err == nil:
		return "ok"
	case errors.Is(err, errNotSent):
		return "held_back"
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
		return "app_paused"
	case songspy.DispositionNone:
		return "invalid"
	default:
		return "unavailable"
	}
}

// forbidden is whom a 403 of the Web API concerns.
type forbiddenCause int

const (
	// forbidsNobody: the answer is not Spotify's, but that of something in
	// front of it. It is an outage.
	forbiddenByProxy forbiddenCause = iota
	// forbidsApp: the app's owner has no Premium subscription.
	forbiddenApp
	// forbidsScope: the link lacks a permission.
	forbiddenScope
	// forbidsUser: the app's owner has not entered the user.
	forbiddenUser
	// forbidsUnknown: Spotify refuses in words that are not known. The user or
	// the app is meant.
	forbiddenUnknown
)

// sentences are the phrases that decide, in lower case. Spotify has changed
// them several times, and sends them bare and in JSON.
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

// forbids reads the body of a 403.
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

// markup reports whether a body is a page of HTML or XML.
func isMarkup(body []byte) bool {
	return bytes.HasPrefix(bytes.TrimSpace(body), []byte("<"))
}

// spotifysOwn reports whether a refusal was written by the Web API itself: its
// JSON error, or a bare sentence that names what is refused. Proxies answer
// with a page, a status phrase or nothing.
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
	const sentence = 500 // bytes
	if len(body) > sentence {
		return false
	}
	words := strings.FieldsFunc(strings.ToLower(string(body)), func(r rune) bool { return r < 'a' || r > 'z' })
	return slices.ContainsFunc(words, func(w string) bool {
		return slices.Contains([]string{"user", "users", "app", "application", "developer", "dashboard", "spotify", "premium", "account"}, w)
	})
}
