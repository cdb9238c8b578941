// Command up runs all of Songspy on this machine, for a developer who wants to
// see it live: the simulator, the API, the batch and two dozen simulated
// people. All processes end with the command.
//
// It takes the programs from its own directory, as `make up` builds them. With
// credentials of Spotify and Google in .env it uses no simulator and another
// database.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/joho/godotenv"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "up:", err)
		os.Exit(1)
	}
}

// run returns nil when ctx ends, and an error when a program ends.
func run(ctx context.Context, out io.Writer) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	given, err := environ()
	if err != nil {
		return err
	}
	plan, err := newPlan(given)
	if err != nil {
		return err
	}
	for _, port := range plan.ports {
		if err := port.checkFree(ctx); err != nil {
			return err
		}
	}
	if err := os.MkdirAll(".songspy", 0o700); err != nil {
		return err
	}
	supervisor := newSupervisor(filepath.Dir(self), plan.environLines(), out)
	err = supervisor.startAll(ctx, plan)
	if err == nil {
		fmt.Fprint(out, plan.welcomeText())
		err = supervisor.wait(ctx)
	}
	if ctx.Err() != nil {
		fmt.Fprintln(out, "stopping …")
		err = nil
	}
	return errors.Join(err, supervisor.stopAll())
}

// environ returns the environment of the process merged with the file .env,
// which it reads as the services do: it skips a byte order mark and trims
// values.
func environ() (map[string]string, error) {
	all := map[string]string{}
	content, err := os.ReadFile(".env")
	if err == nil {
		all, err = godotenv.Unmarshal(strings.TrimPrefix(string(content), "\ufeff"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// The parser's own message quotes the line, which may hold a secret.
		return nil, errors.New(".env: cannot be read as lines of NAME=value in UTF-8; correct or remove it")
	}
	for _, line := range os.Environ() {
		name, value, _ := strings.Cut(line, "=")
		all[name] = value
	}
	for name, value := range all {
		if strings.HasPrefix(name, "SONGSPY_") {
			all[name] = strings.TrimSpace(value)
		}
	}
	return all, nil
}

// checkFree returns an error if another program uses the port. Its message is
// clearer than the errors of two programs that answer each other's calls.
func (p port) checkFree(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is used by another program, perhaps by Songspy itself: stop it, or set %s to another address", p.addr, p.variable)
	case err != nil:
		return fmt.Errorf("%s: cannot listen at %q: %w", p.variable, p.addr, err)
	}
	return listener.Close()
}
