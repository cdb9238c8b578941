package httpapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
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
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
)

// requestIDPattern matches the X-Request-Id values that clients may choose.
var requestIDPattern = regexp.MustCompile(`^[A-Za-z0-9._-]{8,64}$`)

// assignID gives the request an ID, which is in the header X-Request-Id of the answer and in the
// log lines of the request. The client may choose the ID by sending that header. assignID does
// nothing if the request has an ID already.
func assignID(c *gin.Context) {
	h := c.Writer.Header()
	if h["X-Request-Id"] != nil {
		return
	}
	id := c.GetHeader("X-Request-Id")
	if !requestIDPattern.MatchString(id) {
		id = rand.Text()
	}
	h["X-Request-Id"] = []string{id}
	c.Request = c.Request.WithContext(telemetry.WithAttrs(c.Request.Context(), slog.String(logkey.Request, id)))
}

// observe assigns a request ID, and counts and logs the request. It counts and logs the path
// pattern of the route, such as /users/:id/edit, never the URL, because queries hold secrets.
func (s *server) observe(c *gin.Context) {
	began := s.opts.Now()
	rule := s.opts.Contract.rule(c)
	if rule == nil || !rule.isFrequent() || c.GetHeader("X-Request-Id") != "" || s.opts.Log.Enabled(c.Request.Context(), slog.LevelDebug) {
		assignID(c)
	} // else no ID is assigned yet, to save work: code that logs about the request calls assignID first

	c.Next()

	took, status := s.opts.Now().Sub(began), c.Writer.Status()
	method, route := c.Request.Method, c.FullPath()
	if route == "" {
		method, route = "other", "other" // clients can send any path, and each would add a metric series
	}
	if rule == nil || !rule.streams || status >= http.StatusBadRequest {
		s.requestDuration.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
	} // else it is a stream: it lasts as long as the page is open, so its duration says nothing about the service

	level := slog.LevelInfo
	if status < http.StatusBadRequest && (rule == nil || rule.isCheap() || rule.hasETag) {
		level = slog.LevelDebug // the boards, the page and health checks would fill the log
	}
	ctx := c.Request.Context()
	if s.opts.Log.Enabled(ctx, level) {
		line := []slog.Attr{
			slog.String("method", method), slog.String(logkey.Route, route), slog.Int("status", status),
			slog.Duration("took", took), slog.Int("bytes", max(c.Writer.Size(), 0)),
		}
		if s.opts.Log.Enabled(ctx, slog.LevelDebug) {
			// The attribute peer is the other end of the connection. The attribute client is the
			// address that the rate limits count: the address in X-Forwarded-For if peer is a
			// trusted proxy, else peer. If client is the address of a proxy,
			// SONGSPY_TRUSTED_PROXIES lacks that proxy.
			line = append(line, slog.String("client", c.ClientIP()), slog.String("peer", c.RemoteIP()))
		}
		s.opts.Log.LogAttrs(ctx, level, "request", line...)
	}
}

// headerLimit is the largest size of the request URI and all header fields together, in bytes.
// MaxHeaderBytes of the HTTP server is higher, because an answer of that server would not be an
// envelope.
const headerLimit = 16 << 10

// limitHeaders rejects requests whose URI and header fields exceed headerLimit.
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

// recoverPanic answers a panic as an internal error.
func (s *server) recoverPanic(c *gin.Context) {
	defer func() {
		switch v := recover(); v {
		case nil:
		case http.ErrAbortHandler: //nolint:errorlint // net/http compares it so
			panic(v)
		default:
			assignID(c)
			s.opts.Log.ErrorContext(c.Request.Context(), "a handler panicked",
				slog.String("panic", fmt.Sprint(v)), slog.String("stack", string(debug.Stack())))
			s.writeFault(c, &songspy.Error{Code: songspy.CodeInternal})
		}
	}()
	c.Next()
}

// These header values never change. Answers share them, so that a read of the board does not
// allocate them.
var (
	nosniff         = []string{"nosniff"}
	noReferrer      = []string{"no-referrer"}
	sameOrigin      = []string{"same-origin"}
	noStore         = []string{"no-store"}
	noCache         = []string{"no-cache"}
	privateNoStore  = []string{"private, no-store"}
	defaultCSP      = []string{"default-src 'none'; frame-ancestors 'none'"}
	hstsOneYear     = []string{"max-age=31536000"}
	immutable       = []string{"public, max-age=31536000, immutable"}
	contentTypeJSON = []string{"application/json"}
)

// secureHeaders sets the security headers, and forbids caches to store the answer. Handlers of
// pages and images replace some of these headers.
func (s *server) secureHeaders(c *gin.Context) {
	h := c.Writer.Header()
	h["X-Content-Type-Options"] = nosniff
	h["Cache-Control"] = noStore
	if s.https {
		h["Strict-Transport-Security"] = hstsOneYear
	}
	if rule := s.opts.Contract.rule(c); rule != nil && rule.isFrequent() {
		// The other headers are not needed: the answer is JSON, not a page with links and scripts,
		// and it is public and the same for everyone.
		return
	}
	h["Referrer-Policy"] = noReferrer
	h["Content-Security-Policy"] = defaultCSP
	h["Cross-Origin-Resource-Policy"] = sameOrigin
}

// allowOrigins implements CORS: pages of the allowed origins may read answers. It does not allow
// credentials, so these pages cannot read answers to requests with cookies.
func (s *server) allowOrigins(c *gin.Context) {
	h, origin := c.Writer.Header(), c.GetHeader("Origin")
	if len(s.opts.AllowedOrigins) > 0 {
		h.Add("Vary", "Origin")
	}
	if origin == "" {
		return
	}
	if !slices.Contains(s.opts.AllowedOrigins, origin) {
		if !s.isOwnOrigin(c.Request, origin) && !strings.HasPrefix(c.FullPath(), "/embed/") && s.refusedOrigins.isNew(origin) {
			assignID(c)
			s.opts.Log.WarnContext(c.Request.Context(), "a page of another origin was rejected; if it is yours, add its origin to SONGSPY_ALLOWED_ORIGINS",
				slog.String("origin", origin))
		}
		return
	}
	h.Set("Access-Control-Allow-Origin", origin)
	h.Set("Access-Control-Expose-Headers", "Date, ETag, Retry-After, X-Request-Id")
	if c.Request.Method == http.MethodOptions && c.GetHeader("Access-Control-Request-Method") != "" {
		h.Set("Access-Control-Allow-Methods", "GET, POST, PUT, PATCH, DELETE")
		h.Set("Access-Control-Allow-Headers", allowedHeaders)
		h.Set("Access-Control-Max-Age", "600")
		c.AbortWithStatus(http.StatusNoContent)
	}
}

// allowedHeaders are the headers that pages of other origins may send: those that this service
// reads, and those that libraries add, such as libraries for tracing.
const allowedHeaders = "Accept-Language, Authorization, Content-Type, If-None-Match, X-Request-Id, X-Requested-With, " +
	"traceparent, tracestate, baggage, sentry-trace, b3, x-b3-traceid, x-b3-spanid, x-b3-parentspanid, x-b3-sampled, x-b3-flags, " +
	"x-datadog-trace-id, x-datadog-parent-id, x-datadog-origin, x-datadog-sampling-priority, x-datadog-tags, newrelic"

// isOwnOrigin reports whether the origin is that of the bundled page: the public URL, or the
// host to which the request was sent.
func (s *server) isOwnOrigin(r *http.Request, origin string) bool {
	if origin == s.opts.PublicURL {
		return true
	}
	u, err := url.Parse(origin)
	return err == nil && u.Host != "" && strings.EqualFold(u.Host, r.Host)
}

// refusedOrigins remembers which rejected origins were logged. Each origin is logged only once,
// and only 50 origins of at most 200 bytes are logged, because clients can send any origin.
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

type addressKey struct{}

// withAddress returns the context of the request, to which it adds the network of the client:
// the IPv4 address, or the /64 of the IPv6 address.
func withAddress(c *gin.Context) context.Context {
	return context.WithValue(c.Request.Context(), addressKey{}, board.SubscriberOf(c.ClientIP()))
}

// addressFrom returns the network of the client that withAddress has stored in the context, or
// the zero Prefix if there is none.
func addressFrom(ctx context.Context) netip.Prefix {
	address, _ := ctx.Value(addressKey{}).(netip.Prefix)
	return address
}

type callerKey struct{}

// authenticate finds the caller by the JWT or the session cookie, puts the caller into the
// request's context, and records that the caller is an active viewer. If the request has the
// header Authorization, the cookie is ignored.
func (s *server) authenticate(c *gin.Context) error {
	header := c.GetHeader("Authorization")
	scheme, token, _ := strings.Cut(header, " ")
	cookie := cookieOf(c.Request, s.cookieNames().session)
	var caller auth.Caller
	var err error
	switch {
	case strings.EqualFold(scheme, "Bearer") && token != "":
		caller, err = s.opts.Auth.Authenticate(c.Request.Context(), songspy.Secret(token))
	case header == "" && cookie != "":
		caller, err = s.authenticateCookie(c.Request, cookie)
	default:
		err = &songspy.Error{Code: songspy.CodeUnauthorized}
	}
	if err != nil {
		return err
	}
	s.opts.Attention.RecordActive(board.ViewerID{Account: caller.UserID})
	ctx := telemetry.WithAttrs(c.Request.Context(), slog.Int64(logkey.UserID, int64(caller.UserID)))
	c.Request = c.Request.WithContext(context.WithValue(ctx, callerKey{}, caller))
	return nil
}

// callerFrom returns the caller that authenticate has stored in the context, or the zero value
// for an anonymous request.
func callerFrom(ctx context.Context) auth.Caller {
	caller, _ := ctx.Value(callerKey{}).(auth.Caller)
	return caller
}
