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
)

// fallbackRetry is what 429 and 503 say when the fault does not know better.
const defaultRetryAfter = 5 * time.Second

// edges are the faults that only this edge knows, as a reason of an invalid request.
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

// kinds are the status of each code, and the error.code of a fault without a
// reason of its own.
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

// errEdge is a fault of the request that only this edge knows.
func newRequestError(reason string) error {
	return &songspy.Error{Code: songspy.CodeInvalid, Reason: reason}
}

// errField is a fault of one field.
func newFieldError(field string, p fieldProblem) error {
	return &songspy.Error{Code: songspy.CodeInvalid, Err: fieldError{field, p}}
}

// answerFault answers every fault of every request: the handlers', the router's,
// the contract's and the generated code's. It logs what an operator needs to know.
func (s *server) writeFault(c *gin.Context, err error) {
	ctx := c.Request.Context()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		// Whoever asked has gone; there is nobody to answer and nothing at fault.
		c.Abort()
		c.Status(http.StatusServiceUnavailable)
		return
	}
	status, fault := toFault(err, c.GetHeader("Accept-Language"))
	switch status {
	case http.StatusInternalServerError:
		s.opts.Log.ErrorContext(ctx, "a request failed", slog.String("route", c.FullPath()), slog.Any("error", err))
	case http.StatusServiceUnavailable:
		s.opts.Log.WarnContext(ctx, "a request could not be served", slog.String("route", c.FullPath()), slog.Any("error", err))
	default:
		s.opts.Log.DebugContext(ctx, "a request was refused", slog.String("route", c.FullPath()), slog.Any("error", err))
	}
	if c.Writer.Written() {
		c.Abort() // too late to say anything else
		return
	}
	setRetryAfter(c.Writer.Header(), status, songspy.RetryAfterOf(err))
	if status == http.StatusUnauthorized && s.contract.needsBearer(c) {
		c.Header("WWW-Authenticate", `Bearer realm="songspy"`)
	}
	c.AbortWithStatusJSON(status, FaultAnswer{Result: ERROR, Error: fault})
}

// faultOf is the status of an error and what the client is told of it.
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
		code = kind.reason // the contract knows no other words
	}
	return status, Fault{Code: FaultCode(code), Message: messageFor(err, code).forLanguage(acceptLanguage), Field: nullIfEmpty(fieldOfError(err, code))}
}

// faultField names the field at fault; empty where no single one is.
func fieldOfError(err error, code string) string {
	if f, ok := errors.AsType[interface {
		error
		Field() string
	}](err); ok {
		return f.Field()
	}
	return fieldByCode[code]
}

// messageOf chooses the words. A fault of a field names it; what a fault
// carries besides is filled in; nothing else of an error is ever shown.
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
	if errors.Is(err, linking.ErrNotKept) {
		return notKept
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

// about fills in what the message is about.
func (m message) withDetail(what string) message {
	return message{fmt.Sprintf(m.english, what), fmt.Sprintf(m.korean, what)}
}

// setRetryAfter tells, with 429 and 503, how many seconds to wait.
func setRetryAfter(h http.Header, status int, wait time.Duration) {
	if status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return
	}
	if wait <= 0 {
		wait = defaultRetryAfter
	}
	h.Set("Retry-After", strconv.Itoa(int(math.Ceil(wait.Seconds()))))
}
