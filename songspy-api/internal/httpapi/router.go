package httpapi

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/breaker"
	"github.com/songspy/songspy/songspy-domain/visibility"

	"github.com/songspy/songspy/songspy-api/internal/apidocs"
	"github.com/songspy/songspy/songspy-api/internal/attention"
	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/embeds"
	"github.com/songspy/songspy/songspy-api/internal/linking"
	"github.com/songspy/songspy/songspy-api/internal/operator"
	"github.com/songspy/songspy/songspy-api/internal/people"
	"github.com/songspy/songspy/songspy-api/internal/pictures"
	"github.com/songspy/songspy/songspy-api/internal/web"
	"github.com/songspy/songspy/songspy-api/internal/webhook"
)

// Users stores the users.
type Users interface {
	User(ctx context.Context, self visibility.Self) (songspy.User, error)
	UpdateUser(ctx context.Context, self visibility.Self, change func(*songspy.User) error) (songspy.User, error)
	// EraseUser deletes the user and all their data. The result says how much was deleted.
	EraseUser(ctx context.Context, id songspy.UserID) (songspy.Erasure, error)
}

// Links stores the Spotify links.
type Links interface {
	// Link returns CodeNotFound if the user has no link.
	Link(ctx context.Context, id songspy.UserID) (songspy.Link, error)
	// Breakers returns the circuit breakers of a Spotify app.
	Breakers(ctx context.Context, app string) (breaker.Stored, error)
	// Unlink deletes the link, and all data that came through it. The result says how much was
	// deleted, and whether there was a link.
	Unlink(ctx context.Context, id songspy.UserID) (songspy.Erasure, error)
}

// PlayHistory stores plays, and gaps in the recorded plays.
type PlayHistory interface {
	// Plays returns up to limit plays, sorted by their start, newest first. It begins after the
	// play in the argument after, or with the newest play if that is the zero Play.
	Plays(ctx context.Context, self visibility.Self, after songspy.Play, limit int) ([]songspy.PlayWithTrack, error)
	DeletePlay(ctx context.Context, id songspy.UserID, play songspy.PlayID, at time.Time) error
	// Gaps returns up to limit gaps, newest first. It begins after the gap in the argument
	// after, or with the newest gap if that is the zero Gap.
	Gaps(ctx context.Context, id songspy.UserID, after songspy.Gap, limit int) ([]songspy.Gap, error)
}

// Mailboxes stores the e-mail addresses of users, and whether they want notifications by mail.
type Mailboxes interface {
	Mailbox(ctx context.Context, id songspy.UserID) (songspy.Mailbox, error)
	SetMailOff(ctx context.Context, id songspy.UserID, off bool) (songspy.Mailbox, error)
}

// ReadinessCheck checks one thing on which the service depends, such as the database. Run
// returns an error if it is not ready.
type ReadinessCheck struct {
	Name string
	Run  func(context.Context) error
}

// Options configures the handler.
type Options struct {
	Contract  *Contract
	Auth      *auth.Service
	Linking   *linking.Service
	Board     *board.Board
	People    *people.Service
	Pictures  *pictures.Fetcher
	Embeds    *embeds.Service
	Art       *embeds.Art
	Webhooks  *webhook.Service
	Attention *attention.Reporter // nil if watches (which users a viewer sees) are not reported to the batch
	Users     Users
	Links     Links
	History   PlayHistory
	Mailboxes Mailboxes
	Operator  *operator.Service
	// Status returns the status for operators. The handler fills in the fields Ready and Checks.
	Status          func(context.Context) (OperatorStatus, error)
	ReadinessChecks []ReadinessCheck
	// Site is the bundled page; nil if this instance serves none.
	Site *web.Site
	// PublicURL is the address at which browsers reach this instance.
	PublicURL string
	// TrustedProxies are the addresses and networks of proxies whose header X-Forwarded-For is
	// trusted.
	TrustedProxies []string
	// AllowedOrigins are the other origins whose pages may read the answers (CORS).
	AllowedOrigins []string
	// SignInsPerMinute limits the sign-ins, refreshes and linkings of one client address.
	// WritesPerMinute and LinkingsPerMinute limit the writes and the linkings of one user. A
	// value of 0 means no limit.
	SignInsPerMinute, WritesPerMinute, LinkingsPerMinute int
	// TrackIDs makes the ids that tracks have in answers.
	TrackIDs TrackIDs
	// RequestTimeout limits the work on one request. 0 means 30 s.
	RequestTimeout time.Duration
	Metrics        prometheus.Registerer
	Now            func() time.Time
	Log            *slog.Logger
}

// defaultRequestTimeout is longer than two calls to Spotify may take.
const defaultRequestTimeout = 30 * time.Second

// server implements StrictServerInterface, the generated interface of the handlers. A handler
// may return an answer together with an error: the generated code then ignores the answer.
type server struct {
	opts            Options
	addressLimits   addressLimiter
	userLimits      map[limitScope]*limiter[songspy.UserID]
	refusedOrigins  refusedOrigins
	requestDuration *prometheus.HistogramVec
	https           bool
	crossOrigin     *http.CrossOriginProtection // for requests with a session cookie
}

// New returns the handler for the public address; the admin address has another one. It returns
// an error if, for example, PublicURL or a trusted proxy is not valid.
func New(o Options) (http.Handler, error) {
	o.RequestTimeout = cmp.Or(o.RequestTimeout, defaultRequestTimeout)
	s := &server{
		opts:          o,
		addressLimits: newAddressLimiter(o.SignInsPerMinute),
		userLimits: map[limitScope]*limiter[songspy.UserID]{
			limitWrites: newLimiter[songspy.UserID](o.WritesPerMinute), limitLinkings: newLimiter[songspy.UserID](o.LinkingsPerMinute),
		},
		https: strings.HasPrefix(o.PublicURL, "https://"), crossOrigin: http.NewCrossOriginProtection(),
		requestDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "songspy_http_request_duration_seconds",
			Help:    "How long requests took, by route template and status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route", "status"}),
	}
	// Behind a proxy, the header Host may differ from the host in the header Origin. So requests
	// from the public URL count as those of the same origin, whatever Host is.
	if err := s.crossOrigin.AddTrustedOrigin(o.PublicURL); err != nil {
		return nil, fmt.Errorf("the public URL: %w", err)
	}
	if err := o.Metrics.Register(s.requestDuration); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}

	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	// By default, gin also trusts X-Real-IP. A client can set that header, and a proxy may
	// forward it unchanged.
	engine.RemoteIPHeaders = []string{"X-Forwarded-For"}
	if err := engine.SetTrustedProxies(o.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	engine.NoRoute(func(c *gin.Context) { s.writeFault(c, &songspy.Error{Code: songspy.CodeNotFound}) })
	engine.NoMethod(func(c *gin.Context) {
		allowHead(c.Writer.Header())
		s.writeFault(c, newRequestError(reasonMethodNotAllowed))
	})
	engine.Use(s.observe, s.recoverPanic, s.secureHeaders, s.allowOrigins, s.limitHeaders, s.enforceContract)
	docs, err := apidocs.Files()
	if err != nil {
		return nil, err
	}
	s.routes(engine, docs)
	return dispatch(engine), nil
}

// dispatch returns a handler that passes requests to the engine. It turns HEAD requests into GET
// requests; net/http then leaves out the body of the answer. Requests to streamPath go to
// serveStream, which passes them to the engine and then writes the stream.
func dispatch(engine http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		isHead := r.Method == http.MethodHead
		if isHead {
			r = r.WithContext(r.Context()) // a copy
			r.Method = http.MethodGet
		}
		if r.URL.Path == streamPath {
			serveStream(engine, w, r, isHead)
			return
		}
		engine.ServeHTTP(w, r)
	})
}

// allowHead adds HEAD to the header Allow of a 405 if that header lists GET: each GET route also
// answers HEAD.
func allowHead(h http.Header) {
	methods := strings.Split(h.Get("Allow"), ", ")
	if i := slices.Index(methods, http.MethodGet); i >= 0 {
		h.Set("Allow", strings.Join(slices.Insert(methods, i+1, http.MethodHead), ", "))
	}
}

// routes registers all routes: those of the contract, the contract itself, its documentation,
// the overlay and the page.
func (s *server) routes(engine *gin.Engine, docs []apidocs.File) {
	RegisterHandlersWithOptions(engine, newStrictHandler(s, s.writeFault), GinServerOptions{
		// enforceContract has rejected invalid parameters already.
		ErrorHandler: func(c *gin.Context, _ error, _ int) {
			s.writeFault(c, &songspy.Error{Code: songspy.CodeInvalid})
		},
	})
	engine.GET("/openapi.yaml", serveProgramFile(web.File{ContentType: "application/yaml; charset=utf-8", Body: s.opts.Contract.spec}, ""))
	for _, f := range docs {
		engine.GET(f.Path, serveProgramFile(web.File{ContentType: f.ContentType, Body: f.Body, Gzip: f.Gzip}, apidocs.ContentSecurityPolicy))
	}
	s.overlayRoutes(engine)
	s.pageRoutes(engine)
}

// serveProgramFile returns a handler that answers with a file that is part of the program. The
// policy is its Content-Security-Policy. An empty policy keeps the default one, with which the
// browser loads nothing.
func serveProgramFile(f web.File, policy string) gin.HandlerFunc {
	return func(c *gin.Context) {
		if policy != "" {
			c.Writer.Header()["Content-Security-Policy"] = []string{policy}
		}
		serveFile(c, f, noCache)
	}
}

func serveFile(c *gin.Context, f web.File, cacheControl []string) {
	h := c.Writer.Header()
	h["Cache-Control"] = cacheControl
	body := f.Body
	if f.Gzip != nil {
		h.Add("Vary", "Accept-Encoding")
		if acceptsGzip(c.GetHeader("Accept-Encoding")) {
			h["Content-Encoding"] = encodingGzip
			body = f.Gzip
		}
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.Data(http.StatusOK, f.ContentType, body)
}

// acceptsGzip reports whether a client with this Accept-Encoding accepts gzip.
func acceptsGzip(acceptEncoding string) bool {
	for coding := range strings.SplitSeq(acceptEncoding, ",") {
		name, weight, _ := strings.Cut(coding, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			return strings.Trim(weight, " q=0.") != "" || strings.TrimSpace(weight) == ""
		}
	}
	return false
}
