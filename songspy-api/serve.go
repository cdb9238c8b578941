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
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/google"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"

	"github.com/songspy/songspy/songspy-api/internal/board"
	"github.com/songspy/songspy/songspy-api/internal/httpapi"
	"github.com/songspy/songspy/songspy-api/internal/identity"
	"github.com/songspy/songspy/songspy-api/internal/linking"
	"github.com/songspy/songspy/songspy-api/internal/web"
)

// service is the API, wired and listening.
type service struct {
	log           *slog.Logger
	db            *store.Store
	board         *board.Board
	registry      *prometheus.Registry
	spotify       *spotify.Apps
	public, admin net.Listener
	handler       http.Handler
	operations    http.Handler
}

func serve(ctx context.Context, s settings, log *slog.Logger) error {
	api, err := newService(ctx, s, log)
	if err != nil {
		return err
	}
	return api.run(ctx)
}

// newService opens what the API stands on and wires it. Whoever gets it must run it.
func newService(ctx context.Context, s settings, log *slog.Logger) (_ *service, err error) {
	if s, err = s.withKeys(); err != nil {
		return nil, err
	}
	api := &service{log: log, registry: telemetry.Registry()}
	defer func() {
		if err != nil {
			api.close()
		}
	}()
	if api.db, err = openStore(ctx, s, log); err != nil {
		return nil, err
	}
	if err = prepareSchema(ctx, s, api.db); err != nil {
		return nil, err
	}
	if s.Mail.From == "" {
		if err = forgetAddresses(ctx, api.db, log); err != nil {
			return nil, err
		}
	}
	api.db.OnRecorded(telemetry.Recorded(api.registry))
	if err = api.wire(s); err != nil {
		return nil, err
	}
	doors := telemetry.Doors{Now: time.Now, States: api.spotify.Doors}
	quotas := telemetry.Quotas{Now: time.Now, Standings: api.spotify.Quotas}
	api.registry.MustRegister(doors, quotas)
	api.operations = telemetry.AdminHandler(api.registry, api.ready,
		func() []string { return slices.Concat(doors.Notes(), quotas.Notes()) }, s.Service.AdminHosts...)
	if api.public, err = telemetry.Listen(ctx, s.Addr); err != nil {
		return nil, err
	}
	api.admin, err = telemetry.Listen(ctx, s.AdminAddr)
	return api, err
}

// run serves until ctx ends or something breaks, then puts everything away.
func (a *service) run(ctx context.Context) error {
	defer a.close()
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { a.board.Run(ctx); return nil })
	group.Go(func() error { a.spotify.Keep(ctx); return nil })
	group.Go(func() error {
		return telemetry.ServeOn(ctx, a.public, &http.Server{Handler: a.handler, MaxHeaderBytes: 256 << 10}, a.log)
	})
	group.Go(func() error {
		// A profile takes as long as it is asked to.
		return telemetry.ServeOn(ctx, a.admin, &http.Server{Handler: a.operations, WriteTimeout: 5 * time.Minute}, a.log)
	})
	return group.Wait()
}

// close puts away what was opened; a listener that served is closed already.
func (a *service) close() {
	for _, l := range []net.Listener{a.public, a.admin} {
		if l != nil {
			_ = l.Close()
		}
	}
	if a.db != nil {
		if err := a.db.Close(); err != nil {
			a.log.Warn("the database could not be closed in order", slog.Any("error", err))
		}
	}
}

func openStore(ctx context.Context, s settings, log *slog.Logger) (*store.Store, error) {
	keys, err := config.ParseKeys("SONGSPY_SEAL_KEYS", s.Service.SealKeys)
	if err != nil {
		return nil, err
	}
	o := store.Options{
		URL: s.Service.DatabaseURL.Reveal(), MaxConns: s.Service.DatabaseMaxConns,
		SimpleProtocol: s.Service.DatabaseSimpleProtocol, Logger: log,
	}
	for _, k := range keys {
		o.SealKeys = append(o.SealKeys, store.SealKey{ID: k.ID, Key: k.Key})
	}
	return store.Open(ctx, o)
}

// prepareSchema migrates the embedded database, which nobody else would; a
// server's is migrated once for all replicas, and refused while it is behind.
func prepareSchema(ctx context.Context, s settings, db *store.Store) error {
	if strings.HasPrefix(s.Service.DatabaseURL.Reveal(), "sqlite:") {
		return db.Migrate(ctx)
	}
	return db.CheckSchema(ctx)
}

// forgetAddresses forgets what an instance that sends no mail has no use for.
func forgetAddresses(ctx context.Context, db *store.Store, log *slog.Logger) error {
	forgotten, err := db.ForgetAddresses(ctx)
	if forgotten > 0 {
		log.InfoContext(ctx, "this instance sends no mail: people's addresses are forgotten", slog.Int64("people", forgotten))
	}
	return err
}

// wire builds the handler of the public address.
func (a *service) wire(s settings) error {
	people := keptPeople{a.db}
	jwtKeys, err := config.ParseKeys("SONGSPY_JWT_KEYS", s.JWTKeys)
	if err != nil {
		return err
	}
	signing := make([]identity.Key, len(jwtKeys))
	for i, k := range jwtKeys {
		signing[i] = identity.Key{ID: k.ID, Seed: k.Key}
	}
	trackIDs, authorizations, err := derived(jwtKeys)
	if err != nil {
		return err
	}
	ids := httpapi.NewTrackIDs(trackIDs)
	signUp, err := s.signUp()
	if err != nil {
		return err
	}
	o := identity.Options{
		Google: google.New(google.Config{
			UserinfoURL: s.Google.UserinfoURL, TokeninfoURL: s.Google.TokeninfoURL, Audiences: s.Google.ClientIDs,
		}),
		People: people, Sessions: people,
		Keys: signing, Issuer: s.PublicURL, TokenLife: s.TokenLife, SessionLife: s.SessionLife, SessionMaxLife: s.SessionMaxLife,
		Audience: songspy.Audience(s.DefaultAudience), SignUp: signUp, Now: time.Now, Log: a.log,
	}
	if s.Mail.From != "" {
		o.Addresses = a.db
	}
	who, err := identity.New(o)
	if err != nil {
		return err
	}
	a.board = board.New(board.Options{
		Feed: a.db, Render: ids.RenderBoard, Now: time.Now, Log: a.log,
	})
	if err := measureBoard(a.registry, a.board); err != nil {
		return err
	}
	apps, err := s.Spotify.Apps()
	if err != nil {
		return err
	}
	a.spotify = newSpotify(s, apps, a.db, a.registry, a.log)
	assets, err := pageAssets(s)
	if err != nil {
		return err
	}
	a.handler, err = httpapi.New(httpapi.Options{
		Contract: contract, Identity: who, Linking: newLinking(s, people, apps, a.spotify, authorizations), TrackIDs: ids, Board: a.board,
		People: people, Links: people, Heard: people, Mail: a.db, Assets: assets,
		Probes: []httpapi.Probe{
			{Name: "database", Run: a.db.Ready},
			{Name: "board", Run: func(context.Context) error { return a.board.Ready() }},
		},
		PublicURL: s.PublicURL, TrustedProxies: s.TrustedProxies, AllowedOrigins: s.AllowedOrigins,
		SignInsPerMinute: s.SignInsPerMinute, WritesPerMinute: s.WritesPerMinute, LinkingsPerMinute: s.LinkingsPerMinute,
		Metrics: a.registry, Now: time.Now, Log: a.log,
	})
	return err
}

// derived returns the keys that are made from those of the JWTs: that of track
// ids, which exchanging the first JWT key changes, and those that bind
// authorizations to their users.
func derived(jwtKeys []config.Key) (trackIDs []byte, authorizations [][]byte, err error) {
	derive := func(k config.Key, purpose string) []byte {
		key, failed := hkdf.Key(sha256.New, k.Key, nil, "songspy "+purpose, sha256.Size)
		err = errors.Join(err, failed)
		return key
	}
	for i, k := range jwtKeys {
		if i == 0 {
			trackIDs = derive(k, "track ids")
		}
		authorizations = append(authorizations, derive(k, "spotify authorization"))
	}
	return trackIDs, authorizations, err
}

func newSpotify(s settings, apps []config.App, doors spotify.Doors, registry prometheus.Registerer, log *slog.Logger) *spotify.Apps {
	all := make([]spotify.App, len(apps))
	for i, app := range apps {
		all[i] = spotify.App{ID: app.ClientID, Secret: app.ClientSecret, Account: app.Account}
	}
	return spotify.NewApps(spotify.Config{
		AuthorizeURL: s.Spotify.AuthorizeURL, AccountsURL: s.Spotify.AccountsURL, APIURL: s.Spotify.APIURL,
		RedirectURL: s.Spotify.RedirectURL, Logger: log, Doors: doors, DailyCalls: s.Spotify.DailyCalls, Observe: telemetry.Calls(registry),
	}, all...)
}

func newLinking(s settings, people keptPeople, apps []config.App, all *spotify.Apps, keys [][]byte) *linking.Service {
	o := linking.Options{Keys: keys, Links: people, Seats: people, AnyLoopback: s.Service.Development(), Now: time.Now}
	if s.Spotify.OwnApps {
		o.Own = func(clientID string) linking.Spotify { return askedSpotify{all.Own(clientID)} }
	}
	for _, app := range apps {
		client, err := all.Client(app.ClientID)
		if err != nil {
			continue // each of them has one
		}
		o.Apps = append(o.Apps, linking.App{ID: app.ClientID, Seats: app.Seats, Spotify: askedSpotify{client}})
	}
	if s.Spotify.RedirectURL != "" {
		o.RedirectURLs = []string{s.Spotify.RedirectURL}
	}
	return linking.New(o)
}

// pageAssets are the bundled page's files; a simulated Spotify paints its
// covers itself.
func pageAssets(s settings) ([]httpapi.Asset, error) {
	files, err := web.Files()
	if err != nil {
		return nil, err
	}
	policy := web.Policy()
	if s.Spotify.Mode() == config.Simulated {
		policy = web.Policy(s.Spotify.AuthorizeURL) // what browsers reach
	}
	assets := make([]httpapi.Asset, len(files))
	for i, f := range files {
		assets[i] = httpapi.Asset{Path: f.Path, ContentType: f.ContentType, Body: f.Body}
		if f.Path == "/" {
			assets[i].Policy = policy
		}
	}
	return assets, nil
}

// ready joins what is in the service's way, for the admin address.
func (a *service) ready(ctx context.Context) error {
	return errors.Join(a.db.Ready(ctx), a.board.Ready())
}

func measureBoard(registry prometheus.Registerer, b *board.Board) error {
	gauge := func(name, help string, value func(board.Stats) float64) error {
		return registry.Register(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: name, Help: help},
			func() float64 { return value(b.Stats()) }))
	}
	return errors.Join(
		gauge("songspy_board_people", "People who may be shown on the board.",
			func(s board.Stats) float64 { return float64(s.People) }),
		gauge("songspy_board_change_number", "The last change of the feed that is on the board.",
			func(s board.Stats) float64 { return float64(s.Number) }),
		gauge("songspy_board_feed_read_timestamp_seconds", "When the change feed was last read; long ago if never.",
			func(s board.Stats) float64 { return float64(s.Heard.UnixMilli()) / 1e3 }),
	)
}
