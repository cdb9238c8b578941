// Command songspy-sim simulates Spotify and Google on one machine. Its subcommands serve
// both, sign up simulated people through Songspy's public API, let these people look at
// what others listen to, and check whether a simulator answers.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"syscall"
)

const usage = `songspy-sim simulates Spotify and Google.

  songspy-sim serve      serve both on 127.0.0.1:8090 until stopped
  songspy-sim populate   sign people up and link them through Songspy's API
  songspy-sim view       let people look at what others listen to, until stopped
  songspy-sim health     exit 0 if a simulator answers, else 1
  songspy-sim version    print the version and the commit

Every flag (songspy-sim <command> -h) is also an environment variable:
-people is SONGSPY_SIM_PEOPLE, -public-url is SONGSPY_SIM_PUBLIC_URL, and -sim
is SONGSPY_SIM_URL.
`

// version and commit are set by linker flags, in the builds of the images and by "make build".
var version, commit string

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.LookupEnv, os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, lookup func(string) (string, bool), stdout, stderr io.Writer) int {
	commands := map[string]func(context.Context, *settings, io.Writer) error{
		"serve": serve, "populate": populateCommand, "view": view, "health": health,
	}
	if len(args) == 0 {
		fmt.Fprint(stderr, usage)
		return 2
	}
	if args[0] == "help" || args[0] == "-h" || args[0] == "--help" {
		fmt.Fprint(stdout, usage)
		return 0
	}
	if args[0] == "version" {
		fmt.Fprintf(stdout, "%s (commit %s, %s)\n", cmp.Or(version, "unreleased"), cmp.Or(commit, "unknown"), runtime.Version())
		return 0
	}
	command, ok := commands[args[0]]
	if !ok {
		fmt.Fprintf(stderr, "songspy-sim: the command %q does not exist\n\n%s", args[0], usage)
		return 2
	}
	settings, err := readSettings(args[0], args[1:], lookup, stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		fmt.Fprintln(stderr, "songspy-sim:", err)
		return 2
	}
	settings.stderr = stderr
	if err := command(ctx, settings, stdout); err != nil {
		fmt.Fprintln(stderr, "songspy-sim:", err)
		return 1
	}
	return 0
}
