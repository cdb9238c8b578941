// Command songspy-api is the service's public face: sign-up, linking, the live
// board, and the page that shows it.
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
	"os/signal"
	"syscall"

	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/store"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

//go:embed openapi.yaml
var contract []byte

const usage = `songspy-api: sign-up, linking and the live board

  songspy-api [serve]   serve until told to end
  songspy-api migrate   bring the database's schema up to date
  songspy-api keys      print fresh keys for the environment
  songspy-api seats     who has a seat in which Spotify app [entered|drop USER …]
  songspy-api invite    make an invite [-uses N] [-days D] [-note TEXT], or: list, revoke ID
  songspy-api health    ask the running service whether it is ready
  songspy-api version   print the version and the commit

It is configured by SONGSPY_… variables, or a file .env: see docs/configuration.md.
`

// version and commit are set by the linker; see telemetry.Version.
var version, commit string

func main() { os.Exit(runMain()) }

func runMain() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	environ, err := config.Environ()
	if err != nil {
		fmt.Fprintln(os.Stderr, "songspy-api:", err)
		return 2
	}
	for _, warning := range config.Warnings(environ) {
		fmt.Fprintln(os.Stderr, "songspy-api: warning:", warning)
	}
	return run(ctx, os.Args[1:], environ, os.Stdout, os.Stderr)
}

// desks are the commands at which an operator asks the database something; they
// take words of their own.
var operatorCommands = map[string]func(ctx context.Context, s settings, args []string, out io.Writer) error{
	"seats": seats, "invite": invite,
}

// atDesk lets ask speak to the database, if that is up to date.
func withCheckedStore(ctx context.Context, s settings, query func(*store.Store) error) error {
	return withStore(ctx, s, nil, func(db *store.Store) error {
		if err := db.CheckSchema(ctx); err != nil {
			return err
		}
		return query(db)
	})
}

// withStore opens the database for a command, and puts it away. A log of nil
// keeps silent.
func withStore(ctx context.Context, s settings, log *slog.Logger, work func(*store.Store) error) (err error) {
	if s, err = s.withKeys(); err != nil {
		return err
	}
	db, err := openStore(ctx, s, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	return work(db)
}

// run is the whole program: 0 for success, 1 for a failure, 2 for a mistake in
// how it was called or configured.
func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	var err error
	waitingList, isOperatorCommand := operatorCommands[command]
	switch {
	case isOperatorCommand:
		var s settings
		if err := config.Load(&s, environ); err != nil {
			fmt.Fprintln(stderr, "songspy-api:", err)
			return 2
		}
		err = waitingList(ctx, s, args[1:], stdout)
	case len(args) > 1:
		fmt.Fprint(stderr, usage)
		return 2
	case command == "help", command == "-h", command == "--help":
		fmt.Fprint(stdout, usage)
		return 0
	case command == "version":
		fmt.Fprintln(stdout, telemetry.Version(version, commit))
		return 0
	case command == "keys":
		fmt.Fprint(stdout, config.GenerateKeys("songspy").EnvFile())
		return 0
	case command == "health":
		err = telemetry.CheckReady(ctx, "SONGSPY_API_ADDR", cmp.Or(environ["SONGSPY_API_ADDR"], defaultAddr))
	case command == "migrate", command == "serve":
		var s settings
		if err := config.Load(&s, environ); err != nil {
			fmt.Fprintln(stderr, "songspy-api:", err)
			return 2
		}
		log := telemetry.NewLogger(stdout, s.Service.LogLevel, s.Service.LogFormat)
		if command == "migrate" {
			err = migrate(ctx, s, log, stdout)
		} else {
			for _, warning := range append(s.warnings(), s.Service.ExposureWarnings(environ)...) {
				log.WarnContext(ctx, "the configuration may be wrong", slog.String("warning", warning))
			}
			err = serve(ctx, s, log)
		}
	default:
		fmt.Fprintf(stderr, "songspy-api: there is no command %q\n\n%s", command, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(stderr, "songspy-api:", err)
		return 1
	}
	return 0
}

// migrate brings the schema up to date. The log says for whom it waits.
func migrate(ctx context.Context, s settings, log *slog.Logger, stdout io.Writer) error {
	err := withStore(ctx, s, log, func(db *store.Store) error { return db.Migrate(ctx) })
	if err != nil {
		return err
	}
	fmt.Fprintln(stdout, "The database's schema is up to date.")
	return nil
}
