package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
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

// byHand are the commands that do one thing and end.
var commands = map[string]func(ctx context.Context, s settings, args []string, out, err io.Writer) error{
	"status": runStatus, "reseal": runReseal, "backfill": runBackfill,
}

// errUsage says that a command was called wrongly, and has said so.
var errUsage = errors.New("wrong usage")

// parse reads a command's flags.
func parseFlags(name string, args []string, errs io.Writer, define func(*flag.FlagSet)) error {
	f := flag.NewFlagSet("songspy-batch "+name, flag.ContinueOnError)
	f.SetOutput(errs)
	define(f)
	if err := f.Parse(args); err != nil {
		return errUsage
	}
	if f.NArg() > 0 {
		fmt.Fprintf(errs, "songspy-batch %s: there is no argument %q\n", name, f.Arg(0))
		return errUsage
	}
	return nil
}

// withStore opens the database for a command, and puts it away.
func withStore(ctx context.Context, s settings, errs io.Writer, work func(*store.Store) error) (err error) {
	if s, err = s.withKeys(); err != nil {
		return err
	}
	db, err := openStore(ctx, s, slog.New(slog.NewTextHandler(errs, &slog.HandlerOptions{Level: slog.LevelWarn})))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	if err := db.CheckSchema(ctx); err != nil {
		return err
	}
	return work(db)
}

func runStatus(ctx context.Context, s settings, args []string, out, errs io.Writer) error {
	var asJSON bool
	if err := parseFlags("status", args, errs, func(f *flag.FlagSet) { f.BoolVar(&asJSON, "json", false, "print JSON") }); err != nil {
		return err
	}
	return withStore(ctx, s, errs, func(db *store.Store) error {
		st, err := db.Status(ctx)
		if err != nil {
			return err
		}
		return writeStatus(statusReport{st, s.Spotify.DailyCalls}, asJSON, out)
	})
}

func runReseal(ctx context.Context, s settings, args []string, out, errs io.Writer) error {
	if err := parseFlags("reseal", args, errs, func(*flag.FlagSet) {}); err != nil {
		return err
	}
	s, err := s.withKeys()
	if err != nil {
		return err
	}
	keys, err := config.ParseKeys("SONGSPY_SEAL_KEYS", s.Service.SealKeys)
	if err != nil {
		return err
	}
	return withStore(ctx, s, errs, func(db *store.Store) error {
		return admin.Reseal(ctx, []admin.SealedKind{
			{Name: "links", Remedy: "ask these people to link Spotify again", Count: db.LinkCount, Reseal: adaptReseal(db.ResealLinks)},
			{Name: "addresses", Remedy: "wait until these people sign in again", Count: db.AddressCount, Reseal: adaptReseal(db.ResealAddresses)},
			{Name: "addresses of seats", Remedy: "have these people ask for a seat again", Count: db.SeatAddressCount, Reseal: adaptReseal(db.ResealSeatAddresses)},
			{Name: "keys of deleted plays", Remedy: "leave them: what history tells of these plays is then known by their times alone", Count: db.DeletionKeyCount, Reseal: adaptReseal(db.ResealDeletionKeys)},
		}, keys[0].ID, time.Now, out, errs)
	})
}

// resealing is a method of the store as the chore knows it.
func adaptReseal(of func(context.Context, songspy.UserID, int) (store.ResealResult, error)) func(context.Context, songspy.UserID, int) (admin.ResealResult, error) {
	return func(ctx context.Context, after songspy.UserID, limit int) (admin.ResealResult, error) {
		r, err := of(ctx, after, limit)
		return admin.ResealResult(r), err
	}
}

func runBackfill(ctx context.Context, s settings, args []string, out, errs io.Writer) (err error) {
	var user int64
	var since time.Duration
	err = parseFlags("backfill", args, errs, func(f *flag.FlagSet) {
		f.Int64Var(&user, "user", 0, "ask about this user alone")
		f.DurationVar(&since, "since", 0, "ask about so much of the past, such as 24h; all that Spotify holds otherwise")
	})
	if err == nil && (user < 0 || since < 0) {
		fmt.Fprintln(errs, "songspy-batch backfill: -user and -since must not be negative")
		err = errUsage
	}
	if err != nil {
		return err
	}
	release, err := singleinstance.Claim(s.Service.DatabaseURL) // on SQLite a running batch holds the file
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	return withStore(ctx, s, errs, func(db *store.Store) error {
		log := slog.New(slog.DiscardHandler)
		client := newSpotify(s, spotify.Config{
			AccountsURL: s.Spotify.AccountsURL, APIURL: s.Spotify.APIURL, MaxConns: s.PollConcurrency, Logger: log, Breakers: db,
		})
		keeping, stop := context.WithCancel(ctx)
		kept := make(chan struct{})
		go func() { defer close(kept); client.SyncBreakers(keeping) }()
		defer func() { stop(); <-kept }()
		b := admin.Backfill{
			Users: db, Player: client, Workers: min(s.PollConcurrency, 8), User: songspy.UserID(user),
			Renewer: &tokens.Renewer{
				Links: db, Provider: client, Now: time.Now, Logger: log, Metrics: tokens.NewMetrics(prometheus.NewRegistry()),
			},
			Now: time.Now, Wait: delayqueue.Wait,
		}
		if since > 0 {
			b.Since = time.Now().Add(-since)
		}
		return b.Run(ctx, out, errs)
	})
}
