// Command up runs the whole of Songspy on this machine, for a person who wants
// to see it live: the simulator, the API, the batch and two dozen listeners,
// until the person has seen enough. Nothing of it outlives the command.
//
// It takes its programs from its own directory, as `make up` builds them. With
// credentials of Spotify and Google in .env there is no simulator, and the
// database is another one.
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

// run returns nil when ctx ends, and an error when a program ends of itself.
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
		fmt.Fprintln(out, "ending …")
		err = nil
	}
	return errors.Join(err, supervisor.stopAll())
}

// environ is the process's environment over the file .env, read as the services
// read it: a byte order mark is skipped, and spaces around a value are cut.
func environ() (map[string]string, error) {
	all := map[string]string{}
	content, err := os.ReadFile(".env")
	if err == nil {
		all, err = godotenv.Unmarshal(strings.TrimPrefix(string(content), "\ufeff"))
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		// The parser's own message quotes the line at fault, which may be a secret.
		return nil, errors.New(".env: cannot be read as lines of NAME=value in UTF-8; mend it or take it away")
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

// free fails if another program holds the port: better now, in plain words,
// than by two programs that answer each other's questions.
func (p port) checkFree(ctx context.Context) error {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", p.addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("%s is taken by another program, perhaps by Songspy itself: end it, or set %s to another address", p.addr, p.variable)
	case err != nil:
		return fmt.Errorf("%s: %q cannot be listened at: %w", p.variable, p.addr, err)
	}
	return listener.Close()
}
