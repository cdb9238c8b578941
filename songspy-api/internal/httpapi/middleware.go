package httpapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry"

	"github.com/songspy/songspy/songspy-api/internal/identity"
)

// saneRequestID is what a caller may name a request.
var saneRequestID = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// observe names the request, and counts and logs it by its route's template,
// never by its address: queries hold secrets.
func (s *server) observe(c *gin.Context) {
	began := s.o.Now()
	id := c.GetHeader("X-Request-Id")
	if !saneRequestID.MatchString(id) {
		id = rand.Text()
	}
	c.Writer.Header()["X-Request-Id"] = []string{id}
	c.Request = c.Request.WithContext(telemetry.With(c.Request.Context(), slog.String("request", id)))

	c.Next()

	took, status := s.o.Now().Sub(began), c.Writer.Status()
	method, route := c.Request.Method, c.FullPath()
	if route == "" {
		method, route = "other", "other" // what nobody serves must not grow the metrics
	}
	s.requests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())

	level := slog.LevelInfo
	if rule := s.contract.rule(c); status < http.StatusBadRequest && (rule == nil || rule.cheap()) {
		level = slog.LevelDebug // the board, the page, health: often and dull
	}
	ctx := c.Request.Context()
	if s.o.Log.Enabled(ctx, level) {
		s.o.Log.LogAttrs(ctx, level, "request",
			slog.String("method", method), slog.String("route", route), slog.Int("status", status),
			slog.Duration("took", took), slog.Int("bytes", max(c.Writer.Size(), 0)))
	}
}

// recoverPanic turns a panic into a fault like any other.
func (s *server) recoverPanic(c *gin.Context) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler: //nolint:errorlint // net/http compares it so
			panic(v)
		default:
			s.o.Log.ErrorContext(c.Request.Context(), "a handler panicked",
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			s.answerFault(c, &songspy.Error{Code: songspy.CodeInternal})
		}
	}()
	c.Next()
}

// The values of headers that never differ; shared, so that a read of the board
// does not allocate them.
var (
	nosniff      = []string{"nosniff"}
	noReferrer   = []string{"no-referrer"}
	sameOrigin   = []string{"same-origin"}
	noStore      = []string{"no-store"}
	noCache      = []string{"no-cache"}
	nothingLoads = []string{"default-src 'none'; frame-ancestors 'none'"}
	oneYear      = []string{"max-age=31536000"}
	jsonContent  = []string{"application/json"}
)

// secureHeaders tells browsers to take an answer for what it is. The page
// loosens what it needs.
func (s *server) secureHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h["X-Content-Type-Options"] = nosniff
	h["Referrer-Policy"] = noReferrer
	h["Content-Security-Policy"] = nothingLoads
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	h["Cache-Control"] = noStore
	if s.https {
		h["Strict-Transport-Security"] = oneYear
	}
}

// allowOrigins answers browsers that ask on behalf of another origin: only
// those of the list may read, and never with cookies.
func (s *server) allowOrigins(c *gin.Context) {
	if len(s.o.AllowedOrigins) == 0 {
		return
	}
	h := c.Writer.Header()
	h.Add("Vary", "Origin")
	origin := c.GetHeader("Origin")
	if origin == "" || !slices.Contains(s.o.AllowedOrigins, origin) {
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "ETag, Retry-After, X-Request-Id")
	if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", "Accept-Language, Authorization, Content-Type, If-None-Match, X-Request-Id")
		h.Set("Access-Control-Max-Age", "600")
		c.AbortWithStatus(http.StatusNoContent)
	}
}

type callerKey struct{}

// authenticate finds out who speaks and puts them into the request's context.
func (s *server) authenticate(c *gin.Context) error {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return &songspy.Error{Code: songspy.CodeUnauthorized}
	}
	caller, err := s.o.Identity.Authenticate(c.Request.Context(), songspy.Secret(token))
	if err != nil {
		return err
	}
	ctx := telemetry.With(c.Request.Context(), slog.Int64("user", int64(caller.UserID)))
	c.Request = c.Request.WithContext(context.WithValue(ctx, callerKey{}, caller))
	return nil
}

// callerOf is who speaks, on the routes that need a bearer.
func callerOf(ctx context.Context) identity.Caller {
	caller, _ := ctx.Value(callerKey{}).(identity.Caller)
	return caller
}
