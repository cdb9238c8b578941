package httpapi

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/prometheus/client_golang/prometheus"

	songspy "github.com/songspy/songspy/songspy-domain"

	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/linking"
)

// Erasure is how much was erased of a person.
type Erasure struct {
	Link          bool
	Plays, Tracks int64
}

// People are the accounts.
type Users interface {
	User(ctx context.Context, id songspy.UserID) (songspy.User, error)
	UpdateUser(ctx context.Context, id songspy.UserID, change func(*songspy.User) error) (songspy.User, error)
	// EraseUser erases everything of the person at once.
	EraseUser(ctx context.Context, id songspy.UserID) (Erasure, error)
}

// Links are the Spotify links.
type Links interface {
	// Link is not_found for a person without one.
	Link(ctx context.Context, id songspy.UserID) (songspy.Link, error)
	// Unlink erases the link and all that came through it.
	Unlink(ctx context.Context, id songspy.UserID) (Erasure, error)
}

// Listening is what people have heard.
type PlayHistory interface {
	// Plays pages from the newest play, or from the one after the given, by start and id.
	Plays(ctx context.Context, id songspy.UserID, after songspy.Play, limit int) ([]songspy.PlayWithTrack, error)
	DeletePlay(ctx context.Context, id songspy.UserID, play songspy.PlayID, at time.Time) error
	// Gaps pages from the newest gap, or from the one after the given, by begin and reason.
	Gaps(ctx context.Context, id songspy.UserID, after songspy.Gap, limit int) ([]songspy.Gap, error)
}

// Mailboxes are where people are told by mail.
type Mailboxes interface {
	Mailbox(ctx context.Context, id songspy.UserID) (songspy.Mailbox, error)
	SetMailOff(ctx context.Context, id songspy.UserID, off bool) (songspy.Mailbox, error)
}

// Probe is one thing that readiness needs.
type ReadinessCheck struct {
	Name string
	Run  func(context.Context) error
}

// Asset is a file of the bundled page.
type Asset struct {
	Path, ContentType string
	Body              []byte
	// Policy is its Content-Security-Policy; empty: nothing may be loaded.
	CSP string
}

// Options are what the edge is made of.
type Options struct {
	// Contract is openapi.yaml.
	Contract        []byte
	Auth            *auth.Service
	Linking         *linking.Service
	Board           *board.Board
	Users           Users
	Links           Links
	History         PlayHistory
	Mailboxes       Mailboxes
	ReadinessChecks []ReadinessCheck
	Assets          []Asset
	// PublicURL is where browsers reach this instance.
	PublicURL string
	// TrustedProxies are addresses and networks whose X-Forwarded-For is believed.
	TrustedProxies []string
	// AllowedOrigins are other origins whose pages may read the answers.
	AllowedOrigins []string
	// SignInsPerMinute bounds sign-ins, refreshes and linkings of one address;
	// WritesPerMinute and LinkingsPerMinute bound what one user changes. 0: no bound.
	SignInsPerMinute, WritesPerMinute, LinkingsPerMinute int
	// TrackIDs gives the ids of tracks.
	TrackIDs TrackIDs
	// AnswerWithin bounds the work on one request, whatever it waits for; 0: 30 s.
	RequestTimeout time.Duration
	Metrics        prometheus.Registerer
	Now            func() time.Time
	Log            *slog.Logger
}

// answerWithin is longer than two calls of Spotify may take.
const defaultRequestTimeout = 30 * time.Second

// server holds what the handlers share. It implements StrictServerInterface.
type server struct {
	opts     Options
	contract *contract
	// addresses and users limit the rates of requests.
	addressLimits   addressLimiter
	userLimits      map[limitScope]*limiter[songspy.UserID]
	refusedOrigins  refusedOrigins
	requestDuration *prometheus.HistogramVec
	https           bool
}

// New makes the handler of the public address. It fails on a contract that
// cannot be read and on proxies that are no addresses.
func New(o Options) (http.Handler, error) {
	contract, err := parseContract(o.Contract)
	if err != nil {
		return nil, err
	}
	if o.RequestTimeout <= 0 {
		o.RequestTimeout = defaultRequestTimeout
	}
	s := &server{
		opts: o, contract: contract,
		addressLimits: newAddressLimiter(o.SignInsPerMinute),
		userLimits: map[limitScope]*limiter[songspy.UserID]{
			limitWrites: newLimiter[songspy.UserID](o.WritesPerMinute), limitLinkings: newLimiter[songspy.UserID](o.LinkingsPerMinute),
		},
		https: strings.HasPrefix(o.PublicURL, "https://"),
		requestDuration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name:    "songspy_http_request_duration_seconds",
			Help:    "How long requests took, by route template and status.",
			Buckets: []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"method", "route", "status"}),
	}
	if err := o.Metrics.Register(s.requestDuration); err != nil {
		return nil, fmt.Errorf("register metrics: %w", err)
	}

	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.RemoteIPHeaders = []string{"X-Forwarded-For"} // proxies pass on others as clients send them
	if err := engine.SetTrustedProxies(o.TrustedProxies); err != nil {
		return nil, fmt.Errorf("trusted proxies: %w", err)
	}
	engine.NoRoute(func(c *gin.Context) { s.writeFault(c, &songspy.Error{Code: songspy.CodeNotFound}) })
	engine.NoMethod(func(c *gin.Context) {
		allowHead(c.Writer.Header())
		s.writeFault(c, newRequestError(reasonMethodNotAllowed))
	})
	engine.Use(s.observe, s.recoverPanic, s.secureHeaders, s.allowOrigins, s.limitHeaders, s.enforceContract)
	s.routes(engine)
	return serveHead(engine), nil
}

// answerHead lets HEAD ask for all that GET does: net/http, which knows what
// was asked, keeps the body to itself.
func serveHead(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			r = r.WithContext(r.Context()) // a copy
			r.Method = http.MethodGet
		}
		next.ServeHTTP(w, r)
	})
}

// allowHead adds HEAD to the methods that a 405 names, where GET is among them.
func allowHead(h http.Header) {
	methods := strings.Split(h.Get("Allow"), ", ")
	if i := slices.Index(methods, http.MethodGet); i >= 0 {
		h.Set("Allow", strings.Join(slices.Insert(methods, i+1, http.MethodHead), ", "))
	}
}

// routes is the one list of routes: those of the contract, the contract
// itself, and the page.
func (s *server) routes(engine *gin.Engine) {
	RegisterHandlersWithOptions(engine, newStrictHandler(s, s.writeFault), GinServerOptions{
		// The contract has refused already what this would find.
		ErrorHandler: func(c *gin.Context, _ error, _ int) {
			s.writeFault(c, &songspy.Error{Code: songspy.CodeInvalid})
		},
	})
	engine.GET("/openapi.yaml", serveAsset(Asset{ContentType: "application/yaml; charset=utf-8", Body: s.opts.Contract}))
	for _, a := range s.opts.Assets {
		engine.GET(a.Path, serveAsset(a))
	}
}

// serve answers with a file that changes only with the program.
func serveAsset(a Asset) gin.HandlerFunc {
	return func(c *gin.Context) {
		h := c.Writer.Header()
		h["Cache-Control"] = noCache
		if a.CSP != "" {
			h["Content-Security-Policy"] = []string{a.CSP}
		}
		c.Data(http.StatusOK, a.ContentType, a.Body)
	}
}
