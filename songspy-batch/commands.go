package main

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/songspy/songspy/songspy-batch/internal/admin"
	"github.com/songspy/songspy/songspy-batch/internal/delayqueue"
	"github.com/songspy/songspy/songspy-batch/internal/singleinstance"
	"github.com/songspy/songspy/songspy-batch/internal/tokens"
	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/spotify"
	"github.com/songspy/songspy/songspy-domain/store"
)

type statusCommand struct {
	JSON bool `name:"json" help:"Print JSON instead of a table."`
}

func (c statusCommand) Run(ctx context.Context, p *program) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	return p.withCheckedStore(ctx, s, func(s settings, db *store.Store) error {
		st, err := db.Status(ctx)
		if err != nil {
			return err
		}
		return writeStatus(statusReport{st, s.Spotify.DailyCalls}, c.JSON, p.stdout)
	})
}

type resealCommand struct{}

func (resealCommand) Run(ctx context.Context, p *program) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	return p.withCheckedStore(ctx, s, func(s settings, db *store.Store) error {
		keys, err := config.ParseKeys("SONGSPY_SEAL_KEYS", s.Service.SealKeys)
		if err != nil {
			return err
		}
		column := func(name, remedy string, of store.SealedColumn) admin.SealedKind {
			return admin.SealedKind{
				Name: name, Remedy: remedy,
				Count: func(ctx context.Context) (int64, error) { return db.CountSealed(ctx, of) },
				Reseal: func(ctx context.Context, after songspy.UserID, limit int) (songspy.ResealResult, error) {
					return db.ResealColumn(ctx, of, after, limit)
				},
			}
		}
		return admin.Reseal(ctx, []admin.SealedKind{
			{Name: "links", Remedy: "ask these users to link Spotify again", Count: db.LinkCount, Reseal: db.ResealLinks},
			column("addresses", "wait until these users sign in again", store.MailAddresses),
			column("addresses of seats", "ask these users to request a seat again", store.SeatAddresses),
			column("keys of deleted plays", "leave them: history items of these plays are then recognized by their times alone", store.DeletionKeys),
			column("addresses of webhooks", "ask these users to set their webhook again", store.WebhookURLs),
			column("keys of webhooks", "ask these users to set their webhook again", store.WebhookKeys),
		}, keys[0].ID, time.Now, p.stdout, p.stderr)
	})
}

type backfillCommand struct {
	User  int64         `help:"Fetch only the user with this number (user_id in logs, user in songspy-api seats)." placeholder:"NUMBER"`
	Since time.Duration `help:"Fetch only plays of the last PERIOD, such as 24h. Without it, all that Spotify has." placeholder:"PERIOD"`
}

// Validate checks the flags; Kong calls it.
func (c backfillCommand) Validate() error {
	if c.User < 0 || c.Since < 0 {
		return errors.New("--user and --since must not be negative")
	}
	return nil
}

func (c backfillCommand) Run(ctx context.Context, p *program) (err error) {
	s, err := p.settings()
	if err != nil {
		return err
	}
	release, err := singleinstance.Claim(s.Service.DatabaseURL) // on SQLite, this fails while a batch is running
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return p.withCheckedStore(ctx, s, func(s settings, db *store.Store) error {
		log := slog.New(slog.DiscardHandler)
		client := newSpotify(s, spotify.Config{
			AccountsURL: s.Spotify.AccountsURL, APIURL: s.Spotify.APIURL, MaxConns: s.PollConcurrency, Logger: log, Breakers: db,
		})
		syncing, stop := context.WithCancel(ctx)
		synced := make(chan struct{})
		go func() { defer close(synced); client.SyncBreakers(syncing) }()
		defer func() { stop(); <-synced }()
		b := admin.Backfill{
			Users: db, Player: client, Workers: min(s.PollConcurrency, 8), User: songspy.UserID(c.User),
			Renewer: &tokens.Renewer{
				Links: db, Provider: client, Now: time.Now, Logger: log, Metrics: tokens.NewMetrics(prometheus.NewRegistry()),
			},
			Now: time.Now, Wait: delayqueue.Wait,
		}
		if c.Since > 0 {
			b.Since = time.Now().Add(-c.Since)
		}
		return b.Run(ctx, p.stdout, p.stderr)
	})
}
