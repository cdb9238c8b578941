// Command songspy-batch asks Spotify, for everyone who linked it, what they
// hear, and keeps their links alive: two jobs by the clock, and the pools that
// do what the jobs plan.
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
	"syscall"

	"github.com/songspy/songspy/songspy-domain/config"
	"github.com/songspy/songspy/songspy-domain/telemetry"
)

const usage = `songspy-batch: what everyone hears, and links kept alive

  songspy-batch [serve]   work until told to end
  songspy-batch health    ask the running batch whether it is ready
  songspy-batch status    print how the service fares [-json]
  songspy-batch backfill  ask everybody's history now [-user N] [-since 24h]
  songspy-batch reseal    seal every token and address with the first key
  songspy-batch version   print the version and the commit

It is configured by SONGSPY_… variables, or a file .env: see docs/configuration.md.
`

// version and commit are set by the linker; see telemetry.Version.
var version, commit string

func main() { os.Exit(start()) }

func start() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	environ, err := config.Environ()
	if err != nil {
		fmt.Fprintln(os.Stderr, "songspy-batch:", err)
		return 2
	}
	for _, warning := range config.Warnings(environ) {
		fmt.Fprintln(os.Stderr, "songspy-batch: warning:", warning)
	}
	return run(ctx, os.Args[1:], environ, os.Stdout, os.Stderr)
}

// run is the whole program: 0 for success, 1 for a failure, 2 for a mistake in
// how it was called or configured.
func run(ctx context.Context, args []string, environ map[string]string, stdout, stderr io.Writer) int {
	command := "serve"
	if len(args) > 0 {
		command = args[0]
	}
	var err error
	switch {
	case commands[command] != nil:
		var s settings
		if err := config.Load(&s, environ); err != nil {
			fmt.Fprintln(stderr, "songspy-batch:", err)
			return 2
		}
		if err = commands[command](ctx, s, args[1:], stdout, stderr); errors.Is(err, errUsage) {
			return 2
		}
	case len(args) > 1:
		fmt.Fprint(stderr, usage)
		return 2
	case command == "help", command == "-h", command == "--help":
		fmt.Fprint(stdout, usage)
		return 0
	case command == "version":
		fmt.Fprintln(stdout, telemetry.Version(version, commit))
		return 0
	case command == "health":
		err = telemetry.CheckReady(ctx, "SONGSPY_BATCH_ADDR", cmp.Or(environ["SONGSPY_BATCH_ADDR"], defaultAddr))
	case command == "serve":
		var s settings
		if err := config.Load(&s, environ); err != nil {
			fmt.Fprintln(stderr, "songspy-batch:", err)
			return 2
		}
		log := telemetry.NewLogger(stdout, s.Service.LogLevel, s.Service.LogFormat)
		for _, warning := range s.Service.ExposureWarnings(environ) {
			log.WarnContext(ctx, "the configuration may be wrong", slog.String("warning", warning))
		}
		err = serve(ctx, s, log)
	default:
		fmt.Fprintf(stderr, "songspy-batch: there is no command %q\n\n%s", command, usage)
		return 2
	}
	if err != nil {
		fmt.Fprintln(stderr, "songspy-batch:", err)
		return 1
	}
	return 0
}
