// Command songspy-batch polls the Spotify player of every linked user and renews
// access tokens. Two scheduled jobs plan this work; worker pools do it.
package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"

	"github.com/songspy/songspy/songspy-domain/command"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

// version and commit are set by the linker; see telemetry.Version.
var version, commit string

// commandLine lists the commands of songspy-batch. The library kong reads the struct tags,
// and calls the Run method of the chosen command.
type commandLine struct {
	Serve    serveCommand    `cmd:"" default:"1" help:"Serve until stopped. This is the default command."`
	Health   healthCommand   `cmd:"" help:"Check whether the running batch is ready."`
	Status   statusCommand   `cmd:"" help:"Print the state of links, polls, apps and quotas."`
	Backfill backfillCommand `cmd:"" help:"Fetch the Spotify history of all users now, and store missing plays."`
	Reseal   resealCommand   `cmd:"" help:"Encrypt all stored secrets again with the first seal key."`
	Version  versionCommand  `cmd:"" help:"Print the version and the commit."`
}

var cli = command.Program{Name: "songspy-batch", Description: description}

const description = `Polling, and renewing tokens.

It is configured by SONGSPY_… variables, or a file .env: see docs/configuration.md.

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration.`

func main() { os.Exit(cli.Main(run)) }

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) int {
	return cli.Run(ctx, &commandLine{}, &program{environ, stdout, stderr}, args, stdout, stderr)
}

// program holds the environment variables and the outputs, which every command may use.
type program struct {
	environ        map[string]string
	stdout, stderr io.Writer
}

// settings reads the configuration. An error is a command.ConfigError.
func (p *program) settings() (settings, error) { return command.LoadSettings[settings](p.environ) }

// withCheckedStore opens the database, checks that its schema is up to date, and
// calls work. Warnings of the store go to stderr.
func (p *program) withCheckedStore(ctx context.Context, s settings, work func(settings, *store.Store) error) error {
	log := slog.New(slog.NewTextHandler(p.stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	return withStore(ctx, s, log, func(s settings, db *store.Store) error {
		if err := db.CheckSchema(ctx); err != nil {
			return err
		}
		return work(s, db)
	})
}

// withStore opens the database, calls work and closes the database. The function work
// receives the settings with the seal keys that the store uses.
func withStore(ctx context.Context, s settings, log *slog.Logger, work func(settings, *store.Store) error) (err error) {
	if s, err = s.withKeys(); err != nil {
		return err
	}
	db, err := command.OpenStore(ctx, s.Service, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return work(s, db)
}

type serveCommand struct{}

func (serveCommand) Run(ctx context.Context, p *program) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	log := telemetry.NewLogger(p.stdout, s.Service.LogLevel, s.Service.LogFormat)
	for _, warning := range s.Service.ExposureWarnings(p.environ) {
		log.WarnContext(ctx, "the configuration may be wrong", slog.String("warning", warning))
	}
	return serve(ctx, s, log)
}

type healthCommand struct{}

func (healthCommand) Run(ctx context.Context, p *program) error {
	return telemetry.CheckReady(ctx, "SONGSPY_BATCH_ADDR", cmp.Or(p.environ["SONGSPY_BATCH_ADDR"], defaultAddr))
}

type versionCommand struct{}

func (versionCommand) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, telemetry.Version(version, commit))
	return err
}
