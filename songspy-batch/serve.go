package main

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sync/errgroup"

	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	"github.com/songspy/songspy/songspy-batch/internal/jobs"
	"github.com/songspy/songspy/songspy-batch/internal/notify"
	"github.com/songspy/songspy/songspy-batch/internal/poller"
	"github.com/songspy/songspy/songspy-batch/internal/schedule"
	"github.com/songspy/songspy/songspy-batch/internal/sharding"
	"github.com/songspy/songspy/songspy-batch/internal/singleinstance"
	"github.com/songspy/songspy/songspy-batch/internal/tokens"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

// schemaWithin is how long the API may take to bring the schema up to date.
const schemaTimeout = 2 * time.Minute

// leaseTerms are the times that replicas of the batch agree on.
type leaseTimes struct {
	// length is how long the shards of a replica that died stay reserved for it.
	// It outlasts a call and several heartbeats.
	length time.Duration
	// call is how long a call to Spotify may take that begins under a lease.
	callTimeout time.Duration
}

// leased are the terms of this process. The replicas of a test shorten them.
var replicaLease = leaseTimes{length: 15 * time.Second, callTimeout: poller.PollTimeout}

// serve works until ctx ends or something breaks, then puts everything away.
func serve(ctx context.Context, s settings, log *slog.Logger) (err error) {
	release, err := singleinstance.Claim(s.Service.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	if s, err = s.withKeys(); err != nil {
		return err
	}
	db, err := openStore(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	listener, err := telemetry.Listen(ctx, s.Addr)
	if err != nil {
		return err
	}
	b := newBatch(s, db, nil, log)
	senders, err := newSenders(s)
	if err != nil {
		return err
	}
	b.notifier = b.newNotifier(senders)
	return b.run(ctx, listener)
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

// database is all that the batch asks of the store.
type database interface {
	poller.Store
	poller.Feed
	tokens.Links
	jobs.CleanupStore
	jobs.UnregisteredLinks
	jobs.SeatAssigner
	notify.Outbox
	notify.Queue
	notify.Links
	notify.Seats
	spotify.BreakerStore
	sharding.Store
	jobs.LinkCounter
	// SaveLink completes a link whose grant was kept.
	SaveLink(ctx context.Context, n store.NewLink) (songspy.Link, error)
	// WaitForSchema returns once the schema is the one that the code needs.
	WaitForSchema(ctx context.Context) error
	// Ready says what is wrong with the schema or with writing.
	Ready(ctx context.Context) error
	// OnRecorded has fn told of every play and gap that is recorded.
	OnRecorded(fn func(songspy.RecordedCounts))
}

// batch is the batch, wired.
type batch struct {
	settings       settings
	log            *slog.Logger
	now            func() time.Time
	db             database
	registry       *prometheus.Registry
	breakerMetrics telemetry.BreakerCollector
	quotaMetrics   telemetry.QuotaCollector
	apps           *spotify.Apps
	renewer        *tokens.Renewer
	leaser         *sharding.Leaser // nil: this batch is alone
	poller         *poller.Poller
	refresher      *tokens.Job
	linkMetrics    *jobs.LinkMetrics
	notifier       *notify.Job // nil: nobody is told
}

// newBatch wires a batch. Calls to Spotify go by the given transport; nil means the network.
func newBatch(s settings, db database, via http.RoundTripper, log *slog.Logger) *batch {
	registry := telemetry.NewRegistry()
	now := s.now
	if now == nil {
		now = time.Now
	}
	b := &batch{settings: s, log: log, now: now, db: db, registry: registry}
	if s.replicated() {
		b.leaser = sharding.New(sharding.Options{
			Store: db, Owner: rand.Text(), LeaseLength: replicaLease.length, CallTimeout: replicaLease.callTimeout,
			Now: now, Logger: log, Metrics: sharding.NewMetrics(registry),
		})
	}
	b.apps = newSpotify(s, spotify.Config{
		AccountsURL: s.Spotify.AccountsURL, APIURL: s.Spotify.APIURL,
		Transport: via, MaxConns: s.PollConcurrency + s.RefreshConcurrency, Observe: telemetry.CallObserver(registry), Logger: log,
		Breakers: db, Share: b.share, MayCall: b.mayCall, Now: now,
	})
	users := poller.NewRegistry(now, &poller.QuotaOptions{Account: b.apps.QuotaAccount, Headroom: b.apps.QuotaHeadroom, Share: b.share})
	renewer := &tokens.Renewer{
		Links: db, Provider: b.apps, OnRenewed: users.UpdateLink, Now: now, Logger: log, Metrics: tokens.NewMetrics(registry),
	}
	db.OnRecorded(telemetry.RecordedCounter(registry))
	b.breakerMetrics = telemetry.BreakerCollector{Now: now, States: b.apps.Breakers}
	b.quotaMetrics = telemetry.QuotaCollector{Now: now, Statuses: b.apps.QuotaStatuses}
	registry.MustRegister(b.breakerMetrics, b.quotaMetrics)
	o := poller.Options{
		Registry: users, Store: db, Feed: db, Player: b.apps, Renewer: renewer,
		BlockApp: b.apps.TripForbidden, Interval: s.PollInterval, Spread: s.Spread, Workers: s.PollConcurrency,
		Now: now, Logger: log, Metrics: poller.NewMetrics(registry),
	}
	if b.leaser != nil {
		o.Shards = b.leaser
	}
	b.poller = poller.New(o)
	b.renewer = renewer
	b.refresher = &tokens.Job{
		Renewer: renewer, Interval: s.RefreshInterval, Spread: s.Spread, Workers: s.RefreshConcurrency,
		Now: now, Logger: log, Queue: delayqueue.New[songspy.UserID](now),
	}
	b.linkMetrics = &jobs.LinkMetrics{Links: db, Now: now}
	registry.MustRegister(b.linkMetrics)
	if b.leaser != nil {
		b.refresher.Owns, b.linkMetrics.IsLeader = b.leaser.Owns, b.leaser.IsLeader
	}
	return b
}

// newSpotify makes a client for each of the instance's apps.
func newSpotify(s settings, c spotify.Config) *spotify.Apps {
	apps, _ := s.Spotify.Apps() // its faults were told when the settings were read
	all := make([]spotify.App, len(apps))
	for i, app := range apps {
		all[i] = spotify.App{ID: app.ClientID, Secret: app.ClientSecret, Account: app.Account}
	}
	c.DailyCalls = s.Spotify.DailyCalls
	return spotify.NewApps(c, all...)
}

// share is the part of each app's pace that is this batch's.
func (b *batch) share() float64 {
	if b.leaser == nil {
		return 1
	}
	return b.leaser.Share()
}

// may says whether this batch may ask about anybody at this moment.
func (b *batch) mayCall() bool { return b.leaser == nil || b.leaser.MayCall() }

// run answers from the start, works once the schema is there, and ends with
// ctx or with whatever breaks first. It owns the listener.
func (b *batch) run(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		// A profile takes as long as it is asked to.
		server := &http.Server{Handler: telemetry.AdminHandler(b.registry, b.ready, b.notes, b.settings.Service.AdminHosts...), WriteTimeout: 5 * time.Minute}
		return telemetry.ServeOn(ctx, listener, server, b.log)
	})
	group.Go(func() error {
		if err := b.waitForSchema(ctx); err != nil {
			return err
		}
		return b.work(ctx)
	})
	return group.Wait()
}

// work runs the jobs and the pools that do what they plan, until ctx ends.
func (b *batch) work(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { b.apps.SyncBreakers(ctx); return nil })
	polled := make(chan struct{}) // closed once the last look has been made and written
	group.Go(func() error {
		defer close(polled)
		b.poller.Run(telemetry.WithAttrs(ctx, slog.String("job", pollJob)))
		return nil
	})
	if b.leaser != nil {
		group.Go(func() error { b.leaser.Run(ctx, b.poller, polled); return nil })
	}
	group.Go(func() error {
		b.refresher.Serve(telemetry.WithAttrs(ctx, slog.String("job", tokenRefreshJob)))
		return nil
	})
	group.Go(func() error {
		return schedule.Run(ctx, schedule.Options{Logger: b.log, Correlate: correlate}, b.jobs()...)
	})
	return group.Wait()
}

// waitForSchema waits until the API, which alone changes the schema, has.
func (b *batch) waitForSchema(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	if err := b.db.WaitForSchema(within); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// ready joins what keeps the batch from its work.
func (b *batch) ready(ctx context.Context) error {
	faults := []error{b.db.Ready(ctx)}
	if b.leaser != nil {
		faults = append(faults, b.leaser.Ready())
	}
	if faults[0] == nil {
		faults = append(faults, b.poller.Ready(ctx))
	}
	return errors.Join(faults...)
}

// notes says what limits a batch that is ready.
func (b *batch) notes() []string {
	notes := slices.Concat(b.breakerMetrics.Notes(), b.quotaMetrics.Notes(), b.apps.Notes(), b.renewer.Notes(), b.poller.Notes())
	if b.leaser != nil {
		notes = append(notes, b.leaser.Notes()...)
	}
	if b.notifier != nil {
		notes = append(notes, b.notifier.Notes()...)
	}
	return notes
}
