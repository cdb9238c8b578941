package sim

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/songspy/songspy/songspy-sim/internal/admin"
	"github.com/songspy/songspy/songspy-sim/internal/art"
	"github.com/songspy/songspy/songspy-sim/internal/consents"
	"github.com/songspy/songspy/songspy-sim/internal/faults"
	"github.com/songspy/songspy/songspy-sim/internal/google"
	"github.com/songspy/songspy/songspy-sim/internal/population"
	"github.com/songspy/songspy/songspy-sim/internal/quirks"
	"github.com/songspy/songspy/songspy-sim/internal/requestlog"
	"github.com/songspy/songspy/songspy-sim/internal/spotify"
	"github.com/songspy/songspy/songspy-sim/internal/token"
)

// The registered apps.
const (
	SpotifyClientID         = spotify.ClientID
	SpotifyClientSecret     = spotify.ClientSecret
	DevelopmentClientID     = spotify.DevelopmentClientID // in development mode: serves whom RegisterWith has registered
	DevelopmentClientSecret = spotify.DevelopmentClientSecret
	UserAppClientID         = spotify.UserAppClientID // a person's own: without a secret
	GoogleClientID          = google.ClientID
	GoogleClientSecret      = google.ClientSecret
	ForeignGoogleClientID   = google.ForeignClientID
)

// CatalogueSize is the number of tracks that can be had from Sim.Track.
const CatalogueSize = population.CatalogueSize

// Options choose a world. The zero value is one of 24 lively people.
type Options struct {
	Seed       uint64
	People     int     // default 24
	Population string  // "lively" (default), "tenth", "regular" or "restless"; see HabitsOf
	Habits     *Habits // instead of a named population

	Epoch     time.Time        // nobody plays anything before it; zero: six hours before now
	Now       func() time.Time // nil: time.Now
	PublicURL string           // what browsers and covers use; default http://127.0.0.1:8090

	RotateRefreshTokens bool          // for PKCE clients; without it a refresh returns none
	AccessTokenLife     time.Duration // of Spotify's access tokens; default 1 h
	SpotifyRedirectURIs []string      // as registered; none: any path on 127.0.0.1 or [::1]
	Quirks              Quirks        // how the services answer where they are known to vary

	Observe func(Call)   // told of every call after its answer; nil: nobody
	Logger  *slog.Logger // nil: silence
}

// Names of what the simulator is made of.
type (
	Habits   = population.Habits
	Play     = population.Play
	Track    = population.Track
	Kind     = population.Kind
	Playback = population.Playback
	State    = population.State
	Person   = population.Person
	Fault    = faults.Fault
	Quirks   = quirks.Set
	Stats    = requestlog.Stats
	Call     = requestlog.Call
)

// The kinds of things that are played.
const (
	KindTrack   = population.KindTrack
	KindEpisode = population.KindEpisode
	KindLocal   = population.KindLocal
	KindChapter = population.KindChapter
	KindAd      = population.KindAd
	KindUnknown = population.KindUnknown
)

// The ways in which a player misleads.
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

// The kinds of faults; Fault's fields say how each is shaped further.
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

	// Everyone is a Fault's Person who is everybody.
	Everyone = faults.Everyone
)

// HabitsOf returns the habits of a named population, to be changed and given
// back in Options.Habits.
func HabitsByName(name string) (Habits, error) { return population.HabitsByName(name) }

// Sim is the simulated world. All methods may be called from many goroutines.
// Methods panic if a person's number is not in [0, People): a test that asks
// for nobody is wrong.
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

// New makes a world. It fails if a population is not known or cannot be.
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

// fill puts defaults where nothing was chosen.
func (o *Options) setDefaults() error {
	if o.People == 0 {
		o.People = 24
	}
	if o.People < 1 || o.People > 100_000_000 {
		return fmt.Errorf("sim: %d people cannot be simulated: choose 1 to 100,000,000", o.People)
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
		return fmt.Errorf("sim: access tokens that live %v cannot be told in expires_in: choose at least 1s", o.AccessTokenLife)
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

// Handler serves everything: /spotify, /google, /covers, /portraits, /admin
// and /healthz.
func (s *Sim) Handler() http.Handler { return s.handler }
