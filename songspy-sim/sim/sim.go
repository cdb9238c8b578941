package sim

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-sim/art"
	"github.com/songspy/songspy/songspy-sim/internal/admin"
	"github.com/songspy/songspy/songspy-sim/internal/consents"
	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/google"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/quirks"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/spotify"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// The client IDs and secrets of the apps that the simulated Spotify and Google know.
const (
	SpotifyClientID         = spotify.ClientID // the first app
	SpotifyClientSecret     = spotify.ClientSecret
	DevelopmentClientID     = spotify.DevelopmentClientID // in development mode: the Web API answers only for people that RegisterWith has registered
	DevelopmentClientSecret = spotify.DevelopmentClientSecret
	UserAppClientID         = spotify.UserAppClientID // a user-supplied app, which has no secret
	GoogleClientID          = google.ClientID
	GoogleClientSecret      = google.ClientSecret
	ForeignGoogleClientID   = google.ForeignClientID // an app that is not Songspy's: Songspy must reject its tokens
)

// CatalogueSize is the number of tracks that Sim.Track returns.
const CatalogueSize = population.CatalogueSize

// Options are the settings of a simulation. The zero value has 24 lively
// people.
type Options struct {
	Seed       uint64
	People     int     // the number of people; default 24
	Population string  // "lively" (default), "tenth", "regular", "restless" or "awkward"; see HabitsByName
	Habits     *Habits // if not nil, they are used instead of those of Population

	Epoch     time.Time        // no generated play starts before this time; default: six hours before now
	Now       func() time.Time // the clock; default time.Now
	PublicURL string           // the simulator's address for browsers and cover images; default http://127.0.0.1:8090

	RotateRefreshTokens bool          // each refresh of a PKCE client without a secret returns a new refresh token; if false, it returns none
	AccessTokenLife     time.Duration // how long Spotify's access tokens are valid; default 1 h
	SpotifyRedirectURIs []string      // the registered redirect URIs; default: any port and path on 127.0.0.1 and [::1]
	Quirks              Quirks        // how the services respond in cases in which the real services vary

	Observe func(Call)   // called with every call after its response; may be nil
	Logger  *slog.Logger // if nil, nothing is logged
}

// The types of internal packages that users of this package need.
type (
	Habits   = population.Habits
	Play     = population.Play
	Track    = population.Track
	Kind     = population.Kind
	Playback = population.Playback
	State    = population.State
	Person   = population.Person
	Viewer   = population.Viewer
	Fault    = faults.Fault
	Quirks   = quirks.Set
	Stats    = requestlog.Stats
	Call     = requestlog.Call
)

// The kinds of items that a player plays.
const (
	KindTrack   = population.KindTrack
	KindEpisode = population.KindEpisode
	KindLocal   = population.KindLocal
	KindChapter = population.KindChapter
	KindAd      = population.KindAd
	KindUnknown = population.KindUnknown
)

// The values of Play.Stall: how a player that is paused or has stopped claims to play.
const (
	Frozen  = population.Frozen
	Growing = population.Growing
)

// The states of a player.
const (
	StateIdle    = population.Idle
	StatePlaying = population.Playing
	StatePaused  = population.Paused
)

// The kinds of faults (simulated errors). The fields of Fault modify them.
const (
	RateLimited       = faults.RateLimited
	QuotaExceeded     = faults.QuotaExceeded
	ServerError       = faults.ServerError
	Slow              = faults.Slow
	Cut               = faults.Cut
	Hangup            = faults.Hangup
	LostResponse      = faults.LostResponse
	Garbage           = faults.Garbage
	NoContent         = faults.NoContent
	InvalidGrant      = faults.InvalidGrant
	InvalidClient     = faults.InvalidClient
	Unauthorized      = faults.Unauthorized
	NotRegistered     = faults.NotRegistered
	Forbidden         = faults.Forbidden
	PremiumRequired   = faults.PremiumRequired
	InsufficientScope = faults.InsufficientScope
	NotFound          = faults.NotFound
	Raw               = faults.Raw

	// Everyone is the Person of a Fault that affects all people.
	Everyone = faults.Everyone
)

// VisitLength is how long each visit of a Viewer takes.
const VisitLength = population.VisitLength

// NewViewer returns the habits of a person as a viewer. The person follows up to 15 others
// of the people with the numbers 0 to people−1, chosen at random by the seed.
func NewViewer(seed uint64, people, person int) Viewer {
	return population.NewViewer(seed, people, person)
}

// HabitsByName returns the habits of a named population, such as "regular". It returns an
// error for an unknown name. The caller may change the habits and use them as
// Options.Habits.
func HabitsByName(name string) (Habits, error) { return population.HabitsByName(name) }

// Sim is the simulation. All methods are safe for concurrent use. They panic if the number
// of a person is not in [0, People), because a test that passes such a number is wrong.
type Sim struct {
	now        func() time.Time
	world      *population.World
	consents   *consents.Store
	requestLog *requestlog.Log
	faults     *faults.Registry
	quirks     *quirks.Switch
	spotify    *spotify.Server
	google     *google.Server
	handler    http.Handler
}

// New returns a simulation. It returns an error if an option is invalid: for example, if the
// population is unknown or the habits contradict each other.
func New(o Options) (*Sim, error) {
	if err := o.setDefaults(); err != nil {
		return nil, err
	}
	world, err := population.New(o.Seed, o.People, *o.Habits, o.Epoch)
	if err != nil {
		return nil, err
	}
	s := &Sim{
		now: o.Now, world: world, consents: consents.New(o.People, spotify.DevelopmentApps()), faults: &faults.Registry{},
		requestLog: requestlog.New(o.People, o.Now, o.Observe), quirks: quirks.New(o.Quirks),
	}
	codec := token.NewCodec(o.Seed)
	s.spotify = &spotify.Server{
		World: world, TokenCodec: codec, Consents: s.consents, RequestLog: s.requestLog, Faults: s.faults, Quirks: s.quirks, Now: o.Now,
		AccessLife: o.AccessTokenLife, PublicURL: o.PublicURL, RedirectURIs: o.SpotifyRedirectURIs,
	}
	s.google = &google.Server{
		World: world, TokenCodec: codec, RequestLog: s.requestLog, Faults: s.faults, Quirks: s.quirks, Now: o.Now, PublicURL: o.PublicURL,
	}
	mux := http.NewServeMux()
	s.spotify.Routes(mux)
	s.google.Routes(mux)
	art.Routes(mux)
	(&admin.Server{
		World: world, Consents: s.consents, RequestLog: s.requestLog, Faults: s.faults, Quirks: s.quirks, Now: o.Now, Issuer: s,
	}).Routes(mux)
	mux.HandleFunc("GET /{$}", serveGuide)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"ok"}`))
	})
	s.handler = mux
	o.Logger.LogAttrs(context.Background(), slog.LevelInfo, "simulating Spotify and Google",
		slog.Int("people", o.People), slog.Uint64("seed", o.Seed), slog.Time("epoch", o.Epoch))
	return s, nil
}

// setDefaults sets the options that are zero to their defaults. It returns an error if an
// option is invalid.
func (o *Options) setDefaults() error {
	if o.People == 0 {
		o.People = 24
	}
	if o.People < 1 || o.People > 100_000_000 {
		return fmt.Errorf("sim: %d people cannot be simulated: use 1 to 100,000,000", o.People)
	}
	if o.Population == "" {
		o.Population = "lively"
	}
	if o.Habits == nil {
		h, err := population.HabitsByName(o.Population)
		if err != nil {
			return fmt.Errorf("sim: %w", err)
		}
		o.Habits = &h
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Epoch.IsZero() {
		o.Epoch = o.Now().Add(-6 * time.Hour)
	}
	if o.AccessTokenLife == 0 {
		o.AccessTokenLife = time.Hour
	}
	if o.AccessTokenLife < time.Second {
		return fmt.Errorf("sim: an access token life of %v cannot be expressed in expires_in: use at least 1s", o.AccessTokenLife)
	}
	if o.PublicURL == "" {
		o.PublicURL = "http://127.0.0.1:8090"
	}
	o.PublicURL = strings.TrimRight(o.PublicURL, "/")
	o.Quirks.RotateRefreshTokens = o.Quirks.RotateRefreshTokens || o.RotateRefreshTokens
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return nil
}

// Handler returns the handler of all routes: /spotify, /google, /covers, /portraits, /admin,
// /healthz and the guide at /.
func (s *Sim) Handler() http.Handler { return s.handler }
