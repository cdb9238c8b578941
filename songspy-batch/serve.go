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
	"github.com/songspy/songspy/songspy-domain/changefeed"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"
	"github.com/songspy/songspy/songspy-domain/telemetry/logkey"
)

// schemaTimeout is how long the batch waits for the API to migrate the database
// schema.
const schemaTimeout = 2 * time.Minute

// leaseTimes are the times that all replicas of the batch have to agree on.
type leaseTimes struct {
	// length is how long a shard lease lasts without renewal. It is longer than one
	// call to Spotify plus several renewal intervals.
	length time.Duration
	// callTimeout is the longest time that a call to Spotify may take.
	callTimeout time.Duration
}

// replicaLease holds the lease times that this process uses. Tests with several
// replicas shorten them.
var replicaLease = leaseTimes{length: 15 * time.Second, callTimeout: poller.PollTimeout}

// serve runs the batch until ctx ends or a part of it fails.
func serve(ctx context.Context, s settings, log *slog.Logger) (err error) {
	release, err := singleinstance.Claim(s.Service.DatabaseURL)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return withStore(ctx, s, log, func(s settings, db *store.Store) error {
		listener, err := telemetry.Listen(ctx, "SONGSPY_BATCH_ADDR", s.Addr)
		if err != nil {
			return err
		}
		senders, err := newSenders(s)
		if err != nil {
			return err
		}
		return newBatch(s, db, nil, senders, log).run(ctx, listener)
	})
}

// database is what the batch needs of the store. It is an interface, so that
// tests can wrap the store.
type database interface {
	poller.Store
	poller.WatchStore
	changefeed.Feed
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
	// SaveLink stores the Spotify account and the tokens of a user's link.
	SaveLink(ctx context.Context, n songspy.NewLink) (songspy.Link, error)
	// WaitForSchema returns when the schema is the one that this version needs.
	WaitForSchema(ctx context.Context) error
	// Ready returns an error if the schema is wrong or writing fails.
	Ready(ctx context.Context) error
	// OnRecorded sets the function fn, which is called with the numbers of the plays and gaps
	// that a transaction has recorded.
	OnRecorded(fn func(songspy.RecordedCounts))
}

// batch is one batch: its settings and metrics, its clients of the database and of Spotify,
// and the components that do its work.
type batch struct {
	settings       settings
	log            *slog.Logger
	now            func() time.Time
	db             database
	metrics        *prometheus.Registry
	breakerMetrics telemetry.BreakerCollector
	quotaMetrics   telemetry.QuotaCollector
	apps           *spotify.Apps
	renewer        *tokens.Renewer
	leaser         *sharding.Leaser // nil if this batch runs alone
	poller         *poller.Poller
	refresher      *tokens.Job
	linkMetrics    *jobs.LinkMetrics
	notifier       *notify.Job // nil if no notification channel is configured
}

// newBatch makes a batch. The transport makes the calls to Spotify. If it is nil, they
// go over the network.
func newBatch(s settings, db database, transport http.RoundTripper, senders map[songspy.NotificationChannel]notify.Sender, log *slog.Logger) *batch {
	metrics := telemetry.NewRegistry()
	now := s.now
	if now == nil {
		now = time.Now
	}
	leaser := newLeaser(s, db, metrics, now, log)
	share, mayCall := func() float64 { return 1 }, func() bool { return true }
	var (
		shards   poller.Shards
		owns     func(songspy.UserID) bool
		isLeader func() bool
	)
	if leaser != nil {
		share, mayCall, shards, owns, isLeader = leaser.Share, leaser.MayCall, leaser, leaser.Owns, leaser.IsLeader
	}
	apps := newSpotify(s, spotify.Config{
		AccountsURL: s.Spotify.AccountsURL, APIURL: s.Spotify.APIURL,
		Transport: transport, MaxConns: s.PollConcurrency + s.RefreshConcurrency, Observe: telemetry.CallObserver(metrics), Logger: log,
		Breakers: db, Share: share, MayCall: mayCall, Now: now,
	})
	users := poller.NewRegistry(now, &poller.QuotaOptions{Account: apps.QuotaAccount, Headroom: apps.QuotaHeadroom, Share: share})
	renewer := &tokens.Renewer{
		Links: db, Provider: apps, OnRenewed: users.UpdateLink, Now: now, Logger: log, Metrics: tokens.NewMetrics(metrics),
	}
	b := &batch{
		settings: s, log: log, now: now, db: db, metrics: metrics,
		breakerMetrics: telemetry.BreakerCollector{Now: now, States: apps.Breakers},
		quotaMetrics:   telemetry.QuotaCollector{Now: now, Statuses: apps.QuotaStatuses},
		apps:           apps, renewer: renewer, leaser: leaser,
		poller: poller.New(poller.Options{
			Registry: users, Store: db, Feed: db, Player: apps, Renewer: renewer, TripForbidden: apps.TripForbidden, Shards: shards,
			Attention: &poller.AttentionOptions{Share: float64(s.Service.Attention) / 100, Store: db},
			Interval:  s.PollInterval, Spread: s.Spread, Workers: s.PollConcurrency,
			Now: now, Logger: log, Metrics: poller.NewMetrics(metrics),
		}),
		refresher: &tokens.Job{
			Renewer: renewer, Owns: owns, Interval: s.RefreshInterval, Spread: s.Spread, Workers: s.RefreshConcurrency,
			Now: now, Logger: log, Queue: delayqueue.New[songspy.UserID](now),
		},
		linkMetrics: &jobs.LinkMetrics{Links: db, IsLeader: isLeader, Now: now},
		notifier:    newNotifier(s, db, senders, apps, renewer, metrics, log),
	}
	db.OnRecorded(telemetry.RecordedCounter(metrics))
	metrics.MustRegister(b.breakerMetrics, b.quotaMetrics, b.linkMetrics)
	return b
}

// newLeaser returns the Leaser that leases the shards of users for this replica, or nil
// if no other replica can use the database (SQLite).
func newLeaser(s settings, db database, metrics *prometheus.Registry, now func() time.Time, log *slog.Logger) *sharding.Leaser {
	if !s.replicated() {
		return nil
	}
	return sharding.New(sharding.Options{
		Store: db, Owner: rand.Text(), LeaseLength: replicaLease.length, CallTimeout: replicaLease.callTimeout,
		Now: now, Logger: log, Metrics: sharding.NewMetrics(metrics),
	})
}

// newSpotify returns the clients of the configured Spotify apps.
func newSpotify(s settings, c spotify.Config) *spotify.Apps {
	apps, _ := s.Spotify.Apps() // never fails: config.Load accepts only settings with valid apps
	all := make([]spotify.App, len(apps))
	for i, app := range apps {
		all[i] = spotify.App{ID: app.ClientID, Secret: app.ClientSecret, Account: app.Account}
	}
	c.DailyCalls = s.Spotify.DailyCalls
	return spotify.NewApps(c, all...)
}

// run serves the admin address from the start, and does the batch's work when the
// schema is ready. It returns when ctx ends or one of the two fails, and closes the
// listener.
func (b *batch) run(ctx context.Context, listener net.Listener) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error {
		// The write timeout is long, because a CPU profile takes as long as its
		// request says.
		server := &http.Server{Handler: telemetry.AdminHandler(b.metrics, b.ready, b.notes, b.settings.Service.AdminHosts...), WriteTimeout: 5 * time.Minute}
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

// work runs the scheduled jobs and the worker pools until ctx ends.
func (b *batch) work(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { b.apps.SyncBreakers(ctx); return nil })
	polled := make(chan struct{}) // closed when the last poll has been made and written
	group.Go(func() error {
		defer close(polled)
		b.poller.Run(telemetry.WithAttrs(ctx, slog.String(logkey.Job, pollJob)))
		return nil
	})
	if b.leaser != nil {
		group.Go(func() error { b.leaser.Run(ctx, b.poller, polled); return nil })
	}
	group.Go(func() error {
		b.refresher.Serve(telemetry.WithAttrs(ctx, slog.String(logkey.Job, tokenRefreshJob)))
		return nil
	})
	group.Go(func() error {
		return schedule.Run(ctx, schedule.Options{Logger: b.log, Correlate: correlate}, b.jobs()...)
	})
	return group.Wait()
}

// waitForSchema waits until the API has migrated the schema, for schemaTimeout at most.
// Only the API migrates it.
func (b *batch) waitForSchema(ctx context.Context) error {
	within, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	if err := b.db.WaitForSchema(within); err != nil && ctx.Err() == nil {
		return err
	}
	return nil
}

// ready returns an error that says what prevents the batch from working, or nil.
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

// notes returns, for the operator, sentences about problems of a batch that
// still works, and about its shards (parts of the users).
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
