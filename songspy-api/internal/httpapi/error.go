package httpapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/songspy/songspy/songspy-api/internal/linking"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// defaultRetryAfter is the Retry-After of 429 and 503 if the error has none.
const defaultRetryAfter = 5 * time.Second

// statusByReason holds the statuses of errors that only this package makes; their
// code is CodeInvalid.
var statusByReason = map[string]int{
	reasonMethodNotAllowed: http.StatusMethodNotAllowed,
	reasonBodyTooLarge:     http.StatusRequestEntityTooLarge,
	reasonHeadersTooLarge:  http.StatusRequestHeaderFieldsTooLarge,
	reasonUnsupportedMedia: http.StatusUnsupportedMediaType,
}

const (
	reasonMethodNotAllowed = "METHOD_NOT_ALLOWED"
	reasonBodyTooLarge     = "BODY_TOO_LARGE"
	reasonHeadersTooLarge  = "HEADERS_TOO_LARGE"
	reasonUnsupportedMedia = "UNSUPPORTED_MEDIA_TYPE"
)

// faultByCode holds the status of each code, and the error.code of an error without a
// reason.
var faultByCode = map[songspy.Code]struct {
	status int
	reason string
}{
	songspy.CodeInvalid:       {http.StatusBadRequest, "INVALID_REQUEST"},
	songspy.CodeUnauthorized:  {http.StatusUnauthorized, "UNAUTHORIZED"},
	songspy.CodeForbidden:     {http.StatusForbidden, "FORBIDDEN"},
	songspy.CodeNotFound:      {http.StatusNotFound, "NOT_FOUND"},
	songspy.CodeConflict:      {http.StatusConflict, "CONFLICT"},
	songspy.CodeGone:          {http.StatusGone, "GONE"},
	songspy.CodeUnprocessable: {http.StatusUnprocessableEntity, "UNPROCESSABLE"},
	songspy.CodeTooMany:       {http.StatusTooManyRequests, "RATE_LIMITED"},
	songspy.CodeUnavailable:   {http.StatusServiceUnavailable, "UNAVAILABLE"},
	songspy.CodeInternal:      {http.StatusInternalServerError, "COMMON_ERROR"},
}

// newRequestError returns an error of the request with a reason of statusByReason.
func newRequestError(reason string) error {
	return &songspy.Error{Code: songspy.CodeInvalid, Reason: reason}
}

// newFieldError returns an error of one field of the request.
func newFieldError(field string, p fieldProblem) error {
	return &songspy.Error{Code: songspy.CodeInvalid, Err: fieldError{field, p}}
}

// writeFault answers every error of every request, from the handlers, the router, the
// contract and the generated code. It logs the error.
func (s *server) writeFault(c *gin.Context, err error) {
	assignID(c)
	ctx := c.Request.Context()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		// The client has disconnected: there is nothing to answer or to log.
		c.Abort()
		c.Status(http.StatusServiceUnavailable)
		return
	}
	status, fault := toFault(err, c.GetHeader("Accept-Language"))
	switch status {
	case http.StatusInternalServerError:
		s.opts.Log.ErrorContext(ctx, "a request failed", slog.String(logkey.Route, c.FullPath()), slog.Any(logkey.Error, err))
	case http.StatusServiceUnavailable:
		s.opts.Log.WarnContext(ctx, "a request could not be served", slog.String(logkey.Route, c.FullPath()), slog.Any(logkey.Error, err))
	default:
		s.opts.Log.DebugContext(ctx, "a request was rejected", slog.String(logkey.Route, c.FullPath()), slog.Any(logkey.Error, err))
	}
	if c.Writer.Written() {
		c.Abort() // part of an answer has been sent already
		return
	}
	// A request with header fields that are too large is not redirected: the page would get
	// the same fields and redirect again.
	rule := s.opts.Contract.rule(c)
	if rule != nil && rule.isNavigation && status != http.StatusRequestHeaderFieldsTooLarge {
		c.Header("Location", "/?error="+string(fault.Code))
		c.AbortWithStatus(http.StatusFound)
		return
	}
	setRetryAfter(c.Writer.Header(), status, songspy.RetryAfterOf(err))
	if status == http.StatusUnauthorized && rule != nil && rule.takesSession {
		c.Header("WWW-Authenticate", `Bearer realm="songspy"`)
	}
	c.AbortWithStatusJSON(status, FaultAnswer{Result: ERROR, Error: fault})
}

// hiddenProfile is the fault of a profile that the viewer may not see, as a client
// without a preferred language receives it.
var hiddenProfile = func() Fault { _, f := toFault(&songspy.Error{Code: songspy.CodeNotFound}, ""); return f }()

// toFault returns the status of an error, and the fault that the client receives.
func toFault(err error, acceptLanguage string) (int, Fault) {
	kind, known := faultByCode[songspy.CodeOf(err)]
	if !known {
		kind = faultByCode[songspy.CodeInternal]
	}
	status, code := kind.status, kind.reason
	if reason := songspy.ReasonOf(err); reason != "" && status != http.StatusInternalServerError {
		code = reason
	}
	if override, ok := statusByReason[code]; ok {
		status = override
	}
	if !FaultCode(code).Valid() {
		code = kind.reason // the contract has no other codes
	}
	return status, Fault{Code: FaultCode(code), Message: messageFor(err, code).forLanguage(acceptLanguage), Field: nullIfEmpty(fieldOfError(err, code))}
}

// fieldOfError returns the invalid field; empty if the error concerns no single field.
func fieldOfError(err error, code string) string {
	if f, ok := errors.AsType[interface {
		error
		Field() string
	}](err); ok {
		return f.Field()
	}
	return fieldByCode[code]
}

// messageFor chooses the message. It fills in the field or the detail that the error
// has. Clients never see the rest of an error.
func messageFor(err error, code string) message {
	if f, ok := errors.AsType[fieldError](err); ok {
		return problemMessages[f.problem].withDetail(f.name)
	}
	if f, ok := errors.AsType[interface {
		error
		Field() string
	}](err); ok {
		return problemMessages[problemUnknownValue].withDetail(f.Field())
	}
	if errors.Is(err, linking.ErrGrantNotStored) {
		return grantNotStored
	}
	m, known := messageByCode[code]
	if !known {
		m = messageByCode[faultByCode[songspy.CodeOf(err)].reason]
	}
	if !strings.Contains(m.english, "%s") {
		return m
	}
	var detail string
	if d, ok := errors.AsType[interface {
		error
		Detail() string
	}](err); ok {
		detail = d.Detail()
	}
	return m.withDetail(detail)
}

// withDetail fills in the %s of the message.
func (m message) withDetail(detail string) message {
	return message{fmt.Sprintf(m.english, detail), fmt.Sprintf(m.korean, detail)}
}

// setRetryAfter sets Retry-After, in seconds, for 429 and 503.
func setRetryAfter(h http.Header, status int, wait time.Duration) {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	if wait <= 0 {
		wait = defaultRetryAfter
	}
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}
