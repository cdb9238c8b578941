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
	"os/signal"
	"slices"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

// version and commit are set by the linker; see telemetry.Version.
var version, commit string

// The exit codes.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2 // the command line or the configuration is wrong
)

const programName = "songspy-batch"

// commandLine is the command line. Kong reads its tags and calls the Run method
// of the chosen command.
type commandLine struct {
	Serve    serveCommand    `cmd:"" default:"1" help:"Serve until stopped. This is the default command."`
	Health   healthCommand   `cmd:"" help:"Check whether the running batch is ready."`
	Status   statusCommand   `cmd:"" help:"Print the state of the service."`
	Backfill backfillCommand `cmd:"" help:"Fetch all users' history now."`
	Reseal   resealCommand   `cmd:"" help:"Encrypt every token and address with the first key."`
	Version  versionCommand  `cmd:"" help:"Print the version and the commit."`
}

const description = `Polling, and renewing tokens.

It is configured by SONGSPY_… variables, or a file .env: see docs/configuration.md.

Exit codes: 0 success, 1 failure, 2 wrong usage or configuration.`

func main() { os.Exit(runMain()) }

func runMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	environ, err := config.Environ()
	if err != nil {
		fmt.Fprintln(os.Stderr, "songspy-batch:", err)
		return exitUsage
	}
	for _, warning := range config.Warnings(environ) {
		fmt.Fprintln(os.Stderr, "songspy-batch: warning:", warning)
	}
	return run(ctx, os.Args[1:], environ, os.Stdout, os.Stderr)
}

// run runs one command and returns the exit code.
func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) int {
	if len(args) == 1 && args[0] == "help" {
		args = []string{"--help"}
	}
	helpPrinted := false
	parser, err := kong.New(&commandLine{}, kong.Name(programName), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(int) { helpPrinted = true }))
	if err != nil {
		fmt.Fprintln(stderr, "songspy-batch:", err)
		return exitFailed
	}
	command, err := parser.Parse(args)
	if helpPrinted { // --help; Parse goes on, because Exit returned
		return exitOK
	}
	if err != nil {
		fmt.Fprintf(stderr, "songspy-batch: %v\nRun `%s --help` for the usage.\n", err, parsedCommand(err))
		return exitUsage
	}
	command.BindTo(ctx, (*context.Context)(nil))
	err = command.Run(&program{environ, stdout, stderr})
	if err == nil {
		return exitOK
	}
	fmt.Fprintln(stderr, "songspy-batch:", err)
	if _, ok := errors.AsType[configError](err); ok {
		return exitUsage
	}
	return exitFailed
}

// parsedCommand returns the command whose help explains a parse error.
func parsedCommand(err error) string {
	if e, ok := errors.AsType[*kong.ParseError](err); ok {
		for _, step := range slices.Backward(e.Context.Path) {
			node := step.Node()
			if node == nil {
				continue
			}
			if node.Tag != nil && node.Tag.Default == "1" {
				node = node.Parent // the default command; its parent's help lists the alternatives
			}
			return node.FullPath()
		}
	}
	return programName
}

// program is what every command may use.
type program struct {
	environ        map[string]string
	stdout, stderr io.Writer
}

// configError is an error of the configuration.
type configError struct{ error }

func (e configError) Unwrap() error { return e.error }

// settings reads the configuration. An error is a configError.
func (p *program) settings() (settings, error) {
	var s settings
	if err := config.Load(&s, p.environ); err != nil {
		return s, configError{err}
	}
	return s, nil
}

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

// withStore opens the database, calls work and closes the database. work gets the
// settings with the keys that the store uses.
func withStore(ctx context.Context, s settings, log *slog.Logger, work func(settings, *store.Store) error) (err error) {
	if s, err = s.withKeys(); err != nil {
		return err
	}
	db, err := openStore(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return work(s, db)
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
