package main

import (
	"context"
	"crypto/hkdf"
	"crypto/sha256"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/command"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/google"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"

	"github.com/songspy/songspy/songspy-api/internal/attention"
	"github.com/songspy/songspy/songspy-api/internal/auth"
	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/embeds"
	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/linking"
	"github.com/songspy/songspy/songspy-api/internal/operator"
	"github.com/songspy/songspy/songspy-api/internal/people"
	"github.com/songspy/songspy/songspy-api/internal/pictures"
	"github.com/songspy/songspy/songspy-api/internal/viewercache"
	"github.com/songspy/songspy/songspy-api/internal/web"
	"github.com/songspy/songspy/songspy-api/internal/webhook"
)

// service is the API, with its dependencies and its listeners.
type service struct {
	log                           *slog.Logger
	db                            *store.Store
	board                         *board.Board
	attention                     *attention.Reporter
	webhooks                      *webhook.Service
	metrics                       *prometheus.Registry
	spotify                       *spotify.Apps
	publicListener, adminListener net.Listener
	handler                       http.Handler
	adminHandler                  http.Handler
	// notes returns sentences for the operator: which calls to Spotify the circuit breakers and
	// the quotas block or limit now.
	notes func() []string
}

func serve(ctx context.Context, s settings, log *slog.Logger) error {
	api, err := newService(ctx, s, log)
	if err != nil {
		return err
	}
	return api.run(ctx)
}

// newService opens the database and the listeners, and builds the handlers. The
// caller must call run or close, which close them.
func newService(ctx context.Context, s settings, log *slog.Logger) (_ *service, err error) {
	if s, err = s.withKeys(); err != nil {
		return nil, err
	}
	api := &service{log: log, metrics: telemetry.NewRegistry()}
	defer func() {
		if err != nil {
			api.close()
		}
	}()
	if api.db, err = command.OpenStore(ctx, s.Service, log); err != nil {
		return nil, err
	}
	if err = prepareSchema(ctx, s, api.db); err != nil {
		return nil, err
	}
	if s.Mail.From == "" {
		if err = deleteAddresses(ctx, api.db, log); err != nil {
			return nil, err
		}
	}
	api.db.OnRecorded(telemetry.RecordedCounter(api.metrics))
	if err = api.buildHandler(s); err != nil {
		return nil, err
	}
	breakers := telemetry.BreakerCollector{Now: time.Now, States: api.spotify.Breakers}
	quotas := telemetry.QuotaCollector{Now: time.Now, Statuses: api.spotify.QuotaStatuses}
	api.metrics.MustRegister(breakers, quotas)
	api.notes = func() []string { return slices.Concat(breakers.Notes(), quotas.Notes()) }
	api.adminHandler = telemetry.AdminHandler(api.metrics, api.ready, api.notes, s.Service.AdminHosts...)
	if api.publicListener, err = telemetry.Listen(ctx, "SONGSPY_API_ADDR", s.Addr); err != nil {
		return nil, err
	}
	api.adminListener, err = telemetry.Listen(ctx, "SONGSPY_API_ADMIN_ADDR", s.AdminAddr)
	return api, err
}

// run serves until ctx ends or a part of the service fails. Then it closes the listeners
// and the database.
func (a *service) run(ctx context.Context) error {
	defer a.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { a.board.Run(ctx); return nil })
	group.Go(func() error { a.attention.Run(ctx); return nil })
	group.Go(func() error { a.attention.ReportStreams(ctx, a.board); return nil })
	group.Go(func() error { a.webhooks.Run(ctx); return nil })
	group.Go(func() error { a.spotify.SyncBreakers(ctx); return nil })
	group.Go(func() error {
		return telemetry.ServeOn(ctx, a.publicListener, &http.Server{Handler: a.handler, MaxHeaderBytes: 256 << 10}, a.log)
	})
	group.Go(func() error {
		// A client that requests a profile chooses for how many seconds the profile is recorded. So
		// an answer may take minutes.
		return telemetry.ServeOn(ctx, a.adminListener, &http.Server{Handler: a.adminHandler, WriteTimeout: 5 * time.Minute}, a.log)
	})
	return group.Wait()
}

// close closes the listeners and the database. A listener that has served is
// closed already.
func (a *service) close() {
	for _, l := range []net.Listener{a.publicListener, a.adminListener} {
		if l != nil {
			_ = l.Close()
		}
	}
	if a.db != nil {
		if err := a.db.Close(); err != nil {
			a.log.Warn("closing the database failed", slog.Any(logkey.Error, err))
		}
	}
}

// prepareSchema migrates the schema of a SQLite file, because no other process does:
// there is one API, and the batch waits for it. Postgres is migrated once for all
// replicas, by `songspy-api migrate`; prepareSchema returns an error while the schema
// is outdated.
func prepareSchema(ctx context.Context, s settings, db *store.Store) error {
	if strings.HasPrefix(s.Service.DatabaseURL.Reveal(), "sqlite:") {
		return db.Migrate(ctx)
	}
	return db.CheckSchema(ctx)
}

// deleteAddresses deletes the users' stored e-mail addresses: an instance that sends no
// mail does not need them.
func deleteAddresses(ctx context.Context, db *store.Store, log *slog.Logger) error {
	deleted, err := db.DeleteAddresses(ctx)
	if deleted > 0 {
		log.InfoContext(ctx, "mail is not configured: stored addresses were deleted", slog.Int64(logkey.Users, deleted))
	}
	return err
}

// buildHandler builds the handler of the public address, and everything it needs.
func (a *service) buildHandler(s settings) error {
	users := a.db
	jwtKeys, err := config.ParseKeys("SONGSPY_JWT_KEYS", s.JWTKeys)
	if err != nil {
		return err
	}
	signing := make([]auth.Key, len(jwtKeys))
	for i, k := range jwtKeys {
		signing[i] = auth.Key{ID: k.ID, Seed: k.Key}
	}
	derived, err := deriveKeys(jwtKeys)
	if err != nil {
		return err
	}
	ids := httpapi.NewTrackIDs(derived.trackIDs)
	if s.Service.Attention > 0 {
		a.attention = attention.New(a.db, derived.viewers, time.Now, a.log)
	}
	operators, err := s.operators(derived.operators)
	if err != nil {
		return err
	}
	signUp, err := s.signUpOptions()
	if err != nil {
		return err
	}
	viewers := viewercache.New(time.Now)
	a.db.OnChanges(viewers.Apply)
	o := auth.Options{
		Google: google.New(google.Config{
			UserinfoURL: s.Google.UserinfoURL, TokeninfoURL: s.Google.TokeninfoURL, Audiences: s.Google.ClientIDs,
		}),
		Users: users, Sessions: users, Attempts: a.db,
		Keys: signing, Issuer: s.PublicURL, TokenLife: s.TokenLife, SessionLife: s.SessionLife, SessionMaxLife: s.SessionMaxLife,
		Audience: songspy.Audience(s.DefaultAudience), SignUp: signUp, Operators: operators, Viewers: viewers, Now: time.Now, Log: a.log,
	}
	if s.Google.ClientSecret != "" {
		o.OpenID = google.NewOpenID(google.OpenIDConfig{
			IssuerURL: s.Google.IssuerURL, ClientID: s.Google.ClientIDs[0], ClientSecret: s.Google.ClientSecret,
			RedirectURL: s.PublicURL + "/v1/songspy/auth/google/callback",
		})
	}
	if s.Mail.From != "" {
		o.Addresses = a.db
	}
	authService, err := auth.New(o)
	if err != nil {
		return err
	}
	a.board = board.New(board.Options{
		Feed: a.db, Render: ids.BoardRenderer(s.PublicURL), RenderList: httpapi.RenderList, RenderLive: httpapi.RenderLive, Now: time.Now, Log: a.log,
		StreamsPerAccount: s.StreamsPerAccount, StreamsPerAddress: s.StreamsPerAddress, Viewers: viewers,
	})
	if err := registerBoardMetrics(a.metrics, a.board); err != nil {
		return err
	}
	a.webhooks = webhook.New(webhook.Options{
		Store: a.db, Board: a.board, Render: httpapi.RenderEmbed, AnyAddress: s.Service.IsDevelopment(), Now: time.Now, Log: a.log, Metrics: a.metrics,
	})
	apps, err := s.Spotify.Apps()
	if err != nil {
		return err
	}
	a.spotify = newSpotify(s, apps, a.db, a.metrics, a.log)
	images, reachedAt := simulatedImages(s)
	site, err := web.New(images)
	if err != nil {
		return err
	}
	rules, err := parsedContract()
	if err != nil {
		return err
	}
	a.handler, err = httpapi.New(httpapi.Options{
		Contract: rules, Auth: authService, Linking: newLinking(s, users, apps, a.spotify, derived.authorizations), TrackIDs: ids, Board: a.board,
		People: people.New(a.db, a.board, viewers, time.Now), Embeds: embeds.New(a.db, a.board), Webhooks: a.webhooks, Attention: a.attention,
		Art: embeds.NewArt(nil, images, reachedAt, time.Now), Pictures: pictures.New(nil, images, reachedAt, time.Now),
		Operator: operator.New(a.db, config.SeatsOf(apps), time.Now),
		Status:   func(ctx context.Context) (httpapi.OperatorStatus, error) { return a.status(ctx, s.Spotify.DailyCalls) },
		Users:    ownAdapter{users}, Links: users, History: ownAdapter{users}, Mailboxes: a.db, Site: site,
		ReadinessChecks: []httpapi.ReadinessCheck{
			{Name: "database", Run: a.db.Ready},
			{Name: "board", Run: func(context.Context) error { return a.board.Ready() }},
		},
		PublicURL: s.PublicURL, TrustedProxies: s.TrustedProxies, AllowedOrigins: s.AllowedOrigins,
		SignInsPerMinute: s.SignInsPerMinute, WritesPerMinute: s.WritesPerMinute, LinkingsPerMinute: s.LinkingsPerMinute,
		Metrics: a.metrics, Now: time.Now, Log: a.log,
	})
	return err
}

// derivedKeys are derived from the JWT keys. The keys of the track ids, the operators and the
// viewers are derived from the first JWT key. So replacing that key changes every track id,
// and operators have to sign in again. The keys that bind authorizations to their users are
// derived from all JWT keys, one from each.
type derivedKeys struct {
	trackIDs, operators, viewers []byte
	authorizations               [][]byte
}

func deriveKeys(jwtKeys []config.Key) (d derivedKeys, err error) {
	derive := func(k config.Key, purpose string) []byte {
		key, failed := hkdf.Key(sha256.New, k.Key, nil, "songspy "+purpose, sha256.Size)
		err = errors.Join(err, failed)
		return key
	}
	for i, k := range jwtKeys {
		if i == 0 {
			d.trackIDs, d.operators, d.viewers = derive(k, "track ids"), derive(k, "operators"), derive(k, "viewers")
		}
		d.authorizations = append(d.authorizations, derive(k, "spotify authorization"))
	}
	return d, err
}

func newSpotify(s settings, apps []config.App, breakers spotify.BreakerStore, registry prometheus.Registerer, log *slog.Logger) *spotify.Apps {
	all := make([]spotify.App, len(apps))
	for i, app := range apps {
		all[i] = spotify.App{ID: app.ClientID, Secret: app.ClientSecret, Account: app.Account}
	}
	return spotify.NewApps(spotify.Config{
		AuthorizeURL: s.Spotify.AuthorizeURL, AccountsURL: s.Spotify.AccountsURL, APIURL: s.Spotify.APIURL,
		RedirectURL: s.Spotify.RedirectURL, Logger: log, Breakers: breakers, DailyCalls: s.Spotify.DailyCalls, Observe: telemetry.CallObserver(registry),
	}, all...)
}

// simulatedImages returns two addresses of the images of a simulated Spotify and Google: the
// one that browsers use, and the one that this process uses. Both are empty if Spotify is real.
func simulatedImages(s settings) (browsers, here string) {
	if s.Spotify.Mode() == config.Simulated {
		return s.Spotify.AuthorizeURL, s.Spotify.AccountsURL
	}
	return "", ""
}

func newLinking(s settings, users *store.Store, apps []config.App, all *spotify.Apps, keys [][]byte) *linking.Service {
	o := linking.Options{
		Keys: keys, Links: users, Seats: users, Attempts: users, CallbackURL: s.PublicURL + "/v1/songspy/auth/spotify/callback",
		AnyLoopback: s.Service.IsDevelopment(), Now: time.Now,
	}
	if s.Spotify.UserApps {
		o.UserApp = func(clientID string) linking.Spotify { return all.UserAppClient(clientID) }
	}
	for _, app := range apps {
		client, err := all.Client(app.ClientID)
		if err != nil {
			continue // cannot happen: each configured app has a client
		}
		o.Apps = append(o.Apps, linking.App{ID: app.ClientID, Seats: app.Seats, Spotify: client})
	}
	if s.Spotify.RedirectURL != "" {
		o.RedirectURLs = []string{s.Spotify.RedirectURL}
	}
	return linking.New(o)
}

// ready reports why the service is not ready, for /readyz of the admin address.
func (a *service) ready(ctx context.Context) error {
	return errors.Join(a.db.Ready(ctx), a.board.Ready())
}

func registerBoardMetrics(registry prometheus.Registerer, b *board.Board) error {
	gauge := func(name, help string, value func(board.Stats) float64) error {
		return registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(b.Stats()) }))
	}
	counter := func(name, help string, value func(board.Stats) float64) error {
		return registry.Register(prometheus.NewCounterFunc(prometheus.CounterOpts{Name: name, Help: help},
			func() float64 { return value(b.Stats()) }))
	}
	return errors.Join(
		gauge("songspy_board_users", "Users with an open play in the memory of the board, hidden and paused ones too.",
			func(s board.Stats) float64 { return float64(s.Users) }),
		gauge("songspy_board_change_number", "The number of the last change of the feed that is on the board.",
			func(s board.Stats) float64 { return float64(s.LastChange) }),
		gauge("songspy_board_feed_read_timestamp_seconds", "When the change feed was last read; 0 if never.",
			func(s board.Stats) float64 { return telemetry.Timestamp(s.FeedReadAt) }),
		gauge("songspy_streams_open", "Open streams.",
			func(s board.Stats) float64 { return float64(s.Streams) }),
		counter("songspy_stream_frames_total", "Frames that were queued for streams.",
			func(s board.Stats) float64 { return float64(s.Frames) }),
		counter("songspy_stream_resets_total", "Resets of streams whose readers were too slow.",
			func(s board.Stats) float64 { return float64(s.Resets) }),
		counter("songspy_streams_dropped_total", "Streams that were closed because their readers did not read.",
			func(s board.Stats) float64 { return float64(s.Dropped) }),
	)
}
