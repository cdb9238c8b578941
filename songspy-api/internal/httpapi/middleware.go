package httpapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/telemetry"

	"github.com/songspy/songspy/songspy-api/internal/auth"
)

// saneRequestID is what a caller may name a request.
var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// observe names the request, and counts and logs it by its route's template,
// never by its address: queries hold secrets.
func (s *server) observe(c *gin.Context) {
	began := s.opts.Now()
	id := c.GetHeader("X-Request-Id")
	if !requestIDPattern.MatchString(id) {
		id = rand.Text()
	}
	c.Writer.Header()["X-Request-Id"] = []string{id}
	c.Request = c.Request.WithContext(telemetry.WithAttrs(c.Request.Context(), slog.String("request", id)))

	c.Next()

	took, status := s.opts.Now().Sub(began), c.Writer.Status()
	method, route := c.Request.Method, c.FullPath()
	if route == "" {
		method, route = "other", "other" // what nobody serves must not grow the metrics
	}
	s.requestDuration.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())

	level := slog.LevelInfo
	if rule := s.contract.rule(c); status < http.StatusBadRequest && (rule == nil || rule.isCheap()) {
		level = slog.LevelDebug // the board, the page, health: often and dull
	}
	ctx := c.Request.Context()
	if s.opts.Log.Enabled(ctx, level) {
		line := []slog.Attr{
			slog.String("method", method), slog.String("route", route), slog.Int("status", status),
			slog.Duration("took", took), slog.Int("bytes", max(c.Writer.Size(), 0)),
		}
		if s.opts.Log.Enabled(ctx, slog.LevelDebug) {
			// Where client is a proxy's address, SONGSPY_TRUSTED_PROXIES lacks peer.
			line = append(line, slog.String("client", c.ClientIP()), slog.String("peer", c.RemoteIP()))
		}
		s.opts.Log.LogAttrs(ctx, level, "request", line...)
	}
}

// headerLimit is the largest sum of header fields, in bytes. The server itself
// takes more, so that the answer can be the envelope.
const headerLimit = 16 << 10

// limitHeaders refuses requests whose header fields are too large.
func (s *server) limitHeaders(c *gin.Context) {
	size := len(c.Request.RequestURI)
	for name, values := range c.Request.Header {
		for _, v := range values {
			size += len(name) + len(v) + len(": \r\n")
		}
	}
	if size > headerLimit {
		s.writeFault(c, newRequestError(reasonHeadersTooLarge))
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
			s.opts.Log.ErrorContext(c.Request.Context(), "a handler panicked",
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			s.writeFault(c, &songspy.Error{Code: songspy.CodeInternal})
		}
	}()
	c.Next()
}

// The values of headers that never differ; shared, so that a read of the board
// does not allocate them.
var (
	nosniff         = []string{"nosniff"}
	noReferrer      = []string{"no-referrer"}
	sameOrigin      = []string{"same-origin"}
	noStore         = []string{"no-store"}
	noCache         = []string{"no-cache"}
	defaultCSP      = []string{"default-src 'none'; frame-ancestors 'none'"}
	hstsOneYear     = []string{"max-age=31536000"}
	contentTypeJSON = []string{"application/json"}
)

// secureHeaders tells browsers to take an answer for what it is. The page
// loosens what it needs.
func (s *server) secureHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h["X-Content-Type-Options"] = nosniff
	h["Referrer-Policy"] = noReferrer
	h["Content-Security-Policy"] = defaultCSP
	h["Cross-Origin-Resource-Policy"] = sameOrigin
	h["Cache-Control"] = noStore
	if s.https {
		h["Strict-Transport-Security"] = hstsOneYear
	}
}

// allowOrigins answers browsers that ask on behalf of another origin: only
// those of the list may read, and never with cookies.
func (s *server) allowOrigins(c *gin.Context) {
	h, origin := c.Writer.Header(), c.GetHeader("Origin")
	if len(s.opts.AllowedOrigins) > 0 {
		h.Add("Vary", "Origin")
	}
	if origin == "" {
		return
	}
	if !slices.Contains(s.opts.AllowedOrigins, origin) {
		if !s.isOwnOrigin(c.Request, origin) && s.refusedOrigins.isNew(origin) {
			s.opts.Log.WarnContext(c.Request.Context(), "a page of another origin was refused; if it is yours, add its origin to SONGSPY_ALLOWED_ORIGINS",
				slog.String("origin", origin))
		}
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Date, ETag, Retry-After, X-Request-Id")
	if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, DELETE")
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
		h.Set("Access-Control-Max-Age", "600")
		c.AbortWithStatus(http.StatusNoContent)
	}
}

// allowedHeaders are what pages of other origins may send: what the contract
// knows, and what tracing libraries add on their own.
const allowedHeaders = "Accept-Language, Authorization, Content-Type, If-None-Match, X-Request-Id, X-Requested-With, " +
	"traceparent, tracestate, baggage, sentry-trace, b3, x-b3-traceid, x-b3-spanid, x-b3-parentspanid, x-b3-sampled, x-b3-flags, " +
	"x-datadog-trace-id, x-datadog-parent-id, x-datadog-origin, x-datadog-sampling-priority, x-datadog-tags, newrelic"

// own reports whether the origin is that of the bundled page.
func (s *server) isOwnOrigin(r *http.Request, origin string) bool {
	if origin == s.opts.PublicURL {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// refusedOrigins remembers which origins were logged: each once, and only so
// many, since anybody can send any.
type refusedOrigins struct {
	mu     sync.Mutex
	logged map[string]bool
}

func (o *refusedOrigins) isNew(origin string) bool {
	const most, longest = 50, 200
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.logged[origin] || len(o.logged) >= most || len(origin) > longest {
		return false
	}
	if o.logged == nil {
		o.logged = map[string]bool{}
	}
	o.logged[origin] = true
	return true
}

type callerKey struct{}

// authenticate finds out who speaks and puts them into the request's context.
func (s *server) authenticate(c *gin.Context) error {
	scheme, token, _ := strings.Cut(c.GetHeader("Authorization"), " ")
	if !strings.EqualFold(scheme, "Bearer") || token == "" {
		return &songspy.Error{Code: songspy.CodeUnauthorized}
	}
	caller, err := s.opts.Auth.Authenticate(c.Request.Context(), songspy.Secret(token))
	if err != nil {
		return err
	}
	ctx := telemetry.WithAttrs(c.Request.Context(), slog.Int64("user", int64(caller.UserID)))
	c.Request = c.Request.WithContext(context.WithValue(ctx, callerKey{}, caller))
	return nil
}

// callerOf is who speaks, on the routes that need a bearer.
func callerFrom(ctx context.Context) auth.Caller {
	caller, _ := ctx.Value(callerKey{}).(auth.Caller)
	return caller
}
