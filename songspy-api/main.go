// Command songspy-api serves the HTTP API: sign-up, Spotify linking, the live
// board, each user's play history, and the bundled page.
package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"

	songspy "github.com/songspy/songspy/songspy-domain"
	"github.com/songspy/songspy/songspy-domain/command"
	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"

	"github.com/songspy/songspy/songspy-api/internal/forward"
	"github.com/songspy/songspy/songspy-api/internal/httpapi"
)

//go:embed openapi.yaml
var contract []byte

// parsedContract parses contract once.
var parsedContract = sync.OnceValues(func() (*httpapi.Contract, error) { return httpapi.ParseContract(contract) })

// version and commit are set by the linker; see telemetry.Version.
var version, commit string

// commandLine is the command line. Kong reads its tags and calls the Run method
// of the chosen command.
type commandLine struct {
	Serve   serveCommand   `cmd:"" default:"1" help:"Serve until stopped. This is the default command."`
	Migrate migrateCommand `cmd:"" help:"Bring the database's schema up to date."`
	Keys    keysCommand    `cmd:"" help:"Print new secret keys as environment variables."`
	Seats   seatsCommand   `cmd:"" help:"List seats in Spotify apps and the waiting list, and update them."`
	People  peopleCommand  `cmd:"" help:"List users and reports; hide, show and rename users."`
	Invite  inviteCommand  `cmd:"" help:"Create, list and revoke invites."`
	Health  healthCommand  `cmd:"" help:"Check whether the running service is ready."`
	Version versionCommand `cmd:"" help:"Print the version and the commit."`
	Forward forwardCommand `cmd:"" help:"Forward TCP connections to replicas. The service front of Compose runs this."`
}

var cli = command.Program{Name: "songspy-api", Description: description}

const description = `Sign-up, Spotify linking and the live board.

It is configured by SONGSPY_… variables, or a file .env: see docs/configuration.md.

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration.`

func main() { os.Exit(cli.Main(run)) }

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) int {
	return cli.Run(ctx, &commandLine{}, &program{environ, stdout}, args, stdout, stderr)
}

// program holds what every command may use: the environment and the standard output.
type program struct {
	environ map[string]string
	stdout  io.Writer
}

// settings reads the configuration. An error is a command.ConfigError.
func (p *program) settings() (settings, error) { return command.LoadSettings[settings](p.environ) }

// withCheckedStore opens the database, checks that its schema is up to date, and
// calls the function query.
func (p *program) withCheckedStore(ctx context.Context, query func(settings, *store.Store) error) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	return withStore(ctx, s, nil, func(db *store.Store) error {
		if err := db.CheckSchema(ctx); err != nil {
			return err
		}
		return query(s, db)
	})
}

// withRemedy returns err. If err is CodeNotFound, it returns that code with the given text, which says
// what does not exist and what to do.
func withRemedy(err error, notFound string, args ...any) error {
	if songspy.CodeOf(err) == songspy.CodeNotFound {
		return &songspy.Error{Code: songspy.CodeNotFound, Message: fmt.Sprintf(notFound, args...)}
	}
	return err
}

// withStore opens the database, calls the function work and closes the database.
// If log is nil, log messages of the store are discarded.
func withStore(ctx context.Context, s settings, log *slog.Logger, work func(*store.Store) error) (err error) {
	if s, err = s.withKeys(); err != nil {
		return err
	}
	db, err := command.OpenStore(ctx, s.Service, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return work(db)
}

type serveCommand struct{}

func (serveCommand) Run(ctx context.Context, p *program) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	log := telemetry.NewLogger(p.stdout, s.Service.LogLevel, s.Service.LogFormat)
	for _, warning := range append(s.warnings(), s.Service.ExposureWarnings(p.environ)...) {
		log.WarnContext(ctx, "the configuration may be wrong", slog.String("warning", warning))
	}
	return serve(ctx, s, log)
}

type migrateCommand struct{}

func (migrateCommand) Run(ctx context.Context, p *program) error {
	s, err := p.settings()
	if err != nil {
		return err
	}
	// Migrate needs a log, to say which other process it waits for.
	log := telemetry.NewLogger(p.stdout, s.Service.LogLevel, s.Service.LogFormat)
	if err := withStore(ctx, s, log, func(db *store.Store) error { return db.Migrate(ctx) }); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, "The database's schema is up to date.")
	return nil
}

type keysCommand struct{}

func (keysCommand) Run(p *program) error {
	_, err := fmt.Fprint(p.stdout, config.GenerateKeys("songspy").EnvFile())
	return err
}

type healthCommand struct{}

func (healthCommand) Run(ctx context.Context, p *program) error {
	return telemetry.CheckReady(ctx, "SONGSPY_API_ADDR", cmp.Or(p.environ["SONGSPY_API_ADDR"], defaultAddr))
}

type versionCommand struct{}

func (versionCommand) Run(p *program) error {
	_, err := fmt.Fprintln(p.stdout, telemetry.Version(version, commit))
	return err
}

type forwardCommand struct {
	Routes []forward.Route `arg:"" name:"route" help:"LISTEN=TARGET, such as 0.0.0.0:8080=api:8080."`
}

// Run does not read the configuration, because the container in which the
// forwarder runs has none.
func (c forwardCommand) Run(ctx context.Context, p *program) error {
	return forward.Forwarder{Log: telemetry.NewLogger(p.stdout, "info", "json")}.Run(ctx, c.Routes...)
}
