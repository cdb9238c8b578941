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

// defaultRetryAfter is the Retry-After of an answer with 429 or 503 if its error has none.
const defaultRetryAfter = 5 * time.Second

// statusByReason holds the statuses of errors that only this package makes. Their code is
// CodeInvalid, whose status would be 400, so these statuses take precedence over faultByCode.
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

// newRequestError returns an error about the request as a whole. The reason is a key of
// statusByReason.
func newRequestError(reason string) error {
	return &songspy.Error{Code: songspy.CodeInvalid, Reason: reason}
}

// newFieldError returns an error about one field of the request.
func newFieldError(field string, p fieldProblem) error {
	return &songspy.Error{Code: songspy.CodeInvalid, Err: fieldError{field, p}}
}

// writeFault logs an error and answers with it. All errors of requests come here: from the
// handlers, the router, the check against the contract, and the generated code.
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
		// Part of another answer has been sent already, so no error can be sent.
		c.Abort()
		return
	}
	// A request with header fields that are too large is not redirected: the browser would send
	// the same fields with the request for the page, and be redirected again.
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

// hiddenProfile is the fault that a viewer receives who may not see a profile. Its message is in
// English, as for a client without a preferred language.
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
		code = kind.reason // the contract lists the codes; a client must not receive another one
	}
	return status, Fault{Code: FaultCode(code), Message: messageFor(err, code).forLanguage(acceptLanguage), Field: nullIfEmpty(fieldOfError(err, code))}
}

// fieldOfError returns the name of the invalid field, or "" if the error does not concern a
// single field.
func fieldOfError(err error, code string) string {
	if f, ok := errors.AsType[interface {
		error
		Field() string
	}](err); ok {
		return f.Field()
	}
	return fieldByCode[code]
}

// messageFor returns the message for the client, with the field or the detail that the error
// names. Clients never see the rest of an error.
func messageFor(err error, code string) message {
	if f, ok := errors.AsType[fieldError](err); ok {
		return problemMessages[f.problem].withDetail(f.name)
	}
	if f, ok := errors.AsType[interface {
		error
		Field() string
	}](err); ok {
		return problemMessages[problemOther].withDetail(f.Field())
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

// setRetryAfter sets the header Retry-After, in seconds rounded up, if the status is 429 or 503.
// If the wait is not positive, it uses defaultRetryAfter.
func setRetryAfter(h http.Header, status int, wait time.Duration) {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	if wait <= 0 {
		wait = defaultRetryAfter
	}
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}
