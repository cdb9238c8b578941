// Command up runs all of Songspy on this machine, for a developer who wants to see it
// live: the simulator, the API and the batch, with two dozen simulated people. All
// processes end with the command.
//
// It starts the programs that are in the same directory as itself. `make up` builds all
// of them there. With credentials of Spotify and Google in the environment or in .env, it
// starts no simulator and uses another database.
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

// run starts all programs, and stops them before it returns. It returns nil if ctx ends, and
// an error if a program ends, cannot be started or does not stop in time.
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

// environ returns the variables of the file .env and of the environment of the process. If
// both have a variable, that of the process counts. As the services do, environ skips a byte
// order mark in the file, and trims the values of Songspy's variables.
func environ() (map[string]string, error) {
	all := map[string]string{}
	content, err := os.ReadFile(".env")
	if err == nil {
		all, err = godotenv.Unmarshal(strings.TrimPrefix(string(content), "\ufeff"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// The error of the parser is not shown, because it quotes the line, which may
		// contain a secret.
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

// checkFree returns an error if another program listens at the address. Without this check,
// the other program would answer calls that are meant for a program of Songspy, and the
// resulting errors would be hard to understand.
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
